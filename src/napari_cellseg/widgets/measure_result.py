"""What was measured, in the dock: a line, a feature in numbers, the table, the file."""

import math

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.viewer.measure_words import card, confluence, result_line
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.widgets.fields import NarrowCombo, Sentence, as_tooltip, explain
from napari_cellseg.widgets.measure_columns import fill_columns

CARDS = {
    "n": ("N", "Cells that have a value."),
    "mean": ("mean ± sd", "Mean of these cells, and their standard deviation (n − 1)."),
    "median": ("median", "Half of the cells lie below."),
    "low": ("min", "The smallest value."),
    "high": ("max", "The largest value."),
    "confluence": ("confluence", "Share of the image, or of all images, that cells cover."),
}
COLUMNS = 3


class MeasureResult(QWidget):
    """Shows a measured layer. Signals: `table_asked` (the features table), `save_asked` (a file)."""

    table_asked = Signal()
    save_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._measured: MeasuredLayer | None = None
        self.line = Sentence("Result")
        self.feature = NarrowCombo()
        explain(self.feature, "Feature", "The feature that the numbers below are of. Default: area.")
        self.values: dict[str, QLabel] = {}
        self.numbers = self._cards()
        self.table_button = QPushButton("Features ta&ble")
        self.save_button = QPushButton("&Save table…")
        explain(self.table_button, "Features table", "Open napari's table with a row per object.")
        explain(
            self.save_button, "Save table",
            "A row per cell, as CSV, CSV for Excel, or Parquet; units, definitions and where it comes from "
            "lie in a second file beside it.",
        )  # fmt: skip
        buttons = QHBoxLayout()
        buttons.addWidget(self.table_button)
        buttons.addWidget(self.save_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.line, self.feature, self.numbers):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        self.feature.currentIndexChanged.connect(self._show_numbers)
        self.table_button.clicked.connect(self.table_asked)
        self.save_button.clicked.connect(self.save_asked)
        self.setVisible(False)

    def show_measured(self, measured: MeasuredLayer | None) -> None:
        """Show what was measured in a layer; None shows nothing."""
        self._measured = measured
        self.setVisible(measured is not None)
        if measured is None:
            return
        line = result_line(measured.table, measured.units, measured.request)
        self.line.say(f"{measured.layer.name}: {line}.")
        fill_columns(self.feature, measured)
        self._show_numbers()

    def _cards(self) -> QWidget:
        box = QWidget()
        grid = QGridLayout(box)
        grid.setContentsMargins(0, 2, 0, 2)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        for place, (name, (title, tooltip)) in enumerate(CARDS.items()):
            value, caption = QLabel(), QLabel(title)
            font = value.font()
            font.setBold(True)
            value.setFont(font)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            for label in (value, caption):
                explain(label, title, tooltip)
            row, column = divmod(place, COLUMNS)
            grid.addWidget(caption, 2 * row, column)
            grid.addWidget(value, 2 * row + 1, column)
            grid.setColumnStretch(column, 1)
            self.values[name] = value
        return box

    def _show_numbers(self, index: int = 0) -> None:
        measured, column = self._measured, self.feature.currentData()
        if measured is None or column is None:
            return
        found = card(measured.table[column], measured.units.get(column, ""))
        share = confluence(measured.table, measured.request)
        words = {"n": f"{found.n:,}", "confluence": f"{100 * share:.3g} %" if math.isfinite(share) else "–"}
        for name, label in self.values.items():
            label.setText(words.get(name) or getattr(found, name))
        missing = f" {found.left_out:,} cells have no value." if found.left_out else ""
        self.values["n"].setToolTip(as_tooltip(f"{CARDS['n'][1]}{missing}"))
