"""Clicking through the Segment dock."""

import threading
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QSlider, QWidget

from napari_cellseg.errors import DeviceError, ModelError
from napari_cellseg.events import Progress
from napari_cellseg.models.registry import find_model
from napari_cellseg.viewer.choices import SegmentChoices
from napari_cellseg.viewer.run_on import RunOn
from napari_cellseg.viewer.settings import load_choices, save_choices, settings_file
from napari_cellseg.widgets import model_form
from napari_cellseg.widgets.segment_dock import SegmentDock

from .conftest import TIMEOUT

pytestmark = pytest.mark.qt
JOB = "napari_cellseg.viewer.segment_run.segmenting"


def click(qtbot, button: QWidget) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def run(qtbot, dock: SegmentDock) -> None:
    """Press Segment and wait for the end."""
    qtbot.waitUntil(dock.panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, dock.panel.button)
    qtbot.waitUntil(lambda: not dock.panel.job.running, timeout=TIMEOUT)


def result(viewer: ViewerModel) -> Labels:
    (layer,) = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    return layer


def test_an_empty_viewer_says_what_to_do(dock: SegmentDock) -> None:
    assert not dock.panel.button.isEnabled()
    assert "Open an image first" in dock.panel.sentence.text()
    assert "Open an image first" in dock.panel.button.toolTip()


def test_one_click_from_image_to_cells(qtbot, dock: SegmentDock, viewer: ViewerModel, add_field) -> None:
    add_field()
    run(qtbot, dock)
    layer = result(viewer)
    assert layer.name == "field cells"
    count = int(layer.data.max())
    assert dock.panel.line.text().startswith(f"field cells: {count} cells")
    assert "confluence" in dock.panel.line.text()
    assert len(layer.features) == count + 1
    assert layer.scale == pytest.approx((0.5, 0.5))
    assert not dock.panel.error.sentence.text()


def test_the_sentence_follows_the_form(qtbot, dock: SegmentDock, add_field) -> None:
    add_field()
    panel = dock.panel
    qtbot.waitUntil(lambda: "200 × 160 pixels" in panel.sentence.text())
    panel.model_form.size_by.choose("pixels")
    panel.model_form.size.setValue(48)
    qtbot.waitUntil(lambda: "about 48 pixels" in panel.sentence.text())
    panel.image_form.axes.setText("TYX")
    panel.image_form.axes.editingFinished.emit()
    qtbot.waitUntil(lambda: not panel.button.isEnabled())
    assert "TYX" in panel.sentence.text()


def test_layer_choices_follow_the_viewer(dock: SegmentDock, viewer: ViewerModel, add_field) -> None:
    choice = dock.panel.image_form.layers
    first, second = add_field("one"), add_field("two", seed=4)
    assert choice.layer is second
    viewer.layers.selection.active = first
    assert choice.layer is first
    first.name = "renamed"
    assert choice.currentText() == "renamed"
    viewer.layers.remove(first)
    assert choice.layer is second
    viewer.layers.clear()
    assert choice.layer is None
    assert not choice.isEnabled()


def test_channels_are_offered_only_where_there_are_several(dock: SegmentDock, viewer: ViewerModel) -> None:
    form = dock.panel.image_form
    viewer.add_image(np.zeros((3, 40, 50)), axis_labels=("c", "y", "x"))
    assert [form.channel.itemText(i) for i in range(form.channel.count())] == [
        "Channel 0", "Channel 1", "Channel 2", "Mean of all", "Brightest of all",
    ]  # fmt: skip
    form.channel.setCurrentIndex(1)
    assert dock.panel.choices().channel == 1
    viewer.add_image(np.zeros((40, 50)))
    assert form.channel.count() == 0
    assert dock.panel.choices().channel is None


def test_unknown_pixel_size_is_asked_for_and_applied(qtbot, dock: SegmentDock, viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((40, 50)))
    form = dock.panel.image_form
    assert "Pixel size unknown" in form.source.text()
    assert not form.apply.isEnabled()
    form.pixel.setValue(0.25)
    assert dock.panel.choices().pixel_size.x == 0.25
    click(qtbot, form.apply)
    assert layer.scale == pytest.approx((0.25, 0.25))
    assert str(layer.units[0]) == "micrometer"
    assert not form.apply.isEnabled()


def test_dragging_previews_and_letting_go_is_one_step(qtbot, dock, viewer: ViewerModel, add_field) -> None:
    add_field()
    run(qtbot, dock)
    layer = result(viewer)
    before, rows = layer.data.copy(), layer.features.copy()
    steps: list[object] = []
    layer.events.paint.connect(lambda event: steps.append(event))
    slider = dock.panel.model_form.confidence.slider
    slider.setSliderDown(True)
    for value in (60, 80, 98):
        slider.setValue(value)
    assert not steps
    assert np.count_nonzero(layer.data) < np.count_nonzero(before)
    slider.setSliderDown(False)
    assert len(steps) == 1
    qtbot.waitUntil(lambda: "filtered" in set(layer.features["status"].astype(str)))
    dock.panel._results[layer][0].undo()
    np.testing.assert_array_equal(layer.data, before)
    assert dock.panel.model_form.confidence.value == 0.5
    qtbot.waitUntil(lambda: layer.features.equals(rows))
    qtbot.waitUntil(lambda: "confidence 0.50" in dock.panel.sentence.text())


def test_the_keyboard_moves_the_slider_too(qtbot, dock, viewer: ViewerModel, add_field) -> None:
    add_field()
    run(qtbot, dock)
    layer = result(viewer)
    before = np.count_nonzero(layer.data)
    slider = dock.panel.model_form.confidence.slider
    for _ in range(5):
        qtbot.keyClick(slider, Qt.Key.Key_PageUp)
    sliders = dock.panel._results[layer][0]
    qtbot.waitUntil(lambda: sliders.threshold == 1 and not sliders._dragged)
    assert np.count_nonzero(layer.data) < before
    assert len(sliders._undo) == 1


def test_a_slider_that_rests_says_so(qtbot, dock, viewer: ViewerModel, add_field) -> None:
    add_field()
    run(qtbot, dock)
    panel = dock.panel
    slider = panel._results[result(viewer)][0]
    before = panel.line.text()
    slider.rest()
    assert "slider rests" in panel.line.text()
    assert not panel.table_button.isEnabled()
    panel.model_form.confidence.box.setValue(0.9)
    assert slider.threshold == 0.5
    slider.wake()
    qtbot.waitUntil(lambda: panel.line.text() == before)
    assert panel.table_button.isEnabled()


class Gate:
    """A job that waits in its thread until it is let through."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.waiting = threading.Event()
        self.ended = threading.Event()

    def segmenting(self, image: object, *, out: np.ndarray, **_: object) -> Iterator[Progress]:
        try:
            yield Progress("Segmenting", 1, 4)
            for step in range(2, 100):
                self.waiting.set()
                self.open.wait(TIMEOUT / 1000)
                yield Progress("Segmenting", min(step, 3), 4)
        finally:
            self.ended.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(JOB, gate.segmenting)
    return gate


def start(qtbot, dock: SegmentDock, gate: Gate) -> None:
    qtbot.waitUntil(dock.panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, dock.panel.button)
    qtbot.waitUntil(gate.waiting.is_set, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: dock.panel.job.bar.value() == 1, timeout=TIMEOUT)


def test_progress_time_left_and_cancel(qtbot, dock: SegmentDock, gate: Gate, add_field) -> None:
    add_field()
    start(qtbot, dock, gate)
    job = dock.panel.job
    assert "left" in job.line.text()
    assert not dock.panel.button.isEnabled()
    assert "going on" in dock.panel.button.toolTip()
    click(qtbot, job.cancel_button)
    gate.open.set()
    qtbot.waitUntil(lambda: not job.running, timeout=TIMEOUT)
    assert "Cancelled" in dock.panel.notes.text()
    assert dock.panel.button.isEnabled()


def test_closing_the_dock_cancels(qtbot, dock: SegmentDock, gate: Gate, add_field) -> None:
    add_field()
    start(qtbot, dock, gate)
    dock.shut_down()
    gate.open.set()
    qtbot.waitUntil(gate.ended.is_set, timeout=TIMEOUT)


@pytest.mark.parametrize("error", [DeviceError("The GPU is busy."), RuntimeError("boom")])
def test_errors_are_words_with_details(qtbot, dock, add_field, monkeypatch, error: Exception) -> None:
    def failing(*_: object, **__: object) -> Iterator[Progress]:
        yield Progress("Segmenting", 0, 1)
        raise error

    monkeypatch.setattr(JOB, failing)
    add_field()
    run(qtbot, dock)
    box = dock.panel.error
    assert str(error) in box.sentence.text()
    assert "Traceback" not in box.sentence.text()
    assert box.text.isHidden()
    box.details.click()
    assert not box.text.isHidden()
    assert "in failing" in box.text.toPlainText()
    assert dock.panel.button.isEnabled()


def test_warnings_are_shown(qtbot, dock: SegmentDock, viewer: ViewerModel) -> None:
    viewer.add_image(np.full((64, 64), 7, np.uint16))
    run(qtbot, dock)
    assert "one intensity only" in dock.panel.notes.text()


def test_a_layer_removed_in_mid_run_ends_it(qtbot, dock, viewer: ViewerModel, add_field, gate: Gate) -> None:
    add_field()
    start(qtbot, dock, gate)
    dock.panel._run._show()
    viewer.layers.remove(result(viewer))
    gate.open.set()
    qtbot.waitUntil(lambda: not dock.panel.job.running, timeout=TIMEOUT)
    assert len(viewer.layers) == 1


def test_the_image_removed_in_mid_run(qtbot, dock, viewer: ViewerModel, add_field) -> None:
    image = add_field()
    qtbot.waitUntil(dock.panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, dock.panel.button)
    viewer.layers.remove(image)
    qtbot.waitUntil(lambda: not dock.panel.job.running, timeout=TIMEOUT)
    assert result(viewer).data.max() > 0


def test_results_of_two_images_keep_their_own_threshold(qtbot, dock, viewer: ViewerModel, add_field) -> None:
    confidence = dock.panel.model_form.confidence
    for seed in (3, 4):
        add_field(f"field {seed}", seed=seed)
        run(qtbot, dock)
    first, second = (viewer.layers[f"field {seed} cells"] for seed in (3, 4))
    viewer.layers.selection.active = first
    confidence.box.setValue(0.8)
    qtbot.waitUntil(lambda: dock.panel._results[first][0].threshold == 0.8)
    viewer.layers.selection.active = second
    assert confidence.value == 0.5
    assert dock.panel.line.text().startswith("field 4 cells")
    viewer.layers.selection.active = first
    assert confidence.value == 0.8


def test_copy_as_script(qtbot, dock: SegmentDock, add_field) -> None:
    add_field()
    run(qtbot, dock)
    click(qtbot, dock.panel.script_button)
    script = QGuiApplication.clipboard().text()
    assert "cs.segment(" in script
    compile(script, "script", "exec")


def test_choices_are_remembered(qtbot, viewer: ViewerModel, dock: SegmentDock, add_field) -> None:
    add_field()
    dock.panel.model_form.size_by.choose("pixels")
    dock.panel.model_form.size.setValue(21)
    run(qtbot, dock)
    assert load_choices()[0].size == 21
    again = SegmentDock(viewer)
    qtbot.addWidget(again)
    assert again.panel.choices().size == 21
    assert again.panel.choices().size_by == "pixels"
    again.shut_down()


def test_broken_settings_are_said(qtbot, viewer: ViewerModel) -> None:
    settings_file().parent.mkdir(parents=True)
    settings_file().write_text("{")
    dock = SegmentDock(viewer)
    qtbot.addWidget(dock)
    assert "could not be read" in dock.panel.notes.text()
    dock.shut_down()


def test_a_model_that_is_gone_is_said(qtbot, viewer: ViewerModel) -> None:
    save_choices(SegmentChoices(model="/gone/cells.onnx"))
    dock = SegmentDock(viewer)
    qtbot.addWidget(dock)
    assert "/gone/cells.onnx" in dock.panel.notes.text()
    assert dock.panel.choices().model == "nuclei"
    dock.shut_down()


def test_a_file_that_is_no_model_is_said(dock: SegmentDock, tmp_path) -> None:
    path = tmp_path / "cells.onnx"
    path.write_bytes(b"nonsense")
    dock.panel.model_form.open_model(str(path))
    assert "cells.onnx" in dock.panel.error.sentence.text()
    assert dock.panel.choices().model == "nuclei"


def test_a_pickle_must_be_trusted(qtbot, dock: SegmentDock, tmp_path, monkeypatch) -> None:
    opened = []

    def find(path):
        if str(path).endswith(".pt"):
            opened.append(path)
            raise ModelError("no weights of a network")
        return find_model(path)

    monkeypatch.setattr(model_form, "find_model", find)
    form = dock.panel.model_form
    path = tmp_path / "cells.pt"
    path.write_bytes(b"a pickle")
    form.open_model(str(path))
    assert "Trust this file" in dock.panel.error.sentence.text()
    assert not form.trust.isHidden()
    assert not opened
    form.trust.click()
    assert form.trust.isHidden()
    qtbot.waitUntil(lambda: "no weights of a network" in dock.panel.error.sentence.text())
    qtbot.waitUntil(form.open_file.isEnabled)
    assert opened == [str(path)]
    form.open_model(str(path))
    qtbot.waitUntil(lambda: len(opened) == 2)
    qtbot.waitUntil(form.open_file.isEnabled)


def test_a_stack_offers_planes_and_links(qtbot, dock: SegmentDock, viewer: ViewerModel) -> None:
    part = dock.panel.part_form
    viewer.add_image(np.zeros((4, 40, 50), np.uint16))
    assert not part.link.isHidden()
    assert not part.link.isEnabled()
    part.run_on.choose(RunOn.ALL)
    assert part.link.isEnabled()
    part.link.setChecked(True)
    qtbot.waitUntil(lambda: "3-D objects" in dock.panel.sentence.text())
    viewer.add_image(np.zeros((40, 50), np.uint16))
    assert part.link.isHidden()
    assert part.value is RunOn.PLANE


def test_an_image_that_was_there_before_the_dock(qtbot, viewer: ViewerModel) -> None:
    viewer.add_image(np.zeros((4, 40, 50), np.uint16))
    dock = SegmentDock(viewer)
    qtbot.addWidget(dock)
    dock.panel.part_form.run_on.choose(RunOn.ALL)
    qtbot.waitUntil(lambda: "4 planes" in dock.panel.sentence.text())
    dock.shut_down()


def test_a_region_drawn_in_a_shapes_layer(qtbot, dock: SegmentDock, viewer: ViewerModel, add_field) -> None:
    add_field()
    part = dock.panel.part_form
    part.run_on.choose(RunOn.SHAPES)
    qtbot.waitUntil(lambda: "Shapes layer" in dock.panel.sentence.text())
    click(qtbot, part.draw)
    part.shapes.layer.add_rectangles([[20, 20], [99, 119]])
    dock.panel._preflight()
    assert "100 × 80 pixels" in dock.panel.sentence.text()


CONTROLS = (QAbstractButton, QComboBox, QAbstractSpinBox, QSlider, QLineEdit)


def controls(dock: SegmentDock) -> list[QWidget]:
    inner, of_qt = (QAbstractSpinBox, QComboBox), ("ScrollLeftButton", "ScrollRightButton")
    found = [w for w in dock.findChildren(QWidget) if isinstance(w, CONTROLS)]
    return [w for w in found if not isinstance(w.parent(), inner) and w.objectName() not in of_qt]


def test_every_control_explains_itself(dock: SegmentDock) -> None:
    assert len(controls(dock)) > 15
    silent = [w for w in controls(dock) if not w.toolTip() or not w.accessibleName()]
    assert not [(type(w).__name__, w.toolTip(), w.accessibleName()) for w in silent]


def test_every_control_is_reached_by_the_tab_key(dock: SegmentDock) -> None:
    skipped = [w for w in controls(dock) if not w.focusPolicy() & Qt.FocusPolicy.TabFocus]
    assert not [w.accessibleName() for w in skipped]


def test_the_tab_key_goes_from_top_to_bottom(qtbot, dock: SegmentDock, viewer: ViewerModel) -> None:
    viewer.add_image(np.zeros((3, 40, 50)), axis_labels=("c", "y", "x"))
    dock.panel.advanced.button.setChecked(True)
    dock.show()
    qtbot.waitExposed(dock)
    widget, heights = dock.panel.image_form.layers, []
    while widget is not dock.panel.script_button:
        if widget in controls(dock) and widget.isVisible():
            heights.append(widget.mapTo(dock, QPoint(0, widget.height() // 2)).y())
        widget = widget.nextInFocusChain()
    assert len(heights) > 10
    assert all(after >= before - 4 for before, after in pairwise(heights))
    dock.hide()


def test_narrow_enough(qtbot, dock: SegmentDock, viewer: ViewerModel) -> None:
    viewer.add_image(np.zeros((4, 40, 50)), name="a layer with a very long name " * 4)
    dock.panel.advanced.button.setChecked(True)
    dock.panel.error.show_error(ValueError("word" * 60))
    dock.resize(360, 600)
    dock.show()
    qtbot.waitExposed(dock)
    assert dock.width() <= 380
    for widget in controls(dock):
        if widget.isVisible():
            right = widget.mapTo(dock, QPoint(widget.width(), 0)).x()
            assert right <= dock.width(), widget.accessibleName()
    dock.hide()
