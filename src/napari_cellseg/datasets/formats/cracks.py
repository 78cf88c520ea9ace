"""Loops along the edges of a mask's pixels.

A *crack* is the edge between a pixel of the object and one that is none; cracks are followed with the object
at the right hand. Sides of a pixel are counted 0 top, 1 right, 2 bottom, 3 left. Masks are padded: uint8 with
one row and column of background around them. See Klette and Rosenfeld, Digital Geometry (2004), on borders.
"""

import numpy as np
from numba import njit

STEP_Y = np.array([0, 1, 0, -1])
STEP_X = np.array([1, 0, -1, 0])


@njit(cache=True, nogil=True)
def count_cracks(padded):  # type: ignore[no-untyped-def]
    """Cracks of a padded mask."""
    count = 0
    for y in range(1, padded.shape[0] - 1):
        for x in range(1, padded.shape[1] - 1):
            if padded[y, x]:
                inside = padded[y - 1, x] + padded[y + 1, x] + padded[y, x - 1] + padded[y, x + 1]
                count += 4 - inside
    return count


@njit(cache=True, nogil=True)
def next_crack(padded, y, x, side, by_corner):  # type: ignore[no-untyped-def]
    """The crack behind this one; with `by_corner`, pixels that touch by a corner are connected."""
    outward = (side + 3) % 4
    ahead_y, ahead_x = y + STEP_Y[side], x + STEP_X[side]
    corner_y, corner_x = ahead_y + STEP_Y[outward], ahead_x + STEP_X[outward]
    ahead = padded[ahead_y, ahead_x] != 0
    if padded[corner_y, corner_x] and (ahead or by_corner):
        return corner_y, corner_x, outward
    if ahead:
        return ahead_y, ahead_x, side
    return y, x, (side + 1) % 4


@njit(cache=True, nogil=True)
def corner_loops(padded, pieces):  # type: ignore[no-untyped-def]
    """Closed loops along the cracks, none of which meets itself: points (P, 2), and a row (L, 3) per loop.

    Points are column and row of the unpadded mask's pixel corners. A row holds where its loop ends in the
    points, the piece (of `pieces`, connected by edges) that it belongs to, and whether it surrounds a hole.
    """
    cracks = count_cracks(padded)
    seen = np.zeros(padded.shape, np.uint8)
    place = np.full(padded.shape, -1, np.int32)
    points, stack = np.empty((cracks, 2), np.int32), np.empty((cracks, 2), np.int32)
    rows = np.empty((cracks // 4 + 1, 3), np.int64)
    used, count = 0, 0
    for y0 in range(1, padded.shape[0] - 1):
        for x0 in range(1, padded.shape[1] - 1):
            if seen[y0, x0] or not padded[y0, x0] or padded[y0 - 1, x0]:
                continue
            y, x, side, top = y0, x0, 0, 0
            while True:
                row, column = y - (side < 2), x - (side == 0 or side == 3)
                if place[row, column] >= 0:
                    first = place[row, column]
                    rows[count, 1] = pieces[y0, x0]
                    used, count = _close(stack, first, top, place, points, used, rows, count)
                    top = first
                place[row, column] = top
                stack[top, 0], stack[top, 1] = column, row
                top += 1
                y, x, side = _straight(padded, y, x, side, seen)
                if y == y0 and x == x0 and side == 0:
                    break
            rows[count, 1] = pieces[y0, x0]
            used, count = _close(stack, 0, top, place, points, used, rows, count)
    return points[:used], rows[:count]


@njit(cache=True, nogil=True)
def _straight(padded, y, x, side, seen):  # type: ignore[no-untyped-def]
    """The first crack of another direction; top cracks on the way there are marked as seen."""
    before = side
    while side == before:
        if side == 0:
            seen[y, x] = 1
        y, x, side = next_crack(padded, y, x, side, False)
    return y, x, side


@njit(cache=True, nogil=True)
def _close(stack, first, top, place, points, used, rows, count):  # type: ignore[no-untyped-def]
    """Move a loop from the stack to the points."""
    area = 0
    for k in range(first, top):
        after = k + 1 if k + 1 < top else first
        area += stack[k, 0] * stack[after, 1] - stack[after, 0] * stack[k, 1]
        points[used] = stack[k]
        place[stack[k, 1], stack[k, 0]] = -1
        used += 1
    rows[count, 0] = used
    rows[count, 2] = area < 0
    return used, count + 1
