"""What the table says after an edit."""

from collections.abc import Mapping
from typing import Any

from napari.layers import Labels

from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.whole_edit import WholeEdit
from napari_cellseg.review.status import ABSENT, Cells, cells_after_edit, model_origin
from napari_cellseg.viewer.label_layer import METADATA_KEY
from napari_cellseg.viewer.label_rows import LabelRows


def rows_after_edit(edit: Edit, rows: LabelRows) -> Cells:
    """Status, class and origin of the objects that an edit of a person touched.

    Parameters
    ----------
    edit : Edit
        What was done.
    rows : LabelRows
        The table before.
    """
    parents = {p for origins in edit.parents.values() for p in origins}
    known = rows.read({*edit.changed, *edit.added, *edit.removed, *parents})
    outer = [name for name in ("t", "z") if name in known]
    return cells_after_edit(edit, known, outer=outer if len(outer) == len(edit.indices) - 2 else ())


def with_rows(cells: Cells, rows: Mapping[int, Mapping[str, Any]] | None) -> Cells:
    """Cells that change, and what somebody wants to be said beyond them."""
    return cells | {label: {**cells.get(label, {}), **values} for label, values in (rows or {}).items()}


def rows_after_whole(edit: WholeEdit, rows: LabelRows) -> Cells:
    """Rows of removed objects lose their status, those of renumbered ones move with their object.

    Parameters
    ----------
    edit : WholeEdit
        What was done.
    rows : LabelRows
        The table before.
    """
    changes: Cells = {label: {"status": ABSENT, "origin": ""} for label in edit.removed}
    moved = {label: origins[0] for label, origins in edit.parents.items() if origins}
    known = rows.read(moved.values())
    by_label = dict(zip(known["index"].tolist(), known.to_dict("records"), strict=True))
    for label, origin in moved.items():
        if origin != label and origin in by_label:
            changes[label] = {name: value for name, value in by_label[origin].items() if name != "index"}
    return changes


def origin_of(layer: Labels) -> str:
    """Where the objects of a layer come from, as its provenance tells; empty where it does not."""
    model = layer.metadata.get(METADATA_KEY, {}).get("model", {})
    return model_origin(str(model["name"]), str(model["version"])) if "name" in model else ""
