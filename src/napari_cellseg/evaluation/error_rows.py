"""The list of mistakes: one row each, with where to look."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.evaluation.matching import Matching
from napari_cellseg.evaluation.mistakes import Mistakes
from napari_cellseg.evaluation.numbering import centroids
from napari_cellseg.evaluation.overlaps import Ids, Overlaps
from napari_cellseg.evaluation.pairs import LabelPair

COLUMNS = ("kind", "image", "plane", "z", "y", "x", "truth_ids", "prediction_ids", "iou", "area")
"""Columns of an error list; `z` only where objects are volumes."""

KINDS = ("missed", "invented", "split", "merged", "misclassified")
"""Kinds of errors."""

Row = dict[str, Any]


def error_rows(
    pair: LabelPair,
    mistakes: Mistakes,
    matching: Matching,
    classes: tuple[list[str], list[str]] | None = None,
) -> list[Row]:
    """Mistakes of one image, a row each.

    Parameters
    ----------
    pair : LabelPair
        Prediction and truth.
    mistakes : Mistakes
        What went wrong.
    matching : Matching
        The hits.
    classes : (list of str, list of str), optional
        Class of each predicted and each true object.

    Returns
    -------
    list of dict
        By `COLUMNS`: `z`, `y`, `x` is the mean pixel position of the object (for ``invented`` and ``merged``
        the predicted one, else the true one), `iou` its highest IoU with an object of the other label image
        and `area` its pixels. The ids are tuples of labels.
    """
    overlaps = pair.overlaps
    true, predicted = overlaps.truth, overlaps.prediction
    of_truth = _Located(pair, centroids(pair.truth), pair.truth.areas, _best(overlaps, "truth"))
    of_prediction = _Located(
        pair, centroids(pair.prediction), pair.prediction.areas, _best(overlaps, "prediction")
    )
    rows = [of_truth.row("missed", int(i), true[[i]], predicted[:0]) for i in mistakes.missed]
    rows += [of_prediction.row("invented", int(i), true[:0], predicted[[i]]) for i in mistakes.invented]
    rows += [of_truth.row("split", i, true[[i]], predicted[pieces]) for i, pieces in mistakes.splits]
    rows += [of_prediction.row("merged", i, true[merged], predicted[[i]]) for i, merged in mistakes.merges]
    if classes is not None:
        p, t = np.searchsorted(predicted, matching.prediction), np.searchsorted(true, matching.truth)
        wrong = [(int(a), int(b)) for a, b in zip(p, t, strict=True) if classes[0][a] != classes[1][b]]
        rows += [of_truth.row("misclassified", b, true[[b]], predicted[[a]]) for a, b in wrong]
    return rows


def error_table(rows: list[Row], volumes: bool) -> pd.DataFrame:
    """Error list of all images, in the order of image, plane and place."""
    columns = [c for c in COLUMNS if volumes or c != "z"]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    order = [c for c in ("z", "y", "x") if c in columns]
    first = {name: i for i, name in enumerate(dict.fromkeys(row["image"] for row in rows))}
    table = table.assign(_image=table["image"].map(first)).sort_values(
        ["_image", "plane", *order], kind="stable"
    )
    return table[columns].reset_index(drop=True)


def _best(overlaps: Overlaps, side: str) -> NDArray[np.float64]:
    """Highest IoU of each object of one side, 0 without overlap."""
    places = overlaps.columns if side == "truth" else overlaps.rows
    best = np.zeros(len(overlaps.truth if side == "truth" else overlaps.prediction))
    np.maximum.at(best, places, overlaps.iou)
    return best


class _Located:
    """Rows about objects of one of the two label images."""

    def __init__(
        self, pair: LabelPair, places: NDArray[np.float64], areas: Ids, best: NDArray[np.float64]
    ) -> None:
        self._pair, self._places, self._areas, self._best = pair, places, areas, best

    def row(self, kind: str, position: int, true: Ids, predicted: Ids) -> Row:
        """The row of the object at a position."""
        z, y, x = (float(c) for c in self._places[position])
        return {
            "kind": kind,
            "image": self._pair.image,
            "plane": self._pair.plane,
            "z": z,
            "y": y,
            "x": x,
            "truth_ids": tuple(true.tolist()),
            "prediction_ids": tuple(predicted.tolist()),
            "iou": float(self._best[position]),
            "area": int(self._areas[position]),
        }
