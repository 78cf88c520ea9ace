"""Whether a person has looked at an object, where it comes from, and how an edit changes both."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from napari_cellseg.labels.edit import Edit

STATUS_COLUMNS = ("status", "origin")
"""Columns of a layer's features that the review needs, besides ``index``, ``class`` and ``confidence``."""
TEXT_COLUMNS = ("class", *STATUS_COLUMNS)
"""Those of the columns that hold texts; every table under review has them."""
PERSON = "person"
"""Origin of an object that a person drew."""
FILTERED = "filtered"
"""Status of a detected object below the confidence chosen: it has a row, but neither pixels nor a review."""
ABSENT = ""
"""Status of a row without an object: the background, a deleted object, an id that is not in use."""

Cells: TypeAlias = dict[int, dict[str, Any]]
"""Cells of the table to be changed: label → column → value."""


class Status(StrEnum):
    """What a person has done with an object.

    Attributes
    ----------
    PREDICTED
        A model found it, and nobody has looked at it.
    EDITED
        A model found it, or what it was made of, and a person changed its pixels.
    ADDED
        A person drew it, or chose it from the candidates.
    ACCEPTED
        A person looked at it and found it right.
    """

    PREDICTED = "predicted"
    EDITED = "edited"
    ADDED = "added"
    ACCEPTED = "accepted"


def model_origin(name: str, version: str) -> str:
    """Origin of an object that a model found, for example ``"model:nuclei@1.0"``."""
    return f"model:{name}@{version}"


def cells_after_edit(
    edit: Edit,
    rows: pd.DataFrame,
    *,
    new_class: str = "",
    origin: str = PERSON,
    confidence: float = np.nan,
    outer: Sequence[str] = (),
) -> Cells:
    """What an edit of a person changes in the table.

    Pixels that change make an object *edited*, also one that was accepted; an *added* one stays so. A new
    object that comes from others takes over their class, their least confidence and, where they agree, their
    origin. An object that is gone has no status any more; the rest of its row stays.

    Parameters
    ----------
    edit : Edit
        The edit.
    rows : DataFrame
        Rows of the labels that it touches, before it; those that had none may be missing.
    new_class, origin, confidence
        Of objects that are new and come from no others.
    outer : sequence of str
        Columns that hold the place of an object along each leading axis of the labels (its first one).

    Returns
    -------
    dict of int to dict
        Label → column → new value.
    """
    known = {int(row["index"]): row for row in rows.to_dict("records")}
    cells: Cells = {label: {"status": ABSENT, "origin": ""} for label in edit.removed}
    for label in edit.changed:
        added = known.get(label, {}).get("status") == Status.ADDED
        cells[label] = {"status": Status.ADDED.value if added else Status.EDITED.value}
    for label in edit.added:
        parents = [known[p] for p in edit.parents.get(label, ()) if p in known and p != label]
        fresh = {"class": new_class, "origin": origin, "confidence": confidence}
        status = Status.ADDED
        if parents:
            fresh = _inherited(parents)
            status = Status.ADDED if all(p.get("status") == Status.ADDED for p in parents) else Status.EDITED
        elif known.get(label, {}).get("status") == FILTERED:
            fresh = {"origin": known[label].get("origin") or origin}
        cells[label] = {"status": status.value, **fresh, **_place(edit, label, outer)}
    return cells


def cells_with_status(rows: pd.DataFrame, status: Status) -> Cells:
    """What changes where the objects of some rows get a status; rows without an object are left out."""
    return _cells_with(rows[is_present(rows)], "status", status.value)


def cells_with_class(rows: pd.DataFrame, name: str) -> Cells:
    """What changes where the objects of some rows get a class; what was predicted becomes *edited*."""
    rows = rows[is_present(rows)]
    cells = _cells_with(rows, "class", name)
    predicted = rows[(rows["status"] == Status.PREDICTED) & rows["index"].isin(list(cells))]
    for label in predicted["index"].tolist():
        cells[int(label)]["status"] = Status.EDITED.value
    return cells


def is_present(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each row has an object with pixels: it has one of the four statuses."""
    return rows["status"].isin([s.value for s in Status])


def _cells_with(rows: pd.DataFrame, column: str, value: Any) -> Cells:
    differs: Iterable[int] = rows["index"][rows[column].astype(object) != value]
    return {int(label): {column: value} for label in differs}


def _inherited(parents: list[dict[str, Any]]) -> dict[str, Any]:
    origins = {p.get("origin") or PERSON for p in parents}
    confidences = [float(p.get("confidence", np.nan)) for p in parents]
    known = [c for c in confidences if np.isfinite(c)]
    return {
        "class": parents[0].get("class", ""),
        "origin": origins.pop() if len(origins) == 1 else PERSON,
        "confidence": min(known) if known else np.nan,
    }


def _place(edit: Edit, label: int, outer: Sequence[str]) -> dict[str, int]:
    own = edit.after == label
    return {name: int(axis[own].min()) for name, axis in zip(outer, edit.indices, strict=False)}
