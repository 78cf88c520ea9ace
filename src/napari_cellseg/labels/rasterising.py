"""Instances drawn into a label image, and cut out of one."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.instances.instance import Instances
from napari_cellseg.instances.overlap import flatten_masks

Labels = NDArray[np.int32]


@njit(cache=True, nogil=True)
def _paint(
    labels: Any, boxes: Any, pixels: Any, starts: Any, ids: Any, dy: int, dx: int, painted: Any
) -> None:
    for i in range(ids.size):
        y0, x0, y1, x1 = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        position = starts[i]
        for y in range(y0 + dy, y1 + dy):
            for x in range(x0 + dx, x1 + dx):
                inside = 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
                if inside and pixels[position] and labels[y, x] == 0:
                    labels[y, x] = ids[i]
                    painted[i] += 1
                position += 1


def paint_instances(
    labels: Labels, instances: Instances, ids: NDArray[np.int32], origin: tuple[int, int] = (0, 0)
) -> NDArray[np.int64]:
    """Paint instances, in their order, where a label image is still background.

    Parameters
    ----------
    labels : (Y, X) ndarray of int32
        Changed in place.
    instances : Instances
        What to paint; parts outside of `labels` are left out.
    ids : (N,) ndarray of int32
        Label of each instance.
    origin : tuple of int
        Row and column of the plane that ``labels[0, 0]`` shows.

    Returns
    -------
    (N,) ndarray of int64
        Pixels that each instance got.
    """
    flat = flatten_masks(instances)
    painted = np.zeros(len(instances), np.int64)
    ids = np.asarray(ids, np.int32)
    _paint(labels, instances.boxes, flat.pixels, flat.starts, ids, -origin[0], -origin[1], painted)
    return painted


@njit(cache=True, nogil=True)
def _boxes(labels: Any, count: int) -> Any:
    boxes = np.empty((count, 4), np.int32)
    boxes[:, 0], boxes[:, 1] = labels.shape[0], labels.shape[1]
    boxes[:, 2], boxes[:, 3] = 0, 0
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            i = labels[y, x] - 1
            if 0 <= i < count:
                boxes[i, 0] = min(boxes[i, 0], y)
                boxes[i, 1] = min(boxes[i, 1], x)
                boxes[i, 2] = max(boxes[i, 2], y + 1)
                boxes[i, 3] = max(boxes[i, 3], x + 1)
    return boxes


def label_boxes(labels: Labels, count: int) -> NDArray[np.int32]:
    """Boxes of the labels 1 to `count`.

    Parameters
    ----------
    labels : (Y, X) ndarray of int32
        Label image; 0 is background, larger labels than `count` are left out.
    count : int
        Number of labels.

    Returns
    -------
    (count, 4) ndarray of int32
        ``y0, x0, y1, x1``, half-open; all 0 for a label without pixels.
    """
    boxes: NDArray[np.int32] = _boxes(labels, count)
    boxes[boxes[:, 2] == 0] = 0
    return boxes


def cut_instances(labels: Labels, scores: NDArray[np.float32], classes: NDArray[np.int16]) -> Instances:
    """Instances of a label image, one per label, in the order of the labels.

    Parameters
    ----------
    labels : (Y, X) ndarray of int32
        Labels 1 to N; a label without pixels gives an instance with an empty mask.
    scores : (N,) ndarray of float32
        Confidence of each label.
    classes : (N,) ndarray of int16
        Class of each label.

    Returns
    -------
    Instances
    """
    boxes = label_boxes(labels, len(scores))
    masks = tuple(labels[y0:y1, x0:x1] == i for i, (y0, x0, y1, x1) in enumerate(boxes.tolist(), 1))
    return Instances(boxes, scores, classes, masks)
