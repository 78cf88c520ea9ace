"""From the maps of a pixel model to objects: every pixel votes for the centre of its object.

A pixel of the foreground moves by its offset, a second time from where it landed, and votes there. The
votes are smoothed, each landing place climbs to its local maximum, and the pixels that arrive at one
maximum are an object. Nothing depends on where in the map an object lies, so that decoding block by
block with a halo gives the same objects as decoding the whole.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Maps = NDArray[np.float32]
Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class VoteDecoding:
    """How maps are decoded; a model card stores these.

    Attributes
    ----------
    foreground : float
        Pixels with at least this foreground probability belong to an object.
    floor : float
        Pixels below this probability never do. Objects whose probability is low are cut at
        `relative` times it, but not below the floor, so that weak candidates get a mask too.
    relative : float
        Share of an object's own foreground probability at which it is cut.
    iterations : int
        How often a pixel moves by the offset of the place where it is.
    offset_unit : float
        Pixels per unit of the offset maps.
    smoothing : float
        Standard deviation, in pixels, of the Gaussian over the votes.
    merging : float
        Two maxima closer than this share of the larger one's radius are one object.
    min_area : int
        Objects with fewer pixels are dropped.
    max_hole : int
        Holes up to this many pixels are filled.
    confidence : tuple of 5 floats
        Logistic coefficients: constant, mean foreground, crispness (share of the object's pixels above the
        floor that its own cut keeps), spread (mean distance of the votes from their maximum, in radii) and
        natural logarithm of the radius in pixels.
    min_confidence : float
        Objects with less confidence are dropped.
    """

    foreground: float = 0.5
    floor: float = 0.2
    relative: float = 0.5
    iterations: int = 2
    offset_unit: float = 16.0
    smoothing: float = 1.5
    merging: float = 0.6
    min_area: int = 12
    max_hole: int = 100
    confidence: tuple[float, float, float, float, float] = (-6.0, 6.0, 3.0, -2.0, 0.0)
    min_confidence: float = 0.05


@dataclass(frozen=True, slots=True)
class Decoded:
    """Objects of a map.

    Attributes
    ----------
    labels : (H, W) ndarray of int32
        1 to N in the raster order of the anchors; 0 is background.
    scores : (N,) ndarray of float32
        Confidence, 0 to 1.
    classes : (N,) ndarray of int16
        All 0: one class.
    anchors : (N, 2) ndarray of float32
        Reference point y, x of each object: the maximum of its votes, inside the map. It does not depend on
        where the border of the map lies when the object is well inside.
    """

    labels: Labels
    scores: NDArray[np.float32]
    classes: NDArray[np.int16]
    anchors: NDArray[np.float32]


def decode_votes(maps: Maps, params: VoteDecoding | None = None) -> Decoded:
    """Objects of the maps of a pixel model.

    Parameters
    ----------
    maps : (4, H, W) ndarray of float32
        Foreground probability, distance to the border (not used), offset y, offset x.
    params : VoteDecoding, optional
        How to decode.

    Returns
    -------
    Decoded
        Disjoint objects, weak candidates included.
    """
    params = params or VoteDecoding()
    maps = np.ascontiguousarray(maps, np.float32)
    foreground = maps[0]
    landing, votes = _cast_votes(
        foreground, maps[2], maps[3], params.floor, params.iterations, np.float32(params.offset_unit)
    )
    votes = _smooth(votes, _gaussian(params.smoothing))
    clusters, peaks, moments = _climb(landing, votes, foreground)
    clusters, peaks = _merge(clusters, peaks, moments, votes, np.float32(params.merging))
    labels, stats = _cut(
        foreground, clusters, landing, peaks, params.floor, params.foreground, params.relative
    )
    areas = _keep_main_pieces(labels, len(peaks))
    _fill_holes(labels, areas, params.max_hole)
    return _finish(labels, areas, stats, peaks, params)


def confidence_features(stats: NDArray[np.float64], areas: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean foreground, crispness, spread and log radius of objects, (N, 4).

    Parameters
    ----------
    stats : (N, 4) ndarray
        Pixels above the floor, pixels kept, summed foreground and summed vote distance of the kept ones.
    areas : (N,) ndarray of int
        Pixels of the finished objects.
    """
    kept = np.maximum(stats[:, 1], 1)
    radius = np.sqrt(np.maximum(areas, 1) / np.pi)
    return np.stack(
        [stats[:, 2] / kept, kept / np.maximum(stats[:, 0], 1), stats[:, 3] / kept / radius, np.log(radius)], axis=1
    )


def _finish(
    labels: Labels, areas: NDArray[Any], stats: NDArray[Any], peaks: NDArray[Any], params: VoteDecoding
) -> Decoded:
    """Score the objects, drop the small and the weak, number the rest."""
    width = labels.shape[1]
    coefficients = np.asarray(params.confidence)
    linear = coefficients[0] + confidence_features(stats, areas) @ coefficients[1:]
    scores = (1 / (1 + np.exp(-linear))).astype(np.float32)
    kept = np.flatnonzero((areas >= params.min_area) & (scores >= params.min_confidence))
    kept = kept[np.argsort(peaks[kept], kind="stable")]
    lookup = np.zeros(len(areas) + 1, np.int32)
    lookup[kept + 1] = np.arange(1, len(kept) + 1)
    anchors = np.stack(np.divmod(peaks[kept], width), axis=1).astype(np.float32).reshape(-1, 2)
    return Decoded(_relabel(labels, lookup), scores[kept], np.zeros(len(kept), np.int16), anchors)


def _gaussian(sigma: float) -> NDArray[np.float32]:
    reach = max(1, int(np.ceil(2.5 * sigma)))
    x = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (x / max(sigma, 1e-3)) ** 2)
    return (kernel / kernel.sum()).astype(np.float32)


@njit(cache=True, nogil=True)
def _cast_votes(foreground, offset_y, offset_x, floor, iterations, unit):  # type: ignore[no-untyped-def]
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
def _smooth(votes, kernel):  # type: ignore[no-untyped-def]
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
def _climb(landing, votes, foreground):  # type: ignore[no-untyped-def]
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
def _find_larger(peak, order, rank, peaks, sizes, height_of, parent, merging, reach, width):  # type: ignore[no-untyped-def]
    """Position of the kept, higher maximum that a maximum belongs to, or -1."""
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
            if gap < limit and gap < best_gap:
                best, best_gap = other, gap
    return best


@njit(cache=True, nogil=True)
def _merge(clusters, peaks, sizes, votes, merging):  # type: ignore[no-untyped-def]
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
        reach = merging * np.sqrt(np.float32(largest) / np.float32(np.pi))
        other = _find_larger(p, order, rank, peaks, sizes, seen, parent, merging, reach, width)
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


@njit(cache=True, nogil=True)
def _cut(foreground, clusters, landing, peaks, floor, threshold, relative):  # type: ignore[no-untyped-def]
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
def _keep_main_pieces(labels, count):  # type: ignore[no-untyped-def]
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
def _fill_holes(labels, areas, max_hole):  # type: ignore[no-untyped-def]
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
def _relabel(labels, lookup):  # type: ignore[no-untyped-def]
    result = np.empty(labels.shape, np.int32)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            result[y, x] = lookup[labels[y, x]]
    return result
