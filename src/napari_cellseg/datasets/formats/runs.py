"""Masks as runs of pixels, along rows or columns, in numbers and in COCO's texts.

Runs are (R, 2) int64: first and last-plus-one pixel of each, numbered from 0 through the whole plane. They
are taken from, and drawn into, an object's box, so that no plane is unfolded per object.
"""

from typing import Literal, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import ObjectMask
from napari_cellseg.errors import DatasetError

Runs: TypeAlias = NDArray[np.int64]
Counts: TypeAlias = NDArray[np.int64]
Order: TypeAlias = Literal["rows", "columns"]

LARGEST_PLANE = 1 << 28
"""Pixels that the plane of an imported image may have: 16,384 x 16,384."""

_PLACE, _NEGATIVE, _PAST, _CUT, _LONG = range(5)
_REASONS = {
    _PLACE: "character {place} is none of those that COCO's run lengths are written in",
    _NEGATIVE: "run {place} has a negative length",
    _PAST: "run {place} ends past the last of {size:,} pixels",
    _CUT: "it ends within a number",
    _LONG: "the number at character {place} is too large",
}


def mask_to_runs(mask: ObjectMask, shape: tuple[int, int], order: Order) -> Runs:
    """Runs of an object, ascending, none of which touch.

    Parameters
    ----------
    mask : ObjectMask
        Its box lies in the plane.
    shape : tuple of int
        Rows and columns of the plane.
    order : {"rows", "columns"}
        Whether pixels are numbered along rows, as in Kaggle's Sartorius files, or down columns, as in COCO.
    """
    y0, x0, _, _ = mask.box
    if order == "rows":
        lines, first, offset, length = mask.pixels, y0, x0, shape[1]
    else:
        lines, first, offset, length = mask.pixels.T, x0, y0, shape[0]
    lines = np.ascontiguousarray(lines)
    runs = np.empty((_find_runs(lines, first, offset, length, np.empty((0, 2), np.int64)), 2), np.int64)
    _find_runs(lines, first, offset, length, runs)
    return runs


def runs_to_mask(runs: Runs, shape: tuple[int, int], order: Order, index: int) -> ObjectMask:
    """The object of some runs, in its smallest box; runs may overlap and come in any order.

    Parameters
    ----------
    runs : (R, 2) ndarray of int64
        Each within the plane, and not empty.
    shape, order
        As in `mask_to_runs`.
    index : int
        Label of the object.
    """
    if len(runs) == 0:
        return ObjectMask(index, 0, 0, np.zeros((0, 0), bool))
    length = shape[1] if order == "rows" else shape[0]
    first, last, low, high = _extent(runs, length)
    lines = np.zeros((last - first, high - low), np.bool_)
    _draw(runs, length, first, low, lines)
    if order == "rows":
        return ObjectMask(index, first, low, lines)
    return ObjectMask(index, low, first, np.ascontiguousarray(lines.T))


def runs_to_counts(runs: Runs, size: int) -> Counts:
    """COCO's counts of a plane of that many pixels: background, object, background … by turns."""
    open_end = len(runs) == 0 or int(runs[-1, 1]) < size
    edges = np.concatenate([[0], runs.ravel(), [size] if open_end else []]).astype(np.int64)
    return edges[1:] - edges[:-1]


def counts_to_runs(counts: Counts, size: int, where: str) -> Runs:
    """Runs of COCO's counts; what they leave out at the end is background.

    Parameters
    ----------
    counts : (N,) ndarray of int64
        Lengths of background and object by turns.
    size : int
        Pixels of the plane.
    where : str
        File and key, for the error's text.

    Raises
    ------
    DatasetError
        Where a count is negative, or they are more than the plane has pixels.
    """
    runs = np.empty((len(counts) // 2, 2), np.int64)
    number, reason, place = _fill_runs(counts, size, runs)
    if reason >= 0:
        raise DatasetError(f"{where}: {_REASONS[reason].format(place=place, size=size)}.")
    return runs[:number]


def compress_counts(counts: Counts) -> str:
    """COCO's text of counts: each less the one before the last, in groups of 5 bits, from the lowest on."""
    text = np.empty(13 * len(counts), np.uint8)
    return text[: _compress(counts, text)].tobytes().decode("ascii")


def decompress_counts(text: str | bytes, size: int, where: str) -> Counts:
    """Counts of a text that `compress_counts`, or pycocotools, wrote; errors as in `counts_to_runs`.

    Source: the COCO API (T.-Y. Lin, P. Dollár), `maskApi`, by its format.
    """
    data = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    characters = np.frombuffer(data, np.uint8)
    counts = np.empty(len(characters), np.int64)
    number, reason, place = _decompress(characters, counts, size)
    if reason >= 0:
        raise DatasetError(f"{where}: {_REASONS[reason].format(place=place, size=size)}.")
    return counts[:number]


@njit(cache=True, nogil=True)
def _find_runs(lines, first, offset, length, runs):  # type: ignore[no-untyped-def]
    count, stop = 0, -1
    for i in range(lines.shape[0]):
        place = (first + i) * length + offset
        for j in range(lines.shape[1]):
            if lines[i, j]:
                if stop != place + j:
                    if count < len(runs):
                        runs[count, 0] = place + j
                    count += 1
                stop = place + j + 1
                if count <= len(runs):
                    runs[count - 1, 1] = stop
    return count


@njit(cache=True, nogil=True)
def _extent(runs, length):  # type: ignore[no-untyped-def]
    first, last, low, high = runs[0, 0] // length, 0, length, 0
    for r in range(len(runs)):
        top, bottom = runs[r, 0] // length, (runs[r, 1] - 1) // length
        first, last = min(first, top), max(last, bottom + 1)
        low = min(low, runs[r, 0] - top * length if top == bottom else 0)
        high = max(high, runs[r, 1] - bottom * length if top == bottom else length)
    return first, last, low, high


@njit(cache=True, nogil=True)
def _draw(runs, length, first, low, lines):  # type: ignore[no-untyped-def]
    for r in range(len(runs)):
        start = runs[r, 0]
        while start < runs[r, 1]:
            line = start // length
            stop = min(runs[r, 1], (line + 1) * length)
            lines[line - first, start - line * length - low : stop - line * length - low] = True
            start = stop


@njit(cache=True, nogil=True)
def _fill_runs(counts, size, runs):  # type: ignore[no-untyped-def]
    number, place = 0, 0
    for k in range(len(counts)):
        if counts[k] < 0:
            return number, _NEGATIVE, k
        if counts[k] > size - place:
            return number, _PAST, k
        if k % 2 == 1 and counts[k] > 0:
            runs[number, 0], runs[number, 1] = place, place + counts[k]
            number += 1
        place += counts[k]
    return number, -1, 0


@njit(cache=True, nogil=True)
def _compress(counts, text):  # type: ignore[no-untyped-def]
    at = 0
    for k in range(len(counts)):
        rest = counts[k] - counts[k - 2] if k > 2 else counts[k]
        while True:
            group = rest & 31
            rest >>= 5
            done = rest == (-1 if group & 16 else 0)
            text[at] = 48 + group + (0 if done else 32)
            at += 1
            if done:
                break
    return at


@njit(cache=True, nogil=True)
def _decompress(text, counts, size):  # type: ignore[no-untyped-def]
    number, left, value, shift = 0, size, np.int64(0), 0
    for at in range(len(text)):
        if text[at] < 48 or text[at] > 111:
            return number, _PLACE, at
        group = np.int64(text[at]) - 48
        if shift > 50:
            return number, _LONG, at
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= np.int64(1) << shift
        if number > 2:
            value += counts[number - 2]
        if value < 0 or value > left:
            return number, _NEGATIVE if value < 0 else _PAST, number
        counts[number] = value
        left -= value
        number, value, shift = number + 1, np.int64(0), 0
    return number, _CUT if shift else -1, len(text)
