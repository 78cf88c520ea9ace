"""Instances that were found tile by tile, put together: objects across tile borders once and whole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.instances.instance import Instances, Mask
from napari_cellseg.instances.overlap import overlapping_pairs

SAME_OBJECT = 0.5
"""Share of the smaller of two pieces that they must have in common to be one object."""

CUT_MARGIN = 1
"""A piece this close to a border inside the plane counts as cut by it, pixels."""

SAFE_CLEARANCE = 16
"""Among whole pieces of one object, those farther from the border than this are equally good, pixels."""

Frame = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Instances, each with the tile that it was seen in."""

    instances: Instances
    frames: NDArray[np.int64]

    @classmethod
    def none(cls) -> "_Pieces":
        return cls(Instances.empty(), np.zeros((0, 4), np.int64))

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> "_Pieces":
        return _Pieces(self.instances.take(which), self.frames[which])

    def join(self, other: "_Pieces") -> "_Pieces":
        return _Pieces(
            Instances.concatenate([self.instances, other.instances]),
            np.concatenate([self.frames, other.frames]),
        )


class TileMerger:
    """Collects the instances of tiles, row by row, and hands out those that can no longer change.

    Pieces of one object agree where their tiles overlap. A piece that no tile border cuts is taken as the
    object; where every piece is cut, because the object is larger than the overlap, they are united.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the plane.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._pending = _Pieces.none()

    def add(self, instances: Instances, y: slice, x: slice) -> None:
        """Add what was found in one tile.

        Parameters
        ----------
        instances : Instances
            In pixels of the plane; parts outside of the plane are cut off.
        y, x : slice
            Rows and columns of the tile; they may reach past the plane.
        """
        height, width = self._shape
        inside = clip_instances(instances, (0, 0, height, width))
        frame = (max(0, y.start), max(0, x.start), min(height, y.stop), min(width, x.stop))
        frames = np.tile(np.array(frame, np.int64), (len(inside), 1))
        self._pending = self._pending.join(_Pieces(inside, frames))

    def finish(self, next_row: int | None = None) -> Instances:
        """Merged objects that tiles from row `next_row` on cannot touch; all that are left where None."""
        pieces = self._pending
        groups = _components(len(pieces.instances), _agreeing(pieces))
        open_groups: set[int] = set()
        if next_row is not None:
            open_groups = set(groups[pieces.instances.boxes[:, 2] > next_row].tolist())
        still_open = np.isin(groups, list(open_groups))
        self._pending = pieces.take(still_open)
        done, numbers = pieces.take(~still_open), groups[~still_open]
        order = np.argsort(numbers, kind="stable")
        starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        merged = [self._resolve(done.take(part)) for part in np.split(order, starts[1:]) if len(part)]
        return Instances.concatenate(merged)

    def _resolve(self, pieces: _Pieces) -> Instances:
        """Objects of one group of agreeing pieces."""
        if len(pieces.instances) == 1:
            return pieces.instances
        clearance = self._clearance(pieces)
        order = np.lexsort((-pieces.instances.scores, -np.minimum(clearance, SAFE_CLEARANCE)))
        whole = order[clearance[order] > CUT_MARGIN]
        kept: list[int] = []
        for i in whole.tolist():
            if not _covered(pieces.instances, i, kept):
                kept.append(i)
        cut_off = order[clearance[order] <= CUT_MARGIN]
        cut = [i for i in cut_off.tolist() if not _covered(pieces.instances, i, kept)]
        left = pieces.take(np.array(cut, np.intp))
        groups = _components(len(cut), _agreeing(left))
        united = [unite_instances(left.instances.take(groups == g)) for g in np.unique(groups)]
        return Instances.concatenate([pieces.instances.take(np.array(kept, np.intp)), *united])

    def _clearance(self, pieces: _Pieces) -> NDArray[np.int64]:
        """Pixels between each piece and the nearest border of its tile that lies inside the plane."""
        boxes, frames = pieces.instances.boxes.astype(np.int64), pieces.frames
        gaps = np.stack([boxes[:, :2] - frames[:, :2], frames[:, 2:] - boxes[:, 2:]], axis=1).reshape(-1, 4)
        limits = np.array([0, 0, *self._shape])
        outer = frames == limits
        gaps[outer] = np.iinfo(np.int64).max
        nearest: NDArray[np.int64] = gaps.min(axis=1)
        return nearest


def clip_instances(instances: Instances, frame: Frame) -> Instances:
    """Instances without the parts outside of a frame; those without pixels inside are left out.

    Parameters
    ----------
    instances : Instances
        In the coordinates of the frame.
    frame : tuple of int
        ``y0, x0, y1, x1``, half-open.
    """
    y0, x0, y1, x1 = frame
    boxes = instances.boxes.copy()
    boxes[:, 0::2] = np.clip(boxes[:, 0::2], y0, y1)
    boxes[:, 1::2] = np.clip(boxes[:, 1::2], x0, x1)
    if np.array_equal(boxes, instances.boxes):
        return instances
    keep, masks = [], []
    for i, (old, new) in enumerate(zip(instances.boxes.tolist(), boxes.tolist(), strict=True)):
        mask = instances.masks[i][new[0] - old[0] : new[2] - old[0], new[1] - old[1] : new[3] - old[1]]
        if mask.any():
            keep.append(i)
            masks.append(mask)
    return Instances(boxes[keep], instances.scores[keep], instances.classes[keep], tuple(masks))


def unite_instances(pieces: Instances) -> Instances:
    """One instance of all pieces: their pixels, the score weighted by area, the class of the largest.

    Parameters
    ----------
    pieces : Instances
        At least one.
    """
    y0, x0 = pieces.boxes[:, :2].min(axis=0).tolist()
    y1, x1 = pieces.boxes[:, 2:].max(axis=0).tolist()
    mask: Mask = np.zeros((y1 - y0, x1 - x0), np.bool_)
    for (a, b, c, d), piece in zip(pieces.boxes.tolist(), pieces.masks, strict=True):
        mask[a - y0 : c - y0, b - x0 : d - x0] |= piece
    areas = pieces.areas
    score = np.average(pieces.scores, weights=np.maximum(areas, 1))
    return Instances(
        np.array([[y0, x0, y1, x1]], np.int32),
        np.array([score], np.float32),
        pieces.classes[[int(areas.argmax())]],
        (mask,),
    )


def _agreeing(pieces: _Pieces) -> NDArray[np.int64]:
    """Pairs of pieces, of different tiles, that show the same object, (M, 2)."""
    found = overlapping_pairs(pieces.instances, pieces.instances)
    found = found[found[:, 0] < found[:, 1]]
    different = np.any(pieces.frames[found[:, 0]] != pieces.frames[found[:, 1]], axis=1)
    found = found[different]
    shared = np.array([_least_area(pieces, int(i), int(j)) for i, j, _ in found], np.int64).reshape(-1)
    return found[found[:, 2] >= SAME_OBJECT * np.maximum(shared, 1), :2]


def _least_area(pieces: _Pieces, i: int, j: int) -> int:
    """Smaller area of two pieces, counted only where both tiles look."""
    low = np.maximum(pieces.frames[i, :2], pieces.frames[j, :2])
    high = np.minimum(pieces.frames[i, 2:], pieces.frames[j, 2:])
    return min(_area_within(pieces.instances, k, low, high) for k in (i, j))


def _area_within(instances: Instances, i: int, low: NDArray[np.int64], high: NDArray[np.int64]) -> int:
    box = instances.boxes[i]
    y0, x0 = np.maximum(low - box[:2], 0)
    y1, x1 = np.maximum(high - box[:2], 0)
    return int(np.count_nonzero(instances.masks[i][y0:y1, x0:x1]))


def _covered(instances: Instances, i: int, kept: list[int]) -> bool:
    """Whether a piece shows nothing that the kept ones do not show already."""
    if not kept:
        return False
    one = instances.take([i])
    others = instances.take(kept)
    found = overlapping_pairs(one, others)
    least = np.minimum(one.areas[0], others.areas[found[:, 1]])
    return bool(np.any(found[:, 2] >= SAME_OBJECT * np.maximum(least, 1)))


def _components(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the connected group of each of `count` nodes, (count,), in order of their first node."""
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in pairs.tolist():
        a, b = root(i), root(j)
        parent[max(a, b)] = min(a, b)
    return np.array([root(i) for i in range(count)], np.int64)
