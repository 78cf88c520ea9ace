"""Unfinished work on the layers of a viewer, the same for all docks that offer it."""

from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_cellseg.errors import JournalError
from napari_cellseg.review.journal import mark_offered, remove_journal
from napari_cellseg.review.pruning import prune_journals
from napari_cellseg.review.resuming import FoundJournal
from napari_cellseg.viewer.pixel_size import source_path
from napari_cellseg.viewer.resuming import journals_of


@dataclass(frozen=True, eq=False)
class Offer:
    """Work that can be gone on with.

    Attributes
    ----------
    layer : napari.layers.Image or napari.layers.Labels
        What it was found by.
    found : FoundJournal
        Its journal.
    """

    layer: Layer
    found: FoundJournal


class Unfinished:
    """Journals of the layers of a viewer that wait for an answer.

    Attributes
    ----------
    offers : list of Offer
        The next one first.
    watchers : list of callable
        Told whenever the offers are others, with the error where there was one, else None.
    """

    def __init__(self) -> None:
        self.offers: list[Offer] = []
        self.watchers: list[Callable[[JournalError | None], None]] = []
        self._asked: set[Layer] = set()

    def look(self, viewer: ViewerModel, *, anew: bool = False) -> None:
        """Look for journals of layers that are new; with `anew` of all layers, because a dock opens."""
        layers = [layer for layer in viewer.layers if _can_have_journal(layer)]
        if anew:
            self._asked.clear()
            self.offers.clear()
            self._try(prune_journals)
        self.offers = [offer for offer in self.offers if offer.layer in layers]
        self._asked.intersection_update(layers)
        for layer in layers:
            if layer not in self._asked:
                self._asked.add(layer)
                self._try(lambda layer=layer: self._add(layer))
        self._tell()

    def answer(self, offer: Offer) -> None:
        """Take an offer away, because it was accepted or put off."""
        self.offers = [other for other in self.offers if other is not offer]
        self._tell()

    def delete(self, offer: Offer) -> None:
        """Remove work for good."""
        self._try(lambda: remove_journal(offer.found.path))
        self.answer(offer)

    def _add(self, layer: Layer) -> None:
        known = {offer.found.path for offer in self.offers}
        for found in journals_of(layer):
            if found.path not in known:
                mark_offered(found.path)
                self.offers.append(Offer(layer, found))

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except JournalError as error:
            self._tell(error)

    def _tell(self, error: JournalError | None = None) -> None:
        for watcher in list(self.watchers):
            watcher(error)


_KNOWN: "WeakKeyDictionary[ViewerModel, Unfinished]" = WeakKeyDictionary()


def unfinished_of(viewer: ViewerModel) -> Unfinished:
    """The unfinished work of a viewer, which all its docks share."""
    return _KNOWN.setdefault(viewer, Unfinished())


def _can_have_journal(layer: Layer) -> bool:
    """Images, and labels that are known by a file or by pixels that need not be computed first."""
    if isinstance(layer, Labels):
        return not layer.multiscale and (source_path(layer) is not None or isinstance(layer.data, np.ndarray))
    return isinstance(layer, Image)
