"""Unfinished work is offered by every dock, answered once for all, and saved work is not offered."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Labels
from npe2 import PluginManager, PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

import napari_cellseg
from napari_cellseg.viewer.correct_session import CorrectSession
from napari_cellseg.widgets.correct_dock import CorrectDock
from napari_cellseg.widgets.dock import Dock
from napari_cellseg.widgets.evaluate_dock import EvaluateDock
from napari_cellseg.widgets.segment_dock import SegmentDock

from .conftest import TIMEOUT

pytestmark = pytest.mark.qt
LEFT = Qt.MouseButton.LeftButton
MANIFEST = PluginManifest.from_file(Path(napari_cellseg.__file__).parent / "napari.yaml")
CLASSES = {c.id: c.python_name for c in MANIFEST.contributions.commands}
DOCKS = [CLASSES[widget.command] for widget in MANIFEST.contributions.widgets]


def cells() -> np.ndarray:
    labels = np.zeros((40, 40), np.int32)
    labels[2:12, 2:12], labels[20:30, 5:25] = 1, 2
    return labels


def leave_work(viewer: ViewerModel, *, remove: bool = True) -> Labels:
    """Correct the labels of a field, and close without saving."""
    if "field" not in viewer.layers:
        viewer.add_image(np.arange(1600.0).reshape(40, 40), name="field")
    layer = viewer.add_labels(cells(), name="cells")
    session = CorrectSession(viewer, layer, viewer.layers["field"], None)
    session.correction.delete([1])
    session.close()
    if remove:
        viewer.layers.remove(layer)
    return layer


@pytest.fixture
def opened(qtbot) -> Iterator[list[Dock]]:
    docks: list[Dock] = []
    yield docks
    for dock in docks:
        qtbot.addWidget(dock)
        dock.shut_down()


def is_offered(dock: Dock) -> bool:
    return dock.offer.isVisibleTo(dock) and dock.offer.offer is not None


@pytest.mark.parametrize("name", DOCKS)
def test_every_dock_offers_it_when_it_opens_and_when_the_image_comes(
    qtbot, viewer: ViewerModel, opened: list[Dock], name: str
) -> None:
    leave_work(viewer)
    module, _, kind = name.partition(":")
    opened.append(getattr(import_module(module), kind)(viewer))
    (dock,) = opened
    qtbot.waitUntil(lambda: is_offered(dock), timeout=TIMEOUT)
    assert "1 step on 'cells' of 'field', last on" in dock.offer.sentence.text()
    image = viewer.layers.pop(viewer.layers.index("field"))
    qtbot.waitUntil(lambda: not is_offered(dock), timeout=TIMEOUT)
    viewer.add_layer(image)
    qtbot.waitUntil(lambda: is_offered(dock), timeout=TIMEOUT)


def test_an_answer_holds_in_all_docks_until_one_opens(qtbot, viewer: ViewerModel, opened: list[Dock]) -> None:
    leave_work(viewer)
    opened += [SegmentDock(viewer), EvaluateDock(viewer)]
    qtbot.waitUntil(lambda: all(map(is_offered, opened)), timeout=TIMEOUT)
    qtbot.mouseClick(opened[0].offer.put_off, LEFT)
    assert not any(map(is_offered, opened))
    opened.append(CorrectDock(viewer))
    qtbot.waitUntil(lambda: all(map(is_offered, opened)), timeout=TIMEOUT)
    qtbot.mouseClick(opened[2].offer.delete, LEFT)
    assert not is_asked_for_good(opened[0])
    qtbot.mouseClick(opened[2].offer.delete, LEFT)
    assert not any(map(is_offered, opened))


def is_asked_for_good(dock: Dock) -> bool:
    return dock.offer.sentence.text().startswith("Delete")


@pytest.fixture
def napari_viewer(make_napari_viewer):
    manager = PluginManager.instance()
    if "napari-cellseg" not in manager:
        manager.register(MANIFEST)
    return make_napari_viewer()


def test_it_is_resumed_from_another_dock(qtbot, napari_viewer) -> None:
    leave_work(napari_viewer)
    window = napari_viewer.window
    _, segment = window.add_plugin_dock_widget("napari-cellseg", "CellSeg segment")
    qtbot.waitUntil(lambda: is_offered(segment), timeout=TIMEOUT)
    qtbot.mouseClick(segment.offer.go_on, LEFT)
    _, correct = window.add_plugin_dock_widget("napari-cellseg", "CellSeg correct")
    layer = napari_viewer.layers["cells"]
    assert correct.panel.session.layer is layer
    assert correct.panel.notes.text() == "Resumed after 1 step."
    assert 1 not in layer.data
    correct.panel.act("undo")
    np.testing.assert_array_equal(layer.data, cells())
    for dock in (segment, correct):
        dock.shut_down()


def test_saving_ends_the_journal_and_the_table_comes_back(
    qtbot, viewer: ViewerModel, opened: list[Dock], tmp_path: Path, user_folder: Path, monkeypatch
) -> None:
    path = tmp_path / "field_labels.tif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(path), ""))
    viewer.add_image(np.arange(1600.0).reshape(40, 40), name="field")
    layer = viewer.add_labels(cells(), name="cells")
    opened.append(CorrectDock(viewer))
    panel = opened[0].panel
    panel.session.correction.set_class([2], "T cell")
    panel.session.correction.delete([1])
    assert "2 steps are not saved yet" in panel.saving.state.text()
    qtbot.mouseClick(panel.saving.save, LEFT)
    assert panel.saving.state.text().startswith("Saved in 'field_labels.tif' at")
    assert not list(user_folder.rglob("*.journal"))
    np.testing.assert_array_equal(tifffile.imread(path), layer.data)
    layer.selected_label = 2
    panel.act("grow")
    qtbot.mouseClick(panel.saving.save, LEFT)
    np.testing.assert_array_equal(tifffile.imread(path), layer.data)
    viewer.layers.clear()
    again = Labels(tifffile.imread(path), name="again", metadata={"path": str(path)})
    viewer.add_layer(again)
    qtbot.waitUntil(lambda: panel.session is not None and panel.session.layer is again, timeout=TIMEOUT)
    assert "field_features.csv" in panel.notes.text()
    assert again.features["class"].tolist() == ["", "", "T cell"]
    assert again.features["status"].astype(str).tolist() == ["", "", "edited"]


def test_work_that_is_not_kept_is_said_as_long_as_it_lasts(
    qtbot, viewer: ViewerModel, opened: list[Dock], user_folder: Path
) -> None:
    viewer.add_labels(cells(), name="cells")
    opened.append(CorrectDock(viewer))
    panel = opened[0].panel
    journals = user_folder / "data" / "journals"
    journals.parent.mkdir(parents=True)
    journals.write_text("in the way")
    panel.session.correction.delete([1])
    panel.session.correction.delete([2])
    assert "not kept on the disk at the moment" in panel.saving.state.text()
    journals.unlink()
    panel.act("undo")
    assert panel.saving.state.text() == "3 steps are not saved yet, but kept in the journal."
