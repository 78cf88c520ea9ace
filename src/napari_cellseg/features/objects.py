"""The objects of one label plane or volume: which there are, where, and how large."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.errors import LabelsError, OptionError

CHUNK_PIXELS = 1 << 19
"""Pixels of boxes that are measured at once, so that a cancelled job stops soon."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """Objects of one label plane or volume; made by `found_in`.

    Attributes
    ----------
    labels : (Y, X) or (Z, Y, X) ndarray of int
        0 is background; C-contiguous.
    ids : (N,) ndarray of int64
        The objects to measure, increasing. There can be others in `labels`.
    boxes : (N, 2 * D) ndarray of int64
        First and last-plus-one coordinates of each, as in scikit-image's ``bbox``.
    areas : (N,) ndarray of int64
        Pixels of each.
    spacing : tuple of float
        Size of a pixel along each of the D axes.
    """

    labels: NDArray[Any]
    ids: NDArray[np.int64]
    boxes: NDArray[np.int64]
    areas: NDArray[np.int64]
    spacing: tuple[float, ...]

    @classmethod
    def found_in(
        cls,
        labels: NDArray[Any],
        *,
        spacing: Sequence[float] | None = None,
        only: Iterable[int] | None = None,
        boxes: NDArray[np.int64] | None = None,
    ) -> "Objects":
        """Objects of some labels, from one pass over them.

        Memory grows with the objects, not with their numbers. Numbers below 1 are no objects.

        Parameters
        ----------
        labels : (Y, X) or (Z, Y, X) ndarray of int
            0 is background. Not copied where they are C-contiguous and in the machine's byte order.
        spacing : sequence of float, optional
            Size of a pixel along each axis; 1 by default.
        only : iterable of int, optional
            The objects to measure; those that are not there are left out.
        boxes : (N, 2 * D) ndarray of int, optional
            A box around each of `only`, in that order, at least as large as the object: then nothing else is
            read.

        Raises
        ------
        LabelsError
            Where the labels are not integers, or not of two or three dimensions.
        OptionError
            Where the spacing is not a positive number for each axis, or the boxes don't fit.
        """
        labels = readable_labels(labels)
        size = _checked_spacing(spacing, labels.ndim)
        wanted = None if only is None else np.fromiter((int(i) for i in only), np.int64)
        if boxes is not None:
            if wanted is None:
                raise OptionError("Boxes need the objects that they are for: give `only` too.")
            ids, found, areas = _objects_in_boxes(labels, wanted, np.asarray(boxes, np.int64))
        else:
            ids, found, areas = _all_objects(labels)
            if wanted is not None:
                kept = np.isin(ids, wanted)
                ids, found, areas = ids[kept], found[kept], areas[kept]
        return cls(labels, ids, found, areas, size)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ndim(self) -> int:
        """Two or three dimensions."""
        return self.labels.ndim

    def take(self, rows: slice | NDArray[Any]) -> "Objects":
        """Some of the objects, in the same labels."""
        return replace(self, ids=self.ids[rows], boxes=self.boxes[rows], areas=self.areas[rows])

    def chunks(self, pixels: int = CHUNK_PIXELS) -> Iterator["Objects"]:
        """The objects in parts, each with about that many pixels of boxes."""
        sides = self.boxes[:, self.ndim :] - self.boxes[:, : self.ndim]
        part = (np.cumsum(np.prod(sides, axis=1)) - 1) // max(1, pixels)
        cuts = np.flatnonzero(np.diff(part)) + 1
        for start, stop in pairwise([0, *cuts.tolist(), len(self)]):
            if stop > start:
                yield self.take(slice(start, stop))


def readable_labels(labels: Any) -> NDArray[Any]:
    """Labels as kernels read them: C-contiguous and in the machine's byte order, copied where they are not.

    Raises
    ------
    LabelsError
        Where they are not integers, or not of two or three dimensions.
    """
    array = np.asarray(labels)
    if array.ndim not in (2, 3) or array.dtype.kind not in "iu":
        hint = " Number its objects first: skimage.measure.label(mask)." if array.dtype.kind == "b" else ""
        raise LabelsError(
            f"Labels to measure must be whole numbers of two or three dimensions, these are {array.dtype} of "
            f"shape {array.shape}.{hint}"
        )
    if array.dtype == np.uint64 and array.size and int(array.max()) >= 2**63:
        raise LabelsError(
            f"Labels must be below 2**63, these go up to {array.max()}. Number the objects anew."
        )
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def stack_boxes(objects: Objects) -> NDArray[np.int64]:
    """Boxes (N, 6) as z0, y0, x0, z1, y1, x1, of a plane too."""
    ndim = objects.ndim
    boxes = np.zeros((len(objects), 6), np.int64)
    boxes[:, 3] = 1
    boxes[:, 3 - ndim : 3] = objects.boxes[:, :ndim]
    boxes[:, 6 - ndim :] = objects.boxes[:, ndim:]
    return boxes


def _checked_spacing(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    size = (1.0,) * ndim if spacing is None else tuple(float(s) for s in spacing)
    if len(size) != ndim or not all(np.isfinite(size)) or not all(s > 0 for s in size):
        raise OptionError(f"The spacing must be {ndim} positive numbers, one for each axis, not {spacing}.")
    return size


def _all_objects(labels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Ids (N,), boxes (N, 2 * D) and areas (N,), in the order of the ids."""
    stack = labels if labels.ndim == 3 else labels[None]
    table = np.empty((16, 8), np.int64)
    count, table = _find_objects(stack, table)
    found = table[:count]
    found = found[np.argsort(found[:, 0])]
    return found[:, 0].copy(), found[:, _columns(labels.ndim)], found[:, 7].copy()


def _objects_in_boxes(
    labels: NDArray[Any], wanted: NDArray[np.int64], boxes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """As `_all_objects`, for some objects that are searched in a box each."""
    ndim = labels.ndim
    if boxes.shape != (len(wanted), 2 * ndim):
        raise OptionError(f"The boxes must have shape {(len(wanted), 2 * ndim)}, not {boxes.shape}.")
    wanted, first = np.unique(wanted, return_index=True)
    shape = np.array(labels.shape, np.int64)
    windows = np.zeros((len(wanted), 6), np.int64)
    windows[:, 3] = 1
    windows[:, np.array(_columns(ndim)) - 1] = np.clip(boxes[first], 0, np.tile(shape, 2))
    found = np.empty((len(wanted), 8), np.int64)
    found[:, 0] = wanted
    _find_in_boxes(labels if ndim == 3 else labels[None], windows, found)
    found = found[(found[:, 7] > 0) & (found[:, 0] > 0)]
    return found[:, 0].copy(), found[:, _columns(ndim)], found[:, 7].copy()


def _columns(ndim: int) -> list[int]:
    """Columns of a row (id, z0, y0, x0, z1, y1, x1, area) that make the box."""
    return [1, 2, 3, 4, 5, 6] if ndim == 3 else [2, 3, 5, 6]


@njit(cache=True, nogil=True)
def _slot(keys: Any, rows: Any, label: int) -> int:
    """Where a label is, or belongs, in a table of open addressing."""
    mask = len(keys) - 1
    at = (label * 0x9E3779B1 >> 7) & mask
    while rows[at] >= 0 and keys[at] != label:
        at = (at + 1) & mask
    return at


@njit(cache=True, nogil=True)
def _grown(keys: Any, rows: Any) -> Any:
    more_keys = np.zeros(2 * len(keys), np.int64)
    more_rows = np.full(2 * len(keys), -1, np.int64)
    for i in range(len(keys)):
        if rows[i] >= 0:
            at = _slot(more_keys, more_rows, keys[i])
            more_keys[at], more_rows[at] = keys[i], rows[i]
    return more_keys, more_rows


@njit(cache=True, nogil=True)
def _widen(entry: Any, z: int, y: int, start: int, stop: int) -> None:
    """Take a run of pixels into an object's row (id, z0, y0, x0, z1, y1, x1, area)."""
    entry[1], entry[4] = min(entry[1], z), max(entry[4], z + 1)
    entry[2], entry[5] = min(entry[2], y), max(entry[5], y + 1)
    entry[3], entry[6] = min(entry[3], start), max(entry[6], stop)
    entry[7] += stop - start


@njit(cache=True, nogil=True)
def _clear(entry: Any, label: int) -> None:
    entry[0], entry[7] = label, 0
    for i in range(1, 4):
        entry[i], entry[i + 3] = 1 << 62, 0


@njit(cache=True, nogil=True)
def _enlarged(table: Any) -> Any:
    larger = np.empty((2 * len(table), 8), np.int64)
    for i in range(len(table)):
        for j in range(8):
            larger[i, j] = table[i, j]
    return larger


@njit(cache=True, nogil=True)
def _find_objects(stack: Any, table: Any) -> Any:
    """Number of objects, and a row for each in order of appearance; the table is enlarged where needed."""
    keys, rows = np.zeros(64, np.int64), np.full(64, -1, np.int64)
    count = 0
    depth, height, width = stack.shape
    for z in range(depth):
        for y in range(height):
            x = 0
            while x < width:
                value = stack[z, y, x]
                start = x
                x += 1
                while x < width and stack[z, y, x] == value:
                    x += 1
                label = np.int64(value)
                if label <= 0:
                    continue
                at = _slot(keys, rows, label)
                if rows[at] < 0:
                    if count == len(table):
                        table = _enlarged(table)
                    keys[at], rows[at] = label, count
                    _clear(table[count], label)
                    count += 1
                    _widen(table[count - 1], z, y, start, x)
                    if 2 * count > len(keys):
                        keys, rows = _grown(keys, rows)
                else:
                    _widen(table[rows[at]], z, y, start, x)
    return count, table


@njit(cache=True, nogil=True)
def _find_in_boxes(stack: Any, windows: Any, found: Any) -> None:
    """Fill the row of each object from its window (z0, y0, x0, z1, y1, x1)."""
    for i in range(len(found)):
        label = found[i, 0]
        _clear(found[i], label)
        for z in range(windows[i, 0], windows[i, 3]):
            for y in range(windows[i, 1], windows[i, 4]):
                for x in range(windows[i, 2], windows[i, 5]):
                    if stack[z, y, x] == label:
                        _widen(found[i], z, y, x, x + 1)
