"""The dock in a real viewer: its table, its keys, its menus, and closing."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.utils._proxies import PublicOnlyProxy
from npe2 import PluginManager
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QTableView

import napari_cellseg
from napari_cellseg.events import Progress
from napari_cellseg.viewer import samples
from napari_cellseg.widgets.features_table import ROWS_MEASURED
from napari_cellseg.widgets.segment_dock import SegmentDock
from napari_cellseg.widgets.workbench import DOCKS, open_path, open_workbench

from .conftest import TIMEOUT

pytestmark = pytest.mark.qt


@pytest.fixture
def napari_viewer(make_napari_viewer, add_field_to):
    viewer = make_napari_viewer()
    add_field_to(viewer)
    return viewer


@pytest.fixture
def add_field_to():
    def add(viewer):
        data, keywords, _ = samples.simulated_layers(
            samples.simulate_fluorescence((160, 200), seed=3), "field"
        )[0]
        return viewer.add_image(data, **keywords)

    return add


@pytest.fixture
def docked(napari_viewer) -> SegmentDock:
    dock = SegmentDock(napari_viewer)
    napari_viewer.window.add_dock_widget(dock, name="CellSeg segment")
    dock.panel.model_form.device.choose("cpu")
    return dock


def run(qtbot, dock: SegmentDock) -> None:
    qtbot.waitUntil(dock.panel.button.isEnabled, timeout=TIMEOUT)
    qtbot.mouseClick(dock.panel.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.panel.job.running, timeout=TIMEOUT)


def test_naparis_table_selects_the_right_cell(qtbot, napari_viewer, docked: SegmentDock) -> None:
    run(qtbot, docked)
    layer = napari_viewer.layers["field cells"]
    qtbot.mouseClick(docked.panel.table_button, Qt.MouseButton.LeftButton)
    (dock,) = [d for name, d in napari_viewer.window.dock_widgets.items() if "Features table" in name]
    table = dock.findChild(QTableView)
    assert table.horizontalHeader().resizeContentsPrecision() == ROWS_MEASURED
    assert table.model().rowCount() == layer.data.max() + 1
    table.selectRow(3)
    assert layer.selected_label == 3
    layer.selected_label = 2
    assert {i.row() for i in table.selectionModel().selectedIndexes()} == {2}
    docked.panel.model_form.confidence.box.setValue(0.98)
    qtbot.waitUntil(lambda: "filtered" in set(layer.features["status"].astype(str)))
    model = table.model()
    shown = {model.index(i, model.columnCount() - 1).data() for i in range(model.rowCount())}
    assert "filtered" in shown


def test_undo_keys_in_the_viewer(qtbot, napari_viewer, docked: SegmentDock) -> None:
    run(qtbot, docked)
    layer = napari_viewer.layers["field cells"]
    before = layer.data.copy()
    docked.panel.model_form.confidence.box.setValue(0.98)
    qtbot.waitUntil(lambda: not np.array_equal(layer.data, before) and not docked.panel._slider()._dragged)
    canvas = napari_viewer.window._qt_viewer.canvas.native
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(layer.data, before)
    assert docked.panel.model_form.confidence.value == 0.5
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(canvas, Qt.Key.Key_Z, both)
    assert docked.panel.model_form.confidence.value == 0.98


def endless(ended: threading.Event):
    def segmenting(image: object, **_: object) -> Iterator[Progress]:
        try:
            while True:
                threading.Event().wait(0.01)
                yield Progress("Segmenting", 1, 4)
        finally:
            ended.set()

    return segmenting


@pytest.mark.parametrize("how", ["dock", "viewer"])
def test_closing_cancels(qtbot, napari_viewer, docked: SegmentDock, monkeypatch, how: str) -> None:
    ended = threading.Event()
    monkeypatch.setattr("napari_cellseg.viewer.segment_run.segmenting", endless(ended))
    qtbot.waitUntil(docked.panel.button.isEnabled, timeout=TIMEOUT)
    qtbot.mouseClick(docked.panel.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: docked.panel.job.bar.value() == 1, timeout=TIMEOUT)
    if how == "dock":
        napari_viewer.window.dock_widgets["CellSeg segment"].parent().destroyOnClose()
    else:
        napari_viewer.close()
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=TIMEOUT)
    assert ended.is_set() or how == "viewer"


def test_closing_the_dock_gives_the_keys_back(qtbot, napari_viewer, docked: SegmentDock) -> None:
    run(qtbot, docked)
    layer = napari_viewer.layers["field cells"]
    assert len(layer.keymap) == 2
    napari_viewer.window.dock_widgets["CellSeg segment"].parent().destroyOnClose()
    assert not layer.keymap
    napari_viewer.add_image(np.zeros((20, 20)))
    napari_viewer.layers.clear()


def test_visible_field_is_what_the_camera_shows(qtbot, make_napari_viewer) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((1000, 1000), np.uint16))
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="CellSeg segment")
    dock.panel.part_form.run_on.setCurrentIndex(0)
    viewer.scene.camera.zoom = 20
    viewer.scene.camera.center = (500, 500)
    viewer.layers[0].corner_pixels = np.array([[490, 480], [509, 519]])
    viewer.scene.camera.zoom = 21
    qtbot.waitUntil(lambda: "40 × 20 pixels" in dock.panel.sentence.text())


def test_the_dock_works_on_the_proxy_that_napari_hands_out(napari_viewer) -> None:
    second = napari_viewer.add_image(np.zeros((20, 20)), name="second")
    dock = SegmentDock(PublicOnlyProxy(napari_viewer))
    napari_viewer.window.add_dock_widget(dock, name="CellSeg segment")
    for layer in (napari_viewer.layers["field"], second):
        napari_viewer.layers.selection.active = layer
        assert dock.panel.image_form.layer is layer


def test_menu_commands(make_napari_viewer) -> None:
    viewer = make_napari_viewer()
    if "napari-cellseg" not in PluginManager.instance():
        from npe2 import PluginManifest

        path = Path(napari_cellseg.__file__).parent / "napari.yaml"
        PluginManager.instance().register(PluginManifest.from_file(path))
    open_workbench(viewer)
    for title in DOCKS:
        assert any(title in name for name in viewer.window.dock_widgets)


def test_open_an_image_with_its_pixel_size(make_napari_viewer, tmp_path: Path) -> None:
    path = tmp_path / "field.tif"
    tifffile.imwrite(
        path, np.zeros((20, 30), np.uint16), imagej=True, resolution=(4, 4), metadata={"unit": "um"}
    )
    viewer = make_napari_viewer()
    open_path(viewer, str(path))
    assert viewer.layers[0].scale == pytest.approx((0.25, 0.25))
    (plain,) = viewer.open(str(path), plugin="napari")
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="CellSeg segment")
    assert dock.panel.image_form.layer is plain
    assert dock.panel.image_form.source.text() == "Pixel size from the file."
    assert dock.panel.choices().pixel_size.x == pytest.approx(0.25)
