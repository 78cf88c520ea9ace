"""The result of a comparison of groups: a line, the features, a figure, files."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.features.figures import COLUMN
from napari_cellseg.features.group_plots import plot_effects, plot_groups
from napari_cellseg.statistics.group_summary import result_line
from napari_cellseg.viewer.compare_run import CellTable, Comparison, is_outdated
from napari_cellseg.widgets.compare_table import CompareTable
from napari_cellseg.widgets.fields import NarrowCombo, Sentence, explain
from napari_cellseg.widgets.figure_box import FigureBox

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELLS, EFFECTS = "cells", "effects"
MOST_UPRIGHT = 4
"""Groups whose names have room beside each other."""


class CompareResult(QWidget):
    """Shows a comparison. Signals: `table_asked` and `figure_asked` (a file)."""

    table_asked = Signal()
    figure_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._comparison: Comparison | None = None
        self.line, self.warnings = Sentence("Result"), Sentence("What a reader must know")
        self.outdated = Sentence("Whether the result still holds")
        self.pair, self.plot = NarrowCombo(), NarrowCombo()
        explain(self.pair, "Groups", "Which groups the table below compares. Default: all of them.")
        self.plot.fill([("Cells and replicates", CELLS), ("Effects of all features", EFFECTS)])
        explain(
            self.plot, "Figure",
            "The feature chosen above, or how large the effects of all features are. Default: the feature.",
        )  # fmt: skip
        self.table = CompareTable()
        self.words = Sentence("The chosen feature")
        self.figure = FigureBox("Figure of the comparison")
        self.table_button, self.figure_button = QPushButton("Save ta&ble…"), QPushButton("Save fi&gure…")
        explain(
            self.table_button, "Save table",
            "Every number of the comparison as CSV, CSV for Excel, or Parquet; settings, warnings and where "
            "the cells come from lie in a second file beside it.",
        )  # fmt: skip
        explain(
            self.figure_button, "Save figure",
            "In the size of a journal's column, as SVG whose texts can be edited, PDF, or PNG with 300 dpi.",
        )  # fmt: skip
        self._build()
        self.table.chosen.connect(self._on_row)
        self.plot.currentIndexChanged.connect(self._draw)
        self.pair.currentIndexChanged.connect(self._show_rows)
        self.table_button.clicked.connect(self.table_asked)
        self.figure_button.clicked.connect(self.figure_asked)
        self.setVisible(False)

    def _build(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.table_button)
        buttons.addWidget(self.figure_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self.line, self.outdated, self.warnings, self.pair, self.table, self.plot, self.figure,
            self.words,
        ):  # fmt: skip
            layout.addWidget(widget)
        layout.addLayout(buttons)

    @property
    def comparison(self) -> Comparison | None:
        """What is shown."""
        return self._comparison

    @property
    def drawn(self) -> tuple[str | None, tuple[str, str] | None]:
        """What the figure shows: the feature, or None for all effects; and the pair of groups."""
        row = self.table.row
        effects = self.plot.currentData() == EFFECTS or row is None
        return (None if effects else row["feature"]), self.pair.currentData()

    def show_comparison(self, comparison: Comparison) -> None:
        """Show what was found."""
        self._comparison = comparison
        found = comparison.found
        self.line.say(result_line(found))
        self.outdated.say("")
        self.warnings.say("\n".join(f"⚠ {words}" for words in found.warnings))
        pairs = list(dict.fromkeys(zip(found.pairs["first"], found.pairs["second"], strict=True)))
        entries = [(f"{second} against {first}", (first, second)) for first, second in pairs]
        several = len(found.settings["groups"]) > 2
        self.pair.fill([("all groups together", None), *entries] if several else entries)
        self.pair.setVisible(several)
        self.setVisible(True)
        self._show_rows()

    def check_cells(self, cells: CellTable) -> None:
        """Say so where the cells have other values now."""
        if self._comparison is not None:
            changed = is_outdated(self._comparison, cells)
            self.outdated.say("⚠ The cells have changed since: compare again." if changed else "")

    def _show_rows(self, index: int = 0) -> None:
        if self._comparison is None:
            return
        found, pair = self._comparison.found, self.pair.currentData()
        rows = found.overall
        if pair is not None:
            rows = found.pairs
            rows = rows[(rows["first"] == pair[0]) & (rows["second"] == pair[1])]
        before = self.table.row
        self.table.show_rows(rows)
        if before is None or self.plot.currentData() == EFFECTS:
            self._draw()

    def _on_row(self, row: dict) -> None:
        self.words.say(row["words"])
        if self.plot.currentData() == CELLS:
            self._draw()

    def _draw(self, index: int = 0) -> None:
        if self._comparison is None:
            return
        feature, pair = self.drawn
        found = self._comparison.found
        if feature is None:
            self.figure.show_figure(plot_effects(found, pair=pair), "Effects of all features.")
        else:
            figure = plot_groups(found, feature, width=COLUMN)
            if len(found.settings["groups"]) > MOST_UPRIGHT:
                _slant(figure)
            self.figure.show_figure(figure, self.words.text())


def _slant(figure: "Figure") -> None:
    """Names of many groups side by side in the width of the dock."""
    (axes,) = figure.axes
    names = [label.get_text().replace("\n", ", ") for label in axes.get_xticklabels()]
    axes.set_xticks(axes.get_xticks(), names, rotation=35, ha="right", rotation_mode="anchor")
