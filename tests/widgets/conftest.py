"""Docks over napari's models, without a window, and a check that nothing outlives its test."""

from collections.abc import Callable, Iterator

import pytest
from napari.components import ViewerModel

try:
    from qtpy.QtCore import QThreadPool
    from qtpy.QtWidgets import QApplication

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
