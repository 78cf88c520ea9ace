"""A label array of any size, read block by block; runs of equal labels."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Window = tuple[slice, ...]
"""A box of an array: one slice per dimension, with integer start and stop, step None."""

BLOCK_PIXELS = 1 << 22


def block_windows(labels: Any, limit: int | None = None) -> Iterator[Window]:
    """Windows that cover an array once, in order, each contiguous in memory order.

    Parameters
    ----------
    labels : array-like
        Anything with a ``shape``; whole chunks of its ``chunks`` are kept together where it has some.
    limit : int, optional
        About how many pixels a window may have; four million by default.
    """
    limit = limit or BLOCK_PIXELS
    shape: tuple[int, ...] = tuple(int(n) for n in labels.shape)
    axis, inner = len(shape) - 1, 1
    while axis > 0 and inner * shape[axis] <= limit:
        inner *= shape[axis]
        axis -= 1
    step = _aligned_step(labels, axis, max(1, limit // max(inner, 1)))
    for leading in np.ndindex(*shape[:axis]):
        for start in range(0, shape[axis], step):
            yield (
                *(slice(int(i), int(i) + 1) for i in leading),
                slice(start, min(start + step, shape[axis])),
                *(slice(0, n) for n in shape[axis + 1 :]),
            )


def _aligned_step(labels: Any, axis: int, step: int) -> int:
    chunks: Sequence[Any] | None = getattr(labels, "chunks", None)
    if not chunks:
        return step
    chunk = int(chunks[axis] if isinstance(chunks[axis], int) else max(chunks[axis]))
    return max(step // chunk * chunk, chunk)


def read_window(labels: Any, window: Window) -> NDArray[Any]:
    """Copy of a window of labels, from memory, zarr or dask, in the machine's byte order."""
    block = np.asarray(labels[window])
    return np.array(block, dtype=block.dtype.newbyteorder("="), order="C")


@njit(cache=True, nogil=True)
def _count_runs(rows: Any) -> int:
    count = 0
    for y in range(rows.shape[0]):
        previous = 0
        for x in range(rows.shape[1]):
            value = rows[y, x]
            if value != previous:
                if value != 0:
                    count += 1
                previous = value
    return count


@njit(cache=True, nogil=True)
def _fill_runs(rows: Any, values: Any, places: Any) -> None:
    at = -1
    for y in range(rows.shape[0]):
        previous = 0
        for x in range(rows.shape[1]):
            value = rows[y, x]
            if value != previous:
                if previous != 0:
                    places[at, 2] = x
                if value != 0:
                    at += 1
                    values[at] = value
                    places[at, 0], places[at, 1] = y, x
                previous = value
        if previous != 0:
            places[at, 2] = rows.shape[1]


def label_runs(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Runs of equal labels along the last axis, without the background.

    Parameters
    ----------
    labels : (…, X) ndarray of int
        0 is background.

    Returns
    -------
    values : (R,) ndarray
        Label of each run, in the dtype of `labels`.
    places : (R, 3) ndarray of int64
        Row (flat index of the leading axes), start and stop (half-open) of each run.
    """
    rows = np.ascontiguousarray(labels).reshape(math.prod(labels.shape[:-1]), labels.shape[-1])
    count = _count_runs(rows)
    values, places = np.empty(count, rows.dtype), np.empty((count, 3), np.int64)
    _fill_runs(rows, values, places)
    return values, places
