"""One closed chain through the centres of all pixels at the border of a mask.

Loops around pieces and holes are joined by bridges, which run there and back along the same pixels: to a hole
inside of the object, between pieces along the shortest way. Whoever fills the chain by the even-odd rule and
draws its line gets the mask and the bridges between its pieces. Masks are padded, see `cracks`.
"""

import numpy as np
from numba import njit

from napari_cellseg.datasets.formats.cracks import count_cracks, next_crack


@njit(cache=True, nogil=True)
def centre_chain(padded):  # type: ignore[no-untyped-def]
    """Points (P, 2) of the chain, column and row of the unpadded mask's pixels, (0, 2) of an empty one.

    Consecutive points lie in one row, column or diagonal.
    """
    cracks = count_cracks(padded)
    nodes, after = np.empty((3 * cracks + 1, 2), np.int32), np.empty(3 * cracks + 1, np.int32)
    heads, pieces, used = np.empty(cracks // 4 + 1, np.int32), 0, 0
    seen, lefts = np.zeros(padded.shape, np.uint8), np.full(padded.shape, -1, np.int32)
    for y in range(1, padded.shape[0] - 1):
        run = 0
        for x in range(1, padded.shape[1] - 1):
            if not padded[y, x]:
                continue
            if not padded[y, x - 1]:
                run = x
            if not padded[y - 1, x] and not seen[y, x] & 1:
                heads[pieces] = used
                pieces += 1
                used = _follow(padded, y, x, 0, seen, lefts, nodes, after, used)
            if not padded[y, x + 1] and not seen[y, x] & 2:
                hole = used
                used = _follow(padded, y, x, 1, seen, lefts, nodes, after, used)
                used = _join(nodes, after, lefts[y, run], hole, used)
    if pieces == 0:
        return np.empty((0, 2), np.int32)
    if pieces > 1:
        used = _join_pieces(padded, nodes, after, heads[:pieces], used)
    return _corners(nodes, after, used)


@njit(cache=True, nogil=True)
def _follow(padded, y0, x0, side0, seen, lefts, nodes, after, used):  # type: ignore[no-untyped-def]
    """Chain the pixels along a loop of cracks, a node per crack; returns the nodes in use."""
    first, y, x, side = used, y0, x0, side0
    while used == first or y != y0 or x != x0 or side != side0:
        seen[y, x] |= 1 << side
        if side == 3:
            lefts[y, x] = used
        nodes[used, 0], nodes[used, 1] = x - 1, y - 1
        after[used] = used + 1
        used += 1
        y, x, side = next_crack(padded, y, x, side, True)
    after[used - 1] = first
    return used


@njit(cache=True, nogil=True)
def _join(nodes, after, a, b, used):  # type: ignore[no-untyped-def]
    """Make one chain of two, with a bridge from node `a` to node `b` and back: diagonal, then straight."""
    dx, dy = nodes[b, 0] - nodes[a, 0], nodes[b, 1] - nodes[a, 1]
    slanted = min(abs(dx), abs(dy))
    bend, back, a2, b2 = used, used + 1, used + 2, used + 3
    nodes[bend, 0] = nodes[a, 0] + slanted * np.sign(dx)
    nodes[bend, 1] = nodes[a, 1] + slanted * np.sign(dy)
    nodes[back], nodes[a2], nodes[b2] = nodes[bend], nodes[a], nodes[b]
    after[a2], after[b2] = after[a], after[b]
    after[a], after[bend], after[b], after[back] = bend, b2, back, a2
    return used + 4


@njit(cache=True, nogil=True)
def _join_pieces(padded, nodes, after, heads, used):  # type: ignore[no-untyped-def]
    """Join pieces by the bridges of least length in all: a minimum spanning tree."""
    near, piece, distance = _nearest(padded, nodes, after, heads)
    count = _meetings(near, piece, distance, np.empty((0, 5), np.int32))
    meetings = np.empty((count, 5), np.int32)
    _meetings(near, piece, distance, meetings)
    root = np.arange(heads.size)
    for k in np.argsort(meetings[:, 0], kind="mergesort"):
        a, b = meetings[k, 1], meetings[k, 2]
        first, second = _root(root, meetings[k, 3]), _root(root, meetings[k, 4])
        if first != second:
            root[second] = first
            used = _join(nodes, after, a, b, used)
    return used


@njit(cache=True, nogil=True)
def _root(root, k):  # type: ignore[no-untyped-def]
    while root[k] != k:
        root[k] = root[root[k]]
        k = root[k]
    return k


@njit(cache=True, nogil=True)
def _nearest(padded, nodes, after, heads):  # type: ignore[no-untyped-def]
    """For every pixel of the background the nearest node in steps of a king, its piece, and the steps."""
    height, width = padded.shape
    near, piece = np.full(padded.shape, -1, np.int32), np.full(padded.shape, -1, np.int32)
    distance, queue = np.zeros(padded.shape, np.int32), np.empty(padded.size, np.int64)
    end = 0
    for k in range(heads.size):
        node = heads[k]
        while True:
            y, x = nodes[node, 1] + 1, nodes[node, 0] + 1
            if near[y, x] < 0:
                near[y, x], piece[y, x] = node, k
                queue[end] = y * width + x
                end += 1
            node = after[node]
            if node == heads[k]:
                break
    start = 0
    while start < end:
        y, x = queue[start] // width, queue[start] % width
        start += 1
        for v in range(max(0, y - 1), min(height, y + 2)):
            for u in range(max(0, x - 1), min(width, x + 2)):
                if near[v, u] < 0 and not padded[v, u]:
                    near[v, u], piece[v, u], distance[v, u] = near[y, x], piece[y, x], distance[y, x] + 1
                    queue[end] = v * width + u
                    end += 1
    return near, piece, distance


@njit(cache=True, nogil=True)
def _meetings(near, piece, distance, rows):  # type: ignore[no-untyped-def]
    """Where pixels nearest to different pieces touch: rows of steps between both, their nodes and pieces.

    Fills as many rows (M, 5) as there are and returns how many there would be.
    """
    height, width = near.shape
    count = 0
    for y in range(height):
        for x in range(width):
            for dy, dx in ((0, 1), (1, -1), (1, 0), (1, 1)):
                v, u = y + dy, x + dx
                if v == height or not 0 <= u < width or piece[y, x] < 0 or piece[v, u] < 0:
                    continue
                if piece[y, x] != piece[v, u]:
                    if count < len(rows):
                        rows[count, 0] = distance[y, x] + distance[v, u] + 1
                        rows[count, 1], rows[count, 2] = near[y, x], near[v, u]
                        rows[count, 3], rows[count, 4] = piece[y, x], piece[v, u]
                    count += 1
    return count


@njit(cache=True, nogil=True)
def _corners(nodes, after, used):  # type: ignore[no-untyped-def]
    """Points of the chain of node 0 at which it changes its direction."""
    points, n, node = np.empty((used + 1, 2), np.int32), 0, 0
    while True:
        x, y = nodes[node]
        if n == 0 or points[n - 1, 0] != x or points[n - 1, 1] != y:
            if n > 1 and _goes_on(points[n - 2], points[n - 1], nodes[node]):
                n -= 1
            points[n, 0], points[n, 1] = x, y
            n += 1
        node = after[node]
        if node == 0:
            break
    while n > 1 and points[n - 1, 0] == points[0, 0] and points[n - 1, 1] == points[0, 1]:
        n -= 1
    while n > 2 and _goes_on(points[n - 2], points[n - 1], points[0]):
        n -= 1
    first = 1 if n > 2 and _goes_on(points[n - 1], points[0], points[1]) else 0
    return points[first:n].copy()


@njit(cache=True, nogil=True)
def _goes_on(a, b, c):  # type: ignore[no-untyped-def]
    """Whether the way from a over b to c is straight."""
    ux, uy, vx, vy = b[0] - a[0], b[1] - a[1], c[0] - b[0], c[1] - b[1]
    return ux * vy == uy * vx and ux * vx + uy * vy > 0
