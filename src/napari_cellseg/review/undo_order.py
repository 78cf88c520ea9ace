"""The undo order of work that was left in a journal: which of its steps can be undone, which done again."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.labels.edit import Edit, edit_of_pixels
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.review.entries import Entry
from napari_cellseg.review.packing import PackedLabels
from napari_cellseg.review.pixel_runs import PixelRuns
from napari_cellseg.review.resuming import Restored
from napari_cellseg.review.table_records import Record, RowReplay

LARGEST = 2**22
"""Pixels of a step that can be undone after the work was resumed; edits of whole images have more."""


@dataclass(frozen=True, slots=True, eq=False)
class Rewound:
    """Work as it was before the steps that can be undone.

    Attributes
    ----------
    labels : ndarray of int
        The labels.
    features : DataFrame
        The table, by rising label.
    done, undone : tuple of Entry
        Steps to do from there, and then steps to do and undo again; each in the order of doing.
    """

    labels: NDArray[Any]
    features: pd.DataFrame
    done: tuple[Entry, ...]
    undone: tuple[Entry, ...]


def rewind(restored: Restored, most: int) -> Rewound:
    """Take back the last steps of work that was restored, as far as each can be undone.

    Parameters
    ----------
    restored : Restored
        The work; its labels are changed in place.
    most : int
        Most steps to take back.
    """
    done, undone = undo_order(restored.entries, most)
    labels, rows, kept = restored.labels, RowReplay(restored.features), deque[Entry]()
    for entry in reversed(done):
        if isinstance(entry.pixels, PixelRuns):
            if not _holds(labels, entry.pixels):
                break
            _inverted(entry.pixels).apply(labels)
        rows.apply(entry.after, entry.before)
        kept.appendleft(entry)
    return Rewound(labels, rows.table(), tuple(kept), tuple(reversed(undone)))


def undo_order(entries: Sequence[Entry], most: int) -> tuple[list[Entry], list[Entry]]:
    """Steps that were done, and steps that were undone; the next to undo, and to do again, last.

    A step that changed too much, and an undo of what the journal does not hold, end what was before.
    """
    done, undone = deque[Entry](maxlen=most), list[Entry]()
    for entry in entries:
        if entry.kind in ("undo", "redo"):
            source, target = (done, undone) if entry.kind == "undo" else (undone, done)
            if source:
                target.append(source.pop())
            else:
                target.clear()
        elif entry.pixels is not None or entry.after is not None:
            undone.clear()
            if _is_small(entry):
                done.append(entry)
            else:
                done.clear()
    return list(done), undone


def edit_of_entry(entry: Entry, index: ObjectIndex) -> Edit | None:
    """The pixels of a step as an edit of the labels as they are now; None where it changed none."""
    if not isinstance(entry.pixels, PixelRuns) or not len(entry.pixels):
        return None
    runs = entry.pixels
    before, after = (np.repeat(labels, runs.lengths) for labels in (runs.before, runs.after))
    return edit_of_pixels(entry.kind, index, runs.indices(), before, after)


def cells_of_entry(entry: Entry) -> dict[int, dict[str, Any]]:
    """What the table says after a step of the labels that it touched: a mapping of columns to values each."""
    record: Record = entry.after or {"columns": [], "values": []}
    rows = (
        dict(zip(record["columns"], values, strict=True)) for values in zip(*record["values"], strict=True)
    )
    return {int(row.pop("index")): row for row in rows}


def _is_small(entry: Entry) -> bool:
    if isinstance(entry.pixels, PackedLabels):
        return False
    return entry.pixels is None or int(entry.pixels.lengths.sum()) <= LARGEST


def _holds(labels: NDArray[Any], runs: PixelRuns) -> bool:
    return bool(np.array_equal(labels[runs.indices()], np.repeat(runs.after, runs.lengths)))


def _inverted(runs: PixelRuns) -> PixelRuns:
    return PixelRuns(runs.shape, runs.starts, runs.lengths, runs.after, runs.before)
