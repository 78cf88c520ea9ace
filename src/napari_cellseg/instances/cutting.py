"""Objects cut out of clusters of pixels: their own threshold, one piece each, no small holes."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def cut_objects(foreground, clusters, landing, peaks, floor, threshold, relative):  # type: ignore[no-untyped-def]
    """Labels (cluster + 1) above each object's own cut, and what its confidence is made of (P, 4)."""
    height, width = foreground.shape
    sums = np.zeros((len(peaks), 2), np.float64)
    stats = np.zeros((len(peaks), 4), np.float64)
    labels = np.zeros((height, width), np.int32)
    for y in range(height):
        for x in range(width):
            c = clusters[y, x]
            if c >= 0:
                sums[c, 0] += foreground[y, x]
                sums[c, 1] += foreground[y, x] ** 2
                stats[c, 0] += 1
    cuts = np.empty(len(peaks))
    for c in range(len(peaks)):
        cuts[c] = min(threshold, max(floor, relative * sums[c, 1] / sums[c, 0]))
    for y in range(height):
        for x in range(width):
            c = clusters[y, x]
            if c < 0 or foreground[y, x] < cuts[c]:
                continue
            labels[y, x] = c + 1
            gap_y = landing[y, x] // width - peaks[c] // width
            gap_x = landing[y, x] % width - peaks[c] % width
            stats[c, 1] += 1
            stats[c, 2] += foreground[y, x]
            stats[c, 3] += np.sqrt(gap_y * gap_y + gap_x * gap_x)
    return labels, stats


@njit(cache=True, nogil=True)
def _flood(labels, seen, stack, start, mark):  # type: ignore[no-untyped-def]
    """Mark the 4-connected piece of equal label around a pixel; returns its pixels.

    The first ones of `stack` are the piece, in the order in which they were found.
    """
    height, width = labels.shape
    value = labels[start // width, start % width]
    seen[start // width, start % width] = mark
    stack[0] = start
    done, top = 0, 1
    while done < top:
        y, x = divmod(stack[done], width)
        done += 1
        for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            ny, nx = y + dy, x + dx
            inside = 0 <= ny < height and 0 <= nx < width
            if inside and seen[ny, nx] != mark and labels[ny, nx] == value:
                seen[ny, nx] = mark
                stack[top] = ny * width + nx
                top += 1
    return top


@njit(cache=True, nogil=True)
def keep_main_pieces(labels, count):  # type: ignore[no-untyped-def]
    """Leave only the largest connected piece of each label, in place; returns the areas (count,)."""
    height, width = labels.shape
    seen = np.zeros((height, width), np.uint8)
    stack = np.empty(height * width, np.int32)
    areas = np.zeros(count, np.int64)
    starts = np.full(count, -1, np.int64)
    for y in range(height):
        for x in range(width):
            if labels[y, x] == 0 or seen[y, x]:
                continue
            c = labels[y, x] - 1
            size = _flood(labels, seen, stack, y * width + x, np.uint8(1))
            loser = y * width + x
            if size > areas[c]:
                areas[c], loser, starts[c] = size, starts[c], loser
            if loser >= 0:
                _erase(labels, seen, stack, loser)
    return areas


@njit(cache=True, nogil=True)
def _erase(labels, seen, stack, start):  # type: ignore[no-untyped-def]
    """Turn the piece around a pixel, which was marked 1, into background."""
    width = labels.shape[1]
    size = _flood(labels, seen, stack, start, np.uint8(2))
    for i in range(size):
        labels[stack[i] // width, stack[i] % width] = 0


@njit(cache=True, nogil=True)
def fill_holes(labels, areas, max_hole):  # type: ignore[no-untyped-def]
    """Give small pieces of background that one object encloses to it, in place."""
    height, width = labels.shape
    seen = np.zeros((height, width), np.uint8)
    stack = np.empty(height * width, np.int32)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if labels[y, x] != 0 or seen[y, x] or labels[y - 1, x] == 0:
                continue
            size = _flood(labels, seen, stack, y * width + x, np.uint8(1))
            owner = _encloser(labels, stack, size) if size <= max_hole else 0
            if owner:
                areas[owner - 1] += size
                for i in range(size):
                    labels[stack[i] // width, stack[i] % width] = owner


@njit(cache=True, nogil=True)
def _encloser(labels, stack, size):  # type: ignore[no-untyped-def]
    """The only label around a piece of background, or 0."""
    height, width = labels.shape
    owner = 0
    for i in range(size):
        y, x = divmod(stack[i], width)
        if y == 0 or x == 0 or y == height - 1 or x == width - 1:
            return 0
        for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            label = labels[y + dy, x + dx]
            if label and owner and label != owner:
                return 0
            owner = max(owner, label)
    return owner


@njit(cache=True, nogil=True)
def relabel(labels, lookup):  # type: ignore[no-untyped-def]
    result = np.empty(labels.shape, np.int32)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            result[y, x] = lookup[labels[y, x]]
    return result
