"""The bootstrap: how far a number would move, had other images been taken."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Weights = NDArray[np.float64]
Values = NDArray[np.float64]

RESAMPLES = 2000
"""Resamples of an interval, unless told."""


BLOCK = 2**22
"""Weights that are held at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval that holds a number at some level.

    Attributes
    ----------
    low, high : float
        Its ends; NaN where there is too little to tell.
    level : float
        0 to 1, for example 0.95.
    """

    low: float
    high: float
    level: float


def resampling_weights(n: int, resamples: int = RESAMPLES, seed: int = 0) -> Weights:
    """How often each of n cases is drawn in each resample.

    Parameters
    ----------
    n : int
        Cases, for example images; each resample draws n of them with replacement.
    resamples : int
        Number of resamples.
    seed : int
        Seed; the same seed gives the same draws, so that two models can be compared on the same resamples.

    Returns
    -------
    (resamples, n) ndarray of float64
        Whole numbers; each row sums to n.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def resampled_sums(sums: Values, resamples: int = RESAMPLES, seed: int = 0) -> Values:
    """Sums over the cases of each resample.

    Parameters
    ----------
    sums : (n, K) ndarray
        What each case adds to K sums.
    resamples, seed : int
        See `resampling_weights`; the draws are the same.

    Returns
    -------
    (resamples, K) ndarray of float64
        Memory stays bounded for many cases.
    """
    n = len(sums)
    rng = np.random.default_rng(seed)
    result = np.empty((resamples, sums.shape[1]))
    step = max(1, BLOCK // n)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=count).astype(np.float64)
        result[start : start + count] = weights @ sums
    return result


def percentile_interval(draws: ArrayLike, level: float = 0.95) -> Interval:
    """Interval between two percentiles of bootstrap draws (Efron 1979).

    Parameters
    ----------
    draws : array-like of float
        The statistic in each resample; resamples in which it is undefined (NaN, infinite) are left out.
    level : float
        Level of the interval.
    """
    _check_level(level)
    every = np.asarray(draws, float)
    finite = every[np.isfinite(every)]
    if len(finite) == 0:
        return Interval(np.nan, np.nan, level)
    low, high = np.quantile(finite, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high), level)


def jackknife_interval(estimate: float, left_out: ArrayLike, level: float = 0.95) -> Interval:
    """Interval of an estimate from its values without one case at a time.

    Parameters
    ----------
    estimate : float
        From all n cases.
    left_out : (n,) array-like of float
        The same without each of them.
    level : float
        Level of the interval.

    Returns
    -------
    Interval
        estimate ± t(n − 1) · jackknife standard error (Tukey 1958, Ann. Math. Stat. 29: 614), which is not
        too narrow with few cases, as percentiles of a bootstrap are. NaN below two cases, and where the
        estimate is undefined without one of them.
    """
    _check_level(level)
    values = np.asarray(left_out, float)
    n = len(values)
    if n < 2 or not np.isfinite([estimate, *values]).all():
        return Interval(np.nan, np.nan, level)
    error = np.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum())
    reach = float(stats.t.ppf((1 + level) / 2, n - 1) * error)
    return Interval(estimate - reach, estimate + reach, level)


def weighted_mean(values: Values, weights: Weights) -> Values:
    """Mean of the values in each resample; values that are not finite take no part.

    Parameters
    ----------
    values : (n,) ndarray
        A value per case.
    weights : (resamples, n) ndarray
        From `resampling_weights`.
    """
    finite = np.isfinite(values)
    count = weights @ finite.astype(float)
    total = weights @ np.where(finite, values, 0.0)
    mean: Values = np.divide(total, count, out=np.full(len(weights), np.nan), where=count > 0)
    return mean


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[[Values, Weights], Values] = weighted_mean,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a statistic over cases.

    Parameters
    ----------
    values : array-like
        A value, or a row of values, per case.
    statistic : callable
        From values (n, …) and weights (resamples, n) to the statistic of each resample; by default the mean.
    level : float
        Level of the interval.
    resamples, seed : int
        See `resampling_weights`.

    Returns
    -------
    Interval
        NaN below two cases: one image says nothing about others.
    """
    array = np.asarray(values, float)
    if len(array) < 2:
        _check_level(level)
        return Interval(np.nan, np.nan, level)
    return percentile_interval(statistic(array, resampling_weights(len(array), resamples, seed)), level)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"the level must be above 0 and below 1, got {level}")
