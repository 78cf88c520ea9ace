"""A short list of things to tick."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QSizePolicy, QWidget

from napari_cellseg.widgets.fields import as_tooltip

MOST_ROWS = 4
"""Rows that are shown without scrolling."""


class TickList(QListWidget):
    """Entries with a box each. Signal `changed`: other ones are ticked."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(100)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setTabKeyNavigation(False)
        self.itemChanged.connect(lambda item: self.changed.emit())

    def fill(self, entries: Sequence[tuple[str, Any]], ticked: Sequence[Any], tooltip: str = "") -> None:
        """Replace the entries (title, value), with those ticked whose value is among `ticked`."""
        blocked = self.blockSignals(True)
        self.clear()
        for title, value in entries:
            item = QListWidgetItem(title)
            item.setData(Qt.ItemDataRole.UserRole, value)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if value in ticked else Qt.CheckState.Unchecked)
            item.setToolTip(as_tooltip(f"{title}. {tooltip}"))
            self.addItem(item)
        rows = max(1, min(MOST_ROWS, len(entries)))
        self.setFixedHeight(rows * max(20, self.sizeHintForRow(0)) + 2 * self.frameWidth() + 2)
        self.blockSignals(blocked)

    def values(self) -> list[Any]:
        """Values of all entries."""
        return [self.item(i).data(Qt.ItemDataRole.UserRole) for i in range(self.count())]

    def ticked(self) -> list[Any]:
        """Values of the ticked entries, in order."""
        items = [self.item(i) for i in range(self.count())]
        return [i.data(Qt.ItemDataRole.UserRole) for i in items if i.checkState() == Qt.CheckState.Checked]

    def tick(self, value: Any, ticked: bool = True) -> None:
        """Tick the entry with this value, or not."""
        for i in range(self.count()):
            if self.item(i).data(Qt.ItemDataRole.UserRole) == value:
                self.item(i).setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
