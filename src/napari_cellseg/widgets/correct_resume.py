"""The offer to go on with work that was left in a journal."""

from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.errors import JournalError
from napari_cellseg.review.journal import remove_journal
from napari_cellseg.review.resuming import FoundJournal
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.journaling import journals_of
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import Sentence, explain, later_of


class ResumeOffer(QWidget):
    """Looks for journals of the images of a viewer, and offers the latest.

    Signals: `chosen` (image layer and journal to resume) and `failed` (error).
    """

    chosen = Signal(object, object)
    failed = Signal(object)

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._offers: list[tuple[Image, FoundJournal]] = []
        self._asked: set[Image] = set()
        self.sentence = Sentence("Work that was not finished")
        self.go_on = QPushButton("&Resume")
        explain(self.go_on, "Resume", "Bring back the labels, the table and the review of that work.")
        self.discard = QPushButton("&Discard")
        explain(self.discard, "Discard", "Remove that work for good, because it is saved or not wanted.")
        row = QHBoxLayout()
        row.addWidget(self.go_on)
        row.addWidget(self.discard)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.sentence)
        layout.addLayout(row)
        self.go_on.clicked.connect(self._on_resume)
        self.discard.clicked.connect(self._on_discard)
        self._look = Coalesced(self._look_for_journals, 0, later_of(self))
        connections.connect(viewer.layers.events.inserted, self._on_layers)
        connections.connect(viewer.layers.events.removed, self._on_layers)
        self._show()
        self._look.defer()

    def _on_layers(self, event: object = None) -> None:
        self._look.defer()

    def _look_for_journals(self) -> None:
        images = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        self._offers = [(image, found) for image, found in self._offers if image in images]
        for image in [image for image in images if image not in self._asked]:
            self._asked.add(image)
            try:
                self._offers += [(image, found) for found in journals_of(image)]
            except JournalError as error:
                self.failed.emit(error)
        self._asked.intersection_update(images)
        self._show()

    def _show(self) -> None:
        self.setVisible(bool(self._offers))
        if self._offers:
            more = f" ({len(self._offers) - 1} more)" if len(self._offers) > 1 else ""
            self.sentence.say(f"Unfinished work was found: {self._offers[0][1].words}.{more}")

    def _on_resume(self) -> None:
        self.chosen.emit(*self._offers.pop(0))
        self._show()

    def _on_discard(self) -> None:
        _, found = self._offers.pop(0)
        try:
            remove_journal(found.path)
        except JournalError as error:
            self.failed.emit(error)
        self._show()
