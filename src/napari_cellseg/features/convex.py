"""Convex hulls of masks in whole numbers. Kernels; masks have a margin of zeros.

A pixel stands for the middles of its four sides, as in scikit-image's ``convex_hull_image``. Coordinates are
doubled, so that these are whole numbers and nothing is rounded.
"""

from typing import Any

import numpy as np
from numba import njit

NONE = -1


@njit(cache=True, nogil=True)
def row_ends(mask: Any, ends: Any) -> None:
    """First and last pixel of each row into `ends` (H, 2); `NONE` where a row is empty."""
    height, width = mask.shape
    for y in range(height):
        ends[y, 0], ends[y, 1] = NONE, NONE
        for x in range(width):
            if mask[y, x]:
                ends[y, 0] = x
                break
        if ends[y, 0] != NONE:
            x = width - 1
            while not mask[y, x]:
                x -= 1
            ends[y, 1] = x


@njit(cache=True, nogil=True)
def _push(chain: Any, count: int, y: int, x: int, sign: int) -> int:
    """Add a point below to a chain that bends outwards: to the left with sign 1, to the right with -1."""
    while count > 0 and chain[count - 1, 0] == y:
        if sign * x >= sign * chain[count - 1, 1]:
            return count
        count -= 1
    while count > 1:
        ay, ax = chain[count - 2, 0], chain[count - 2, 1]
        by, bx = chain[count - 1, 0], chain[count - 1, 1]
        if sign * ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) < 0:
            break
        count -= 1
    chain[count, 0], chain[count, 1] = y, x
    return count + 1


@njit(cache=True, nogil=True)
def _chain(ends: Any, side: int, chain: Any) -> int:
    """Left (side 0) or right (1) half of the hull from top to bottom; number of its points."""
    sign = 1 - 2 * side
    count = 0
    for y in range(len(ends)):
        if ends[y, 0] != NONE:
            x = 2 * ends[y, side]
            count = _push(chain, count, 2 * y - 1, x, sign)
            count = _push(chain, count, 2 * y, x - sign, sign)
            count = _push(chain, count, 2 * y + 1, x, sign)
    return count


@njit(cache=True, nogil=True)
def hull_of_rows(ends: Any, chains: Any) -> tuple[int, int]:
    """Left and right half of the hull into `chains` (2, 3 H, 2), doubled (y, x); points of each half."""
    points = np.zeros(2, np.int64)
    for side in range(2):
        points[side] = _chain(ends, side, chains[side])
    return points[0], points[1]


@njit(cache=True, nogil=True)
def fill_hull(chains: Any, left: int, right: int, ends: Any) -> int:
    """First and last pixel of each row inside of a hull or on its edge, into `ends`; pixels in all."""
    pixels = at = to = 0
    ends[:] = NONE
    for y in range((chains[0, 0, 0] + 1) // 2, chains[0, left - 1, 0] // 2 + 1):
        while chains[0, at + 1, 0] < 2 * y:
            at += 1
        while chains[1, to + 1, 0] < 2 * y:
            to += 1
        ay, ax = chains[0, at, 0], chains[0, at, 1]
        by, bx = chains[0, at + 1, 0], chains[0, at + 1, 1]
        first = -((ax * (ay - by) - (bx - ax) * (2 * y - ay)) // (2 * (by - ay)))
        ay, ax = chains[1, to, 0], chains[1, to, 1]
        by, bx = chains[1, to + 1, 0], chains[1, to + 1, 1]
        last = (ax * (by - ay) + (bx - ax) * (2 * y - ay)) // (2 * (by - ay))
        if first <= last:
            ends[y, 0], ends[y, 1] = first, last
            pixels += last - first + 1
    return pixels


@njit(cache=True, nogil=True)
def fill_rows(ends: Any, mask: Any) -> None:
    """Draw rows from their first to their last pixel into an empty mask."""
    for y in range(len(ends)):
        if ends[y, 0] != NONE:
            mask[y, ends[y, 0] : ends[y, 1] + 1] = 1


@njit(cache=True, nogil=True)
def corners_of(chains: Any, left: int, right: int, sy: float, sx: float, corners: Any) -> int:
    """Corners of a hull, once around, into `corners` (K, 2) in the unit of the spacing; their number."""
    count = 0
    for i in range(left):
        corners[count, 0], corners[count, 1] = chains[0, i, 0] * sy / 2, chains[0, i, 1] * sx / 2
        count += 1
    for i in range(right - 1, -1, -1):
        y, x = chains[1, i, 0], chains[1, i, 1]
        if not ((i == right - 1 and x == chains[0, left - 1, 1]) or (i == 0 and x == chains[0, 0, 1])):
            corners[count, 0], corners[count, 1] = y * sy / 2, x * sx / 2
            count += 1
    return count


@njit(cache=True, nogil=True)
def hull_outlines(mask: Any, sy: float, sx: float) -> Any:
    """Corners (K, 2) of the convex hull of a mask, and of the outline of its convex hull image.

    The second is the hull of the contour that scikit-image measures ``feret_diameter_max`` on: a little
    larger, as pixels whose centre is in the hull reach out of it.
    """
    height = len(mask)
    ends = np.empty((height, 2), np.int64)
    chains = np.empty((2, 3 * height, 2), np.int64)
    row_ends(mask, ends)
    left, right = hull_of_rows(ends, chains)
    own = np.empty((left + right, 2))
    own = own[: corners_of(chains, left, right, sy, sx, own)]
    fill_hull(chains, left, right, ends)
    left, right = hull_of_rows(ends, chains)
    filled = np.empty((left + right, 2))
    return own, filled[: corners_of(chains, left, right, sy, sx, filled)]
