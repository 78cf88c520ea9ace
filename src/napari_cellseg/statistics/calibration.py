"""Whether a confidence of 0.8 is right eight times in ten."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_cellseg.statistics.baseline import success_rate

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence against what was right, in bins of equal numbers.

    Attributes
    ----------
    counts : (B,) ndarray of int64
        Cases in each bin.
    confidence, correct : (B,) ndarray of float64
        Mean confidence and share of correct cases in each bin, by rising confidence.
    low, high : (B,) ndarray of float64
        95 % credible interval of that share (uniform prior).
    ece : float
        Expected calibration error: Σ counts / n · \\|correct − confidence\\|; NaN without cases.
    """

    counts: NDArray[np.int64]
    confidence: Values
    correct: Values
    low: Values
    high: Values
    ece: float


def reliability(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> Reliability:
    """Reliability of confidences, in bins that hold equally many cases.

    Parameters
    ----------
    confidence : (n,) array-like of float
        Confidences, 0 to 1.
    correct : (n,) array-like of bool
        Whether each case was right.
    bins : int
        Bins wanted. Equal confidences share a bin, so that there can be fewer and their sizes can differ.

    Returns
    -------
    Reliability
        Does not depend on the order of the cases. Definition: Naeini et al. 2015, with the equal-mass bins of
        Nguyen & O'Connor 2015.
    """
    values, right = np.asarray(confidence, float), np.asarray(correct, bool)
    if values.shape != right.shape or values.ndim != 1:
        raise ValueError(
            f"each case needs one confidence and one outcome, got {values.shape} and {right.shape}"
        )
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    if len(values) and not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"confidences must be between 0 and 1, got {values.min()} to {values.max()}")
    if len(values) == 0:
        nothing = np.zeros(0)
        return Reliability(np.zeros(0, np.int64), nothing, nothing, nothing, nothing, np.nan)
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf"))
    _, place = np.unique(np.searchsorted(edges, values, side="left"), return_inverse=True)
    counts = np.bincount(place).astype(np.int64)
    mean = np.bincount(place, values) / counts
    hits = np.bincount(place, right)
    share = hits / counts
    intervals = [success_rate(int(h), int(n)).interval for h, n in zip(hits, counts, strict=True)]
    return Reliability(
        counts,
        mean,
        share,
        np.array([i.low for i in intervals]),
        np.array([i.high for i in intervals]),
        float(counts @ np.abs(share - mean) / len(values)),
    )
