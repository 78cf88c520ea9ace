"""Which images of a dataset neither of two models has learnt from, and what counts in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.datasets.record import Entry
from napari_cellseg.datasets.sample import SPLITS, Split
from napari_cellseg.datasets.splitting import units
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import OptionError
from napari_cellseg.models.card import ModelCard
from napari_cellseg.models.lineage import lineage
from napari_cellseg.models.registry import ModelEntry

FEWEST_UNITS = 3
"""Independent images, or groups of them, below which nothing can be told about others."""

Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Images on which two models can be compared.

    Attributes
    ----------
    entries : tuple of Entry
        The images.
    groups : dict of str to str
        The unit of each, by name: images of one group, one source, or near-duplicates are no independent
        cases.
    split : str
        Where they are from: ``"test"``, ``"val"``, ``"test and val"``, …; empty where there are none.
    excluded : DataFrame
        ``image``, ``split`` and ``reason`` of those left out, because a model learnt from them or from images
        that belong to them.
    notes : tuple of str
        What a reader must know about them.
    is_certain : bool
        Whether it is known of all models which images they learnt from.
    """

    entries: tuple[Entry, ...]
    groups: dict[str, str]
    split: str
    excluded: pd.DataFrame = field(repr=False)
    notes: tuple[str, ...] = ()
    is_certain: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images."""
        return tuple(entry.name for entry in self.entries)


def held_out(dataset: Dataset, cards: Sequence[tuple[str, ModelCard]], split: str | None = None) -> HeldOut:
    """Images that no model has learnt from.

    Parameters
    ----------
    dataset : Dataset
        Holds them.
    cards : sequence of (str, ModelCard)
        What each model is called, and its card.
    split : {"train", "val", "test", "all"}, optional
        Which images; unless given those of test, with those of val where test has fewer than `FEWEST_UNITS`
        independent ones.

    Raises
    ------
    OptionError
        Where the split is none of these.
    """
    if split not in (None, "all", *SPLITS):
        raise OptionError(f"split must be train, val, test or all, not '{split}'.")
    entries = dataset.entries()
    unit_of = {name: names[0] for names in units(entries) for name in names}
    reasons = _reasons(entries, unit_of, cards)
    usable = {s: [e for e in entries if e.split == s and e.name not in reasons] for s in SPLITS}
    tested = {unit_of[entry.name] for entry in usable["test"]}
    automatic: tuple[Split, ...] = ("test",) if len(tested) >= FEWEST_UNITS else ("test", "val")
    chosen: tuple[Split, ...] = (
        automatic if split is None else tuple(s for s in SPLITS if split in (s, "all"))
    )
    kept = [entry for s in chosen for entry in usable[s]]
    looked = ("test", "val") if split is None else chosen
    rows = [(e.name, e.split, reasons[e.name]) for e in entries if e.split in looked and e.name in reasons]
    return HeldOut(
        tuple(kept),
        {entry.name: unit_of[entry.name] for entry in kept},
        " and ".join(s for s in chosen if usable[s]),
        pd.DataFrame(rows, columns=["image", "split", "reason"]),
        (*_left_out_notes(rows), *_history_notes(cards, kept)),
        all(_unknown_history(card) is None for _, card in cards),
    )


def _reasons(
    entries: Iterable[Entry], unit_of: dict[str, str], cards: Sequence[tuple[str, ModelCard]]
) -> dict[str, str]:
    """Why images are left out, by name; the first model that learnt from them counts."""
    entries, found = tuple(entries), dict[str, str]()
    for name, card in cards:
        learnt = set(card.trained_on)
        own = {e.name for e in entries if {e.pixels, e.origin.plane} & learnt - {""}}
        related = {unit_of[image]: image for image in sorted(own, reverse=True)}
        for entry in entries:
            if entry.name in own:
                found.setdefault(entry.name, f"'{name}' learnt from it")
            elif unit_of[entry.name] in related:
                other = related[unit_of[entry.name]]
                found.setdefault(entry.name, f"'{name}' learnt from '{other}', which it belongs to")
    return found


def _left_out_notes(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    if not rows:
        return []
    images = "1 image is" if len(rows) == 1 else f"{len(rows):,} images are"
    return [f"{images} left out, because a model learnt from them or from images that belong to them."]


def _history_notes(cards: Sequence[tuple[str, ModelCard]], kept: Sequence[Entry]) -> list[str]:
    """What is not known about the models' training, and which images picked their epochs."""
    notes = []
    for name, card in cards:
        unknown = _unknown_history(card)
        if unknown is not None:
            whose = "its card" if unknown == card.name else f"the card of '{unknown}', which it comes from,"
            notes.append(
                f"It is not known which images '{name}' learnt from: {whose} does not list them. If these "
                f"are among them, it is worse than it seems here."
            )
        picked = sum(entry.pixels in card.validated_on for entry in kept)
        if picked:
            of = "these images" if picked == len(kept) else f"{picked:,} of these {len(kept):,} images"
            notes.append(
                f"The best epoch of '{name}' was picked on {of}, so that it may seem a little better here "
                f"than it is. Images in 'test' would not have that flaw."
            )
    return notes


def _unknown_history(card: ModelCard) -> str | None:
    """The model, or the one that it comes from, whose card does not say what it learnt from."""
    ancestors = lineage(ModelEntry(card, Path(card.weights), "file"))
    cards = [card, *(a.entry.card for a in ancestors if a.entry is not None)]
    return next((known.name for known in cards if not known.trained_on), None)


def reviewed_only(labels: Labels, truth: Labels, ignored: NDArray[np.bool_] | None) -> Labels:
    """Found objects without what lies where nobody has looked.

    Parameters
    ----------
    labels : (Y, X) ndarray of int32
        What a model found.
    truth : (Y, X) ndarray of int32
        The true objects.
    ignored : (Y, X) ndarray of bool, or None
        Pixels that nobody has reviewed.

    Returns
    -------
    (Y, X) ndarray of int32
        Objects lose their pixels there. Those that lose more than half are gone, unless most of what is left
        lies on true objects: it is then the found part of an object that is cut by the reviewed region.
    """
    if ignored is None or not ignored.any():
        return labels
    kept = np.where(ignored, 0, labels)
    size = int(labels.max(initial=0)) + 1
    whole, left = (np.bincount(array.ravel(), minlength=size) for array in (labels, kept))
    on_truth = np.bincount(kept[truth > 0], minlength=size)
    gone = (2 * left < whole) & (2 * on_truth <= left)
    return np.where(gone[kept], 0, kept).astype(np.int32)
