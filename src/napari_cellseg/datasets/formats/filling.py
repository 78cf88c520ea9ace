"""Polygons into pixels: by the rule of OpenCV's ``fillPoly``, and by the centres of pixels."""

import numpy as np
from numba import njit

FRACTION = 16
"""Bits behind the point of a column where an edge crosses a row, as in OpenCV."""


@njit(cache=True, nogil=True)
def fill_by_pixels(points, size, origin, mask):  # type: ignore[no-untyped-def]
    """Fill a closed polygon whose points are pixels: its line, and what lies inside by the even-odd rule.

    Parameters
    ----------
    points : (P, 2) ndarray of int64
        Column and row.
    size : tuple of int
        Rows and columns of the plane; what is outside is cut off as OpenCV does it.
    origin : tuple of int
        Row and column of the plane that ``mask[0, 0]`` shows.
    mask : (h, w) ndarray of uint8
        Zeros, into which ones are written.
    """
    inside = np.zeros((mask.shape[0], mask.shape[1] + 1), np.uint8)
    x0, y0 = points[-1]
    for k in range(len(points)):
        x1, y1 = points[k]
        ax, ay, bx, by, visible = _clip(x0, y0, x1, y1, size)
        if visible:
            _line(ax, ay, bx, by, origin, mask)
        if y0 != y1:
            if ay == by:
                ay, by = y0, y1
            _cross(y0, y1, ax << FRACTION, ay, bx << FRACTION, by, origin, mask, inside)
        x0, y0 = x1, y1
    _toggle(inside, mask)


@njit(cache=True, nogil=True)
def _cross(y0, y1, ax, ay, bx, by, origin, mask, inside):  # type: ignore[no-untyped-def]
    """Mark where an edge crosses the rows from y0 to y1; it runs through (ax, ay) and (bx, by)."""
    rise, run = by - ay, bx - ax
    slope = abs(run) // abs(rise) * (1 if (run < 0) == (rise < 0) else -1)
    low, high = min(y0, y1), max(y0, y1)
    start = ax if y0 < y1 else bx
    anchor = ay if y0 < y1 else by
    for y in range(max(low, origin[0]), min(high, origin[0] + mask.shape[0])):
        crossing = start + (y - anchor) * slope
        column = (crossing >> FRACTION) - origin[1]
        if crossing == crossing >> FRACTION << FRACTION and 0 <= column < mask.shape[1]:
            mask[y - origin[0], column] = 1
        inside[y - origin[0], min(max(column + 1, 0), mask.shape[1])] ^= 1


@njit(cache=True, nogil=True)
def _toggle(inside, mask):  # type: ignore[no-untyped-def]
    """Add the pixels that have an odd number of crossings to their left."""
    for y in range(mask.shape[0]):
        odd = 0
        for x in range(mask.shape[1]):
            odd ^= inside[y, x]
            mask[y, x] |= odd


@njit(cache=True, nogil=True)
def _line(x0, y0, x1, y1, origin, mask):  # type: ignore[no-untyped-def]
    """Draw a line, from its left end to its right one: Bresenham's."""
    if x1 < x0:
        x0, y0, x1, y1 = x1, y1, x0, y0
    dx, dy = x1 - x0, abs(y1 - y0)
    down = 1 if y1 > y0 else -1
    steep = dy > dx
    long, short = max(dx, dy), min(dx, dy)
    error = long - 2 * short
    x, y = x0, y0
    for _ in range(long + 1):
        row, column = y - origin[0], x - origin[1]
        if 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]:
            mask[row, column] = 1
        aside = error < 0
        error += 2 * long * aside - 2 * short
        if steep:
            y += down
            x += aside
        else:
            x += 1
            y += down * aside


@njit(cache=True, nogil=True)
def _clip(x0, y0, x1, y1, size):  # type: ignore[no-untyped-def]
    """The part of a line inside of the plane, and whether there is one: Cohen and Sutherland's."""
    bottom, right = size[0] - 1, size[1] - 1
    if min(y0, y1) > bottom or max(y0, y1) < 0 or min(x0, x1) > right or max(x0, x1) < 0:
        return x0, y0, x1, y1, False
    if not 0 <= y0 <= bottom:
        edge = 0 if y0 < 0 else bottom
        x0, y0 = x0 + _cut(edge - y0, x1 - x0, y1 - y0), edge
    if not 0 <= y1 <= bottom:
        edge = 0 if y1 < 0 else bottom
        x1, y1 = x1 + _cut(edge - y1, x1 - x0, y1 - y0), edge
    if min(x0, x1) > right or max(x0, x1) < 0:
        return x0, y0, x1, y1, False
    if not 0 <= x0 <= right:
        edge = 0 if x0 < 0 else right
        x0, y0 = edge, y0 + _cut(edge - x0, y1 - y0, x1 - x0)
    if not 0 <= x1 <= right:
        edge = 0 if x1 < 0 else right
        x1, y1 = edge, y1 + _cut(edge - x1, y1 - y0, x1 - x0)
    return x0, y0, x1, y1, True


@njit(cache=True, nogil=True)
def _cut(distance, run, rise):  # type: ignore[no-untyped-def]
    return np.int64(float(distance) * run / rise)


@njit(cache=True, nogil=True)
def fill_by_centres(points, ends, origin, mask):  # type: ignore[no-untyped-def]
    """Set the pixels whose centre lies inside of closed rings by the even-odd rule.

    Parameters
    ----------
    points : (P, 2) ndarray of float64
        Column and row, in which pixel (0, 0) spans 0 to 1.
    ends : (R,) ndarray of int64
        Where each ring ends in `points`.
    origin : tuple of int
        Row and column of the plane that ``mask[0, 0]`` shows.
    mask : (h, w) ndarray of uint8
        Ones are added.
    """
    height, width = mask.shape
    inside = np.zeros((height, width + 1), np.uint8)
    first = 0
    for end in ends:
        x0, y0 = points[end - 1]
        for k in range(first, end):
            x1, y1 = points[k]
            low = np.ceil(min(y0, y1) - 0.5) - origin[0]
            high = np.ceil(max(y0, y1) - 0.5) - origin[0]
            for row in range(int(max(low, 0)), int(min(high, height))):
                x = x0 + (row + origin[0] + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
                column = np.ceil(x - 0.5) - origin[1]
                inside[row, int(min(max(column, 0), width))] ^= 1
            x0, y0 = x1, y1
        first = end
    _toggle(inside, mask)
