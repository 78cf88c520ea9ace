"""Instances: what a model found in a plane, before any of it becomes a label."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Instances:
    """N objects of one plane, each a mask cropped to its box.

    Attributes
    ----------
    boxes : (N, 4) ndarray of int32
        ``y0, x0, y1, x1`` in pixels of the plane, half-open.
    scores : (N,) ndarray of float32
        Confidence, 0 to 1.
    classes : (N,) ndarray of int16
        Index into the class names of the model card.
    masks : tuple of N (h, w) bool arrays
        ``h = y1 - y0``, ``w = x1 - x0``.
    disagreement : (N,) ndarray of float32, optional
        How far the members of an ensemble disagree on each, 0 to 1; NaN where that is not known.
    """

    boxes: NDArray[np.int32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int16]
    masks: tuple[Mask, ...]
    disagreement: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n = len(self.masks)
        if self.disagreement is not None and self.disagreement.shape != (n,):
            raise ValueError(f"disagreement must be one number for each of {n} objects")
        if self.boxes.shape != (n, 4) or self.scores.shape != (n,) or self.classes.shape != (n,):
            raise ValueError(
                f"boxes, scores, classes and masks must describe the same objects, got shapes "
                f"{self.boxes.shape}, {self.scores.shape}, {self.classes.shape} and {n} masks"
            )

    def __len__(self) -> int:
        return len(self.masks)

    @classmethod
    def empty(cls) -> "Instances":
        """No objects, with the right dtypes."""
        return cls(np.zeros((0, 4), np.int32), np.zeros(0, np.float32), np.zeros(0, np.int16), ())

    @classmethod
    def concatenate(cls, parts: Sequence["Instances"]) -> "Instances":
        """All objects of all parts, in their order."""
        parts = [p for p in parts if len(p)]
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([p.boxes for p in parts]),
            np.concatenate([p.scores for p in parts]),
            np.concatenate([p.classes for p in parts]),
            tuple(m for p in parts for m in p.masks),
            _joined([(p.disagreement, len(p)) for p in parts]),
        )

    def take(self, which: NDArray[np.bool_] | NDArray[np.integer] | Sequence[int]) -> "Instances":
        """The chosen objects, by bool mask or by position."""
        index = np.asarray(which)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.intp)
        return Instances(
            self.boxes[index],
            self.scores[index],
            self.classes[index],
            tuple(self.masks[i] for i in index),
            None if self.disagreement is None else self.disagreement[index],
        )

    def shifted(self, dy: int, dx: int) -> "Instances":
        """The same objects, moved by whole pixels."""
        offset = np.array([dy, dx, dy, dx], np.int32)
        return replace(self, boxes=self.boxes + offset)

    @property
    def areas(self) -> NDArray[np.int64]:
        """Pixels of each object, (N,)."""
        return np.array([int(np.count_nonzero(m)) for m in self.masks], np.int64)


def _joined(parts: Sequence[tuple[NDArray[np.float32] | None, int]]) -> NDArray[np.float32] | None:
    """Values of all parts with NaN for those that have none; None where no part has any."""
    if all(values is None for values, _ in parts):
        return None
    return np.concatenate([np.full(n, np.nan, np.float32) if v is None else v for v, n in parts])
