"""A small table of numbers in a dock, with units in its heads."""

from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_cellseg.viewer.measure_words import number_words
from napari_cellseg.widgets.fields import as_tooltip, explain

MOST_ROWS = 7
"""Rows that are seen without scrolling."""
PLACES = ("t", "z")
"""Columns of whole numbers that count from 0."""


class NumberModel(QAbstractTableModel):
    """A table of few columns; one row is shown upright, a line for each column."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table = pd.DataFrame()
        self._upright = False

    def show_table(self, table: pd.DataFrame, upright: bool) -> None:
        """Replace the table; its ``attrs`` may hold ``units`` and ``definitions``."""
        self.beginResetModel()
        self._table, self._upright = table, upright
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Number of rows."""
        if parent is not None and parent.isValid():
            return 0
        return len(self._table.columns) if self._upright else len(self._table)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Number of columns."""
        if parent is not None and parent.isValid():
            return 0
        return min(1, len(self._table)) if self._upright else len(self._table.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows."""
        row, column = index.row(), index.column()
        if self._upright:
            row, column = 0, row
        name = self._table.columns[column]
        if role == Qt.ItemDataRole.DisplayRole:
            return words_of(self._table.iloc[row, column])
        if role == Qt.ItemDataRole.ToolTipRole:
            return as_tooltip(self._meaning(name))
        if role == Qt.ItemDataRole.TextAlignmentRole and not isinstance(self._table.iloc[row, column], str):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """The names of the columns, with their units."""
        named = Qt.Orientation.Vertical if self._upright else Qt.Orientation.Horizontal
        if orientation != named:
            return None
        name = self._table.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            unit = self._table.attrs.get("units", {}).get(name, "")
            return f"{name} ({unit})" if unit else str(name)
        return as_tooltip(self._meaning(name)) if role == Qt.ItemDataRole.ToolTipRole else None

    def _meaning(self, name: str) -> str:
        return self._table.attrs.get("definitions", {}).get(name, name)


class NumberTable(QTableView):
    """Shows a `NumberModel`, as high as its rows up to `MOST_ROWS`.

    Parameters
    ----------
    name, tooltip : str
        What it shows.
    """

    def __init__(self, name: str, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        explain(self, name, tooltip)
        self.numbers = NumberModel(self)
        self.setModel(self.numbers)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setMinimumWidth(100)
        self.verticalHeader().setDefaultSectionSize(22)

    def show_table(self, table: pd.DataFrame, *, upright: bool = False) -> None:
        """Show a table; upright: its one row as a line for each column."""
        self.numbers.show_table(table, upright)
        self.horizontalHeader().setVisible(not upright)
        self.verticalHeader().setVisible(upright)
        mode = QHeaderView.ResizeMode
        self.horizontalHeader().setSectionResizeMode(mode.Stretch if upright else mode.ResizeToContents)
        self.verticalHeader().setSectionResizeMode(mode.Fixed)
        rows = min(MOST_ROWS, self.numbers.rowCount())
        head = 0 if upright else self.horizontalHeader().sizeHint().height()
        bar = 0 if upright else self.horizontalScrollBar().sizeHint().height()
        self.setFixedHeight(rows * 22 + head + bar + 2 * self.frameWidth() + 2)


def words_of(value: Any) -> str:
    """A cell of a table in words; whole numbers without decimals."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return str(value)
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    return number_words(float(value))
