"""Which objects touch which, and along how much of their border."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.features.masks import border_of, room_for
from napari_cellseg.features.objects import Objects, stack_boxes
from napari_cellseg.features.quantiles import sort_in_place

TOUCHING_GAP = 1
"""Pixels of background that may lie between two objects that touch: the line that a watershed leaves."""


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """Contacts of some objects with any others.

    Attributes
    ----------
    ids : (N,) ndarray of int64
        The objects.
    border : (N,) ndarray of int64
        Border pixels of each: those with a neighbour (4 in a plane, 6 in a volume) outside of the object. The
        image's own border is no border of an object.
    touching : (N,) ndarray of int64
        Border pixels that touch any other object.
    rows : (P,) ndarray of int64
        For each pair of an object and another one that it touches: where the object is in `ids`.
    others : (P,) ndarray of int64
        Label of the other one.
    pixels : (P,) ndarray of int64
        Border pixels of the object that touch the other one.
    """

    ids: NDArray[np.int64]
    border: NDArray[np.int64]
    touching: NDArray[np.int64]
    rows: NDArray[np.int64]
    others: NDArray[np.int64]
    pixels: NDArray[np.int64]


def find_contacts(objects: Objects, gap: int = TOUCHING_GAP) -> Contacts:
    """Contacts of objects, in one pass over their boxes.

    Two objects touch where at most `gap` pixels lie between them, straight or diagonally: a pixel of one is
    in the square of 2 · gap + 3 pixels around a pixel of the other. 0 is the 8-neighbourhood (26 in a
    volume), where CellProfiler's "adjacent" takes 4; 1 bridges the line that a watershed leaves, as
    MorphoLibJ's region adjacency graph does (Legland et al. 2016).

    Parameters
    ----------
    objects : Objects
        Objects, of which contacts with any others in the same labels are found.
    gap : int
        Pixels between, 0 or more.
    """
    counts = np.zeros((len(objects), 2), np.int64)
    labels = objects.labels if objects.ndim == 3 else objects.labels[None]
    pairs = _touching_pairs(labels, objects.ids, stack_boxes(objects), gap + 1, counts)
    return Contacts(objects.ids, counts[:, 0], counts[:, 1], pairs[:, 0], pairs[:, 1], pairs[:, 2])


@njit(cache=True, nogil=True)
def _touching_pairs(labels: Any, ids: Any, boxes: Any, reach: int, counts: Any) -> Any:
    """Row, other label and pixels of each pair (P, 3); fills border pixels and touching ones of each row."""
    pairs, size = np.empty((64, 3), np.int64), 0
    met, room = np.empty(1024, np.int64), room_for(labels, boxes)
    for i in range(len(ids)):
        counts[i, 0] = border_of(labels, ids[i], boxes[i], room)
        places = room[2][: counts[i, 0]]
        seen, counts[i, 1] = _meet_others(labels, ids[i], places, reach, met)
        if seen > len(met):
            met = np.empty(2 * seen, np.int64)
            seen, counts[i, 1] = _meet_others(labels, ids[i], places, reach, met)
        sort_in_place(met[:seen])
        for k in range(seen):
            if k == 0 or met[k] != met[k - 1]:
                if size == len(pairs):
                    pairs = _doubled(pairs)
                pairs[size, 0], pairs[size, 1], pairs[size, 2] = i, met[k], 0
                size += 1
            pairs[size - 1, 2] += 1
    return pairs[:size]


@njit(cache=True, nogil=True)
def _meet_others(labels: Any, own: int, places: Any, reach: int, met: Any) -> Any:
    """Write the other labels around each border pixel of an object, each once, as far as there is room.

    Returns how many these are, or more where there is no room, and the touching pixels.
    """
    seen = touching = 0
    for k in range(len(places)):
        before = seen
        seen = _meet(labels, own, places[k, 0], places[k, 1], places[k, 2], reach, met, seen)
        touching += seen > before
    return seen, touching


@njit(cache=True, nogil=True)
def _meet(labels: Any, own: int, z: int, y: int, x: int, reach: int, met: Any, seen: int) -> int:
    """Append the other labels around a pixel, each once, as far as there is room; returns the end."""
    depth, height, width = labels.shape
    before = seen
    for around_z in range(max(z - reach, 0), min(z + reach + 1, depth)):
        for around_y in range(max(y - reach, 0), min(y + reach + 1, height)):
            for around_x in range(max(x - reach, 0), min(x + reach + 1, width)):
                label = np.int64(labels[around_z, around_y, around_x])
                if label <= 0 or label == own:
                    continue
                known = False
                for k in range(before, min(seen, len(met))):
                    known = known or met[k] == label
                if not known:
                    if seen < len(met):
                        met[seen] = label
                    seen += 1
    return seen


@njit(cache=True, nogil=True)
def _doubled(pairs: Any) -> Any:
    larger = np.empty((2 * len(pairs), pairs.shape[1]), np.int64)
    for i in range(len(pairs)):
        for k in range(pairs.shape[1]):
            larger[i, k] = pairs[i, k]
    return larger
