"""Which instances share pixels, and how many."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.instances.instance import Instances


@dataclass(frozen=True, slots=True)
class FlatMasks:
    """All masks of some instances end to end, the form that compiled loops read.

    Attributes
    ----------
    pixels : (P,) ndarray of bool
        Masks in row-major order, one after the other.
    starts : (N,) ndarray of int64
        Where each mask begins in `pixels`.
    """

    pixels: NDArray[np.bool_]
    starts: NDArray[np.int64]


def flatten_masks(instances: Instances) -> FlatMasks:
    """Masks of all instances in one array."""
    if not len(instances):
        return FlatMasks(np.zeros(0, np.bool_), np.zeros(0, np.int64))
    boxes = instances.boxes.astype(np.int64)
    sizes = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    starts = np.cumsum(sizes) - sizes
    return FlatMasks(np.concatenate([m.ravel() for m in instances.masks]), starts)


@njit(cache=True, nogil=True)
def _shared_pixels(box_a: Any, flat_a: Any, start_a: int, box_b: Any, flat_b: Any, start_b: int) -> int:
    y0, x0 = max(box_a[0], box_b[0]), max(box_a[1], box_b[1])
    y1, x1 = min(box_a[2], box_b[2]), min(box_a[3], box_b[3])
    width_a, width_b = box_a[3] - box_a[1], box_b[3] - box_b[1]
    count = 0
    for y in range(y0, y1):
        row_a = start_a + (y - box_a[0]) * width_a - box_a[1]
        row_b = start_b + (y - box_b[0]) * width_b - box_b[1]
        for x in range(x0, x1):
            if flat_a[row_a + x] and flat_b[row_b + x]:
                count += 1
    return count


@njit(cache=True, nogil=True)
def _pairs(
    boxes_a: Any,
    flat_a: Any,
    starts_a: Any,
    boxes_b: Any,
    flat_b: Any,
    starts_b: Any,
    tops: Any,
    tallest: int,
    found: Any,
) -> int:
    count = 0
    for i in range(boxes_a.shape[0]):
        a = boxes_a[i]
        first = np.searchsorted(tops, a[0] - tallest)
        for j in range(first, boxes_b.shape[0]):
            b = boxes_b[j]
            if b[0] >= a[2]:
                break
            if b[2] <= a[0] or b[1] >= a[3] or b[3] <= a[1]:
                continue
            shared = _shared_pixels(a, flat_a, starts_a[i], b, flat_b, starts_b[j])
            if shared > 0:
                if count < found.shape[0]:
                    found[count, 0], found[count, 1], found[count, 2] = i, j, shared
                count += 1
    return count


def overlapping_pairs(a: Instances, b: Instances) -> NDArray[np.int64]:
    """Pairs of instances that share pixels.

    Parameters
    ----------
    a, b : Instances
        Instances in the same coordinates.

    Returns
    -------
    (M, 3) ndarray of int64
        Position in `a`, position in `b`, pixels in common; in order of the positions.
    """
    if not len(a) or not len(b):
        return np.zeros((0, 3), np.int64)
    order = np.argsort(b.boxes[:, 0], kind="stable")
    below = b.take(order)
    flat_a, flat_b = flatten_masks(a), flatten_masks(below)
    tallest = int((b.boxes[:, 2] - b.boxes[:, 0]).max())
    found = np.zeros((4 * (len(a) + len(b)), 3), np.int64)
    arguments = (a.boxes, flat_a.pixels, flat_a.starts, below.boxes, flat_b.pixels, flat_b.starts)
    count = _pairs(*arguments, below.boxes[:, 0], tallest, found)
    if count > len(found):
        found = np.zeros((count, 3), np.int64)
        _pairs(*arguments, below.boxes[:, 0], tallest, found)
    found = found[:count]
    found[:, 1] = order[found[:, 1]]
    return found[np.lexsort((found[:, 1], found[:, 0]))]


def overlap_ious(a: Instances, b: Instances) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of instances that share pixels, with their intersection over union.

    Parameters
    ----------
    a, b : Instances
        Instances in the same coordinates.

    Returns
    -------
    pairs : (M, 2) ndarray of int64
        Position in `a` and in `b`.
    ious : (M,) ndarray of float64
        Intersection over union of their pixels.
    """
    found = overlapping_pairs(a, b)
    union = a.areas[found[:, 0]] + b.areas[found[:, 1]] - found[:, 2]
    return found[:, :2], found[:, 2] / np.maximum(union, 1)
