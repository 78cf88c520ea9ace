"""Masks of objects, cut out of their labels once for all that is measured from a shape."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.features.objects import Objects


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
    fill = _fill_planes if ndim == 2 else _fill_volumes
    fill(objects.labels, objects.ids.astype(objects.labels.dtype), objects.boxes, pixels, starts)
    return Masks(pixels, starts, shapes)


@njit(cache=True, nogil=True)
def _fill_row(row: Any, label: Any, pixels: Any) -> None:
    for x in range(len(row)):
        pixels[x] = row[x] == label


@njit(cache=True, nogil=True)
def _fill_planes(labels: Any, ids: Any, boxes: Any, pixels: Any, starts: Any) -> None:
    for i in range(len(ids)):
        y0, x0, y1, x1 = boxes[i]
        width = x1 - x0
        at = starts[i] + width + 3
        for y in range(y0, y1):
            _fill_row(labels[y, x0:x1], ids[i], pixels[at : at + width])
            at += width + 2


@njit(cache=True, nogil=True)
def _fill_volumes(labels: Any, ids: Any, boxes: Any, pixels: Any, starts: Any) -> None:
    for i in range(len(ids)):
        z0, y0, x0, z1, y1, x1 = boxes[i]
        width, height = x1 - x0, y1 - y0
        for z in range(z0, z1):
            at = starts[i] + (width + 2) * ((height + 2) * (z - z0 + 1) + 1) + 1
            for y in range(y0, y1):
                _fill_row(labels[z, y, x0:x1], ids[i], pixels[at : at + width])
                at += width + 2
