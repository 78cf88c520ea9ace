"""Basins of a height map inside a mask: its maxima that stand out, and the pixels that lead up to them."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def squared_distances(mask, largest):  # type: ignore[no-untyped-def]
    """Squared distance of each pixel to the nearest one outside of the mask, (H, W) int64.

    What lies past the border of the map is unknown and counts as mask; no distance is above `largest` pixels.
    Columns first, then the lower envelope of parabolas along rows (Meijster, Roerdink and Hesselink 2000).
    """
    height, width = mask.shape
    columns = np.empty((height, width), np.int64)
    for y in range(height):
        for x in range(width):
            above = columns[y - 1, x] if y else largest
            columns[y, x] = min(above + 1, largest) if mask[y, x] else 0
    for y in range(height - 2, -1, -1):
        for x in range(width):
            columns[y, x] = min(columns[y, x], columns[y + 1, x] + 1)
    result = np.zeros((height, width), np.int64)
    place = np.empty(width, np.int64)
    start = np.empty(width, np.int64)
    for y in range(height):
        depth = columns[y]
        top = 0
        place[0] = start[0] = 0
        for x in range(1, width):
            while top >= 0:
                at, old = start[top], place[top]
                if (at - old) ** 2 + depth[old] ** 2 <= (at - x) ** 2 + depth[x] ** 2:
                    break
                top -= 1
            if top < 0:
                top, place[0] = 0, x
                continue
            old = place[top]
            first = 1 + (x * x - old * old + depth[x] ** 2 - depth[old] ** 2) // (2 * (x - old))
            if first < width:
                top += 1
                place[top], start[top] = x, first
        for x in range(width - 1, -1, -1):
            old = place[top]
            result[y, x] = min((x - old) ** 2 + depth[old] ** 2, largest * largest)
            if x == start[top]:
                top -= 1
    return result


@njit(cache=True, nogil=True)
def falling_order(levels, mask):  # type: ignore[no-untyped-def]
    """Flat indices of the pixels of a mask by falling level, those of one level in raster order."""
    height, width = levels.shape
    highest = 0
    for y in range(height):
        for x in range(width):
            if mask[y, x]:
                highest = max(highest, levels[y, x])
    places = np.zeros(highest + 2, np.int64)
    for y in range(height):
        for x in range(width):
            if mask[y, x]:
                places[highest - levels[y, x] + 1] += 1
    places = np.cumsum(places)
    order = np.empty(places[-1], np.int32)
    for y in range(height):
        for x in range(width):
            if mask[y, x]:
                rank = highest - levels[y, x]
                order[places[rank]] = y * width + x
                places[rank] += 1
    return order


@njit(cache=True, nogil=True)
def _root(parent, place):  # type: ignore[no-untyped-def]
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place


@njit(cache=True, nogil=True)
def _join(parent, sizes, levels, first, second, level, prominence, min_area):  # type: ignore[no-untyped-def]
    """Unite two basins that meet at a level, unless both stand out; the root of the first from then on."""
    high, low = _root(parent, first), _root(parent, second)
    if high == low:
        return high
    kept = high
    if levels[low] > levels[high] or (levels[low] == levels[high] and low < high):
        high, low = low, high
    if levels[low] - level <= prominence * levels[low] or sizes[low] < min_area:
        parent[low] = high
        sizes[high] += sizes[low]
        kept = high
    return kept


@njit(cache=True, nogil=True)
def grow_basins(levels, mask, prominence, min_area):  # type: ignore[no-untyped-def]
    """Basins of a height map inside a mask: labels (H, W) from 1 in raster order, and their number.

    From the highest pixel down, each joins the basin of its highest neighbour, of the four nearest. Two
    basins that meet become one where the lower maximum does not stand above the place where they meet by the
    share `prominence` of its own level, or has fewer than `min_area` pixels so far (persistence:
    Edelsbrunner, Letscher and Zomorodian 2002).
    """
    height, width = levels.shape
    flat = levels.ravel()
    parent = np.full(height * width, -1, np.int32)
    sizes = np.zeros(height * width, np.int32)
    beside = np.empty(4, np.int32)
    for place in falling_order(levels, mask):
        y, x = divmod(place, width)
        count, best = 0, -1
        for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            near = place + dy * width + dx
            if not (0 <= y + dy < height and 0 <= x + dx < width) or parent[near] < 0:
                continue
            beside[count] = near
            count += 1
            if best < 0 or flat[near] > flat[best]:
                best = near
        parent[place] = own = place if best < 0 else _root(parent, best)
        sizes[own] += 1
        for k in range(count):
            own = _join(parent, sizes, flat, own, beside[k], flat[place], prominence, min_area)
    return _numbered(parent, height, width)


@njit(cache=True, nogil=True)
def _numbered(parent, height, width):  # type: ignore[no-untyped-def]
    labels = np.zeros((height, width), np.int32)
    numbers = np.zeros(height * width, np.int32)
    count = 0
    for y in range(height):
        for x in range(width):
            place = y * width + x
            if parent[place] < 0:
                continue
            root = _root(parent, place)
            if numbers[root] == 0:
                count += 1
                numbers[root] = count
            labels[y, x] = numbers[root]
    return labels, count


@njit(cache=True, nogil=True)
def contact_levels(levels, labels, count):  # type: ignore[no-untyped-def]
    """Highest level of each label, and the highest at which it touches another, 0 if none; both (count,)."""
    height, width = labels.shape
    peaks = np.zeros(count, np.int64)
    contacts = np.zeros(count, np.int64)
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            if label == 0:
                continue
            level = levels[y, x]
            peaks[label - 1] = max(peaks[label - 1], level)
            for ny, nx in ((y, x + 1), (y + 1, x)):
                other = labels[ny, nx] if ny < height and nx < width else 0
                if other > 0 and other != label:
                    shared = min(level, levels[ny, nx])
                    contacts[label - 1] = max(contacts[label - 1], shared)
                    contacts[other - 1] = max(contacts[other - 1], shared)
    return peaks, contacts


@njit(cache=True, nogil=True)
def foreground_pixels(foreground, threshold, floor):  # type: ignore[no-untyped-def]
    """Mask (H, W) of what reaches the threshold, and of the pieces above the floor that reach it nowhere."""
    height, width = foreground.shape
    mask = np.zeros((height, width), np.bool_)
    seen = np.zeros((height, width), np.bool_)
    stack = np.empty(height * width, np.int32)
    for start in range(height * width):
        if seen[start // width, start % width] or not foreground[start // width, start % width] >= floor:
            continue
        seen[start // width, start % width] = True
        stack[0] = start
        done, top, strong = 0, 1, False
        while done < top:
            y, x = divmod(stack[done], width)
            done += 1
            strong |= foreground[y, x] >= threshold
            for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                ny, nx = y + dy, x + dx
                inside = 0 <= ny < height and 0 <= nx < width
                if inside and not seen[ny, nx] and foreground[ny, nx] >= floor:
                    seen[ny, nx] = True
                    stack[top] = ny * width + nx
                    top += 1
        for i in range(top):
            y, x = divmod(stack[i], width)
            mask[y, x] = not strong or foreground[y, x] >= threshold
    return mask


@njit(cache=True, nogil=True)
def label_sums(labels, values, upper, count):  # type: ignore[no-untyped-def]
    """Of each label: pixels, those of value `upper` or more, sums of values, rows and columns; (count, 5)."""
    sums = np.zeros((count, 5), np.float64)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label:
                sums[label - 1, 0] += 1
                sums[label - 1, 1] += values[y, x] >= upper
                sums[label - 1, 2] += values[y, x]
                sums[label - 1, 3] += y
                sums[label - 1, 4] += x
    return sums
