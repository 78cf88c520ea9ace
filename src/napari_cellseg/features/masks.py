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


@njit(cache=True, nogil=True)
def close_at_edges(shape: Any, box: Any, mask: Any) -> None:
    """Let what lies beyond the image belong to the object: the image's own border is no border of it."""
    if shape[0] > 1 and box[0] == 0:
        mask[0] = 1
    if shape[0] > 1 and box[3] == shape[0]:
        mask[-1] = 1
    if box[1] == 0:
        mask[:, 0] = 1
    if box[4] == shape[1]:
        mask[:, -1] = 1
    if box[2] == 0:
        mask[:, :, 0] = 1
    if box[5] == shape[2]:
        mask[:, :, -1] = 1


@njit(cache=True, nogil=True)
def room_for(labels: Any, boxes: Any) -> Any:
    """Room that `border_of` works in: two masks, and places (P, 3)."""
    most, margin = 0, 1 if labels.shape[0] > 1 else 0
    for i in range(len(boxes)):
        depth, height, width = boxes[i, 3] - boxes[i, 0], boxes[i, 4] - boxes[i, 1], boxes[i, 5] - boxes[i, 2]
        most = max(most, (depth + 2 * margin) * (height + 2) * (width + 2))
    return np.empty(most, np.uint8), np.empty(most, np.uint8), np.empty((most, 3), np.int32)


@njit(cache=True, nogil=True)
def border_of(labels: Any, label: Any, box: Any, room: Any) -> int:
    """Write z, y, x of the border pixels of an object into the room's places; returns how many there are.

    Those have a neighbour (4 in a plane, 6 in a volume) outside of the object; the image's own border is no
    border of it.
    """
    own, solid, places = room
    margin = 1 if labels.shape[0] > 1 else 0
    line = box[5] - box[2] + 2
    plane = (box[4] - box[1] + 2) * line
    size, first = (box[3] - box[0] + 2 * margin) * plane, plane * margin + line
    own[:size] = 0
    _fill_mask(labels, label, box, np.uint64(margin), own)
    solid[:size] = own[:size]
    close_at_edges(labels.shape, box, solid[:size].reshape(size // plane, plane // line, line))
    inner, step = solid[first:], plane * margin
    beside = solid[first - 1 :], solid[first + 1 :], solid[first - line :], solid[first + line :]
    _leave_border(own[first : size - first], inner, *beside, solid[first - step :], solid[first + step :])
    n = 0
    for at in range(first, size - first):
        if own[at]:
            places[n, 0] = box[0] + at // plane - margin
            places[n, 1] = box[1] + at % plane // line - 1
            places[n, 2] = box[2] + at % line - 1
            n += 1
    return n


@njit(cache=True, nogil=True)
def _fill_mask(labels: Any, label: Any, box: Any, margin: Any, mask: Any) -> None:
    """Indices without a sign, as in `_fill_masks`."""
    z0, y0, x0 = np.uint64(box[0]), np.uint64(box[1]), np.uint64(box[2])
    lines, line = np.uint64(box[4] - box[1] + 2), np.uint64(box[5] - box[2] + 2)
    for z in range(z0, np.uint64(box[3])):
        for y in range(y0, np.uint64(box[4])):
            at = line * (lines * (z - z0 + margin) + y - y0 + ONE) + ONE
            for x in range(x0, np.uint64(box[5])):
                mask[at + (x - x0)] = labels[z, y, x] == label


@njit(cache=True, nogil=True)
def _leave_border(
    own: Any, inner: Any, left: Any, right: Any, above: Any, below: Any, before: Any, behind: Any
) -> None:
    """Take out what has the object on all sides; the same mask, moved."""
    for i in range(len(own)):
        own[i] &= 1 ^ (inner[i] & left[i] & right[i] & above[i] & below[i] & before[i] & behind[i])
