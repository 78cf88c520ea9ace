"""Docks over napari's models, without a window, and a check that nothing outlives its test."""

from collections.abc import Callable, Iterator

import pytest
from napari.components import ViewerModel

try:
    from qtpy.QtCore import QThreadPool
    from qtpy.QtWidgets import QApplication
    from vispy.gloo import gl
    from vispy.scene import SceneCanvas

    from napari_cellseg.widgets.segment_dock import SegmentDock
except ImportError:
    collect_ignore_glob = ["test_*.py"]

from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.viewer.samples import simulated_layers

TIMEOUT = 30_000
"""Longest wait for something that should happen, milliseconds."""


@pytest.fixture(autouse=True)
def nothing_left(qtbot) -> Iterator[None]:
    """Fails on threads and windows that outlive a test."""
    before = set(QApplication.topLevelWidgets())
    yield
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=TIMEOUT)
    left = [w for w in QApplication.topLevelWidgets() if w not in before and w.isVisible()]
    assert not left


@pytest.fixture
def gl_without_a_screen(qapp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers for the graphics card that the offscreen platform doesn't have; nothing is drawn there."""
    if qapp.platformName() == "offscreen":
        answers = {gl.GL_EXTENSIONS: "GL_ARB_texture_float"}
        monkeypatch.setattr(gl, "glGetParameter", lambda name: answers.get(name, 2048))
        monkeypatch.setattr(SceneCanvas, "_draw_scene", lambda self, bgcolor=None: None)
        monkeypatch.setattr(SceneCanvas, "on_draw", lambda self, event: None)
        monkeypatch.setattr(SceneCanvas, "visual_at", lambda self, pos: None)


@pytest.fixture
def make_napari_viewer(gl_without_a_screen, make_napari_viewer):
    """napari's, with answers for a graphics card, which napari asks once and remembers."""
    return make_napari_viewer


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def add_field(viewer: ViewerModel) -> Callable[..., object]:
    """Adds a simulated field of nuclei."""

    def add(name: str = "field", seed: int = 3, **options: object) -> object:
        data, keywords, _ = simulated_layers(simulate_fluorescence((160, 200), seed=seed), name)[0]
        return viewer.add_image(data, **{**keywords, **options})

    return add


@pytest.fixture
def dock(qtbot, viewer: ViewerModel) -> Iterator["SegmentDock"]:
    dock = SegmentDock(viewer)
    qtbot.addWidget(dock)
    dock.panel.model_form.device.choose("cpu")
    yield dock
    dock.shut_down()
