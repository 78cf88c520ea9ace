"""The tab with the images of a dataset: search, thumbnails, and what is done with the chosen ones."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_cellseg.datasets.sample import SPLITS
from napari_cellseg.viewer.dataset_rows import (
    REVIEWED_WORDS,
    DatasetRow,
    Order,
    Reviewed,
    RowFilter,
    counted,
    listed,
)
from napari_cellseg.viewer.status_colours import COLOURS
from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.dataset_grid import DatasetGrid, DatasetModel
from napari_cellseg.widgets.fields import NarrowCombo, Sentence, explain, primary_button

MOST_NAMED = 3
"""Images that are named in a sentence."""


class ImagesPanel(QWidget):
    """Signals: `open_asked` (name), `removal_asked` and `move_asked` (names; names and a split)."""

    open_asked = Signal(str)
    removal_asked = Signal(object)
    move_asked = Signal(object, str)

    def __init__(self, model: DatasetModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: Sequence[DatasetRow] = ()
        self._busy = False
        self.grid = DatasetGrid(model)
        self.search = QLineEdit()
        self.split, self.class_name, self.state, self.order = (NarrowCombo() for _ in range(4))
        self.legend = QLabel(status_legend())
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        explain(self.legend, "Colours of the outlines", "Status of an object, by the colour of its outline.")
        self.about = Sentence("Chosen images")
        self.button = primary_button("&Open to correct")
        self.remove = small_button("Remove…", "Take the chosen images out of the dataset, files and all.")
        self.really = small_button("Yes, remove", "Their files in the dataset's folder are deleted.")
        self.keep = small_button("Keep", "Remove nothing.")
        self.move = NarrowCombo()
        self._build()
        self._connect()
        self.show_rows(())

    def show_rows(self, rows: Sequence[DatasetRow]) -> None:
        """Show the images of a dataset."""
        self._rows = rows
        self._fill(self.split, "all splits", [(split, split) for split in SPLITS])
        names = sorted({name for row in rows for name in row.classes})
        self._fill(self.class_name, "all classes", [(name, name) for name in names])
        states = [(f"{state.value} {REVIEWED_WORDS[state]}", state) for state in Reviewed]
        self._fill(self.state, "reviewed or not", states)
        self._list()

    def set_busy(self, busy: bool) -> None:
        """Whether a job is going on, during which nothing else can begin."""
        self._busy = busy
        self._show_chosen()

    def selected_names(self) -> list[str]:
        """The chosen images."""
        return [row.name for row in self.grid.selected()]

    def _build(self) -> None:
        self.search.setPlaceholderText("Search names, groups, classes")
        self.search.setClearButtonEnabled(True)
        explain(self.search, "Search", "Words in the name, the group or the classes. Default: all images.")
        explain(self.split, "Split", "List the images of one split. Default: all.")
        explain(self.class_name, "Class", "List images that have objects of one class. Default: all.")
        explain(self.state, "Review", "List images by how far their objects were reviewed. Default: all.")
        explain(self.order, "Order", "What the images are listed by. Default: their name.")
        self.order.fill([(order.value, order) for order in Order])
        self.move.fill([("Move to…", ""), *[(split, split) for split in SPLITS]])
        explain(self.move, "Move to another split", "Train, validation or test. The whole group should move.")
        filters = QGridLayout()
        filters.setSpacing(3)
        for number, combo in enumerate((self.split, self.class_name, self.state, self.order)):
            filters.addWidget(combo, number // 2, number % 2)
        row = QHBoxLayout()
        for widget in (self.move, self.remove, self.really, self.keep):
            row.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.search)
        layout.addLayout(filters)
        layout.addWidget(self.legend)
        layout.addWidget(self.grid, 1)
        layout.addWidget(self.about)
        layout.addWidget(self.button)
        layout.addLayout(row)

    def _connect(self) -> None:
        self.search.textChanged.connect(self._list)
        for combo in (self.split, self.class_name, self.state, self.order):
            combo.currentIndexChanged.connect(self._list)
        self.grid.chosen.connect(self._show_chosen)
        self.grid.opened.connect(lambda row: self._ask_open(row.name))
        self.button.clicked.connect(self._on_open)
        self.remove.clicked.connect(self._on_remove)
        self.really.clicked.connect(self._on_really)
        self.keep.clicked.connect(self._show_chosen)
        self.move.activated.connect(self._on_move)

    def _fill(self, combo: NarrowCombo, title: str, entries: list[tuple[str, object]]) -> None:
        combo.fill([(title, None), *entries], keep=combo.currentData())

    def _list(self, *_: object) -> None:
        chosen = RowFilter(
            self.search.text(),
            self.split.currentData(),
            self.class_name.currentData(),
            self.state.currentData(),
        )
        self.grid.show_rows(listed(self._rows, chosen, self.order.currentData() or Order.NAME))
        self._show_chosen()

    def _show_chosen(self, *_: object) -> None:
        rows = self.grid.selected()
        self._ask_removal(False)
        shown = self.grid.model().rowCount()
        if len(rows) == 1:
            self.about.say(rows[0].short)
        elif rows:
            self.about.say(f"{len(rows):,} images are chosen.")
        elif self._rows and shown < len(self._rows):
            self.about.say(f"{shown:,} of {counted(len(self._rows), 'image')} listed.")
        else:
            self.about.say("")
        why = "Wait until the job below is done." if self._busy else self._why_not(rows)
        self.button.setEnabled(not why)
        explain(
            self.button, "Open to correct",
            why or "Open the image and its labels in the viewer, ready for the Correct dock.",
        )  # fmt: skip
        for widget in (self.remove, self.move):
            widget.setEnabled(bool(rows) and not self._busy)

    def _why_not(self, rows: list[DatasetRow]) -> str:
        if len(rows) == 1:
            return ""
        return "Choose a single image to open it." if rows else "Choose an image first: click it."

    def _ask_removal(self, asking: bool) -> None:
        for widget in (self.remove, self.move):
            widget.setVisible(not asking)
        for widget in (self.really, self.keep):
            widget.setVisible(asking)

    def _ask_open(self, name: str) -> None:
        if not self._busy:
            self.open_asked.emit(name)

    def _on_open(self) -> None:
        names = self.selected_names()
        if len(names) == 1:
            self._ask_open(names[0])

    def _on_remove(self) -> None:
        names = self.selected_names()
        more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
        named = ", ".join(f"'{name}'" for name in names[:MOST_NAMED])
        self.about.say(f"⚠ Remove {named}{more} with all files from the dataset? This cannot be undone.")
        self._ask_removal(True)
        self.keep.setFocus()

    def _on_really(self) -> None:
        names = self.selected_names()
        self._ask_removal(False)
        self.removal_asked.emit(names)

    def _on_move(self, index: int) -> None:
        split, names = self.move.currentData(), self.selected_names()
        self.move.setCurrentIndex(0)
        if split and names:
            self.move_asked.emit(names, split)


def status_legend() -> str:
    """The colours of the outlines as rich text, each with its status."""
    return " ".join(
        f"<span style='color:{colour}'>■</span>&nbsp;{status.value}" for status, colour in COLOURS.items()
    )
