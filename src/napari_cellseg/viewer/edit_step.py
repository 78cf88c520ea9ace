"""One step of the undo order of a labels layer."""

from collections.abc import Callable
from dataclasses import dataclass

from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.whole_edit import WholeEdit
from napari_cellseg.viewer.label_rows import RowChange


@dataclass(frozen=True, eq=False)
class EditStep:
    """One step of the undo order.

    Attributes
    ----------
    name : str
        What was done.
    edit : Edit, WholeEdit or None
        The pixels; napari's own history holds those of an `Edit` too. None for a step of rows only.
    rows : RowChange
        The table.
    """

    name: str
    edit: Edit | WholeEdit | None
    rows: RowChange


Watcher = Callable[[EditStep | None, str], None]
"""Told of each step and of what happened to it: ``"done"``, ``"undone"`` or ``"redone"``; None and
``"replaced"`` where the labels are others."""


def renamed_labels(step: EditStep | None, what: str) -> dict[int, int]:
    """Old and new label of the objects that only got another number by a step, or by its undoing."""
    if step is None or not isinstance(step.edit, WholeEdit):
        return {}
    parents = (step.edit.inverted() if what == "undone" else step.edit).parents
    moved = {origins[0]: label for label, origins in parents.items() if len(origins) == 1}
    return moved if len(moved) == len(parents) else {}
