"""The features table of a labels layer: a row per id, so that napari's own table finds the right cell."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Labels
from numpy.typing import NDArray

STATUSES = ("", "predicted", "edited", "added", "accepted", "filtered")
"""Whether a person has looked at an object; *filtered* ones lie below the confidence chosen."""


def rows_by_id(features: pd.DataFrame, labels: NDArray[np.int64]) -> pd.DataFrame:
    """A row per label asked for; with all from 0 on, ``index`` is the row number, row 0 the background.

    Parameters
    ----------
    features : DataFrame
        A row per label with the column ``index``; any other columns are kept.
    labels : (N,) ndarray of int
        Labels, rising.

    Returns
    -------
    DataFrame
        Columns ``index``, ``confidence``, ``class``, ``status``, then the others; ids without a row are
        empty there, the others are ``predicted``.
    """
    known = features.set_index("index", drop=True)
    rows = known.reindex(labels).reset_index(drop=True)
    if "status" not in rows:
        present = np.isin(labels, known.index.to_numpy())
        rows["status"] = statuses(np.where(present, "predicted", ""))
    else:
        rows["status"] = statuses(rows["status"].astype(object).where(rows["status"].notna(), ""))
    if "class" in rows:
        rows["class"] = rows["class"].astype(object).where(rows["class"].notna(), "").astype(str)
    rows.insert(0, "index", labels)
    first = [c for c in ("index", "confidence", "class", "status") if c in rows]
    return rows[first + [c for c in rows.columns if c not in first]]


def statuses(values: Sequence[str] | NDArray[Any] | pd.Series) -> pd.Categorical:
    """A status column, which napari's table shows with a choice of the allowed words."""
    return pd.Categorical(np.asarray(values, object), categories=list(STATUSES))


def too_sparse(largest: int, count: int) -> bool:
    """Whether ids leave so many gaps that a row per id would be mostly empty rows."""
    return largest > 4 * count + 10_000


def compact_rows(features: pd.DataFrame) -> pd.DataFrame:
    """Only the background and the labels that exist, for ids that are too sparse for a row each.

    Selecting from napari's table is off then, because it takes the row number for the label.
    """
    background = pd.DataFrame({"index": [0]})
    rows = pd.concat([background, features[features["index"] != 0]], ignore_index=True)
    known = rows["status"].astype(object) if "status" in rows else pd.Series("predicted", rows.index)
    rows["status"] = statuses(known.where(known.notna() & (rows["index"] != 0), ""))
    return rows


def write_rows(layer: Labels, features: pd.DataFrame) -> str:
    """Give a layer its table, laid out for napari's own features table.

    Parameters
    ----------
    layer : napari.layers.Labels
        Layer that the labels are in.
    features : DataFrame
        A row per label with the column ``index``.

    Returns
    -------
    str
        A sentence for the user where the ids are too sparse for a row each, else empty.
    """
    largest = int(features["index"].max()) if len(features) else 0
    if too_sparse(largest, len(features)):
        layer.features = compact_rows(features)
        return (
            f"The largest label is {largest:,} for {len(features):,} objects: selecting cells from the "
            "features table is off until the labels are renumbered."
        )
    layer.features = rows_by_id(features, np.arange(largest + 1))
    return ""
