"""Votes of pixels for the centre of their object: casting, smoothing, climbing to the maxima."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def gaussian_kernel(sigma: float) -> NDArray[np.float32]:
    """Gaussian weights out to 2.5 standard deviations, of sum 1."""
    reach = max(1, int(np.ceil(2.5 * sigma)))
    x = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (x / max(sigma, 1e-3)) ** 2)
    return np.asarray(kernel / kernel.sum(), np.float32)


@njit(cache=True, nogil=True)
def cast_votes(foreground, offset_y, offset_x, floor, iterations, unit):  # type: ignore[no-untyped-def]
    """Landing place of every pixel (flat index, -1 = background) and the votes (H, W).

    Displacements are kept apart from positions: rounding then does not depend on the position.
    """
    height, width = foreground.shape
    landing = np.full((height, width), -1, np.int32)
    votes = np.zeros((height, width), np.float32)
    half = np.float32(0.5)
    for y in range(height):
        for x in range(width):
            if not foreground[y, x] >= floor:
                continue
            dy, dx = offset_y[y, x] * unit, offset_x[y, x] * unit
            for _ in range(iterations - 1):
                ny, nx = y + int(np.floor(dy + half)), x + int(np.floor(dx + half))
                if ny < 0 or nx < 0 or ny >= height or nx >= width or foreground[ny, nx] < floor:
                    break
                dy += offset_y[ny, nx] * unit
                dx += offset_x[ny, nx] * unit
            ny = min(max(y + int(np.floor(dy + half)), 0), height - 1)
            nx = min(max(x + int(np.floor(dx + half)), 0), width - 1)
            landing[y, x] = ny * width + nx
            votes[ny, nx] += foreground[y, x]
    return landing, votes


@njit(cache=True, nogil=True)
def smooth_votes(votes, kernel):  # type: ignore[no-untyped-def]
    """Separable convolution, zero beyond the border."""
    height, width = votes.shape
    reach = len(kernel) // 2
    rows = np.zeros((height, width), np.float32)
    for y in range(height):
        for k in range(-reach, reach + 1):
            if 0 <= y + k < height:
                weight = kernel[k + reach]
                for x in range(width):
                    rows[y, x] += weight * votes[y + k, x]
    result = np.zeros((height, width), np.float32)
    for y in range(height):
        for k in range(-reach, reach + 1):
            weight = kernel[k + reach]
            for x in range(max(0, -k), min(width, width - k)):
                result[y, x] += weight * rows[y, x + k]
    return result


@njit(cache=True, nogil=True)
def _uphill(votes, y, x):  # type: ignore[no-untyped-def]
    """Flat index of the highest of a pixel and its 8 neighbours; the first in raster order on ties."""
    height, width = votes.shape
    best_y, best_x, best = y, x, votes[y, x]
    for ny in range(max(0, y - 1), min(height, y + 2)):
        for nx in range(max(0, x - 1), min(width, x + 2)):
            value = votes[ny, nx]
            earlier = ny < best_y or (ny == best_y and nx < best_x)
            if value > best or (value == best and earlier):
                best_y, best_x, best = ny, nx, value
    return best_y * width + best_x


@njit(cache=True, nogil=True)
def climb_votes(landing, votes, foreground):  # type: ignore[no-untyped-def]
    """Cluster (0..P-1, -1 = none) of every pixel, peaks (flat index, P) and pixels per cluster (P)."""
    height, width = landing.shape
    basin = np.full(height * width, -1, np.int32)
    path = np.empty(height * width, np.int32)
    clusters = np.full((height, width), -1, np.int32)
    peaks = np.empty(height * width, np.int32)
    sizes = np.zeros(height * width, np.int32)
    count = 0
    for y in range(height):
        for x in range(width):
            place = landing[y, x]
            if place < 0:
                continue
            length = 0
            while basin[place] < 0:
                path[length] = place
                length += 1
                higher = _uphill(votes, place // width, place % width)
                if higher == place:
                    basin[place] = count
                    peaks[count] = place
                    count += 1
                place = higher
            for i in range(length):
                basin[path[i]] = basin[place]
            clusters[y, x] = basin[place]
            sizes[basin[place]] += 1
    return clusters, peaks[:count].copy(), sizes[:count].copy()


@njit(cache=True, nogil=True)
def _valley(votes, y, x, oy, ox):  # type: ignore[no-untyped-def]
    """Lowest votes on the straight line between two pixels."""
    steps = max(abs(oy - y), abs(ox - x))
    lowest = votes[y, x]
    for i in range(1, steps):
        # doubled numerators round half up without floating point
        ly = y + (2 * i * (oy - y) + steps) // (2 * steps)
        lx = x + (2 * i * (ox - x) + steps) // (2 * steps)
        lowest = min(lowest, votes[ly, lx])
    return lowest


@njit(cache=True, nogil=True)
def _find_larger(peak, order, rank, peaks, sizes, height_of, parent, merging, reach, valley, votes):  # type: ignore[no-untyped-def]
    """Position of the kept, higher maximum that a maximum belongs to, or -1."""
    width = votes.shape[1]
    y, x = divmod(peaks[peak], width)
    best, best_gap = -1, np.float32(1e12)
    for direction in (-1, 1):
        at = rank[peak] + direction
        while 0 <= at < len(order):
            other = order[at]
            at += direction
            oy, ox = divmod(peaks[other], width)
            if abs(oy - y) > reach:
                break
            if parent[other] != other or height_of[other] < 0:
                continue
            gap = np.float32((oy - y) ** 2 + (ox - x) ** 2)
            limit = merging * merging * max(sizes[other], sizes[peak]) / np.float32(np.pi)
            if gap < limit and gap < best_gap and _valley(votes, y, x, oy, ox) >= valley * votes[y, x]:
                best, best_gap = other, gap
    return best


@njit(cache=True, nogil=True)
def merge_maxima(clusters, peaks, sizes, votes, merging, valley):  # type: ignore[no-untyped-def]
    """Join maxima that are too close for two objects: from the highest down, each to the nearest kept one."""
    count = len(peaks)
    width = clusters.shape[1]
    parent = np.arange(count)
    if count == 0:
        return clusters, peaks
    values = np.empty(count, np.float32)
    for p in range(count):
        values[p] = votes[peaks[p] // width, peaks[p] % width]
    order = np.argsort(peaks)
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    by_height = order[np.argsort(-values[order], kind="mergesort")]
    sizes = sizes.copy()
    seen = np.full(count, np.float32(-1))
    largest = sizes.max()
    for p in by_height:
        reach = merging * np.sqrt(largest / np.pi)
        other = _find_larger(p, order, rank, peaks, sizes, seen, parent, merging, reach, valley, votes)
        seen[p] = values[p]
        if other >= 0:
            parent[p] = other
            sizes[other] += sizes[p]
            largest = max(largest, sizes[other])
    number = np.full(count, -1, np.int32)
    kept = 0
    for p in range(count):
        if parent[p] == p:
            number[p] = kept
            kept += 1
    kept_peaks = peaks[parent == np.arange(count)]
    for y in range(clusters.shape[0]):
        for x in range(width):
            if clusters[y, x] >= 0:
                clusters[y, x] = number[parent[clusters[y, x]]]
    return clusters, kept_peaks
