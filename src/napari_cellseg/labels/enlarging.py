"""Labels found at the network's scale, brought to the pixels of the plane."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.instances.instance import Instances
from napari_cellseg.labels.rasterising import Labels, label_boxes


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a window at the network's scale lies in a plane.

    Attributes
    ----------
    scale : float
        Network pixels per plane pixel; plane pixel ``i`` lies at ``(i + 0.5) * scale - 0.5``.
    origin : tuple of int
        Row and column, in network pixels of the whole plane, of the window's first pixel.
    plane_shape : tuple of int
        Height and width of the plane, in its own pixels.
    """

    scale: float
    origin: tuple[int, int]
    plane_shape: tuple[int, int]

    def plane_points(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points (N, 2) of the window, y and x, in pixels of the plane."""
        return (np.asarray(points, np.float64) + self.origin + 0.5) / self.scale - 0.5


@njit(cache=True, nogil=True)
def border_levels(labels: Any, foreground: Any, count: int) -> Any:
    """Least foreground on the border of each label: the level at which it was cut.

    Parameters
    ----------
    labels : (H, W) ndarray of int32
        Labels 1 to `count`.
    foreground : (H, W) ndarray of float32
        Probability of any object.
    count : int
        Number of labels.

    Returns
    -------
    (count,) ndarray of float32
        Infinite for a label that has no border inside the image.
    """
    levels = np.full(count, np.inf, np.float32)
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            if label == 0 or not foreground[y, x] < levels[label - 1]:
                continue
            if (
                (y > 0 and labels[y - 1, x] == 0)
                or (y < height - 1 and labels[y + 1, x] == 0)
                or (x > 0 and labels[y, x - 1] == 0)
                or (x < width - 1 and labels[y, x + 1] == 0)
            ):
                levels[label - 1] = foreground[y, x]
    return levels


@njit(cache=True, nogil=True)
def _belongs(label: int, ids: Any, weights: Any, values: Any, threshold: float) -> bool:
    """Whether a pixel between four others is the label's: the heaviest one, and above the threshold.

    A negative threshold stands for no foreground map: half of the weight must lie on labels.
    """
    own, covered, value = 0.0, 0.0, 0.0
    for k in range(4):
        value += weights[k] * values[k]
        if ids[k] > 0:
            covered += weights[k]
        if ids[k] == label:
            own += weights[k]
    if own <= 0.0:
        return False
    for k in range(4):
        if ids[k] > 0 and ids[k] != label:
            other = 0.0
            for m in range(4):
                if ids[m] == ids[k]:
                    other += weights[m]
            if other > own or (other == own and ids[k] < label):
                return False
    if covered >= 1.0 - 1e-9:
        return True
    return value >= threshold if threshold >= 0.0 else covered >= 0.5


@njit(cache=True, nogil=True)
def _fill(
    labels: Any,
    foreground: Any,
    thresholds: Any,
    which: Any,
    boxes: Any,
    starts: Any,
    scale: float,
    oy: int,
    ox: int,
    pixels: Any,
    tight: Any,
) -> None:
    mapped = foreground.size > 0
    height, width = labels.shape
    for n in range(which.size):
        label = which[n] + 1
        threshold = float(thresholds[label - 1]) if mapped else -1.0
        y0, x0, y1, x1 = boxes[n, 0], boxes[n, 1], boxes[n, 2], boxes[n, 3]
        tight[n, 0], tight[n, 1], tight[n, 2], tight[n, 3] = y1, x1, y0, x0
        for y in range(y0, y1):
            v = min(max((y + 0.5) * scale - 0.5 - oy, 0.0), height - 1.0)
            a = int(v)
            b = min(a + 1, height - 1)
            fy = v - a
            for x in range(x0, x1):
                u = min(max((x + 0.5) * scale - 0.5 - ox, 0.0), width - 1.0)
                c = int(u)
                d = min(c + 1, width - 1)
                fx = u - c
                ids = (labels[a, c], labels[a, d], labels[b, c], labels[b, d])
                weights = ((1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx)
                values = weights
                if mapped:
                    values = (
                        float(foreground[a, c]),
                        float(foreground[a, d]),
                        float(foreground[b, c]),
                        float(foreground[b, d]),
                    )
                if not _belongs(label, ids, weights, values, threshold):
                    continue
                pixels[starts[n] + (y - y0) * (x1 - x0) + x - x0] = True
                tight[n, 0], tight[n, 1] = min(tight[n, 0], y), min(tight[n, 1], x)
                tight[n, 2], tight[n, 3] = max(tight[n, 2], y + 1), max(tight[n, 3], x + 1)


def _plane_boxes(boxes: NDArray[np.int32], placement: Placement) -> NDArray[np.int64]:
    """Boxes in the plane that hold every pixel whose neighbours may lie in the boxes at network scale."""
    oy, ox = placement.origin
    low = np.floor((boxes[:, :2] + (oy, ox) - 0.5) / placement.scale - 0.5)
    high = np.ceil((boxes[:, 2:] + (oy, ox) + 0.5) / placement.scale - 0.5) + 1
    grown = np.concatenate([low, high], axis=1)
    limit = np.array(placement.plane_shape * 2, np.float64)
    inside: NDArray[np.int64] = np.clip(grown, 0, limit).astype(np.int64)
    return inside


def enlarge_labels(
    labels: Labels,
    scores: NDArray[np.float32],
    classes: NDArray[np.int16],
    which: NDArray[np.intp],
    placement: Placement,
    foreground: NDArray[np.float32] | None = None,
    thresholds: NDArray[np.float32] | None = None,
) -> Instances:
    """Instances of chosen labels, in the pixels of the plane.

    A pixel of the plane goes to the label with most bilinear weight among its four neighbours. Where one
    of them is background, it must reach the foreground threshold (by bilinear interpolation) or, without
    a foreground map, have half of its weight on labels: borders come out smooth, and objects disjoint.

    Parameters
    ----------
    labels : (H, W) ndarray of int32
        Labels 1 to N at network scale.
    scores, classes : (N,) ndarray
        Confidence and class of each label.
    which : (M,) ndarray of int
        Positions (label - 1) of the labels that are wanted.
    placement : Placement
        Where `labels` lie in the plane.
    foreground : (H, W) ndarray of float32, optional
        Probability of any object, at network scale.
    thresholds : (N,) ndarray of float32, optional
        Foreground at the border of each label.

    Returns
    -------
    Instances
        In the order of `which`, with tight boxes; a label that is too small for a pixel has an empty mask.
    """
    which = np.asarray(which, np.int64)
    if which.size == 0:
        return Instances.empty()
    boxes = label_boxes(labels, len(scores))[which]
    if placement.scale == 1.0:
        masks = tuple(
            labels[y0:y1, x0:x1] == i + 1 for i, (y0, x0, y1, x1) in zip(which, boxes.tolist(), strict=True)
        )
        moved = Instances(boxes, scores[which], classes[which], masks)
        return moved.shifted(*placement.origin)
    plane_boxes = _plane_boxes(boxes, placement)
    sizes = np.maximum(plane_boxes[:, 2:] - plane_boxes[:, :2], 0)
    areas = sizes[:, 0] * sizes[:, 1]
    starts = np.cumsum(areas) - areas
    pixels = np.zeros(int(areas.sum()), np.bool_)
    tight = np.zeros((len(which), 4), np.int32)
    if foreground is None or thresholds is None:
        foreground, thresholds = np.zeros((0, 0), np.float32), np.zeros(0, np.float32)
    _fill(
        labels,
        foreground,
        thresholds,
        which,
        plane_boxes,
        starts,
        placement.scale,
        *placement.origin,
        pixels,
        tight,
    )
    tight[tight[:, 2] <= tight[:, 0]] = 0
    masks = tuple(
        pixels[start : start + h * w].reshape(h, w)[t[0] - b[0] : t[2] - b[0], t[1] - b[1] : t[3] - b[1]]
        if t[2]
        else np.zeros((0, 0), np.bool_)
        for start, (h, w), b, t in zip(
            starts.tolist(), sizes.tolist(), plane_boxes.tolist(), tight.tolist(), strict=True
        )
    )
    return Instances(tight, scores[which], classes[which], masks)
