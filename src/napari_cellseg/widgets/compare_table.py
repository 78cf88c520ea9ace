"""The features that were compared, a row each: effect, corrected p, test."""

import math
from typing import Any

import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QVBoxLayout, QWidget

from napari_cellseg.statistics.group_summary import SIGNIFICANT, effect_words
from napari_cellseg.statistics.group_words import number
from napari_cellseg.widgets.fields import as_tooltip, explain

SORT_ROLE = Qt.ItemDataRole.UserRole
TITLES = {
    "feature": ("Feature", "What was compared."),
    "effect_value": (
        "Effect",
        "How large the difference is, with its interval: above 0 where the second group is larger. g Hedges' "
        "g, δ Cliff's delta, dz of pairs, η² and ε² the explained share.",
    ),
    "p_corrected": ("p", "Corrected for the number of tests; * below 0.05."),
    "test": ("Test", "Which test was made: M–W Mann–Whitney, K–W Kruskal–Wallis. A row's tooltip says why."),
}
SHORT = {
    "Mann–Whitney U": "M–W U",
    "Kruskal–Wallis": "K–W",
    "Wilcoxon signed-rank": "Wilcoxon",
    "One-way ANOVA": "ANOVA",
    "Welch's ANOVA": "W ANOVA",
}
"""Names of tests where there is little room; tooltips have them in full."""
_FEATURE = 108
"""Width of the column of features, pixels."""
TIE = 1e-9
"""Weight of p among equal corrected p."""
_HEIGHT = 180
"""Height of the table, pixels."""


class CompareModel(QAbstractTableModel):
    """Rows of a comparison, (`TITLES`) columns."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[dict[str, Any]] = []
        self.columns = list(TITLES)

    def show_rows(self, rows: pd.DataFrame) -> None:
        """Replace the rows."""
        self.beginResetModel()
        self._rows = rows.to_dict(orient="records")
        self.endResetModel()

    def row(self, number: int) -> dict[str, Any]:
        """A row of the comparison."""
        return self._rows[number]

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Number of features."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows, and what it is sorted by."""
        row, name = self._rows[index.row()], self.columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(row, name)
        if role == SORT_ROLE:
            return _sort_value(row, name)
        if role == Qt.ItemDataRole.ToolTipRole:
            return as_tooltip(row["words"])
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles of the columns."""
        if orientation == Qt.Orientation.Horizontal and section < len(self.columns):
            title, tooltip = TITLES[self.columns[section]]
            if role == Qt.ItemDataRole.DisplayRole:
                return title
            if role == Qt.ItemDataRole.ToolTipRole:
                return as_tooltip(tooltip)
        return None


class CompareTable(QWidget):
    """The rows, sorted by any column. Signal `chosen`: a row (dict) was clicked or walked to."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = CompareModel(self)
        self.shown = QSortFilterProxyModel(self)
        self.shown.setSourceModel(self.model)
        self.shown.setSortRole(SORT_ROLE)
        self.table = QTableView()
        explain(self.table, "Compared features", "Click a row, or use the arrow keys, to see the feature.")
        self._set_up(self.table)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)
        self.table.selectionModel().currentRowChanged.connect(self._choose)

    def _set_up(self, table: QTableView) -> None:
        table.setModel(self.shown)
        table.setSortingEnabled(True)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setTabKeyNavigation(False)
        table.setWordWrap(False)
        font = table.font()
        font.setPointSizeF(0.9 * font.pointSizeF())
        table.setFont(font)
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(22)
        table.setFixedHeight(_HEIGHT)
        table.setMinimumWidth(100)
        header = table.horizontalHeader()
        header.setMinimumSectionSize(36)
        header.setResizeContentsPrecision(-1)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        header.resizeSection(0, _FEATURE)

    def show_rows(self, rows: pd.DataFrame) -> None:
        """Show rows of a comparison, the smallest corrected p first, and choose the first."""
        self.model.show_rows(rows)
        self.table.sortByColumn(list(TITLES).index("p_corrected"), Qt.SortOrder.AscendingOrder)
        self.table.selectRow(0)

    @property
    def row(self) -> dict[str, Any] | None:
        """The chosen row."""
        index = self.table.currentIndex()
        return self.model.row(self.shown.mapToSource(index).row()) if index.isValid() else None

    def _choose(self, index: QModelIndex, previous: QModelIndex | None = None) -> None:
        if index.isValid():
            self.chosen.emit(self.model.row(self.shown.mapToSource(index).row()))


def _text(row: dict[str, Any], name: str) -> str:
    if name == "effect_value":
        return effect_words(row, digits=2) or "–"
    if name == "p_corrected":
        p = row[name]
        if not math.isfinite(p):
            return "–"
        words = "< 0.001" if p < 0.001 else number(p) if p >= 0.1 else f"{p:.2g}"
        return f"{words} *" if p < SIGNIFICANT else words
    return SHORT.get(row[name], str(row[name])) or "–"


def _sort_value(row: dict[str, Any], name: str) -> str | float:
    """What has no value comes last; corrected p that are equal are in the order of p."""
    value = row[name]
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return math.inf
    return value + TIE * row["p"] if name == "p_corrected" else float(value)
