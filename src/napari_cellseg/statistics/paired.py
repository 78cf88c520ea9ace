"""Two models on the same cases: the difference, how sure it is, and where the second one is worse."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from napari_cellseg.statistics.baseline import MeanTest, mean_test
from napari_cellseg.statistics.resampling import RESAMPLES, Interval, bootstrap_interval


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Second minus first, case by case.

    Attributes
    ----------
    differences : (n,) ndarray of float64
        Second − first of every case; NaN where one of them is not finite.
    n, left_out : int
        Cases with and without a difference.
    mean : float
        Mean difference.
    interval : Interval
        Bootstrap interval of the mean difference over cases.
    test : MeanTest
        Paired t-test: the differences against 0. Its `d` is Cohen's d of the differences.
    wilcoxon_p : float
        Two-sided p-value of Wilcoxon's signed-rank test (1945); NaN where all differences are 0.
    worse, equal, better : ndarray of int64
        Positions of the cases that got worse, stayed, got better; the largest changes first.
    """

    differences: NDArray[np.float64]
    n: int
    left_out: int
    mean: float
    interval: Interval
    test: MeanTest
    wilcoxon_p: float
    worse: NDArray[np.int64]
    equal: NDArray[np.int64]
    better: NDArray[np.int64]


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    higher_is_better: bool = True,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedDifference:
    """Compare two measurements of the same cases.

    Parameters
    ----------
    first, second : array-like of float
        A value per case, in the same order.
    higher_is_better : bool
        Whether a positive difference is an improvement; it decides what is `worse` and `better`.
    level : float
        Level of the interval.
    resamples, seed : int
        See `resampling_weights`.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"both must have a value for each case, got shapes {a.shape} and {b.shape}")
    usable = np.isfinite(a) & np.isfinite(b)
    differences = np.where(usable, np.where(usable, b, 0) - np.where(usable, a, 0), np.nan)
    finite = differences[usable]
    interval = bootstrap_interval(finite, level=level, resamples=resamples, seed=seed)
    changed = finite[finite != 0]
    wilcoxon = float(stats.wilcoxon(changed).pvalue) if len(changed) else np.nan
    gain = differences if higher_is_better else -differences
    order = np.argsort(gain, kind="stable").astype(np.int64)
    return PairedDifference(
        differences,
        len(finite),
        int((~usable).sum()),
        float(finite.mean()) if len(finite) else np.nan,
        interval,
        mean_test(finite, 0.0, level=level),
        wilcoxon,
        order[gain[order] < 0],
        np.flatnonzero(differences == 0).astype(np.int64),
        order[::-1][gain[order[::-1]] > 0],
    )
