"""What a dataset takes from the table of a labels layer."""

import pandas as pd
from napari.layers import Labels

from napari_cellseg.datasets.annotation import OBJECT_COLUMNS
from napari_cellseg.review.status import Status, is_present
from napari_cellseg.viewer.dataset_rows import counted


def object_rows(layer: Labels) -> pd.DataFrame | None:
    """Rows of the objects of a layer, with the columns that a dataset keeps.

    Returns
    -------
    DataFrame or None
        None where the layer has no table with a status.
    """
    rows = layer.features
    if not {"index", "status"} <= set(rows.columns):
        return None
    kept = [column for column in OBJECT_COLUMNS if column in rows]
    table = rows.loc[is_present(rows), kept].reset_index(drop=True)
    for column in table.columns.intersection(["class", "origin"]):
        words = table[column].astype(object)
        table[column] = words.where(words.notna() & (words != ""), None)
    return table


def classes_of(rows: pd.DataFrame) -> tuple[str, ...]:
    """Classes that the objects of a table have, in alphabetical order."""
    if not {"class", "status"} <= set(rows.columns):
        return ()
    names = rows["class"][is_present(rows)].dropna().astype(str)
    return tuple(sorted({name for name in names if name}))


def review_words(rows: pd.DataFrame) -> str:
    """How many objects a table has, and how many nobody has looked at: ``"118 objects, 4 not reviewed"``."""
    if not {"index", "status"} <= set(rows.columns):
        return "objects without a table"
    present = rows[is_present(rows)]
    left = int((present["status"] == Status.PREDICTED.value).sum())
    return f"{counted(len(present), 'object')}, {f'{left:,} not reviewed' if left else 'all reviewed'}"
