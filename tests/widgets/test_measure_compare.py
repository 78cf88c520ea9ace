"""Clicking through the comparison of groups in the Measure dock."""

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QAbstractButton, QAbstractItemView, QComboBox, QLineEdit, QWidget

from napari_cellseg.events import Progress
from napari_cellseg.features.tables import read_table, write_table
from napari_cellseg.viewer.compare_run import CompareRequest
from napari_cellseg.widgets.compare_form import INDEPENDENT
from napari_cellseg.widgets.measure_compare import ComparePanel
from napari_cellseg.widgets.measure_dock import MeasureDock

from .conftest import TIMEOUT

pytestmark = pytest.mark.qt

PATTERN = "{condition}_{well}_*"


@pytest.fixture
def dock(qtbot, viewer: ViewerModel) -> Iterator[MeasureDock]:
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    dock.tabs.setCurrentIndex(3)
    dock.resize(350, 700)
    dock.show()
    yield dock
    dock.shut_down()


@pytest.fixture
def panel(dock: MeasureDock) -> ComparePanel:
    return dock.compare


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """Three wells of each of three conditions with ten cells; the drug's are larger."""
    rng = np.random.default_rng(3)
    parts = [
        pd.DataFrame(
            {
                "image": f"{condition}_{well}_s1",
                "index": np.arange(1, 11),
                "class": ["live", "dead"] * 5,
                "area": rng.normal(100 + 30 * (condition == "drug"), 5, 10),
                "eccentricity": rng.beta(2, 5, 10),
                "texture_entropy": rng.normal(4, 1, 10),
            }
        )
        for condition, wells in (("control", "ABC"), ("drug", "DEF"), ("other", "GHI"))
        for well in wells
    ]
    table = pd.concat(parts, ignore_index=True)
    table.attrs["units"] = {"area": "µm²"}
    write_table(table, tmp_path / "plate.csv")
    return tmp_path / "plate.csv"


def add_measured(viewer: ViewerModel, name: str, shift: float = 0) -> Labels:
    """A labels layer of twelve cells whose own table has measurements, the second class larger."""
    labels = np.zeros((40, 40), np.int32)
    labels[:, :12] = np.arange(1, 13)
    layer = viewer.add_labels(labels, name=name)
    area = np.concatenate([[0], np.random.default_rng(5).normal(50 + shift, 1, 12)])
    area[7:] += 10
    layer.features = {"index": range(13), "class": ["", *["a"] * 6, *["b"] * 6], "area": area}
    return layer


def click(qtbot, button: QWidget) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def run(qtbot, panel: ComparePanel) -> None:
    """Press Compare and wait for the end."""
    qtbot.waitUntil(panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: not panel.job.running, timeout=TIMEOUT)
    assert not panel.error.sentence.text()


def open_table(qtbot, panel: ComparePanel, path: Path, pattern: str = "") -> None:
    panel.open_table(path)
    qtbot.waitUntil(lambda: not panel.job.running, timeout=TIMEOUT)
    panel.form.pattern.setText(pattern)
    panel.form.refresh()


def cells_of(panel: ComparePanel, row: int = 0) -> list[str]:
    shown = panel.result.table.shown
    return [shown.data(shown.index(row, column)) for column in range(4)]


def test_nothing_measured_says_what_is_needed(panel: ComparePanel) -> None:
    assert not panel.button.isEnabled()
    assert "Measure a labels layer first" in panel.sentence.text()
    assert "Measure a labels layer first" in panel.button.toolTip()
    assert panel.result.isHidden()


def test_measured_here_and_compared_by_class(qtbot, dock: MeasureDock, viewer: ViewerModel) -> None:
    layer = add_measured(viewer, "cells")
    layer.features = layer.features[["index", "class"]]
    dock.tabs.setCurrentIndex(0)
    qtbot.waitUntil(dock.panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, dock.panel.button)
    qtbot.waitUntil(lambda: not dock.panel.job.running, timeout=4 * TIMEOUT)
    dock.tabs.setCurrentIndex(3)
    panel = dock.compare
    qtbot.waitUntil(lambda: "a: 6 cells; b: 6 cells" in panel.sentence.text(), timeout=TIMEOUT)
    assert panel.form.by.currentData() == "class"
    assert panel.form.replicates.currentText() == INDEPENDENT
    assert "cells are taken as independent" in panel.sentence.text()
    run(qtbot, panel)
    assert panel.result.line.text().startswith("b against a: ")
    assert "⚠ Cells were taken as independent replicates" in panel.result.warnings.text()
    layer.fill((0, 0), 0)
    qtbot.waitUntil(lambda: "compare again" in panel.result.outdated.text(), timeout=TIMEOUT)
    run(qtbot, panel)
    assert not panel.result.outdated.text()


def test_layers_as_conditions_and_as_replicates(qtbot, panel: ComparePanel, viewer: ViewerModel) -> None:
    for i in range(3):
        add_measured(viewer, f"control_{i}", i)
        add_measured(viewer, f"drug_{i}", 20 + i)
    panel.form.refresh()
    assert panel.form.by.currentData() == "class"
    assert panel.form.replicates.currentData() == "layer"
    assert panel.form.paired.isChecked()
    panel.form.pattern.setText("{condition}_*")
    qtbot.waitUntil(lambda: panel.form.by.findData("condition") >= 0)
    panel.form.by.choose("condition")
    assert not panel.form.paired.isChecked()
    sizes = "control: 3 replicates, 36 cells; drug: 3 replicates, 36 cells"
    qtbot.waitUntil(lambda: sizes in panel.sentence.text(), timeout=TIMEOUT)
    run(qtbot, panel)
    assert "n = 3 and 3 replicates, 72 cells" in panel.result.line.text()
    panel.form.layers.tick(viewer.layers["drug_2"], False)
    qtbot.waitUntil(lambda: "drug: 2 replicates" in panel.sentence.text())


def test_a_layer_that_goes_is_compared_no_more(qtbot, panel: ComparePanel, viewer: ViewerModel) -> None:
    layer = add_measured(viewer, "cells")
    qtbot.waitUntil(panel.button.isEnabled, timeout=TIMEOUT)
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not panel.button.isEnabled(), timeout=TIMEOUT)
    assert "Measure a labels layer first" in panel.sentence.text()


def test_a_plate_from_its_file_to_a_figure(qtbot, panel: ComparePanel, plate: Path, tmp_path: Path) -> None:
    open_table(qtbot, panel, plate, PATTERN)
    form = panel.form
    assert form.by.currentData() == "condition"
    assert form.replicates.currentData() == "image"
    assert form.features.ticked() == ["area", "eccentricity"]
    form.control.choose("control")
    run(qtbot, panel)
    result = panel.result
    assert result.line.text().startswith("control, drug and other: 1 of 2 features differs")
    assert cells_of(panel)[0] == "area"
    assert cells_of(panel)[1].startswith("η² ")
    assert cells_of(panel)[2].endswith("*")
    assert [result.pair.itemText(i) for i in range(result.pair.count())] == [
        "all groups together", "drug against control", "other against control",
    ]  # fmt: skip
    result.pair.choose(("control", "drug"))
    assert cells_of(panel)[1].startswith("g ")
    assert "µm² in drug" in result.words.text()
    assert result.figure.canvas.figure.axes[0].get_ylabel() == "area (µm²)"
    panel.save_table(tmp_path / "result.csv", excel=True)
    qtbot.waitUntil(lambda: not panel.job.running, timeout=TIMEOUT)
    assert "Saved" in panel.notes.text()
    saved = read_table(tmp_path / "result.csv")
    assert saved["feature"].tolist() == ["area"] * 3 + ["eccentricity"] * 3
    assert saved.attrs["provenance"]["source"]["path"] == str(plate)
    panel.save_figure(tmp_path / "area.svg")
    qtbot.waitUntil(lambda: not panel.job.running, timeout=TIMEOUT)
    assert "area (µm²)" in (tmp_path / "area.svg").read_text(encoding="utf-8")


def test_choosing_rows_and_figures(qtbot, panel: ComparePanel, plate: Path, tmp_path: Path) -> None:
    open_table(qtbot, panel, plate, PATTERN)
    for feature in ("eccentricity", "texture_entropy"):
        panel.form.features.tick(feature)
    panel.form.groups.tick("other", False)
    run(qtbot, panel)
    result = panel.result
    assert result.pair.isHidden()
    table = result.table.table
    last = result.table.shown.index(2, 0)
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(last).center())
    assert result.drawn[0] == last.data()
    assert result.figure.canvas.figure.axes[0].get_ylabel().startswith(last.data().replace("_", " "))
    table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    assert cells_of(panel)[0] == "texture_entropy"
    result.plot.choose("effects")
    assert result.drawn[0] is None
    assert "Hedges' g among replicates" in result.figure.canvas.figure.axes[0].get_xlabel()
    panel.save_figure(tmp_path / "effects.png")
    qtbot.waitUntil(lambda: not panel.job.running, timeout=TIMEOUT)
    assert (tmp_path / "effects.png").stat().st_size > 1000


def test_the_wheel_scrolls_the_dock_over_the_figure(qtbot, panel: ComparePanel, plate: Path) -> None:
    open_table(qtbot, panel, plate, PATTERN)
    run(qtbot, panel)
    canvas = panel.result.figure.canvas
    event = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, 0), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    assert panel.result.figure.eventFilter(canvas, event)
    assert not event.isAccepted()


def test_what_does_not_go_is_said_before(qtbot, panel: ComparePanel, plate: Path) -> None:
    open_table(qtbot, panel, plate, "{line}-{well}")
    qtbot.waitUntil(lambda: "does not fit the pattern" in panel.sentence.text())
    panel.form.pattern.setText(PATTERN)
    qtbot.waitUntil(panel.button.isEnabled, timeout=TIMEOUT)
    panel.form.control.choose("other")
    panel.form.groups.tick("other", False)
    qtbot.waitUntil(lambda: "control 'other' is not among" in panel.sentence.text())
    panel.form.groups.tick("drug", False)
    qtbot.waitUntil(lambda: "Tick at least two groups" in panel.sentence.text())
    panel.form.groups.tick("drug")
    panel.form.control.choose(None)
    for feature in panel.form.features.ticked():
        panel.form.features.tick(feature, False)
    qtbot.waitUntil(lambda: "Tick at least one feature" in panel.sentence.text())
    assert not panel.button.isEnabled()


def test_a_broken_table_is_an_error_in_words(qtbot, panel: ComparePanel, tmp_path: Path) -> None:
    panel.open_table(tmp_path / "none.csv")
    qtbot.waitUntil(lambda: not panel.job.running, timeout=TIMEOUT)
    assert "none.csv" in panel.error.sentence.text()
    panel.form.source.choose("file")
    qtbot.waitUntil(lambda: "Choose a table" in panel.sentence.text())


def endless(request: CompareRequest) -> Iterator[Progress]:
    """A comparison that goes on until it is cancelled."""
    while True:
        yield Progress("Comparing groups", 1, len(request.design.features))
        time.sleep(0.005)


def test_cancel_keeps_nothing(
    qtbot, panel: ComparePanel, plate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_cellseg.widgets.measure_compare.comparing", endless)
    open_table(qtbot, panel, plate, PATTERN)
    qtbot.waitUntil(panel.button.isEnabled, timeout=TIMEOUT)
    click(qtbot, panel.button)
    assert not panel.button.isEnabled()
    qtbot.waitUntil(lambda: "left" in panel.job.line.text(), timeout=TIMEOUT)
    click(qtbot, panel.job.cancel_button)
    qtbot.waitUntil(lambda: not panel.job.running, timeout=TIMEOUT)
    assert "Cancelled" in panel.notes.text()
    assert panel.result.isHidden()
    assert panel.button.isEnabled()


def test_everything_explains_itself_within_the_dock(qtbot, dock: MeasureDock, plate: Path) -> None:
    panel = dock.compare
    open_table(qtbot, panel, plate, PATTERN)
    panel.form.advanced.button.click()
    run(qtbot, panel)
    kinds = (QAbstractButton, QComboBox, QLineEdit, QAbstractItemView)
    named = [w for kind in kinds for w in panel.findChildren(kind) if w.isVisible() and w.focusPolicy()]
    assert len(named) > 15
    assert all(w.accessibleName() or w.text() for w in named if not w.objectName().startswith("qt_"))
    assert panel.minimumSizeHint().width() <= 350
    widgets = [panel.form.source, panel.form.by, panel.button, panel.result.table.table]
    assert all(first.focusPolicy() & Qt.FocusPolicy.TabFocus for first, _ in pairwise(widgets))
