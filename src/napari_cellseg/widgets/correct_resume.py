"""The offer to go on with work that was left in a journal, the same in all docks."""

from napari.components import ViewerModel
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.errors import JournalError
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.unfinished import Offer, unfinished_of
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import Sentence, explain, later_of
from napari_cellseg.widgets.messages import ErrorBox


class ResumeOffer(QWidget):
    """Offers unfinished work on the layers of a viewer, one after the other; an answer holds in all docks.

    Signal: `chosen` (layer and journal to resume).
    """

    chosen = Signal(object, object)

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._unfinished = viewer, unfinished_of(viewer)
        self._asking: Offer | None = None
        self.sentence, self.error = Sentence("Work that was not finished"), ErrorBox()
        self.go_on, self.put_off, self.delete = QPushButton("&Resume"), QPushButton(), QPushButton()
        explain(self.go_on, "Resume", "Bring back labels, table, review and undo steps of that work.")
        row = QHBoxLayout()
        for button in (self.go_on, self.put_off, self.delete):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 0)
        layout.addWidget(self.sentence)
        layout.addLayout(row)
        layout.addWidget(self.error)
        self.go_on.clicked.connect(self._on_resume)
        self.put_off.clicked.connect(self._on_put_off)
        self.delete.clicked.connect(self._on_delete)
        self._look = Coalesced(self._look_for_layers, 0, later_of(self))
        connections.connect(viewer.layers.events.inserted, self._on_layers)
        connections.connect(viewer.layers.events.removed, self._on_layers)
        self._unfinished.watchers.append(self._show)
        connections.at_end(self._close)
        self._show()
        later_of(self)(0, self._look_anew)

    @property
    def offer(self) -> Offer | None:
        """What is offered."""
        return self._unfinished.offers[0] if self._unfinished.offers else None

    def _on_layers(self, event: object = None) -> None:
        self._look.defer()

    def _look_for_layers(self) -> None:
        if not self._closed:
            self._unfinished.look(self._viewer)

    def _look_anew(self) -> None:
        if not self._closed:
            self._unfinished.look(self._viewer, anew=True)

    @property
    def _closed(self) -> bool:
        return self._show not in self._unfinished.watchers

    def _close(self) -> None:
        if not self._closed:
            self._unfinished.watchers.remove(self._show)

    def _show(self, error: JournalError | None = None) -> None:
        if error is not None:
            self.error.show_error(error)
        offer = self.offer
        self._asking = offer if self._asking is offer else None
        for button in (self.go_on, self.put_off, self.delete):
            button.setVisible(offer is not None)
        self.setVisible(offer is not None or error is not None)
        self._ask(sure=self._asking is not None)
        others = len(self._unfinished.offers) - 1
        if offer is None:
            self.sentence.say("")
        elif self._asking is not None:
            self.sentence.say(f"Delete {offer.found.work}? It cannot be brought back.")
        else:
            more = f" ({others} more)" if others else ""
            self.sentence.say(f"Unfinished work was found: {offer.found.words}.{more}")

    def _ask(self, *, sure: bool) -> None:
        """Let the buttons stand for the offer, or for whether the person is sure to delete it."""
        keep, delete = ("&Keep it", "&Delete for good") if sure else ("&Not now", "&Delete…")
        later = "Keep that work: it is offered again when a dock or the image is opened."
        for button, title, hint in (
            (self.put_off, keep, "Keep that work." if sure else later),
            (self.delete, delete, "Remove that work for good, because it is not wanted."),
        ):
            button.setText(title)
            explain(button, title, hint)
        self.go_on.setVisible(self.offer is not None and not sure)

    def _on_resume(self) -> None:
        offer = self.offer
        if offer is not None:
            self._unfinished.answer(offer)
            self.chosen.emit(offer.layer, offer.found)

    def _on_put_off(self) -> None:
        offer, sure = self.offer, self._asking is not None
        self._asking = None
        if offer is not None and not sure:
            self._unfinished.answer(offer)
        self._show()

    def _on_delete(self) -> None:
        offer, sure = self.offer, self._asking is not None
        self._asking = None if sure else offer
        if offer is not None and sure:
            self._unfinished.delete(offer)
        self._show()
