"""The tab with the classes of a dataset: their colours, their objects, new names, new classes."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QStyledItemDelegate,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.datasets.sample import SPLITS
from napari_cellseg.viewer.dataset_classes import class_colour
from napari_cellseg.viewer.dataset_rows import DatasetRow
from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.fields import Sentence, explain

SWATCH = 14
"""Edge of the square that shows a class's colour, pixels."""


class _ReadOnly(QStyledItemDelegate):
    """A column that cannot be edited."""

    def createEditor(self, *_: object) -> None:
        return None


class ClassesPanel(QWidget):
    """Signals `renamed` (old name, new name) and `added` (name), both as the user typed them."""

    renamed = Signal(str, str)
    added = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.about = Sentence("What classes are for")
        self.list = QTreeWidget()
        self.name = QLineEdit()
        self.add = small_button("Add class", "Add the class on the left at the end of the list.")
        self._names: list[str] = []
        self._build()
        self.list.itemChanged.connect(self._on_edited)
        self.add.clicked.connect(self._on_add)
        self.name.returnPressed.connect(self._on_add)

    def show_classes(self, names: Sequence[str], rows: Sequence[DatasetRow]) -> None:
        """Show the classes of a dataset and how many objects its images have of each."""
        self._names = list(names)
        blocked = self.list.blockSignals(True)
        self.list.clear()
        for number, name in enumerate(names):
            counts = [sum(row.classes.get(name, 0) for row in rows if row.split == s) for s in SPLITS]
            item = QTreeWidgetItem([name, *(f"{count:,}" for count in counts)])
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            item.setIcon(0, _swatch(class_colour(number)))
            item.setToolTip(0, f"Class {number}: {name}, {sum(counts):,} objects. F2 renames it.")
            for column in range(1, len(counts) + 1):
                item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.list.addTopLevelItem(item)
        self.list.blockSignals(blocked)

    def _build(self) -> None:
        self.about.say("The order is the class's number in every format. Double-click a name to change it.")
        self.list.setHeaderLabels(["Class", *SPLITS])
        self.list.setRootIsDecorated(False)
        self.list.setMinimumHeight(120)
        explain(
            self.list, "Classes", "Classes with their colour, and how many objects each split has of them."
        )
        triggers = QAbstractItemView.EditTrigger
        self.list.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        for column in range(1, len(SPLITS) + 1):
            self.list.setItemDelegateForColumn(column, _ReadOnly(self.list))
        header = self.list.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.name.setPlaceholderText("New class")
        explain(self.name, "New class", "Name of a class to add, for example debris. Default: none.")
        row = QHBoxLayout()
        row.addWidget(self.name, 1)
        row.addWidget(self.add)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.about)
        layout.addWidget(self.list, 1)
        layout.addLayout(row)

    def _on_edited(self, item: QTreeWidgetItem, column: int) -> None:
        old = self._names[self.list.indexOfTopLevelItem(item)]
        new = item.text(0)
        blocked = self.list.blockSignals(True)
        item.setText(0, old)
        self.list.blockSignals(blocked)
        if new.strip() != old:
            self.renamed.emit(old, new)

    def _on_add(self) -> None:
        if self.name.text().strip():
            self.added.emit(self.name.text())
            self.name.clear()


def _swatch(colour: str) -> QIcon:
    square = QPixmap(SWATCH, SWATCH)
    square.fill(QColor(colour))
    return QIcon(square)
