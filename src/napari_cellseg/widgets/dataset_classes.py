"""The tab with the classes of a dataset: their colours, their objects, new names, new classes."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
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
from napari_cellseg.viewer.dataset_rows import DatasetRow, counted
from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.fields import Sentence, explain

SWATCH = 14
"""Edge of the square that shows a class's colour, pixels."""

ABOUT = (
    "The order is the class's number. Double-click a name to change it; that of another class merges both."
)


class _ReadOnly(QStyledItemDelegate):
    """A column that cannot be edited."""

    def createEditor(self, *_: object) -> None:
        return None


class ClassesPanel(QWidget):
    """The list, and whether its colours are shown in the viewer.

    Signals: `renamed` (old name, new name), `merged` (a class, the one that takes over), `added` (name), and
    `colours_toggled` (bool).
    """

    renamed = Signal(str, str)
    merged = Signal(str, str)
    added = Signal(str)
    colours_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.about = Sentence("What classes are for")
        self.list = QTreeWidget()
        self.name = QLineEdit()
        self.add = small_button("Add class", "Add the class on the left at the end of the list.")
        self.merge = small_button("Merge", "Give all objects of the first class to the second one.")
        self.keep = small_button("Keep both", "Merge nothing.")
        self.colours = QCheckBox("Colour the open image by class")
        self._names: list[str] = []
        self._counts: dict[str, int] = {}
        self._asked = ("", "")
        self._build()
        self.list.itemChanged.connect(self._on_edited)
        self.colours.toggled.connect(self.colours_toggled)
        self.merge.clicked.connect(self._on_merge)
        self.keep.clicked.connect(lambda: self._ask("", ""))
        self.add.clicked.connect(self._on_add)
        self.name.returnPressed.connect(self._on_add)

    def show_classes(self, names: Sequence[str], rows: Sequence[DatasetRow]) -> None:
        """Show the classes of a dataset and how many objects its images have of each."""
        self._names = list(names)
        self._counts = {name: sum(row.classes.get(name, 0) for row in rows) for name in names}
        self._ask("", "")
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
        self.list.setHeaderLabels(["Class", *SPLITS])
        self.list.setRootIsDecorated(False)
        self.list.setMinimumHeight(96)
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
        explain(
            self.colours, "Colour the open image by class",
            "Give each object of the image that is open the colour of its class in this list, also while it "
            "is corrected; white has no class. Default: napari's colours, one per object.",
        )  # fmt: skip
        row, answers = QHBoxLayout(), QHBoxLayout()
        row.addWidget(self.name, 1)
        row.addWidget(self.add)
        answers.addWidget(self.merge)
        answers.addWidget(self.keep)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.about)
        layout.addLayout(answers)
        layout.addWidget(self.list, 1)
        layout.addLayout(row)
        layout.addWidget(self.colours)

    def _on_edited(self, item: QTreeWidgetItem, column: int) -> None:
        old = self._names[self.list.indexOfTopLevelItem(item)]
        new = item.text(0)
        blocked = self.list.blockSignals(True)
        item.setText(0, old)
        self.list.blockSignals(blocked)
        name = new.strip()
        if name != old and name in self._names:
            self._ask(old, name)
        elif name != old:
            self.renamed.emit(old, new)

    def _ask(self, old: str, new: str) -> None:
        """Ask whether a class is to be merged into the one whose name it was given; nothing where empty."""
        self._asked = (old, new)
        self.about.say(_question(old, new, self._counts[old]) if old else ABOUT)
        for button in (self.merge, self.keep):
            button.setVisible(bool(old))

    def _on_merge(self) -> None:
        old, new = self._asked
        self._ask("", "")
        self.merged.emit(old, new)

    def _on_add(self) -> None:
        if self.name.text().strip():
            self.added.emit(self.name.text())
            self.name.clear()


def _question(old: str, new: str, objects: int) -> str:
    return (
        f"⚠ There is a class '{new}' already. Merge them? {counted(objects, 'object')} of '{old}' become "
        f"'{new}', and nothing tells them apart later."
    )


def _swatch(colour: str) -> QIcon:
    square = QPixmap(SWATCH, SWATCH)
    square.fill(QColor(colour))
    return QIcon(square)
