"""From boxes and prototype masks to objects, as segmentation networks with box heads (YOLO) give them.

A network of this kind returns, per object, a box, a score for each class and a few coefficients; the sum of
the prototype masks, weighted by the coefficients, is positive inside the object (Bolya et al., "YOLACT",
ICCV 2019). The prototypes are smaller than the tile, usually by 4.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.instances.cutting import keep_main_pieces
from napari_cellseg.instances.instance import Instances
from napari_cellseg.instances.overlap import flatten_masks

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PrototypeDecoding:
    """How boxes and prototype masks become objects; a model card stores these.

    Attributes
    ----------
    box_iou : float
        Of two boxes of one class with a larger IoU, only the more confident one is kept (non-maximum
        suppression). Networks whose head is trained to give each object once need none; it is done all the
        same, since tiles are not what they were trained on.
    covered : float
        An object that more confident ones cover by more than this share is dropped, whatever its class;
        1 keeps all.
    margin : float
        Share of its edges by which a box is expanded, on all sides, before the mask is cut at it, so that no
        edge is cut by rounding. Of an expanded box only the largest piece is kept. Much more does harm:
        training looks at masks inside their boxes only, outside they run into neighbours. 0 cuts at the box
        itself and keeps all pieces, as the networks' own package does.
    min_area : int
        Objects with fewer pixels are dropped.
    """

    box_iou: float = 0.7
    covered: float = 0.5
    margin: float = 0.01
    min_area: int = 4


@dataclass(frozen=True, slots=True)
class Detections:
    """N boxes of a tile, before their masks are decoded.

    Attributes
    ----------
    boxes : (N, 4) ndarray of float32
        ``y0, x0, y1, x1`` in pixels of the tile.
    scores : (N,) ndarray of float32
        Score of the best class.
    classes : (N,) ndarray of int16
        The best class.
    coefficients : (N, M) ndarray of float32
        One per prototype.
    """

    boxes: Floats
    scores: Floats
    classes: NDArray[np.int16]
    coefficients: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, which: NDArray[Any]) -> "Detections":
        """The chosen ones, by bool mask or by position."""
        return Detections(
            self.boxes[which], self.scores[which], self.classes[which], self.coefficients[which]
        )


def suppress_boxes(detections: Detections, iou: float) -> Detections:
    """The most confident of each group of boxes of one class that overlap, in order of confidence.

    Parameters
    ----------
    detections : Detections
        Any number; there is no limit to how many are kept.
    iou : float
        Boxes that overlap by more are the same object.
    """
    order = np.argsort(-detections.scores, kind="stable")
    ranked = detections.take(order)
    kept = _suppress(ranked.boxes.astype(np.float64), ranked.classes, float(iou))
    return ranked.take(kept)


@njit(cache=True, nogil=True)
def _suppress(boxes: Any, classes: Any, iou: float) -> Any:
    n = boxes.shape[0]
    kept = np.ones(n, np.bool_)
    areas = np.empty(n)
    for i in range(n):
        areas[i] = max(0.0, boxes[i, 2] - boxes[i, 0]) * max(0.0, boxes[i, 3] - boxes[i, 1])
    for i in range(n):
        if not kept[i]:
            continue
        for j in range(i + 1, n):
            if not kept[j] or classes[j] != classes[i]:
                continue
            height = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
            width = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
            if height > 0.0 and width > 0.0:
                shared = height * width
                if shared > iou * (areas[i] + areas[j] - shared):
                    kept[j] = False
    return kept


def decode_masks(
    detections: Detections, prototypes: Floats, shape: tuple[int, int], margin: float = 0.0
) -> Instances:
    """Masks of boxes, at the full resolution of the tile.

    The weighted sum of the prototypes is interpolated bilinearly (pixel centres, edges repeated), and what is
    positive within the box is the object.

    Parameters
    ----------
    detections : Detections
        N boxes, in pixels of the tile.
    prototypes : (M, h, w) ndarray of float32
        They show the whole tile.
    shape : tuple of int
        Height and width of the tile.
    margin : float
        See `PrototypeDecoding`.

    Returns
    -------
    Instances
        One for each detection, in the same order, in boxes that fit them; (0, 0) masks where nothing is
        positive.
    """
    prototypes = np.ascontiguousarray(prototypes, np.float32)
    masks, boxes = [], np.zeros((len(detections), 4), np.int32)
    for i in range(len(detections)):
        window, limits = _window(detections.boxes[i].tolist(), shape, margin)
        mask = _decode_mask(detections.coefficients[i], prototypes, *shape, *window, *limits)
        if margin > 0 and mask.any():
            piece = mask.astype(np.int32)
            keep_main_pieces(piece, 1)
            mask = piece.astype(np.bool_)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if rows.size == 0:
            masks.append(np.zeros((0, 0), np.bool_))
            continue
        top, left = int(rows[0]), int(columns[0])
        masks.append(mask[top : rows[-1] + 1, left : columns[-1] + 1])
        top, left = top + window[0], left + window[1]
        boxes[i] = (top, left, top + masks[-1].shape[0], left + masks[-1].shape[1])
    return Instances(boxes, detections.scores, detections.classes, tuple(masks))


def _window(
    box: list[float], shape: tuple[int, int], margin: float
) -> tuple[tuple[int, int, int, int], tuple[float, float, float, float]]:
    """Pixels of the tile that a mask may have, ``y0, x0, y1, x1``, and the exact limits of their places."""
    y0, x0, y1, x1 = box
    grow_y, grow_x = margin * (y1 - y0), margin * (x1 - x0)
    limits = (y0 - grow_y, x0 - grow_x, y1 + grow_y, x1 + grow_x)
    low = [max(0, int(np.ceil(v))) for v in limits[:2]]
    high = [min(n, max(0, int(np.ceil(v)))) for v, n in zip(limits[2:], shape, strict=True)]
    return (low[0], low[1], max(low[0], high[0]), max(low[1], high[1])), limits


@njit(cache=True, nogil=True)
def _decode_mask(
    coefficients: Any,
    prototypes: Any,
    height: int,
    width: int,
    y0: int,
    x0: int,
    y1: int,
    x1: int,
    low_y: float,
    low_x: float,
    high_y: float,
    high_x: float,
) -> Any:
    count, rows, columns = prototypes.shape
    mask = np.zeros((y1 - y0, x1 - x0), np.bool_)
    if y1 <= y0 or x1 <= x0:
        return mask
    per_y, per_x = rows / height, columns / width
    first_row = max(0, int(np.floor((y0 + 0.5) * per_y - 0.5)))
    last_row = min(rows - 1, int(np.floor((y1 - 0.5) * per_y - 0.5)) + 1)
    first_column = max(0, int(np.floor((x0 + 0.5) * per_x - 0.5)))
    last_column = min(columns - 1, int(np.floor((x1 - 0.5) * per_x - 0.5)) + 1)
    sums = np.zeros((last_row - first_row + 1, last_column - first_column + 1), np.float32)
    for m in range(count):
        for r in range(sums.shape[0]):
            for c in range(sums.shape[1]):
                sums[r, c] += coefficients[m] * prototypes[m, first_row + r, first_column + c]
    for y in range(y0, y1):
        if y < low_y or y >= high_y:
            continue
        at = max(0.0, (y + 0.5) * per_y - 0.5)
        r = min(int(at), rows - 1)
        r1 = min(r + 1, rows - 1)
        share_y = at - r
        for x in range(x0, x1):
            if x < low_x or x >= high_x:
                continue
            at = max(0.0, (x + 0.5) * per_x - 0.5)
            c = min(int(at), columns - 1)
            c1 = min(c + 1, columns - 1)
            share_x = at - c
            upper = sums[r - first_row, c - first_column] * (1.0 - share_x)
            upper += sums[r - first_row, c1 - first_column] * share_x
            lower = sums[r1 - first_row, c - first_column] * (1.0 - share_x)
            lower += sums[r1 - first_row, c1 - first_column] * share_x
            mask[y - y0, x - x0] = upper * (1.0 - share_y) + lower * share_y > 0.0
    return mask


def drop_covered(instances: Instances, shape: tuple[int, int], covered: float) -> Instances:
    """Instances without those that more confident ones cover by more than a share, in order of confidence.

    Parameters
    ----------
    instances : Instances
        Within a plane of this shape.
    shape : tuple of int
        Height and width.
    covered : float
        Share of an object's pixels, 0 to 1.
    """
    ranked = instances.take(np.argsort(-instances.scores, kind="stable"))
    flat = flatten_masks(ranked)
    taken = np.zeros(shape, np.bool_)
    return ranked.take(_uncovered(ranked.boxes, flat.pixels, flat.starts, taken, float(covered)))


@njit(cache=True, nogil=True)
def _uncovered(boxes: Any, pixels: Any, starts: Any, taken: Any, covered: float) -> Any:
    kept = np.zeros(boxes.shape[0], np.bool_)
    for i in range(boxes.shape[0]):
        y0, x0, y1, x1 = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        area = shared = 0
        position = starts[i]
        for y in range(y0, y1):
            for x in range(x0, x1):
                if pixels[position]:
                    area += 1
                    shared += taken[y, x]
                position += 1
        kept[i] = shared <= covered * area
        if not kept[i]:
            continue
        position = starts[i]
        for y in range(y0, y1):
            for x in range(x0, x1):
                taken[y, x] |= pixels[position]
                position += 1
    return kept


def decode_prototypes(
    detections: Detections, prototypes: Floats, shape: tuple[int, int], decoding: PrototypeDecoding
) -> Instances:
    """Objects of one tile.

    Parameters
    ----------
    detections : Detections
        Boxes above the confidence that is of interest, in pixels of the tile.
    prototypes : (M, h, w) ndarray of float32
        They show the whole tile.
    shape : tuple of int
        Height and width of the tile.
    decoding : PrototypeDecoding
        How.

    Returns
    -------
    Instances
        In order of confidence; they may overlap by `PrototypeDecoding.covered` at most.
    """
    kept = suppress_boxes(detections, decoding.box_iou)
    found = decode_masks(kept, prototypes, shape, decoding.margin)
    found = found.take(found.areas >= max(1, decoding.min_area))
    return found if decoding.covered >= 1 else drop_covered(found, shape, decoding.covered)
