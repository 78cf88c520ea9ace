"""Moving the confidence threshold of a finished segmentation, without running the network again."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.viewer.detected import DetectedObjects, Piece

FREE_SHARE = 0.5
"""An object comes back only where at least this share of its pixels is background."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Pixels of one box that change from one label to another."""

    piece: Piece
    old: int
    new: int


@dataclass
class Step:
    """What one move of the threshold did.

    Attributes
    ----------
    before, after : float
        The threshold.
    removed, added : list of int
        Positions of objects.
    edits : list of Edit
        Pixels that changed, disjoint.
    touched : list of int
        Labels that were to be removed but whose pixels a person had changed.
    painted : dict
        Pieces of the added objects as they were painted.
    painted_before : dict
        The same of an earlier time when they were painted.
    by_person : bool
        Whether a person chose the object, not the threshold.
    """

    before: float
    after: float
    removed: list[int] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    touched: list[int] = field(default_factory=list)
    painted: dict[int, tuple[Piece, ...]] = field(default_factory=dict)
    painted_before: dict[int, tuple[Piece, ...]] = field(default_factory=dict)
    by_person: bool = False

    @property
    def name(self) -> str:
        """What was done, as the undo list shows it."""
        return "add candidate" if self.by_person else "confidence"

    def pixels(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.int32]]:
        """Plane, row and column of each changed pixel, and its new label."""
        planes, rows, columns, values = [], [], [], []
        for edit in self.edits:
            y, x = np.nonzero(edit.piece.mask)
            rows.append((y + edit.piece.y.start).astype(np.int32))
            columns.append((x + edit.piece.x.start).astype(np.int32))
            planes.append(np.full(len(y), edit.piece.plane, np.int32))
            values.append(np.full(len(y), edit.new, np.int32))
        empty = [np.zeros(0, np.int32)]
        joined = [np.concatenate(part or empty) for part in (planes, rows, columns, values)]
        return joined[0], joined[1], joined[2], joined[3]


class Refilter:
    """Which of the detected objects are shown, and what changes with the threshold.

    Only objects that are still `predicted` come and go: a label that is locked, or whose pixels are no longer
    those that were painted, stays. Objects come back in order of falling confidence, onto background only.

    Parameters
    ----------
    planes : (planes, Y, X) ndarray of int32
        The labels, changed in place.
    objects : DetectedObjects
        All objects; the first `objects.kept` are in `planes`.
    threshold : float
        Confidence that they were kept by.
    """

    def __init__(self, planes: NDArray[np.int32], objects: DetectedObjects, threshold: float) -> None:
        self._planes = planes
        self._pieces = objects.pieces
        self.threshold = threshold
        self.ids = objects.features["index"].to_numpy(np.int64).copy()
        self.confidence = objects.features["confidence"].to_numpy(np.float32)
        self.shown = np.arange(len(self.ids)) < objects.kept
        self._painted: dict[int, tuple[Piece, ...]] = dict(enumerate(objects.pieces[: objects.kept]))

    def position(self, label: int) -> int | None:
        """Position of the object with this id, None where it is not one of the detected."""
        found = np.flatnonzero(self.ids == label)
        return int(found[0]) if len(found) else None

    def is_seen(self, label: int) -> bool:
        """Whether a detected object has pixels where it was painted."""
        position = self.position(label)
        pieces = () if position is None else self._painted.get(position, ())
        return any(bool((piece.of(self._planes) == label).any()) for piece in pieces)

    def give_new_id(self, position: int, label: int) -> None:
        """Give an object that is not shown another id, because a person used its own."""
        self.ids[position] = label

    def move(self, threshold: float, locked: Iterable[int] = ()) -> Step:
        """Change the threshold and the labels with it.

        Parameters
        ----------
        threshold : float
            Objects at or above it are shown.
        locked : iterable of int
            Labels that a person touched.
        """
        step = Step(self.threshold, threshold)
        free = ~np.isin(self.ids, np.fromiter(locked, np.int64))
        wanted = self.confidence >= np.float32(threshold)
        for position in np.flatnonzero(self.shown & ~wanted & free):
            self._remove(int(position), step)
        missing = np.flatnonzero(~self.shown & wanted & free)
        for position in missing[np.argsort(-self.confidence[missing], kind="stable")]:
            self._add(int(position), step)
        self.note(step)
        return step

    def show(self, position: int) -> Step:
        """Show one hidden object where it has room, whatever the threshold."""
        step = Step(self.threshold, self.threshold, by_person=True)
        self._add(position, step)
        self.note(step)
        return step

    def note(self, step: Step) -> None:
        """Take a step as done, whose pixels are in the labels already."""
        self.shown[step.removed] = False
        self.shown[step.added] = True
        step.painted_before = {p: self._painted[p] for p in step.painted if p in self._painted}
        self._painted.update(step.painted)
        self.threshold = step.after

    def forget(self, step: Step) -> None:
        """Take a step as not done, whose pixels were put back already."""
        self.shown[step.removed] = True
        self.shown[step.added] = False
        self._painted.update(step.painted_before)
        self.threshold = step.before

    def revert_pixels(self, step: Step) -> None:
        """Put back the pixels that a step changed."""
        for edit in reversed(step.edits):
            edit.piece.of(self._planes)[edit.piece.mask] = edit.old

    def _remove(self, position: int, step: Step) -> None:
        label = int(self.ids[position])
        pieces = self._painted[position]
        if not all(self._as_painted(piece, label) for piece in pieces):
            step.touched.append(label)
            return
        step.removed.append(position)
        for piece in pieces:
            piece.of(self._planes)[piece.mask] = 0
            step.edits.append(Edit(piece, label, 0))

    def _as_painted(self, piece: Piece, label: int) -> bool:
        """Whether the label has just these pixels, in the box and one pixel around it."""
        y0, x0 = max(0, piece.y.start - 1), max(0, piece.x.start - 1)
        around = self._planes[piece.plane, y0 : piece.y.stop + 1, x0 : piece.x.stop + 1] == label
        same = np.array_equal(piece.of(self._planes) == label, piece.mask)
        return same and np.count_nonzero(around) == np.count_nonzero(piece.mask)

    def _add(self, position: int, step: Step) -> None:
        label = int(self.ids[position])
        masks = [piece.mask & (piece.of(self._planes) == 0) for piece in self._pieces[position]]
        free = sum(int(np.count_nonzero(mask)) for mask in masks)
        if free == 0 or free < FREE_SHARE * sum(
            int(np.count_nonzero(p.mask)) for p in self._pieces[position]
        ):
            return
        step.added.append(position)
        painted = []
        for piece, mask in zip(self._pieces[position], masks, strict=True):
            if mask.any():
                painted.append(Piece(piece.plane, piece.y, piece.x, mask))
                piece.of(self._planes)[mask] = label
                step.edits.append(Edit(painted[-1], 0, label))
        step.painted[position] = tuple(painted)
