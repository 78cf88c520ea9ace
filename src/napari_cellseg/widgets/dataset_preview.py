"""The sentence of what will be added, made in a thread, because large planes take a while to be counted."""

from collections.abc import Collection

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal
from superqt.utils import FunctionWorker

from napari_cellseg.errors import CellSegError
from napari_cellseg.viewer.dataset_adding import AddRequest, request_sentence


class PreviewWorker(QObject):
    """Makes a sentence at a time, for the last request. Signal `told` (AddRequest, words or CellSegError)."""

    told = Signal(object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._asked: tuple[AddRequest, tuple[str, ...]] | None = None
        self._worker: FunctionWorker | None = None

    def ask(self, request: AddRequest, names: Collection[str]) -> None:
        """Make the sentence of a request; those that wait for another one are forgotten."""
        self._asked = (request, tuple(names))
        self._begin()

    def forget(self) -> None:
        """Tell of nothing that was asked before."""
        self._asked = None

    def _begin(self) -> None:
        if self._worker is None and self._asked is not None:
            self._worker = create_worker(_sentence, *self._asked, _worker_class=FunctionWorker)
            self._worker.returned.connect(self._on_made)
            self._worker.start()

    def _on_made(self, made: tuple[AddRequest, str | CellSegError]) -> None:
        self._worker = None
        request, words = made
        if self._asked is None:
            return
        if self._asked[0] is request:
            self._asked = None
            self.told.emit(request, words)
        else:
            self._begin()


def _sentence(request: AddRequest, names: tuple[str, ...]) -> tuple[AddRequest, str | CellSegError]:
    try:
        return request, request_sentence(request, names)
    except CellSegError as error:
        return request, error
