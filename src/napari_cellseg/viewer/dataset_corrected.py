"""A sample after a person corrected it in a labels layer, which shows no more than one object per pixel."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import OBJECT_COLUMNS, Annotation, ObjectMask
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.review.status import is_present

Labels = NDArray[np.int32]


def visible_objects(annotation: Annotation) -> pd.DataFrame:
    """Rows of the objects that the flattened labels show; those below others entirely are left out."""
    shown = np.unique(annotation.labels)
    return annotation.objects[annotation.objects["index"].isin(shown)].reset_index(drop=True)


def corrected_sample(before: Sample, labels: NDArray[np.integer], rows: pd.DataFrame) -> Sample:
    """The sample that corrected labels make of one.

    Pixels that lie below other objects cannot be corrected in a label image, so they stay as they were for
    as long as some object covers them. Where an object is renumbered or merged, they go along with it; where
    it is deleted, they are gone too. Pixels in objects count as reviewed.

    Parameters
    ----------
    before : Sample
        What was opened.
    labels : (Y, X) ndarray of int
        What the layer shows now.
    rows : DataFrame
        The layer's table with the column ``index``; rows without pixels don't matter.

    Raises
    ------
    DatasetError
        Where the labels are no label image of a plane.
    """
    shown = Annotation.from_labels(labels, _object_rows(rows, before.annotation))
    annotation = _with_covered(before.annotation, shown)
    ignored = before.ignored
    if ignored is not None:
        ignored = ignored & (shown.labels == 0)
    return replace(before, annotation=annotation, ignored=ignored)


def _object_rows(rows: pd.DataFrame, before: Annotation) -> pd.DataFrame | None:
    """The columns that a dataset keeps: not what was measured in the meantime."""
    if "index" not in rows:
        return None
    kept = [c for c in rows.columns if c in OBJECT_COLUMNS or c in before.objects.columns]
    present = rows[is_present(rows)] if "status" in rows else rows[rows["index"] > 0]
    table = present[kept].copy()
    for column in table.columns.intersection(["class", "status", "origin"]):
        words = table[column].astype(object)
        table[column] = words.where(words.notna() & (words != ""), None)
    return table


def _with_covered(before: Annotation, shown: Annotation) -> Annotation:
    """What is shown, and of the objects that were covered what is still covered."""
    hidden = [found for mask in before.covered.values() if (found := _still_hidden(mask, before, shown))]
    if not hidden:
        return shown
    used = set(shown.objects["index"].tolist())
    free = max(used | set(before.objects["index"].tolist())) + 1
    merged: dict[int, list[ObjectMask]] = {}
    rows = [shown.objects]
    for owner, mask in hidden:
        label = owner
        if label is None:
            label = mask.index if mask.index not in used else free
            free += label == free
            rows.append(before.objects[before.objects["index"] == mask.index].assign(index=label))
        merged.setdefault(label, []).append(mask)
    return Annotation.from_masks(shown.shape, _joined(shown, merged), pd.concat(rows, ignore_index=True))


def _still_hidden(
    mask: ObjectMask, before: Annotation, shown: Annotation
) -> tuple[int | None, ObjectMask] | None:
    """The pixels that something covers still, and whose they are now; None is an object of its own."""
    was, now = before.labels[mask.window], shown.labels[mask.window]
    seen = mask.pixels & (was == mask.index)
    owner = _owner(now[seen]) if seen.any() else None
    covered = mask.pixels & ~seen & (now != 0)
    if owner is not None:
        covered &= now != owner
    if owner == 0 or not covered.any():
        return None
    return owner, ObjectMask(mask.index, mask.top, mask.left, covered)


def _owner(labels: Labels) -> int:
    """The label that most pixels have; 0 where the object is gone."""
    found, counts = np.unique(labels, return_counts=True)
    return int(found[np.argmax(counts)])


def _joined(shown: Annotation, hidden: dict[int, list[ObjectMask]]) -> Iterator[ObjectMask]:
    """The visible masks, each with what is hidden of it."""
    for mask in shown.masks():
        yield _union([mask, *hidden.get(mask.index, ())], mask.index)
    visible = set(shown.objects["index"].tolist())
    for label in hidden.keys() - visible:
        yield _union(hidden[label], label)


def _union(masks: list[ObjectMask], label: int) -> ObjectMask:
    """One object of several masks."""
    if len(masks) == 1:
        return replace(masks[0], index=label)
    boxes = np.array([mask.box for mask in masks])
    (top, left), (bottom, right) = boxes[:, :2].min(0).tolist(), boxes[:, 2:].max(0).tolist()
    pixels = np.zeros((bottom - top, right - left), bool)
    for mask in masks:
        y, x = mask.top - top, mask.left - left
        pixels[y : y + mask.pixels.shape[0], x : x + mask.pixels.shape[1]] |= mask.pixels
    return ObjectMask(label, top, left, pixels)
