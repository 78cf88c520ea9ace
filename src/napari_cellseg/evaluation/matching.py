"""Which predicted objects are which true objects, and average precision from it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ids = NDArray[np.int64]

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""IoU thresholds of AP50:95."""


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Pixels that objects of two label images share, sparse.

    Attributes
    ----------
    prediction, truth : (P,) and (T,) ndarray of int64
        Ids present in each label image, ascending.
    prediction_areas, truth_areas : (P,) and (T,) ndarray of int64
        Their pixels.
    rows, columns, shared : (K,) ndarray of int64
        Position in `prediction`, position in `truth` and shared pixels of each overlapping pair.
    """

    prediction: Ids
    truth: Ids
    prediction_areas: Ids
    truth_areas: Ids
    rows: Ids
    columns: Ids
    shared: Ids

    @property
    def unions(self) -> Ids:
        """Pixels of either object of each pair, (K,)."""
        total: Ids = self.prediction_areas[self.rows] + self.truth_areas[self.columns] - self.shared
        return total

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair, (K,)."""
        result: NDArray[np.float64] = self.shared / self.unions
        return result


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


def label_overlaps(prediction: NDArray[np.integer], truth: NDArray[np.integer]) -> Overlaps:
    """Overlapping pairs of objects of two label images of the same shape; 0 is background."""
    if prediction.shape != truth.shape:
        raise ValueError(f"label images must have one shape, got {prediction.shape} and {truth.shape}")
    p_ids, p_areas, p = _compact(prediction)
    t_ids, t_areas, t = _compact(truth)
    both = (p > 0) & (t > 0)
    keys, shared = np.unique((p[both] - 1) * max(1, len(t_ids)) + t[both] - 1, return_counts=True)
    rows, columns = np.divmod(keys, max(1, len(t_ids)))
    return Overlaps(p_ids, t_ids, p_areas, t_areas, rows, columns, shared.astype(np.int64))


def _compact(labels: NDArray[np.integer]) -> tuple[Ids, Ids, Ids]:
    """Ids, their areas, and the flat labels renumbered 1..N."""
    flat = np.ascontiguousarray(labels).ravel().astype(np.int64, copy=False)
    if flat.size and flat.min() < 0:
        raise ValueError(f"labels must not be negative, got {flat.min()}")
    if flat.size and flat.max() > 8 * flat.size + 1000:
        ids, inverse, areas = np.unique(flat, return_inverse=True, return_counts=True)
        offset = 0 if ids[0] == 0 else 1
        return ids[1 - offset :], areas[1 - offset :].astype(np.int64), inverse.ravel() + offset
    counts = np.bincount(flat, minlength=1)
    counts[0] = 0
    ids = np.flatnonzero(counts)
    lookup = np.zeros(len(counts), np.int64)
    lookup[ids] = np.arange(1, len(ids) + 1)
    return ids, counts[ids], lookup[flat]


def match_overlaps(overlaps: Overlaps, threshold: float) -> Matching:
    """Match overlapping pairs as `match_labels` does."""
    exact = Fraction(str(threshold))
    if not 0 < exact <= 1:
        raise ValueError(f"the IoU threshold must be above 0 and at most 1, got {threshold}")
    allowed = np.flatnonzero(overlaps.shared * exact.denominator >= exact.numerator * overlaps.unions)
    chosen = allowed if exact > Fraction(1, 2) else allowed[_assign(overlaps, allowed)]
    rows, columns = overlaps.rows[chosen], overlaps.columns[chosen]
    return Matching(
        overlaps.prediction[rows],
        overlaps.truth[columns],
        overlaps.iou[chosen],
        np.delete(overlaps.prediction, rows),
        np.delete(overlaps.truth, columns),
    )


def _assign(overlaps: Overlaps, pairs: NDArray[np.intp]) -> NDArray[np.intp]:
    """Positions in `pairs` of the assignment with the most pairs and, among those, the largest summed IoU."""
    rows, columns, iou = overlaps.rows[pairs], overlaps.columns[pairs], overlaps.iou[pairs]
    n_rows, n = len(overlaps.prediction), len(overlaps.prediction) + len(overlaps.truth)
    graph = coo_array((np.ones(len(pairs)), (rows, columns + n_rows)), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    order = np.argsort(component[rows], kind="stable")
    bounds = np.flatnonzero(np.diff(component[rows][order])) + 1
    chosen: list[int] = []
    for group in np.split(order, bounds):
        if len(group) < 2:
            chosen.extend(group)
            continue
        r, group_rows = np.unique(rows[group], return_inverse=True)
        c, group_columns = np.unique(columns[group], return_inverse=True)
        value = np.zeros((len(r), len(c)))
        where = np.full((len(r), len(c)), -1)
        value[group_rows, group_columns] = iou[group] + min(len(r), len(c))
        where[group_rows, group_columns] = group
        found = where[linear_sum_assignment(value, maximize=True)]
        chosen.extend(found[found >= 0])
    return np.sort(np.asarray(chosen, np.intp))


def match_labels(
    prediction: NDArray[np.integer], truth: NDArray[np.integer], threshold: float = 0.5
) -> Matching:
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
    prediction: NDArray[np.integer], truth: NDArray[np.integer], thresholds: Sequence[float] = THRESHOLDS
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
