"""The outline of a mask: its length, its windings, its pieces. Kernels; masks have a margin of zeros."""

from math import atan2, pi, sqrt
from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _mark_border(middle: Any, above: Any, below: Any, left: Any, right: Any, border: Any) -> None:
    """1 where a pixel has one that is 0 beside it; the same mask, moved. No branches, for a vector unit."""
    for i in range(len(border)):
        border[i] = middle[i] & (1 ^ (above[i] & below[i] & left[i] & right[i]))


@njit(cache=True, nogil=True)
def step_lengths(sy: float, sx: float) -> Any:
    """How long a border pixel counts by its neighbours in the border (Benkrid & Crookes).

    Straight where two or three are straight, diagonal where two are diagonal, else the mean of both; by how
    many are beside it in its row, in its column (0 to 2), and at its corners (0 to 4).
    """
    lengths = np.zeros((3, 3, 5))
    diagonal = sqrt(sy * sy + sx * sx)
    for level in range(3):
        for upright in range(3):
            straight = level + upright
            step = (level * sx + upright * sy) / max(straight, 1)
            for corners in range(5):
                if 2 <= straight <= 3 and corners <= 2:
                    lengths[level, upright, corners] = step
                elif (straight == 0 and corners == 2) or (straight == 1 and corners == 3):
                    lengths[level, upright, corners] = diagonal
                elif straight == 1 and 1 <= corners <= 2:
                    lengths[level, upright, corners] = (step + diagonal) / 2
    return lengths


@njit(cache=True, nogil=True)
def perimeter_of(mask: Any, lengths: Any) -> float:
    """Length of the chains of border pixels of all pieces and holes.

    Parameters
    ----------
    mask : (H, W) ndarray of uint8
        0 and 1.
    lengths : (3, 3, 5) ndarray
        From `step_lengths`.
    """
    height, width = mask.shape
    border = np.zeros((height, width), np.uint8)
    flat, n = mask.ravel(), (height - 2) * width
    beside = flat[width - 1 :], flat[width + 1 :]
    _mark_border(flat[width:], flat, flat[2 * width :], *beside, border.ravel()[width : width + n])
    length = 0.0
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if border[y, x]:
                level = border[y, x - 1] + border[y, x + 1]
                upright = border[y - 1, x] + border[y + 1, x]
                corners = border[y - 1, x - 1] + border[y - 1, x + 1]
                corners += border[y + 1, x - 1] + border[y + 1, x + 1]
                length += lengths[level, upright, corners]
    return length


@njit(cache=True, nogil=True)
def crofton_and_euler(mask: Any, sy: float, sx: float) -> tuple[float, int]:
    """Perimeter by Crofton's formula in four directions, and Euler number with corners connected (Gray)."""
    height, width = mask.shape
    level = upright = diagonal = quads = 0
    for y in range(height - 1):
        for x in range(width - 1):
            a, b = int(mask[y, x]), int(mask[y, x + 1])
            c, d = int(mask[y + 1, x]), int(mask[y + 1, x + 1])
            count = a + b + c + d
            if count == 0 or count == 4:
                continue
            level += a < b
            upright += a < c
            diagonal += (a < d) + (c < b)
            if count == 2:
                quads -= 2 * (a == d)
            else:
                quads += 2 - count
    slope = atan2(sy, sx)
    lines = level * sy * slope + upright * sx * (pi / 2 - slope)
    return lines + diagonal * sy * sx / sqrt(sy * sy + sx * sx) * pi / 4, quads // 4


@njit(cache=True, nogil=True)
def _root(parents: Any, i: int) -> int:
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@njit(cache=True, nogil=True)
def pieces_of(mask: Any, value: int, runs: Any) -> tuple[int, int]:
    """Pieces of pixels of a value, joined at corners too, and the pixels of the first of them.

    Parameters
    ----------
    mask : (H, W) ndarray of uint8
        0 and 1.
    value : int
        0 or 1.
    runs : (R, 3) ndarray of int64
        Scratch; R at least as many as there can be runs: half of the pixels and one for each row.
    """
    height, width = mask.shape
    count = pieces = 0
    before = above = 0
    for y in range(height):
        start, x = count, 0
        while x < width:
            if mask[y, x] != value:
                x += 1
                continue
            first = x
            while x < width and mask[y, x] == value:
                x += 1
            runs[count, 0], runs[count, 1], runs[count, 2] = count, first, x
            pieces += 1
            while before < above and runs[before, 2] < first:
                before += 1
            at = before
            while at < above and runs[at, 1] <= x:
                one, other = _root(runs[:, 0], at), _root(runs[:, 0], count)
                if one != other:
                    runs[max(one, other), 0] = min(one, other)
                    pieces -= 1
                at += 1
            count += 1
        before, above = start, count
    pixels = 0
    for i in range(count):
        if _root(runs[:, 0], i) == 0:
            pixels += runs[i, 2] - runs[i, 1]
    return pieces, pixels
