"""The list of mistakes: sorted by any column, filtered by kind; a click tells which."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QVBoxLayout, QWidget

from napari_cellseg.evaluation.error_rows import KINDS
from napari_cellseg.evaluation.mistakes import OUTCOME_COLOURS, Outcome
from napari_cellseg.widgets.fields import NarrowCombo, explain

COLOURS = {outcome.name.lower(): colour for outcome, colour in OUTCOME_COLOURS.items()}
SORT_ROLE = Qt.ItemDataRole.UserRole
TITLES = {
    "kind": ("Kind", "What is wrong."),
    "plane": ("Plane", "Number of the plane or volume, from 0."),
    "z": ("z", "Middle of the object, in planes."),
    "y": ("y", "Middle of the object, in pixels from the top."),
    "x": ("x", "Middle of the object, in pixels from the left."),
    "labels": ("Labels", "Labels in the truth (T) and in the prediction (P)."),
    "iou": ("IoU", "Its highest IoU with an object of the other layer."),
}
_HEIGHT = 160
"""Height of the table, pixels."""


class ErrorModel(QAbstractTableModel):
    """Rows of a report's errors, (`TITLES`) columns; `plane` only where there are several."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[dict[str, Any]] = []
        self.columns: list[str] = []

    def show_errors(self, errors: pd.DataFrame, planes: int) -> None:
        """Replace the rows."""
        self.beginResetModel()
        self._rows = errors.to_dict(orient="records")
        missing = {"z"} - set(errors.columns) | ({"plane"} if planes < 2 else set())
        self.columns = [name for name in TITLES if name not in missing]
        self.endResetModel()

    def row(self, number: int) -> dict[str, Any]:
        """The mistake in a row."""
        return self._rows[number]

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Number of mistakes."""
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
            return KINDS.index(row["kind"]) if name == "kind" else _sort_value(row, name)
        if role == Qt.ItemDataRole.DecorationRole and name == "kind":
            return QColor(COLOURS.get(row["kind"], "#999999"))
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{row['kind']}: {_labels(row, 'truth ', 'prediction ')}, {row['area']} pixels"
        if role == Qt.ItemDataRole.TextAlignmentRole and name not in ("kind", "labels"):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
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
                return tooltip
        return None


class _Filtered(QSortFilterProxyModel):
    kind: str | None = None

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        return self.kind is None or self.sourceModel().row(row)["kind"] == self.kind


class ErrorTable(QWidget):
    """The mistakes with a choice of kind. Signal `chosen`: a row (dict) was clicked or walked to."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ErrorModel(self)
        self.shown = _Filtered(self)
        self.shown.setSourceModel(self.model)
        self.shown.setSortRole(SORT_ROLE)
        self.kind = NarrowCombo()
        explain(self.kind, "Kind of mistake", "Which mistakes are listed. Default: all.")
        self.table = QTableView()
        explain(self.table, "Mistakes", "Click a row, or use the arrow keys, to see the place in the viewer.")
        self._set_up(self.table)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.kind)
        layout.addWidget(self.table)
        self.kind.currentIndexChanged.connect(self._filter)
        self.table.clicked.connect(self._choose)
        self.table.selectionModel().currentRowChanged.connect(self._choose)

    def _set_up(self, table: QTableView) -> None:
        table.setModel(self.shown)
        table.setSortingEnabled(True)
        table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setTabKeyNavigation(False)
        table.setWordWrap(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(22)
        table.horizontalHeader().setResizeContentsPrecision(50)
        table.setFixedHeight(_HEIGHT)
        table.setMinimumWidth(100)

    def show_errors(self, errors: pd.DataFrame, planes: int) -> None:
        """Show the list of a report."""
        counts = errors["kind"].value_counts()
        kinds = [(f"{kind} ({counts[kind]})", kind) for kind in KINDS if kind in counts]
        self.kind.fill([(f"All mistakes ({len(errors)})", None), *kinds])
        self.shown.kind = None
        self.model.show_errors(errors, planes)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        if "labels" in self.model.columns:
            header.setSectionResizeMode(self.model.columns.index("labels"), QHeaderView.ResizeMode.Stretch)

    def _filter(self, index: int) -> None:
        self.table.setCurrentIndex(QModelIndex())
        self.shown.kind = self.kind.currentData()
        self.shown.invalidateFilter()

    def _choose(self, index: QModelIndex, previous: QModelIndex | None = None) -> None:
        if index.isValid():
            self.chosen.emit(self.model.row(self.shown.mapToSource(index).row()))


def outcome_legend() -> str:
    """The colours of the overlay as rich text, each with its name."""
    return " ".join(
        f"<span style='color:{OUTCOME_COLOURS[outcome]}'>■</span>&nbsp;{outcome.name.lower()}"
        for outcome in Outcome
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    if name == "labels":
        return _labels(row, "T", "P")
    if name in ("z", "y", "x"):
        return f"{row[name]:.0f}"
    return f"{row[name]:.2f}" if name == "iou" else str(row[name])


def _labels(row: Mapping[str, Any], true: str, predicted: str) -> str:
    sides = ((true, row["truth_ids"]), (predicted, row["prediction_ids"]))
    return " · ".join(f"{side}{', '.join(map(str, ids))}" for side, ids in sides if len(ids))


def _sort_value(row: Mapping[str, Any], name: str) -> float:
    if name == "labels":
        return float(next(iter((*row["truth_ids"], *row["prediction_ids"]))))
    return float(row[name])
