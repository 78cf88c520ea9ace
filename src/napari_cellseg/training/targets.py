"""Training targets of a pixel model: what the maps should be, computed from a label image."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

OFFSET_UNIT = 16.0
"""Offsets are in units of this many pixels."""

SMALLEST = 6
"""Pieces with fewer pixels are neither objects nor background: scaling down leaves such crumbs."""

Labels = NDArray[np.int32]
Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Targets:
    """Targets of one crop.

    Attributes
    ----------
    foreground : (H, W) ndarray of float32
        1 inside objects.
    distance : (H, W) ndarray of float32
        Distance to the object's border, divided by its maximum in the object; 0 outside.
    offsets : (2, H, W) ndarray of float32
        Vector y, x from the pixel to its object's centre, in units of `OFFSET_UNIT` pixels; 0 outside.
    border : (H, W) ndarray of float32
        1 where two objects lie within two pixels: there the foreground counts more.
    weight : (H, W) ndarray of float32
        Weight of the pixel in the loss of distance and offsets: small objects' pixels count more, 0 outside
        and in pieces of fewer than `SMALLEST` pixels, which are to be ignored.
    """

    foreground: Map
    distance: Map
    offsets: Map
    border: Map
    weight: Map


def pixel_targets(labels: NDArray[np.integer]) -> Targets:
    """Targets of a label image.

    Every connected piece of a label is an object of its own: warping with reflection can make more of
    one. An object that the border of the image cuts is taken as what is visible of it. The centre of
    an object is its pixel nearest to its centroid.

    Parameters
    ----------
    labels : (H, W) ndarray of int
        0 is background.
    """
    pieces, count = connected_pieces(np.ascontiguousarray(labels, np.int32))
    distance = border_distance(pieces)
    centres, areas, peaks = _piece_centres(pieces, count, distance)
    foreground, normalised, offsets, weight = _fill(pieces, distance, centres, areas, peaks)
    return Targets(foreground, normalised, offsets, touching(pieces), weight)


@njit(cache=True, nogil=True)
def connected_pieces(labels: Labels) -> tuple[Labels, int]:
    """Number the 4-connected pieces of equal label from 1; returns them and their count."""
    height, width = labels.shape
    pieces = np.zeros((height, width), np.int32)
    stack = np.empty(height * width, np.int64)
    count = 0
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            if label == 0 or pieces[y, x] != 0:
                continue
            count += 1
            pieces[y, x] = count
            stack[0] = y * width + x
            top = 1
            while top:
                top -= 1
                cy, cx = divmod(stack[top], width)
                for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                    ny, nx = cy + dy, cx + dx
                    if (
                        0 <= ny < height
                        and 0 <= nx < width
                        and pieces[ny, nx] == 0
                        and labels[ny, nx] == label
                    ):
                        pieces[ny, nx] = count
                        stack[top] = ny * width + nx
                        top += 1
    return pieces, count


@njit(cache=True, nogil=True)
def border_distance(pieces: Labels) -> Map:
    """Distance of each pixel to the border of its own piece, in pixels, by a 5-7 chamfer; 0 outside."""
    height, width = pieces.shape
    far = np.float32(1e6)
    distance = np.where(pieces > 0, far, np.float32(0)).astype(np.float32)
    for sweep in range(2):
        step = 1 if sweep == 0 else -1
        for i in range(height):
            y = i if sweep == 0 else height - 1 - i
            for j in range(width):
                x = j if sweep == 0 else width - 1 - j
                if pieces[y, x] == 0:
                    continue
                best = distance[y, x]
                for dy, dx, cost in ((0, -1, 1.0), (-1, 0, 1.0), (-1, -1, 1.4), (-1, 1, 1.4)):
                    ny, nx = y + step * dy, x + step * dx
                    inside = 0 <= ny < height and 0 <= nx < width and pieces[ny, nx] == pieces[y, x]
                    best = min(best, np.float32((distance[ny, nx] if inside else 0.0) + cost))
                distance[y, x] = best
    return distance


@njit(cache=True, nogil=True)
def _piece_centres(pieces, count, distance):  # type: ignore[no-untyped-def]
    """Centre, area and largest border distance of every piece; entry 0 is unused."""
    height, width = pieces.shape
    sums = np.zeros((count + 1, 2), np.float64)
    areas = np.zeros(count + 1, np.float32)
    peaks = np.zeros(count + 1, np.float32)
    for y in range(height):
        for x in range(width):
            p = pieces[y, x]
            sums[p, 0] += y
            sums[p, 1] += x
            areas[p] += 1
            peaks[p] = max(peaks[p], distance[y, x])
    centres = np.zeros((count + 1, 2), np.float32)
    nearest = np.full(count + 1, 1e12)
    for y in range(height):
        for x in range(width):
            p = pieces[y, x]
            if p == 0:
                continue
            gap = (y - sums[p, 0] / areas[p]) ** 2 + (x - sums[p, 1] / areas[p]) ** 2
            if gap < nearest[p]:
                nearest[p] = gap
                inside = gap < 1.0
                centres[p, 0] = sums[p, 0] / areas[p] if inside else y
                centres[p, 1] = sums[p, 1] / areas[p] if inside else x
    return centres, areas, peaks


@njit(cache=True, nogil=True)
def _fill(pieces, distance, centres, areas, peaks):  # type: ignore[no-untyped-def]
    """Foreground, normalised distance, offsets and weights from the pieces and their centres."""
    height, width = pieces.shape
    foreground = np.zeros((height, width), np.float32)
    normalised = np.zeros((height, width), np.float32)
    offsets = np.zeros((2, height, width), np.float32)
    weight = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            p = pieces[y, x]
            if p == 0:
                continue
            foreground[y, x] = 1
            normalised[y, x] = distance[y, x] / peaks[p]
            offsets[0, y, x] = (centres[p, 0] - y) / OFFSET_UNIT
            offsets[1, y, x] = (centres[p, 1] - x) / OFFSET_UNIT
            if areas[p] >= SMALLEST:
                weight[y, x] = min(12.0, max(0.4, 20.0 / np.sqrt(areas[p]), 260.0 / areas[p]))
    return foreground, normalised, offsets, weight


@njit(cache=True, nogil=True)
def touching(pieces: Labels, reach: int = 2) -> Map:
    """1 where two different pieces lie within `reach` pixels (a square window), else 0."""
    height, width = pieces.shape
    result = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            first = 0
            for ny in range(max(0, y - reach), min(height, y + reach + 1)):
                for nx in range(max(0, x - reach), min(width, x + reach + 1)):
                    p = pieces[ny, nx]
                    if p and first == 0:
                        first = p
                    elif p and p != first:
                        result[y, x] = 1
    return result
