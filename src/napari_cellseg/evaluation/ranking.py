"""Average precision of ranked detections, as COCO defines it, without a limit on their number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.evaluation.matching import THRESHOLDS
from napari_cellseg.evaluation.overlaps import Ids, Overlaps
from napari_cellseg.evaluation.thresholds import reaches

RECALLS = np.linspace(0, 1, 101)
"""Recalls at which precision is read off."""


@dataclass(frozen=True, slots=True)
class Detections:
    """Detections of one or more images, and how many objects there were to find.

    Attributes
    ----------
    confidence : (D,) ndarray of float64
        Confidence of each detection, in the order of the images and, within, of the labels.
    matched : (D, 10) ndarray of bool
        Whether it found an object at each of `THRESHOLDS`.
    truths : int
        True objects.
    """

    confidence: NDArray[np.float64]
    matched: NDArray[np.bool_]
    truths: int


@dataclass(frozen=True, slots=True)
class RankedPrecision:
    """Precision over recall at each of `THRESHOLDS`.

    Attributes
    ----------
    precision : (10, 101) ndarray of float64
        The highest precision at that recall or a higher one; 0 beyond the highest recall, NaN without truth.
    confidence : (10, 101) ndarray of float64
        Confidence of the detection at which each recall is reached; NaN beyond.
    """

    precision: NDArray[np.float64]
    confidence: NDArray[np.float64]

    @property
    def ap(self) -> NDArray[np.float64]:
        """Average precision at each threshold, (10,)."""
        means: NDArray[np.float64] = self.precision.mean(1)
        return means


def rank_detections(overlaps: Overlaps, confidence: NDArray[np.float64]) -> Detections:
    """Match the detections of one image greedily, the most confident first.

    Parameters
    ----------
    overlaps : Overlaps
        Overlapping pairs; predictions may overlap each other.
    confidence : (P,) ndarray of float64
        Confidence of each of ``overlaps.prediction``.

    Notes
    -----
    COCO's rule (Lin et al. 2014): each detection takes the free object with the highest IoU of at least the
    threshold, of equal ones the last; equal confidences keep their order. Thresholds are exact decimals.
    """
    rank = np.empty(len(confidence), np.int64)
    rank[np.argsort(-confidence, kind="stable")] = np.arange(len(confidence))
    order = np.lexsort((-overlaps.columns, -overlaps.iou, rank[overlaps.rows]))
    matched = np.zeros((len(confidence), len(THRESHOLDS)), np.bool_)
    for k, threshold in enumerate(THRESHOLDS):
        free = np.ones(len(overlaps.truth), np.bool_)
        pairs = order[reaches(overlaps, threshold)[order]]
        for row, column in zip(overlaps.rows[pairs], overlaps.columns[pairs], strict=True):
            if free[column] and not matched[row, k]:
                matched[row, k], free[column] = True, False
    return Detections(confidence, matched, len(overlaps.truth))


def pool_detections(parts: Sequence[Detections]) -> Detections:
    """Detections of several images together."""
    return Detections(
        np.concatenate([np.zeros(0), *(p.confidence for p in parts)]),
        np.concatenate([np.zeros((0, len(THRESHOLDS)), np.bool_), *(p.matched for p in parts)]),
        sum(p.truths for p in parts),
    )


def ranked_precision(detections: Detections) -> RankedPrecision:
    """Precision over recall of all detections in order of falling confidence.

    Notes
    -----
    COCO's definition: precision made to fall with recall, read off at 101 recalls, and averaged; equal to
    pycocotools with ``maxDets`` above the number of detections and a single area range.
    """
    shape = (len(THRESHOLDS), len(RECALLS))
    if detections.truths == 0:
        return RankedPrecision(np.full(shape, np.nan), np.full(shape, np.nan))
    order = np.argsort(-detections.confidence, kind="stable")
    hits = np.cumsum(detections.matched[order], 0).T
    count = np.arange(1, len(order) + 1)
    precision, confidence = np.zeros(shape), np.full(shape, np.nan)
    for k, found in enumerate(hits):
        falling = np.maximum.accumulate((found / count)[::-1])[::-1]
        at = np.searchsorted(found / detections.truths, RECALLS)
        reached = at < len(order)
        precision[k, reached] = falling[at[reached]]
        confidence[k, reached] = detections.confidence[order][at[reached]]
    return RankedPrecision(precision, confidence)


def select_pairs(overlaps: Overlaps, rows: Ids, columns: Ids) -> Overlaps:
    """Overlaps among some of the objects only.

    Parameters
    ----------
    overlaps : Overlaps
        All overlapping pairs.
    rows, columns : ndarray of int64
        Positions of the predictions and truths that stay, ascending.
    """
    new_row = np.full(len(overlaps.prediction), -1)
    new_row[rows] = np.arange(len(rows))
    new_column = np.full(len(overlaps.truth), -1)
    new_column[columns] = np.arange(len(columns))
    kept = (new_row[overlaps.rows] >= 0) & (new_column[overlaps.columns] >= 0)
    return Overlaps(
        overlaps.prediction[rows],
        overlaps.truth[columns],
        overlaps.prediction_areas[rows],
        overlaps.truth_areas[columns],
        new_row[overlaps.rows[kept]],
        new_column[overlaps.columns[kept]],
        overlaps.shared[kept],
    )
