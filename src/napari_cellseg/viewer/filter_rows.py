"""The table of a labels layer that has a confidence slider and no editor."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.viewer.detected import DetectedObjects
from napari_cellseg.viewer.feature_rows import rows_by_id, statuses, too_sparse
from napari_cellseg.viewer.refilter import Refilter


def filter_rows(
    refilter: Refilter, objects: DetectedObjects, by_person: Mapping[int, str], features: pd.DataFrame
) -> pd.DataFrame:
    """A row per label, whether it is shown or below the threshold.

    Parameters
    ----------
    refilter : Refilter
        What is shown.
    objects : DetectedObjects
        All objects.
    by_person : mapping of int to str
        Status of the labels that a person touched; empty for those that have no pixels any more.
    features : DataFrame
        The table so far, whose other columns are kept.
    """
    labels = _labels(refilter, objects, by_person)
    rows = rows_by_id(objects.features.assign(index=refilter.ids), labels)
    shown = zip(refilter.ids.tolist(), refilter.shown.tolist(), strict=True)
    status = {label: "predicted" if seen else "filtered" for label, seen in shown} | dict(by_person)
    rows["status"] = statuses([status.get(label, "") for label in labels.tolist()])
    if "index" in features:
        others = features.drop_duplicates("index").set_index("index").reindex(labels)
        for column in others.columns.difference(rows.columns):
            rows[column] = others[column].to_numpy()
    return rows


def _labels(refilter: Refilter, objects: DetectedObjects, by_person: Mapping[int, str]) -> NDArray[np.int64]:
    """Labels with a row: all up to the largest in use, or only those in use where gaps prevail."""
    in_use = np.union1d(refilter.ids[refilter.shown], [0, *range(1, objects.kept + 1), *by_person])
    largest = int(in_use[-1])
    return in_use.astype(np.int64) if too_sparse(largest, len(in_use)) else np.arange(largest + 1)
