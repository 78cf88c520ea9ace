"""The review queue in the Correct dock: progress, one object at a time, four buttons."""

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.review.queue import LEFT
from napari_cellseg.review.status import Status
from napari_cellseg.viewer.reviewing import Review
from napari_cellseg.viewer.status_colours import COLOURS
from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.fields import NarrowCombo, Sentence, explain

FILTERS = (
    ("Not looked at yet", frozenset(map(str, LEFT))),
    ("Edited", frozenset({Status.EDITED.value})),
    ("Added", frozenset({Status.ADDED.value})),
    ("Accepted", frozenset({Status.ACCEPTED.value})),
    ("Everything but accepted", frozenset(map(str, Status)) - {Status.ACCEPTED.value}),
    ("All objects", frozenset(map(str, Status))),
)
"""Which objects are gone through, and their statuses."""
ALL_CLASSES = "All classes"
NO_CLASS = "Without a class"


class ReviewBox(QWidget):
    """Signals `started`, `coloured` (bool) and `pressed` (accept, delete, skip, back or accept_view)."""

    started = Signal()
    coloured = Signal(bool)
    pressed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._review: Review | None = None
        self.start = QPushButton("Start &review")
        explain(self.start, "Start review", "Order the objects by doubt and show the most doubtful one.")
        self.start.clicked.connect(self.started)
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Objects that were looked at")
        self.sentence = Sentence("Review")
        self.which = NarrowCombo()
        self.which.fill(list(FILTERS))
        explain(
            self.which, "Go through", "Which objects the review goes through. Default: not looked at yet."
        )
        self.which.currentIndexChanged.connect(self._on_filter)
        self.class_ = NarrowCombo()
        explain(self.class_, "Class", "Go through objects of one class only. Default: all classes.")
        self.class_.currentIndexChanged.connect(self._on_filter)
        self.done = QCheckBox("This image is done")
        explain(self.done, "This image is done", "Mark the image as done, whatever is left.")
        self.done.clicked.connect(self._on_done)
        self.colour = QCheckBox("Colour by status")
        explain(self.colour, "Colour by status", "Show in colours what was looked at. Default: off.")
        self.colour.clicked.connect(self.coloured)
        self.colour.toggled.connect(self._on_colour)
        self.legend = QLabel(legend())
        self.legend.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.start)
        filters = QHBoxLayout()
        filters.addWidget(self.which, 1)
        filters.addWidget(self.class_, 1)
        layout.addLayout(filters)
        layout.addWidget(self.bar)
        layout.addWidget(self.sentence)
        layout.addLayout(self._buttons())
        layout.addWidget(self.done)
        layout.addWidget(self.colour)
        layout.addWidget(self.legend)
        layout.addStretch(1)
        self.show_review(None)

    def _buttons(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(3)
        self.buttons: dict[str, QPushButton] = {}
        for number, (action, title, words) in enumerate((
            ("accept", "Accept (A)", "This object is right: go to the next. Key: A."),
            ("delete", "Delete (D)", "Delete this object and go to the next. Key: D."),
            ("skip", "Skip (N)", "Leave this object for the end. Key: N."),
            ("back", "Back (Shift+N)", "Back to the object before. Key: Shift+N."),
            ("accept_view", "Accept field of view (Shift+A)", "Accept all objects that are visible now."),
        )):  # fmt: skip
            button = small_button(title, words)
            button.clicked.connect(partial(self.pressed.emit, action))
            grid.addWidget(button, number // 2, number % 2, 1, 2 if action == "accept_view" else 1)
            self.buttons[action] = button
        return grid

    def show_review(self, review: Review | None) -> None:
        """Show where a review stands; None where it was not begun."""
        self._review = review
        for widget in (self.which, self.class_, self.bar, self.done, *self.buttons.values()):
            widget.setEnabled(review is not None)
        self.start.setText("Start &review" if review is None else "Order &anew by doubt")
        self._show_filter(review)
        if review is None:
            self.bar.setRange(0, 1)
            self.bar.setValue(0)
            self.sentence.say("Not begun. The review starts with the objects that are most likely wrong.")
            return
        seen, total = review.queue.seen, review.queue.total
        self.bar.setRange(0, max(1, total))
        self.bar.setValue(seen)
        self.bar.setFormat(f"{seen:,} of {total:,}")
        self.sentence.say(review.sentence)
        self.done.setChecked(review.queue.is_done)

    def _on_colour(self, shown: bool) -> None:
        self.legend.setVisible(shown)

    def _show_filter(self, review: Review | None) -> None:
        """Offer the classes of the table, and the one gone through where its last object is gone too."""
        chosen = review.queue.classes if review is not None else None
        wanted = {*(review.queue.known_classes() if review is not None else ()), *(chosen or ())}
        entries = [(ALL_CLASSES, None), *((name or NO_CLASS, frozenset({name})) for name in sorted(wanted))]
        if [self.class_.itemData(i) for i in range(self.class_.count())] != [value for _, value in entries]:
            self.class_.fill(entries)
        for combo, value in ((self.class_, chosen), (self.which, review and review.queue.statuses)):
            blocked = combo.blockSignals(True)
            combo.choose(value)
            combo.blockSignals(blocked)

    def _on_filter(self, index: int) -> None:
        if self._review is not None:
            self._review.filter(self.which.currentData(), self.class_.currentData())

    def _on_done(self, checked: bool) -> None:
        if self._review is not None:
            self._review.mark_done(checked)


def legend() -> str:
    """The colours as rich text, each with its status."""
    return " ".join(f"<span style='color:{c}'>■</span>&nbsp;{status.value}" for status, c in COLOURS.items())
