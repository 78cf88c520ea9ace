"""Masks of objects, cut out of their labels once for all that is measured from a shape."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.features.objects import Objects, stack_boxes

ONE = np.uint64(1)


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """A mask of each object, one after the other.

    Attributes
    ----------
    pixels : (P,) ndarray of uint8
        1 in the object, 0 elsewhere; the box of each object with a margin of one pixel around.
    starts : (N,) ndarray of int64
        Where the mask of each object begins.
    shapes : (N, D) ndarray of int64
        Shape of each, margin included.
    """

    pixels: NDArray[np.uint8]
    starts: NDArray[np.int64]
    shapes: NDArray[np.int64]


def masks_of(objects: Objects) -> Masks:
    """Masks of all objects; memory is that of their boxes, so take a chunk of `Objects.chunks`."""
    ndim = objects.ndim
    shapes = objects.boxes[:, ndim:] - objects.boxes[:, :ndim] + 2
    stops = np.cumsum(np.prod(shapes, axis=1))
    starts = np.concatenate([[0], stops[:-1]]).astype(np.int64) if len(objects) else stops
    pixels = np.zeros(int(stops[-1]) if len(objects) else 0, np.uint8)
    labels = objects.labels if ndim == 3 else objects.labels[None]
    ids, margin = objects.ids.astype(labels.dtype), np.uint64(ndim - 2)
    _fill_masks(labels, ids, stack_boxes(objects), margin, pixels, starts)
    return Masks(pixels, starts, shapes)


@njit(cache=True, nogil=True)
def _fill_masks(labels: Any, ids: Any, boxes: Any, margin: Any, pixels: Any, starts: Any) -> None:
    """Indices without a sign need no look whether they count from the end, which stops a vector unit."""
    for i in range(len(ids)):
        z0, y0, x0 = np.uint64(boxes[i, 0]), np.uint64(boxes[i, 1]), np.uint64(boxes[i, 2])
        lines, line = np.uint64(boxes[i, 4] - boxes[i, 1] + 2), np.uint64(boxes[i, 5] - boxes[i, 2] + 2)
        label, start = ids[i], np.uint64(starts[i])
        for z in range(z0, np.uint64(boxes[i, 3])):
            for y in range(y0, np.uint64(boxes[i, 4])):
                at = start + line * (lines * (z - z0 + margin) + y - y0 + ONE) + ONE
                for x in range(x0, np.uint64(boxes[i, 5])):
                    pixels[at + (x - x0)] = labels[z, y, x] == label
