"""Which predicted objects are which true objects, and average precision from it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.assignment import best_assignment
from napari_cellseg.evaluation.numbering import number_labels, numbered_overlaps
from napari_cellseg.evaluation.overlaps import Ids, Overlaps
from napari_cellseg.evaluation.thresholds import check_threshold, reaches

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""IoU thresholds of AP50:95."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Objects of two label images matched at one threshold; ids are those of the label images.

    Attributes
    ----------
    prediction, truth : (M,) ndarray of int64
        Ids of the matched pairs, ascending by prediction.
    iou : (M,) ndarray of float64
        Their intersection over union.
    false_positives, false_negatives : ndarray of int64
        Ids of predictions without a truth and of truths without a prediction, ascending.
    """

    prediction: Ids
    truth: Ids
    iou: NDArray[np.float64]
    false_positives: Ids
    false_negatives: Ids


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Counts at several thresholds, poolable with ``+``.

    Attributes
    ----------
    thresholds : tuple of float
        IoU thresholds.
    tp, fp, fn : (len(thresholds),) ndarray of int64
        Matched pairs, unmatched predictions, unmatched truths.
    """

    thresholds: tuple[float, ...]
    tp: Ids
    fp: Ids
    fn: Ids

    @property
    def ap(self) -> NDArray[np.float64]:
        """TP / (TP + FP + FN) per threshold; NaN where there is no object at all."""
        total = self.tp + self.fp + self.fn
        return np.where(total > 0, self.tp / np.maximum(total, 1), np.nan)

    @property
    def mean(self) -> float:
        """Mean over the thresholds."""
        return float(self.ap.mean())

    def __add__(self, other: "AveragePrecision") -> "AveragePrecision":
        if self.thresholds != other.thresholds:
            raise ValueError(f"thresholds must be equal, got {self.thresholds} and {other.thresholds}")
        return AveragePrecision(self.thresholds, self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


def label_overlaps(prediction: NDArray[Any], truth: NDArray[Any]) -> Overlaps:
    """Overlapping pairs of objects of two label images of the same shape; 0 is background.

    Raises
    ------
    OptionError
        If the shapes differ, or a label image holds anything but whole numbers of at least 0.
    """
    if prediction.shape != truth.shape:
        raise OptionError(f"Label images must have one shape, got {prediction.shape} and {truth.shape}.")
    return numbered_overlaps(number_labels(prediction), number_labels(truth))


def match_overlaps(overlaps: Overlaps, threshold: float) -> Matching:
    """Match overlapping pairs as `match_labels` does."""
    allowed = np.flatnonzero(reaches(overlaps, check_threshold(threshold)))
    if threshold <= 0.5:
        rows, columns = overlaps.rows[allowed], overlaps.columns[allowed]
        most = min(len(overlaps.prediction), len(overlaps.truth))
        allowed = allowed[best_assignment(rows, columns, overlaps.iou[allowed] + most)]
    rows, columns = overlaps.rows[allowed], overlaps.columns[allowed]
    return Matching(
        overlaps.prediction[rows],
        overlaps.truth[columns],
        overlaps.iou[allowed],
        np.delete(overlaps.prediction, rows),
        np.delete(overlaps.truth, columns),
    )


def match_labels(prediction: NDArray[Any], truth: NDArray[Any], threshold: float = 0.5) -> Matching:
    """Match predicted to true objects, each used once.

    Parameters
    ----------
    prediction, truth : ndarray of int
        Label images of one shape; 0 is background.
    threshold : float
        Pairs need an IoU of at least this, as an exact decimal (0.55 is 55/100).

    Returns
    -------
    Matching
        As many pairs as possible and, among those choices, the largest summed IoU. Above 0.5 an object can
        have only one partner.
    """
    return match_overlaps(label_overlaps(prediction, truth), threshold)


def average_precision(
    prediction: NDArray[Any], truth: NDArray[Any], thresholds: Sequence[float] = THRESHOLDS
) -> AveragePrecision:
    """Matched and unmatched objects of one image at several IoU thresholds.

    Parameters
    ----------
    prediction, truth : ndarray of int
        Label images of one shape; 0 is background.
    thresholds : sequence of float
        IoU thresholds.
    """
    overlaps = label_overlaps(prediction, truth)
    found = [match_overlaps(overlaps, t) for t in thresholds]
    return AveragePrecision(
        tuple(thresholds),
        np.array([len(m.prediction) for m in found], np.int64),
        np.array([len(m.false_positives) for m in found], np.int64),
        np.array([len(m.false_negatives) for m in found], np.int64),
    )


def pool(results: Iterable[AveragePrecision]) -> AveragePrecision:
    """Sum of the counts of several images; at least one."""
    first, *rest = results
    for result in rest:
        first = first + result
    return first
