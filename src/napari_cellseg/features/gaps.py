"""How much background lies between an object and the one nearest to its border."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.features.masks import border_of, room_for
from napari_cellseg.features.objects import Objects, stack_boxes
from napari_cellseg.features.reach import least_between, members_of_tiles, tile_for, within_reach

FEW = 100
"""Up to so many objects the others that cannot be nearest are sorted out by their boxes first."""


def nearest_gaps(objects: Objects, everyone: Objects) -> NDArray[np.float64]:
    """Distance from border to border of each object's nearest other object.

    The border is that of the pixels' squares (or cuboids): 0 where two objects share a side or a corner, and
    the size of a pixel where one pixel lies between them.

    Parameters
    ----------
    objects : Objects
        The objects (N).
    everyone : Objects
        All objects in the same labels.

    Returns
    -------
    (N,) ndarray of float64
        In units of the spacing; NaN where there is no other object.
    """
    if len(objects) == 0 or len(everyone) < 2:
        return np.full(len(objects), np.nan)
    if len(objects) <= FEW:
        own = np.isin(everyone.ids, objects.ids)
        everyone = everyone.take(own | within_reach(objects, everyone))
    labels = everyone.labels if everyone.ndim == 3 else everyone.labels[None]
    boxes = stack_boxes(everyone)
    size = np.array((1.0,) * (3 - everyone.ndim) + everyone.spacing)
    points, starts = _border_points(labels, everyone.ids, boxes)
    tile = tile_for(everyone)
    members, bounds = members_of_tiles(boxes, tile, labels.shape[1] // tile + 1, labels.shape[2] // tile + 1)
    rows = np.searchsorted(everyone.ids, objects.ids)
    found = np.full(len(rows), np.inf)
    _search_nearest(rows, boxes, points, starts, members, bounds, tile, size**2, found)
    gaps: NDArray[np.float64] = np.sqrt(found)
    return gaps


@njit(cache=True, nogil=True)
def _border_points(labels: Any, ids: Any, boxes: Any) -> Any:
    """Coordinates z, y, x (P, 3) of the border pixels, object by object, and where those of each start."""
    starts, room = np.zeros(len(ids) + 1, np.int64), room_for(labels, boxes)
    points = np.empty((64 * len(ids), 3), np.int32)
    for i in range(len(ids)):
        n = border_of(labels, ids[i], boxes[i], room)
        starts[i + 1] = starts[i] + n
        if starts[i + 1] > len(points):
            larger = np.empty((2 * starts[i + 1], 3), np.int32)
            larger[: starts[i]] = points[: starts[i]]
            points = larger
        points[starts[i] : starts[i + 1]] = room[2][:n]
    return points[: starts[-1]], starts


@njit(cache=True, nogil=True)
def _search_nearest(
    rows: Any,
    boxes: Any,
    points: Any,
    starts: Any,
    members: Any,
    bounds: Any,
    tile: int,
    size: Any,
    found: Any,
) -> None:
    """Squared gap of each row's nearest object: tiles are searched outwards, until none can hold a nearer."""
    down, across = bounds.shape[0], bounds.shape[1] - 1
    visited = np.full(len(boxes), -1, np.int64)
    for k in range(len(rows)):
        i = rows[k]
        visited[i] = k
        top, bottom = boxes[i, 1] // tile, (boxes[i, 4] - 1) // tile
        left, right = boxes[i, 2] // tile, (boxes[i, 5] - 1) // tile
        for ring in range(max(down, across)):
            if found[k] <= (max(ring - 1, 0) * tile) ** 2 * min(size[1], size[2]):
                break
            for ty in range(max(top - ring, 0), min(bottom + ring + 1, down)):
                inner = ring > 0 and top - ring < ty < bottom + ring
                for tx in range(max(left - ring, 0), min(right + ring + 1, across)):
                    if inner and left - ring < tx < right + ring:
                        continue
                    for place in range(bounds[ty, tx], bounds[ty, tx + 1]):
                        j = members[place]
                        if visited[j] != k:
                            visited[j] = k
                            found[k] = _squared_gap(boxes, points, starts, i, j, size, found[k])


@njit(cache=True, nogil=True)
def _squared_gap(boxes: Any, points: Any, starts: Any, i: int, j: int, size: Any, best: float) -> Any:
    """Squared gap between two objects, or `best` where it is not smaller.

    The pixel nearest to the other box comes first: after it few others can be nearer.
    """
    if least_between(boxes, i, boxes, j, size) >= best:
        return best
    first, least = starts[i], np.inf
    for p in range(starts[i], starts[i + 1]):
        away = _squared_to_box(points, p, boxes, j, size)
        if away < least:
            first, least = p, away
    if least >= best:
        return best
    best = _squared_to_pixels(points, first, starts[j], starts[j + 1], size, best)
    for p in range(starts[i], starts[i + 1]):
        if best == 0:
            break
        if p != first and _squared_to_box(points, p, boxes, j, size) < best:
            best = _squared_to_pixels(points, p, starts[j], starts[j + 1], size, best)
    return best


@njit(cache=True, nogil=True)
def _squared_to_box(points: Any, p: int, boxes: Any, j: int, size: Any) -> float:
    """Squared distance between a pixel and a box."""
    total = 0.0
    for axis in range(3):
        gap = max(boxes[j, axis] - points[p, axis] - 1, points[p, axis] - boxes[j, axis + 3], 0)
        total += gap * gap * size[axis]
    return total


@njit(cache=True, nogil=True)
def _squared_to_pixels(points: Any, p: int, start: int, stop: int, size: Any, best: float) -> float:
    """Squared gap between a pixel and the nearest of some others, or `best` where it is not smaller."""
    z, y, x = points[p, 0], points[p, 1], points[p, 2]
    for q in range(start, stop):
        dz = max(abs(z - points[q, 0]) - 1, 0)
        dy = max(abs(y - points[q, 1]) - 1, 0)
        dx = max(abs(x - points[q, 2]) - 1, 0)
        best = min(best, dz * dz * size[0] + dy * dy * size[1] + dx * dx * size[2])
    return best
