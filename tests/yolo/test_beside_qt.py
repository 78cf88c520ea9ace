"""opencv, which brings a Qt of its own, and napari's viewer in one process."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from napari_cellseg.models.ultralytics_import import QT_VARIABLES

pytestmark = [
    pytest.mark.qt,
    pytest.mark.skipif(
        find_spec("napari") is None or not any(map(find_spec, ("PyQt6", "PySide6"))),
        reason="needs napari and a Qt binding",
    ),
]

VIEWER = """
import json, os, sys
import napari
from qtpy.QtWidgets import QApplication

viewer = napari.Viewer(show=False)
viewer.window.add_plugin_dock_widget("napari-cellseg", "CellSeg segment")
QApplication.processEvents()
told = {
    "first": [name for name in ("cv2", "ultralytics") if name in sys.modules],
    "platform": QApplication.platformName(),
    "docks": list(viewer.window.dock_widgets),
    "variables": {k: v for k, v in os.environ.items() if k in VARIABLES},
}
viewer.close()
print(json.dumps(told))
"""
WITH_ULTRALYTICS = """
from napari_cellseg.models.ultralytics_import import import_ultralytics
import_ultralytics()
"""


def open_viewer(before):
    """What a viewer tells about itself that is opened in a new process, behind other imports."""
    environment = {k: v for k, v in os.environ.items() if k not in QT_VARIABLES}
    environment["QT_QPA_PLATFORM"] = "offscreen"
    code = f"VARIABLES = {QT_VARIABLES!r}\n{before}\n{VIEWER}"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(find_spec("cv2") is None, reason="needs opencv")
def test_a_viewer_opens_behind_opencv():
    told = open_viewer("import cv2")
    assert told["first"] == ["cv2"]
    assert told["platform"] == "offscreen"
    assert any("CellSeg segment" in name for name in told["docks"])


@pytest.mark.skipif(find_spec("ultralytics") is None, reason="needs ultralytics")
def test_a_viewer_opens_behind_ultralytics_and_its_opencv():
    told = open_viewer(WITH_ULTRALYTICS)
    assert told["first"] == ["cv2", "ultralytics"]
    assert told["variables"] == {}
    assert told["platform"] == "offscreen"
    assert any("CellSeg segment" in name for name in told["docks"])
