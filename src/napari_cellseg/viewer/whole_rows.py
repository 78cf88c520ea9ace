"""What the table says after an edit of the whole image."""

from typing import Any

from napari_cellseg.labels.whole_edit import WholeEdit
from napari_cellseg.review.status import ABSENT
from napari_cellseg.viewer.label_rows import LabelRows


def rows_after_whole(edit: WholeEdit, rows: LabelRows) -> dict[int, dict[str, Any]]:
    """Rows of removed objects lose their status, those of renumbered ones move with their object.

    Parameters
    ----------
    edit : WholeEdit
        What was done.
    rows : LabelRows
        The table before.
    """
    changes: dict[int, dict[str, Any]] = {label: {"status": ABSENT, "origin": ""} for label in edit.removed}
    moved = {label: origins[0] for label, origins in edit.parents.items() if origins}
    known = rows.read(moved.values())
    by_label = dict(zip(known["index"].tolist(), known.to_dict("records"), strict=True))
    for label, origin in moved.items():
        if origin != label and origin in by_label:
            changes[label] = {name: value for name, value in by_label[origin].items() if name != "index"}
    return changes
