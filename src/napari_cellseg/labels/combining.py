"""Several edits as one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from napari_cellseg.errors import CellSegError
from napari_cellseg.labels.edit import Edit, apply_edit, edit_of_strokes
from napari_cellseg.labels.index import ObjectIndex


def combine_edits(name: str, index: ObjectIndex, edits: Sequence[Edit]) -> Edit:
    """The edit that does at once what several do one after the other.

    Parameters
    ----------
    name : str
        What is done.
    index : ObjectIndex
        Objects of the array as they are before the first edit.
    edits : sequence of Edit
        Each made on what those before it leave.
    """
    combined = edit_of_strokes(name, index, [(e.indices, e.before, e.after) for e in edits])
    origins: dict[int, tuple[int, ...]] = {}
    for edit in edits:
        step = {
            label: tuple(sorted({first for parent in parents for first in origins.get(parent, (parent,))}))
            for label, parents in edit.parents.items()
        }
        origins = {label: known for label, known in origins.items() if label not in edit.removed} | step
    there = {
        label: known
        for label, known in origins.items()
        if label in combined.added or (label in index and label not in combined.removed)
    }
    return replace(combined, parents=dict.fromkeys(combined.added, ()) | there)


def edits_together(
    name: str, labels: Any, index: ObjectIndex, makers: Iterable[Callable[[ObjectIndex], Edit]]
) -> tuple[Edit, list[CellSegError]]:
    """Make edits one after the other, each on what those before it leave, and combine them.

    Parameters
    ----------
    name : str
        What is done.
    labels : ndarray or writable zarr array of int
        The whole array; the edits are tried on it, and taken back before this returns.
    index : ObjectIndex
        Its objects; as they were, too, when this returns.
    makers : iterable of callable
        Each makes an edit from the index as it is then.

    Returns
    -------
    Edit
        All of them, not applied.
    list of CellSegError
        Of those that could not be made.
    """
    done: list[Edit] = []
    problems: list[CellSegError] = []
    try:
        for make in makers:
            try:
                edit = make(index)
            except CellSegError as error:
                problems.append(error)
                continue
            apply_edit(labels, edit)
            index.update(edit)
            done.append(edit)
    finally:
        for edit in reversed(done):
            back = edit.inverted()
            apply_edit(labels, back)
            index.update(back)
    return combine_edits(name, index, done), problems
