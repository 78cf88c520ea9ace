"""Looking at the objects of a layer one by one, the most doubtful first."""

from collections.abc import Callable, Collection, Iterable

import numpy as np
import pandas as pd

from napari_cellseg.events import Job
from napari_cellseg.review.doubt import doubt
from napari_cellseg.review.queue import ReviewQueue
from napari_cellseg.review.seams import on_seams
from napari_cellseg.review.shapes import measuring_shapes
from napari_cellseg.review.status import Status, is_present
from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.edit_step import EditStep, renamed_labels
from napari_cellseg.viewer.jumping import jump_to_object, objects_in_view
from napari_cellseg.viewer.label_layer import METADATA_KEY


class Review:
    """The queue of a layer, which follows every edit and its undoing.

    Parameters
    ----------
    correction : Correction
        The objects.
    rows : DataFrame
        As `doubting` gives them.
    """

    def __init__(self, correction: Correction, rows: pd.DataFrame) -> None:
        self.correction = correction
        self.queue = ReviewQueue(_as_of_now(correction, rows))
        self.on_change: list[Callable[[], None]] = []
        self._reasons = dict(zip(rows["index"].tolist(), rows["reason"].tolist(), strict=True))
        correction.editor.watchers.insert(0, self._on_step)

    @property
    def sentence(self) -> str:
        """What is known of the current object, and what is odd about it."""
        current = self.queue.current
        if current is None:
            return "Nothing is left to go through."
        reason = self._reasons.get(current, "")
        return f"{self.correction.describe(current)}{f' — {reason}' if reason else ''}"

    def next(self) -> None:
        """Show the next object."""
        self._go(self.queue.next)

    def show_current(self) -> None:
        """Show the object that the review stands at."""
        self._show(self.queue.current)

    def skip(self) -> None:
        """Leave the current object for the end and show the next."""
        self._go(self.queue.skip)

    def back(self) -> None:
        """Show the object that was looked at before."""
        self._show(self.queue.previous())

    def accept(self) -> None:
        """Take the current object as right, as one undo step, and show the next."""
        self._follow_selection()
        if self.queue.current is not None:
            self.correction.set_status([self.queue.current], Status.ACCEPTED)
            self._take_in([self.queue.current])
            self.next()

    def delete(self) -> None:
        """Delete the current object, and show the next."""
        self._follow_selection()
        if self.queue.current is not None:
            self.correction.delete([self.queue.current])
            self._show(self.queue.current)

    def accept_view(self) -> int:
        """Take all objects in the field of view as right, as one step; returns how many."""
        editor = self.correction.editor
        labels = objects_in_view(self.correction.layer, editor.ready()).tolist()
        rows = editor.rows.read(labels)
        left = rows["index"][is_present(rows) & (rows["status"] != Status.ACCEPTED.value)].tolist()
        if left:
            self.correction.set_status(left, Status.ACCEPTED)
        self._take_in(labels)
        self._tell()
        return len(left)

    def filter(self, statuses: Collection[str] | None, classes: Collection[str] | None) -> None:
        """Go through other objects, see `ReviewQueue.filter`; show the next where the current is none."""
        self.queue.filter(statuses, classes)
        if self.queue.fits(self.queue.current):
            self._tell()
        else:
            self.next()

    def mark_done(self, done: bool) -> None:
        """Say whether the image is done."""
        self.queue.mark_done(done)
        self._tell()

    def close(self) -> None:
        """Follow no longer."""
        watchers = self.correction.editor.watchers
        if self._on_step in watchers:
            watchers.remove(self._on_step)

    def _go(self, move: Callable[[], int | None]) -> None:
        """Show where a move leads; over what was looked at by hand, in the table that napari shows."""
        label = move()
        while label is not None:
            self._take_in([label])
            if self.queue.fits(label):
                break
            label = self.queue.next()
        self._show(label)

    def _take_in(self, labels: Iterable[int]) -> None:
        """Take in what the table says of some objects."""
        self.queue.update(self.correction.editor.rows.read(labels)[["index", "status", "class"]])

    def _follow_selection(self) -> None:
        """The object that the person selected is the current one."""
        selected = self.correction.selected
        if selected is not None and selected != self.queue.current:
            self.queue.go_to(selected)

    def _show(self, label: int | None) -> None:
        if label is not None and label in self.correction.editor.index:
            correction = self.correction
            correction.select(label)
            jump_to_object(correction.viewer, correction.layer, correction.editor.index, label)
        self._tell()

    def _on_step(self, step: EditStep | None, what: str) -> None:
        rows = self.correction.editor.rows
        if renamed := renamed_labels(step, what):
            self.queue.rename(renamed)
            self._reasons = {renamed.get(label, label): why for label, why in self._reasons.items()}
        if step is None:
            self.queue.update(rows.frame)
        else:
            labels = {*step.rows.before["index"].tolist(), *step.rows.after["index"].tolist()}
            gone = sorted(labels - set(rows.read(labels)["index"].tolist()))
            missing = pd.DataFrame({"index": gone, "status": "", "class": ""})
            self.queue.update(pd.concat([rows.read(labels)[list(missing)], missing], ignore_index=True))
        self._tell()

    def _tell(self) -> None:
        for callback in list(self.on_change):
            callback()


def _as_of_now(correction: Correction, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `doubting` with what was done while it ran."""
    frame = correction.editor.rows.frame
    now = frame.loc[is_present(frame), ["index", "status", "class"]]
    found = rows.drop(columns=["status", "class"], errors="ignore")
    return now.merge(found, on="index", how="left").fillna({"doubt": 0.0})


def doubting(correction: Correction) -> Job[pd.DataFrame]:
    """How doubtful each object is, as a job.

    Returns
    -------
    DataFrame
        A row per object: ``index``, ``status``, ``class``, ``doubt`` and ``reason``.
    """
    index = correction.editor.ready()
    frame = correction.editor.rows.frame.copy()
    labels, low, high, _ = index.extents()
    shapes = yield from measuring_shapes(index.array, index, labels.tolist())
    rows = frame[is_present(frame) & frame["index"].isin(labels)]
    table = rows.merge(shapes, on="index", suffixes=("_known", ""))
    resolved = correction.layer.metadata.get(METADATA_KEY, {}).get("resolved", {})
    if {"tile", "overlap", "scale"} <= set(resolved) and resolved["tile"] is not None:
        seams = labels[on_seams(low, high, index.shape, resolved)]
        table["seam"] = np.isin(table["index"], seams)
    found = doubt(table)
    kept = table[["index", "status", "class"]].reset_index(drop=True)
    return kept.assign(doubt=found["doubt"].to_numpy(), reason=found["reason"].to_numpy())
