"""Label images with their objects numbered without gaps, and which of them overlap."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.overlaps import Ids, Overlaps


@dataclass(frozen=True, slots=True)
class NumberedLabels:
    """A label image whose objects are numbered 1 … N.

    Attributes
    ----------
    ids : (N,) ndarray of int64
        The label of each object, ascending; object number k has label ``ids[k - 1]``.
    areas : (N,) ndarray of int64
        Pixels of each object.
    numbers : (Y, X) or (Z, Y, X) ndarray of int32
        Number of the object at each pixel; 0 is background.
    """

    ids: Ids
    areas: Ids
    numbers: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def volume(self) -> NDArray[np.int32]:
        """`numbers` as (Z, Y, X), Z = 1 for a plane."""
        return self.numbers if self.numbers.ndim == 3 else self.numbers[None]


@njit(cache=True, nogil=True)
def _count(labels: Any, counts: Any) -> None:
    for i in range(labels.size):
        counts[labels[i]] += 1


@njit(cache=True, nogil=True)
def _renumber(labels: Any, lookup: Any, out: Any) -> None:
    for i in range(labels.size):
        out[i] = lookup[labels[i]]


@njit(cache=True, nogil=True)
def _fill_runs(p: Any, t: Any, stride: int, keys: Any, lengths: Any) -> int:
    """Runs of pixels with the same two objects; the key is their pair. Counts only where `keys` is empty."""
    count, i, n = 0, 0, p.size
    while i < n:
        a, b = p[i], t[i]
        start = i
        i += 1
        while i < n and p[i] == a and t[i] == b:
            i += 1
        if a > 0 and b > 0:
            if keys.size > 0:
                keys[count] = (a - 1) * stride + b - 1
                lengths[count] = i - start
            count += 1
    return count


@njit(cache=True, nogil=True)
def _sum_coordinates(numbers: Any, sums: Any) -> None:
    depth, height, width = numbers.shape
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                k = numbers[z, y, x]
                if k > 0:
                    sums[k - 1, 0] += z
                    sums[k - 1, 1] += y
                    sums[k - 1, 2] += x


def number_labels(labels: NDArray[Any]) -> NumberedLabels:
    """Number the objects of a label image without gaps.

    Parameters
    ----------
    labels : (Y, X) or (Z, Y, X) ndarray of int or bool
        Label image; 0 is background. A bool image is one object.

    Raises
    ------
    OptionError
        If it holds anything but whole numbers of at least 0.
    """
    if labels.dtype.kind not in "iub":
        raise OptionError(
            f"A label image must hold whole numbers, not {labels.dtype}; "
            "convert it with labels.astype('int32')."
        )
    flat = np.ascontiguousarray(labels).ravel()
    top = int(flat.max()) if flat.size else 0
    if flat.size and flat.min() < 0:
        raise OptionError(f"Labels must not be negative, this label image holds {flat.min()}.")
    if top >= 2**63:
        raise OptionError(f"Labels must be below 2**63, this label image holds {top}.")
    if top > 8 * flat.size + 1000 or top >= 2**31 - 1:
        return _number_sparse(flat, labels.shape)
    flat = flat.astype(np.int32, copy=False)
    counts = np.zeros(top + 1, np.int64)
    _count(flat, counts)
    counts[0] = 0
    ids = np.flatnonzero(counts).astype(np.int64)
    if len(ids) == top:
        return NumberedLabels(ids, counts[ids], flat.reshape(labels.shape))
    lookup = np.zeros(top + 1, np.int32)
    lookup[ids] = np.arange(1, len(ids) + 1)
    numbers = np.empty(flat.shape, np.int32)
    _renumber(flat, lookup, numbers)
    return NumberedLabels(ids, counts[ids], numbers.reshape(labels.shape))


def _number_sparse(flat: NDArray[Any], shape: tuple[int, ...]) -> NumberedLabels:
    """The same for ids far beyond the number of pixels."""
    ids, inverse, areas = np.unique(flat, return_inverse=True, return_counts=True)
    first = 1 if ids[0] == 0 else 0
    numbers = (inverse.ravel() + 1 - first).astype(np.int32)
    return NumberedLabels(
        ids[first:].astype(np.int64), areas[first:].astype(np.int64), numbers.reshape(shape)
    )


def numbered_overlaps(prediction: NumberedLabels, truth: NumberedLabels) -> Overlaps:
    """Overlapping pairs of objects of two numbered label images of the same shape."""
    stride = max(1, len(truth))
    p, t = prediction.numbers.ravel(), truth.numbers.ravel()
    nothing = np.zeros(0, np.int64)
    count = _fill_runs(p, t, stride, nothing, nothing)
    runs, lengths = np.zeros(count, np.int64), np.zeros(count, np.int64)
    if count:
        _fill_runs(p, t, stride, runs, lengths)
    keys, place = np.unique(runs, return_inverse=True)
    shared = np.zeros(len(keys), np.int64)
    np.add.at(shared, place, lengths)
    rows, columns = np.divmod(keys, stride)
    return Overlaps(prediction.ids, truth.ids, prediction.areas, truth.areas, rows, columns, shared)


def centroids(labels: NumberedLabels) -> NDArray[np.float64]:
    """Mean pixel position of each object.

    Returns
    -------
    (N, 3) ndarray of float64
        z, y, x in pixels; z is 0 for a plane.
    """
    sums = np.zeros((len(labels), 3), np.int64)
    _sum_coordinates(labels.volume, sums)
    means: NDArray[np.float64] = sums / np.maximum(labels.areas, 1)[:, None]
    return means
