"""Clicking through the Measure dock."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QWidget

from napari_cellseg.events import Progress, drain
from napari_cellseg.features.measuring import measure
from napari_cellseg.features.tables import read_table
from napari_cellseg.labels.whole import removing_small
from napari_cellseg.viewer.editing import Editor
from napari_cellseg.widgets.measure_dock import MeasureDock

from .conftest import TIMEOUT

pytestmark = pytest.mark.qt


@pytest.fixture
def dock(qtbot, viewer: ViewerModel) -> Iterator[MeasureDock]:
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    yield dock
    dock.shut_down()


def field(count: int = 9) -> np.ndarray:
    """Squares of growing size, three in a row."""
    labels = np.zeros((60, 60), np.int32)
    for i in range(count):
        y, x = divmod(i, 3)
        labels[20 * y + 2 : 20 * y + 8 + i, 20 * x + 2 : 20 * x + 10] = i + 1
    return labels


def add_field(viewer: ViewerModel, **options: object) -> Labels:
    labels = field()
    viewer.add_image(labels.astype(np.uint16) * 10, name="stain", **options)
    return viewer.add_labels(labels, name="cells", **options)


def click(qtbot, button: QWidget) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def run(qtbot, dock: MeasureDock) -> None:
    """Press Measure and wait for the end."""
    qtbot.waitUntil(dock.panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, dock.panel.button)
    qtbot.waitUntil(lambda: not dock.panel.job.running, timeout=4 * TIMEOUT)  # kernels compile at first
    assert not dock.panel.error.sentence.text()


def test_an_empty_viewer_says_what_is_needed(dock: MeasureDock) -> None:
    assert not dock.panel.button.isEnabled()
    assert "Segment an image first" in dock.panel.sentence.text()
    assert "Segment an image first" in dock.panel.button.toolTip()


def test_one_click_from_labels_to_numbers(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    layer = add_field(viewer, scale=(0.5, 0.5), units=("µm", "µm"))
    qtbot.waitUntil(lambda: "60 × 60 pixels" in dock.panel.sentence.text())
    run(qtbot, dock)
    result = dock.panel.result
    assert "cells: 9 cells, mean area 20.0 µm²" in result.line.text()
    assert result.values["n"].text() == "9"
    assert result.values["mean"].text().startswith("20.0 ± ")
    assert result.values["confluence"].text() == "20 %"
    assert layer.features["area"][1:].tolist() == measure(layer.data, scale=0.5)["area"].tolist()
    result.feature.choose("perimeter")
    assert result.values["mean"].text().endswith("µm")


def test_the_result_follows_an_edit(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    layer = add_field(viewer)
    run(qtbot, dock)
    layer.fill((4, 4), 0)
    qtbot.waitUntil(lambda: "8 cells" in dock.panel.result.line.text())
    layer.undo()
    qtbot.waitUntil(lambda: "9 cells" in dock.panel.result.line.text())


def test_an_edit_of_the_whole_image_is_measured_in_the_background(
    qtbot, dock: MeasureDock, viewer: ViewerModel
) -> None:
    layer = add_field(viewer)
    run(qtbot, dock)
    editor = Editor(layer)
    editor.apply_whole(drain(removing_small(layer.data, editor.ready(), 60)))
    qtbot.waitUntil(lambda: "7 cells" in dock.panel.result.line.text(), timeout=TIMEOUT)
    qtbot.waitUntil(lambda: not dock.panel.job.running)
    editor.undo()
    qtbot.waitUntil(lambda: "9 cells" in dock.panel.result.line.text(), timeout=TIMEOUT)
    assert layer.features["area"].notna().sum() == 9
    qtbot.waitUntil(lambda: not dock.panel.job.running)


@pytest.mark.parametrize("name", ["cells.csv", "cells.parquet"])
def test_save_the_table(qtbot, dock: MeasureDock, viewer: ViewerModel, tmp_path: Path, name: str) -> None:
    layer = add_field(viewer, scale=(0.5, 0.5), units=("µm", "µm"))
    layer.features = {"index": range(10), "class": ["", *"ab" * 4, "c"]}
    run(qtbot, dock)
    dock.panel.save(tmp_path / name)
    qtbot.waitUntil(lambda: not dock.panel.job.running, timeout=TIMEOUT)
    assert f"Saved {tmp_path / name}" in dock.panel.notes.text()
    saved = read_table(tmp_path / name)
    assert saved["area"].tolist() == layer.features["area"][1:].tolist()
    assert "".join(saved["class"]) == "ababababc"
    assert saved.attrs["units"]["area"] == "µm²"
    assert saved.attrs["provenance"]["settings"]["layer"] == "cells"


def test_an_error_while_saving_is_said(qtbot, dock: MeasureDock, viewer: ViewerModel, tmp_path: Path) -> None:
    add_field(viewer)
    run(qtbot, dock)
    dock.panel.save(tmp_path / "cells.xyz")
    qtbot.waitUntil(lambda: not dock.panel.job.running, timeout=TIMEOUT)
    assert "cells.xyz" in dock.panel.error.sentence.text()
    assert dock.panel.button.isEnabled()


def test_each_layer_keeps_its_result(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    first = add_field(viewer)
    run(qtbot, dock)
    second = viewer.add_labels(field(4), name="others")
    assert dock.panel.result.isHidden()
    run(qtbot, dock)
    assert "others: 4 cells" in dock.panel.result.line.text()
    viewer.layers.selection.active = first
    assert "cells: 9 cells" in dock.panel.result.line.text()
    viewer.layers.remove(first)
    qtbot.waitUntil(lambda: dock.panel.form.layer is second)
    assert "others: 4 cells" in dock.panel.result.line.text()


def test_pixel_size_by_hand(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    add_field(viewer)
    form = dock.panel.form
    assert form.pixel.text() == "unknown: in pixels"
    form.pixel.setValue(2)
    qtbot.waitUntil(lambda: "2 µm a pixel" in dock.panel.sentence.text())
    run(qtbot, dock)
    assert "mean area 320 µm²" in dock.panel.result.line.text()


def test_a_scale_without_a_unit_is_said_and_chosen(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    add_field(viewer, scale=(2, 2))
    form = dock.panel.form
    qtbot.waitUntil(lambda: "no unit of length, taken as µm" in form.source.text())
    form.unit.choose("nm")
    assert "in nm as you chose" in form.source.text()
    qtbot.waitUntil(lambda: "2 nm a pixel" in dock.panel.sentence.text())
    run(qtbot, dock)
    assert "mean area 320 nm²" in dock.panel.result.line.text()
    viewer.add_labels(field(4), name="others", scale=(2, 2))
    qtbot.waitUntil(lambda: "taken as nm" in form.source.text())


def test_a_known_size_is_turned_into_another_unit(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    add_field(viewer, scale=(0.5, 0.5), units=("µm", "µm"))
    form = dock.panel.form
    form.unit.choose("nm")
    assert form.pixel.value() == 500
    run(qtbot, dock)
    assert "mean area 2.00e+07 nm²" in dock.panel.result.line.text()
    form.unit.choose("mm")
    assert form.pixel.value() == pytest.approx(0.0005)


def test_channels_are_offered_where_they_fit(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    add_field(viewer)
    viewer.add_image(np.zeros((50, 60)), name="other size")
    form = dock.panel.form
    qtbot.waitUntil(lambda: [c.name for c in form.channels.ticked()] == ["stain"])
    viewer.add_image(np.zeros((60, 60)), name="second")
    qtbot.waitUntil(lambda: [c.name for c in form.channels.ticked()] == ["stain", "second"])
    form.channels.tick(form.channels.values()[0], False)
    viewer.layers["second"].name = "renamed"
    qtbot.waitUntil(lambda: "renamed" in [c.name for c in form.channels.ticked()])
    assert "stain" not in [c.name for c in form.channels.ticked()]


def test_colour_the_cells_and_back(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    layer = add_field(viewer)
    before, colours = layer.colormap, dock.colours
    assert not colours.button.isEnabled()
    assert "Measure the cells first" in colours.button.toolTip()
    run(qtbot, dock)
    layer.visible = False
    click(qtbot, colours.button)
    assert layer.visible
    assert "area from" in colours.bar.words()
    small, large = layer.get_color(1), layer.get_color(9)
    assert small[2] > large[2]
    colours.feature.choose("touches_border")
    qtbot.waitUntil(lambda: "touches_border" in colours.bar.words())
    assert tuple(layer.get_color(1)) == tuple(layer.get_color(9))
    click(qtbot, colours.back)
    assert layer.colormap is before
    assert colours.bar.isHidden()
    assert not colours.back.isEnabled()


def test_the_whole_range_and_a_picture_of_it(
    qtbot, dock: MeasureDock, viewer: ViewerModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_field(viewer)
    run(qtbot, dock)
    colours = dock.colours
    assert colours.save_button.isHidden()
    click(qtbot, colours.button)
    assert "cells beyond have the colour of the end" in colours.bar.words()
    click(qtbot, colours.whole)
    qtbot.waitUntil(lambda: "beyond" not in colours.bar.words())
    assert not colours.low.isEnabled()
    monkeypatch.setattr(colours, "_picture", lambda: np.full((40, 50, 4), 255, np.uint8))
    colours.save(tmp_path / "area.png")
    qtbot.waitUntil(lambda: not colours.job.running, timeout=TIMEOUT)
    assert "Saved" in colours.notes.text()
    assert (tmp_path / "area.png").read_bytes().startswith(b"\x89PNG")


def test_no_group_is_explained(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    add_field(viewer)
    for box in dock.panel.form.groups.values():
        box.setChecked(False)
    qtbot.waitUntil(lambda: "Tick at least one group" in dock.panel.sentence.text())
    assert not dock.panel.button.isEnabled()


def endless(*_: object, **__: object) -> Iterator[Progress]:
    while True:
        yield Progress("Measuring", 1, 4)


def test_cancel(qtbot, dock: MeasureDock, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = add_field(viewer)
    monkeypatch.setattr("napari_cellseg.viewer.measure_run.measuring", endless)
    qtbot.waitUntil(dock.panel.button.isEnabled)
    click(qtbot, dock.panel.button)
    qtbot.waitUntil(lambda: dock.panel.job.bar.value() == 1)
    click(qtbot, dock.panel.job.cancel_button)
    qtbot.waitUntil(lambda: not dock.panel.job.running)
    assert "Cancelled" in dock.panel.notes.text()
    assert "area" not in layer.features
    monkeypatch.undo()
    run(qtbot, dock)
    assert "9 cells" in dock.panel.result.line.text()


def test_every_control_is_named_and_explained(dock: MeasureDock, viewer: ViewerModel) -> None:
    add_field(viewer)
    kinds = (QAbstractButton, QComboBox, QAbstractSpinBox)
    controls = [w for kind in kinds for w in dock.tabs.findChildren(kind)]
    ours = [w for w in controls if not w.objectName().startswith(("qt_", "Scroll"))]
    unnamed = [w for w in ours if not (w.accessibleName() and w.toolTip())]
    assert not unnamed


def test_the_dock_fits_a_laptop_s_screen(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    add_field(viewer)
    run(qtbot, dock)
    dock.resize(350, 700)
    dock.show()
    assert dock.panel.minimumSizeHint().width() <= 380
    names = [dock.panel.form.labels, dock.panel.button]
    assert all(a.isVisible() and b.isVisible() for a, b in pairwise(names))
