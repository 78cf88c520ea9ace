"""Clicking through the Evaluate dock."""

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QFileDialog, QTableView, QWidget

from napari_cellseg.events import Progress
from napari_cellseg.viewer.outcome_layer import is_overlay
from napari_cellseg.widgets.evaluate_dock import EvaluateDock

from .conftest import TIMEOUT

pytestmark = pytest.mark.qt
JOB = "napari_cellseg.viewer.evaluate_run.evaluating"


@pytest.fixture
def dock(qtbot, viewer: ViewerModel) -> Iterator[EvaluateDock]:
    dock = EvaluateDock(viewer)
    qtbot.addWidget(dock)
    yield dock
    dock.shut_down()


def scene(planes: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Two hits, one missed and two invented objects on the last plane; nothing elsewhere."""
    truth, prediction = np.zeros((planes, 60, 80), np.int32), np.zeros((planes, 60, 80), np.int32)
    truth[-1, 2:10, 2:10], truth[-1, 2:10, 20:30], truth[-1, 30:40, 2:10] = 1, 2, 3
    prediction[-1, 2:10, 2:10], prediction[-1, 30:40, 2:10] = 1, 2
    prediction[-1, 30:40, 40:50], prediction[-1, 50:56, 60:70] = 3, 4
    return (prediction, truth) if planes > 1 else (prediction[0], truth[0])


def add_scene(viewer: ViewerModel, planes: int = 1, **options: object) -> tuple[Labels, Labels]:
    prediction, truth = scene(planes)
    truth_layer = viewer.add_labels(truth, name="field truth", **options)
    return viewer.add_labels(prediction, name="field cells", **options), truth_layer


def click(qtbot, button: QWidget) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def run(qtbot, dock: EvaluateDock) -> None:
    """Press Evaluate and wait for the end."""
    qtbot.waitUntil(dock.panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, dock.panel.button)
    qtbot.waitUntil(lambda: not dock.panel.job.running, timeout=TIMEOUT)


def click_row(qtbot, table: QTableView, row: int) -> None:
    place = table.visualRect(table.model().index(row, 0)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_an_empty_viewer_says_what_is_needed(dock: EvaluateDock) -> None:
    assert not dock.panel.button.isEnabled()
    assert "Two labels layers are needed" in dock.panel.sentence.text()
    assert "Two labels layers are needed" in dock.panel.button.toolTip()


def test_one_click_from_two_layers_to_numbers(qtbot, dock: EvaluateDock, viewer: ViewerModel) -> None:
    prediction, truth = add_scene(viewer)
    assert (dock.panel.pair.prediction.layer, dock.panel.pair.truth.layer) == (prediction, truth)
    qtbot.waitUntil(lambda: "80 × 60 pixels" in dock.panel.sentence.text())
    run(qtbot, dock)
    result = dock.panel.result
    assert "2 of 3 objects found, 1 missed, 2 invented" in result.line.text()
    assert result.values["precision"].text() == "0.500"
    assert result.values["recall"].text() == "0.667"
    assert result.values["count_error"].text() == "+1"
    assert "predicted objects" in result.values["precision"].toolTip()
    assert result.values["mAP50"].isHidden()
    assert not dock.panel.error.sentence.text()
    (overlay,) = [layer for layer in viewer.layers if is_overlay(layer)]
    assert dock.panel.pair.prediction.findText(overlay.name) == -1
    assert dock.panel.pair.prediction.layer is prediction
    run(qtbot, dock)
    assert sum(is_overlay(layer) for layer in viewer.layers) == 1


def test_confidences_add_numbers(qtbot, dock: EvaluateDock, viewer: ViewerModel) -> None:
    prediction, _ = add_scene(viewer)
    prediction.features = {"index": [0, 1, 2, 3], "confidence": [np.nan, 0.9, 0.8, 0.3]}
    run(qtbot, dock)
    assert not dock.panel.result.values["mAP50"].isHidden()
    assert "1 predicted object has no confidence" in dock.panel.notes.text()


def test_choices_follow_the_viewer(dock: EvaluateDock, viewer: ViewerModel) -> None:
    prediction, truth = add_scene(viewer)
    pair = dock.panel.pair
    other = viewer.add_labels(scene()[0], name="other tool")
    assert (pair.prediction.layer, pair.truth.layer) == (other, truth)
    viewer.layers.selection.active = truth
    assert pair.prediction.layer is other
    viewer.layers.selection.active = prediction
    assert pair.prediction.layer is prediction
    truth.name = "renamed truth"
    assert pair.truth.currentText() == "renamed truth"
    viewer.layers.remove(truth)
    assert {pair.prediction.layer, pair.truth.layer} == {prediction, other}
    viewer.layers.clear()
    assert pair.truth.layer is None
    assert not pair.truth.isEnabled()


def test_a_truth_chosen_by_hand_stays(dock: EvaluateDock, viewer: ViewerModel) -> None:
    prediction, truth = add_scene(viewer)
    pair = dock.panel.pair
    other = viewer.add_labels(scene()[0], name="other tool")
    pair.truth.setCurrentIndex(pair.truth.findText("other tool"))
    pair.truth.activated.emit(pair.truth.currentIndex())
    viewer.layers.selection.active = prediction
    viewer.layers.selection.active = truth
    assert (pair.prediction.layer, pair.truth.layer) == (truth, other)


def test_different_sizes_are_explained(qtbot, dock: EvaluateDock, viewer: ViewerModel) -> None:
    add_scene(viewer)
    viewer.add_labels(np.zeros((20, 30), int), name="small")
    qtbot.waitUntil(lambda: "'small' has 30 × 20 pixels" in dock.panel.sentence.text())
    assert not dock.panel.button.isEnabled()


def test_volumes_are_offered_for_stacks_only(qtbot, dock: EvaluateDock, viewer: ViewerModel) -> None:
    add_scene(viewer)
    qtbot.waitUntil(dock.panel.button.isEnabled)
    assert dock.panel.objects.isHidden()
    viewer.layers.clear()
    add_scene(viewer, planes=3)
    qtbot.waitUntil(lambda: "3 planes" in dock.panel.sentence.text())
    assert not dock.panel.objects.isHidden()
    dock.panel.objects.choose(3)
    qtbot.waitUntil(lambda: "as a volume" in dock.panel.sentence.text())
    run(qtbot, dock)
    assert dock.panel.result.errors.model.columns[:2] == ["kind", "z"]


def test_a_click_jumps_to_the_mistake(qtbot, dock: EvaluateDock, viewer: ViewerModel) -> None:
    prediction, truth = add_scene(viewer, planes=3, scale=(1, 0.5, 0.5), translate=(0, 7, 0))
    viewer.dims.set_point(0, 0)
    run(qtbot, dock)
    dock.resize(360, 900)
    dock.show()
    errors = dock.panel.result.errors
    errors.kind.choose("missed")
    assert errors.shown.rowCount() == 1
    click_row(qtbot, errors.table, 0)
    assert viewer.dims.point[0] == 2
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (7 + 5.5 / 2, 24.5 / 2))
    assert viewer.layers.selection.active is truth
    assert truth.selected_label == 2
    assert dock.panel.pair.prediction.layer is prediction
    errors.kind.choose("invented")
    click_row(qtbot, errors.table, 0)
    qtbot.keyClick(errors.table, Qt.Key.Key_Down)
    assert prediction.selected_label == 4
    assert viewer.layers.selection.active is prediction


def test_mistakes_are_sorted_by_any_column(qtbot, dock: EvaluateDock, viewer: ViewerModel) -> None:
    add_scene(viewer)
    run(qtbot, dock)
    errors = dock.panel.result.errors
    x = errors.model.columns.index("x")
    errors.table.sortByColumn(x, Qt.SortOrder.DescendingOrder)
    shown = [errors.shown.index(row, x).data() for row in range(errors.shown.rowCount())]
    assert shown == ["64", "44", "24"]
    assert errors.kind.itemText(0) == "All mistakes (3)"
    assert "P4" in [errors.shown.index(0, c).data() for c in range(errors.shown.columnCount())]


@pytest.mark.parametrize(
    "typed, chosen, expected",
    [
        ("report.json", "", {"report.json"}),
        ("report", "CSV tables (*.csv)", {"report.csv", "report_errors.csv"}),
        ("report", "HTML report (*.html)", {"report.html"}),
    ],
)
def test_the_report_is_saved(
    qtbot, dock, viewer, tmp_path: Path, monkeypatch, typed, chosen, expected
) -> None:
    add_scene(viewer)
    run(qtbot, dock)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / typed), chosen))
    click(qtbot, dock.panel.result.save_button)
    qtbot.waitUntil(lambda: not dock.panel.job.running, timeout=TIMEOUT)
    assert {path.name for path in tmp_path.iterdir()} == expected
    assert "Saved" in dock.panel.notes.text()


def test_a_report_that_cannot_be_saved_is_explained(qtbot, dock, viewer, tmp_path: Path) -> None:
    add_scene(viewer)
    run(qtbot, dock)
    dock.panel.save(tmp_path / "report.docx")
    qtbot.waitUntil(lambda: not dock.panel.job.running, timeout=TIMEOUT)
    assert "another suffix" in dock.panel.error.sentence.text()
    assert dock.panel.button.isEnabled()


def failing(*_: object, **__: object) -> Iterator[Progress]:
    yield Progress("Evaluating", 0, 2)
    raise RuntimeError("a broken chunk")


def endless(ended: threading.Event):
    def evaluating(*_: object, **__: object) -> Iterator[Progress]:
        try:
            while True:
                threading.Event().wait(0.01)
                yield Progress("Evaluating", 1, 4)
        finally:
            ended.set()

    return evaluating


def test_errors_appear_in_words(qtbot, dock: EvaluateDock, viewer: ViewerModel, monkeypatch) -> None:
    monkeypatch.setattr(JOB, failing)
    add_scene(viewer)
    run(qtbot, dock)
    assert "a broken chunk" in dock.panel.error.sentence.text()
    assert "RuntimeError" in dock.panel.error.text.toPlainText()
    assert dock.panel.button.isEnabled()


def test_cancel_keeps_nothing(qtbot, dock: EvaluateDock, viewer: ViewerModel, monkeypatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(JOB, endless(ended))
    add_scene(viewer)
    qtbot.waitUntil(dock.panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, dock.panel.button)
    qtbot.waitUntil(lambda: dock.panel.job.bar.value() == 1, timeout=TIMEOUT)
    assert not dock.panel.button.isEnabled()
    click(qtbot, dock.panel.job.cancel_button)
    qtbot.waitUntil(lambda: "nothing was kept" in dock.panel.notes.text(), timeout=TIMEOUT)
    assert ended.is_set()
    assert not any(is_overlay(layer) for layer in viewer.layers)
    assert dock.panel.result.isHidden()


def test_closing_cancels_and_lets_go(qtbot, viewer: ViewerModel, monkeypatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(JOB, endless(ended))
    add_scene(viewer)
    dock = EvaluateDock(viewer)
    qtbot.addWidget(dock)
    qtbot.waitUntil(dock.panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, dock.panel.button)
    qtbot.waitUntil(lambda: dock.panel.job.bar.value() == 1, timeout=TIMEOUT)
    dock.shut_down()
    qtbot.waitUntil(ended.is_set, timeout=TIMEOUT)
    shown = dock.panel.pair.prediction.currentText()
    viewer.layers["field cells"].name = "renamed"
    assert dock.panel.pair.prediction.currentText() == shown


def test_layers_removed_after_a_run(qtbot, dock: EvaluateDock, viewer: ViewerModel) -> None:
    add_scene(viewer)
    run(qtbot, dock)
    viewer.layers.clear()
    dock.resize(360, 900)
    dock.show()
    click_row(qtbot, dock.panel.result.errors.table, 0)
    qtbot.waitUntil(lambda: "Two labels layers" in dock.panel.sentence.text())


def test_every_control_explains_itself_and_tab_goes_down(qtbot, dock: EvaluateDock, viewer) -> None:
    add_scene(viewer, planes=2)
    run(qtbot, dock)
    dock.panel.advanced.button.setChecked(True)
    dock.resize(350, 2000)
    dock.show()
    for kind in (QComboBox, QAbstractButton, QAbstractSpinBox, QTableView):
        for control in dock.panel.findChildren(kind):
            if (
                control.isVisible()
                and not control.objectName().startswith("qt_")
                and "Corner" not in repr(control)
            ):
                assert control.toolTip() or isinstance(control.parent(), QTableView), control
    dock.panel.pair.prediction.setFocus()
    heights = []
    for _ in range(9):
        focus = dock.window().focusWidget()
        heights.append(focus.mapTo(dock, focus.rect().topLeft()).y())
        qtbot.keyClick(focus, Qt.Key.Key_Tab)
    assert all(a <= b for a, b in pairwise(heights))
    assert dock.panel.minimumSizeHint().width() <= 350


def test_the_dock_works_on_the_proxy_that_napari_hands_out(qtbot, viewer: ViewerModel) -> None:
    prediction, truth = add_scene(viewer)
    dock = EvaluateDock(PublicOnlyProxy(viewer))
    qtbot.addWidget(dock)
    assert (dock.panel.pair.prediction.layer, dock.panel.pair.truth.layer) == (prediction, truth)
    dock.shut_down()
