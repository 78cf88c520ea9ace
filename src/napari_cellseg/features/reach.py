"""Which objects can matter to the surroundings of a few others, told from their boxes."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.features.objects import Objects, stack_boxes


def within_reach(objects: Objects, others: Objects, radius: float = 0.0) -> NDArray[np.bool_]:
    """Which others can be the nearest to one of some objects, or reach into a radius around one.

    Nothing but boxes is looked at, in which centroids and borders lie: an object is left out only where
    another one is nearer for certain. An object is not the nearest to itself.

    Parameters
    ----------
    objects : Objects
        From where (N).
    others : Objects
        To where (M), in the same labels; the objects can be among them.
    radius : float
        In units of the spacing.

    Returns
    -------
    (M,) ndarray of bool
    """
    kept = np.zeros(len(others), np.bool_)
    if len(objects) == 0 or len(others) == 0:
        return kept
    own = np.searchsorted(others.ids, objects.ids).clip(max=len(others) - 1)
    own[others.ids[own] != objects.ids] = -1
    boxes, tile = stack_boxes(others), tile_for(others)
    members, bounds = members_of_tiles(boxes, tile, *(n // tile + 1 for n in others.labels.shape[-2:]))
    size = np.array((1.0,) * (3 - others.ndim) + others.spacing) ** 2
    _mark_reachable(stack_boxes(objects), own, boxes, members, bounds, tile, size, radius**2, kept)
    return kept


def tile_for(objects: Objects) -> int:
    """Edge of the tiles, in pixels, that sort objects by place: about one object in each."""
    sides = objects.boxes[:, objects.ndim :] - objects.boxes[:, : objects.ndim]
    plane = objects.labels.shape[-2] * objects.labels.shape[-1]
    return max(8, int(sides[:, -2:].mean()), int(np.sqrt(plane / len(objects))))


@njit(cache=True, nogil=True)
def members_of_tiles(boxes: Any, tile: int, down: int, across: int) -> Any:
    """Objects whose boxes reach into each tile of a grid, tile by tile, and where those of each start."""
    bounds = np.zeros((down, across + 1), np.int64)
    for i in range(len(boxes)):
        for ty in range(boxes[i, 1] // tile, (boxes[i, 4] - 1) // tile + 1):
            for tx in range(boxes[i, 2] // tile, (boxes[i, 5] - 1) // tile + 1):
                bounds[ty, tx] += 1
    total = 0
    for ty in range(down):
        for tx in range(across + 1):
            count = bounds[ty, tx]
            bounds[ty, tx] = total
            total += count
    members, places = np.empty(total, np.int64), bounds.copy()
    for i in range(len(boxes)):
        for ty in range(boxes[i, 1] // tile, (boxes[i, 4] - 1) // tile + 1):
            for tx in range(boxes[i, 2] // tile, (boxes[i, 5] - 1) // tile + 1):
                members[places[ty, tx]] = i
                places[ty, tx] += 1
    return members, bounds


@njit(cache=True, nogil=True)
def _mark_reachable(
    own_boxes: Any,
    own: Any,
    boxes: Any,
    members: Any,
    bounds: Any,
    tile: int,
    size: Any,
    least: float,
    kept: Any,
) -> None:
    """Mark what can be nearest or lies within `least`, squared: tiles are searched outwards from each box."""
    down, across = bounds.shape[0], bounds.shape[1] - 1
    for k in range(len(own)):
        top, bottom = own_boxes[k, 1] // tile, (own_boxes[k, 4] - 1) // tile
        left, right = own_boxes[k, 2] // tile, (own_boxes[k, 5] - 1) // tile
        nearest, rings = np.inf, 0
        while rings < max(down, across):
            if (max(rings - 1, 0) * tile) ** 2 * min(size[1], size[2]) > max(nearest, least):
                break
            for ty in range(max(top - rings, 0), min(bottom + rings + 1, down)):
                inner = rings > 0 and top - rings < ty < bottom + rings
                for tx in range(max(left - rings, 0), min(right + rings + 1, across)):
                    if inner and left - rings < tx < right + rings:
                        continue
                    for place in range(bounds[ty, tx], bounds[ty, tx + 1]):
                        if members[place] != own[k]:
                            nearest = min(nearest, _most_between(own_boxes, k, boxes, members[place], size))
            rings += 1
        for ty in range(max(top - rings, 0), min(bottom + rings + 1, down)):
            for place in range(bounds[ty, max(left - rings, 0)], bounds[ty, min(right + rings + 1, across)]):
                j = members[place]
                if j != own[k] and least_between(own_boxes, k, boxes, j, size) <= max(nearest, least):
                    kept[j] = True


@njit(cache=True, nogil=True)
def _most_between(own_boxes: Any, k: int, boxes: Any, j: int, size: Any) -> float:
    """Squared distance that a point of one box and one of another cannot exceed."""
    total = 0.0
    for axis in range(3):
        far = max(own_boxes[k, axis + 3] - boxes[j, axis], boxes[j, axis + 3] - own_boxes[k, axis])
        total += far * far * size[axis]
    return total


@njit(cache=True, nogil=True)
def least_between(own_boxes: Any, k: int, boxes: Any, j: int, size: Any) -> float:
    """Squared distance between two boxes."""
    total = 0.0
    for axis in range(3):
        gap = max(boxes[j, axis] - own_boxes[k, axis + 3], own_boxes[k, axis] - boxes[j, axis + 3], 0)
        total += gap * gap * size[axis]
    return total
