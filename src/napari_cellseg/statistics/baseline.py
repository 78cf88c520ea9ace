"""A sample against a fixed number: one-sample t-test, effect size, success rate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from napari_cellseg.statistics.resampling import Interval


@dataclass(frozen=True, slots=True)
class MeanTest:
    """One-sample t-test of a mean against a baseline, two-sided.

    Attributes
    ----------
    n : int
        Size of the sample.
    mean, std : float
        Of the sample; the standard deviation has n − 1.
    baseline : float
        What the mean is compared with.
    t, df, p : float
        t = (mean − baseline) / (std / √n) with df = n − 1 (Student 1908), and its two-sided p-value.
    confidence : float
        1 − p: the highest level at which the mean's confidence interval leaves out the baseline.
    d : float
        Cohen's d, (mean − baseline) / std (Cohen 1988).
    interval : Interval
        Confidence interval of the mean.
    """

    n: int
    mean: float
    std: float
    baseline: float
    t: float
    df: int
    p: float
    confidence: float
    d: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class SuccessRate:
    """Share of successes, with its credible interval.

    Attributes
    ----------
    successes, n : int
        What was counted.
    rate : float
        successes / n; NaN for n = 0.
    mean : float
        Mean of the posterior Beta distribution.
    interval : Interval
        Its equal-tailed credible interval.
    """

    successes: int
    n: int
    rate: float
    mean: float
    interval: Interval


def mean_test(values: ArrayLike, baseline: float, *, level: float = 0.95) -> MeanTest:
    """Compare the mean of a sample with a baseline.

    Parameters
    ----------
    values : array-like of float
        The sample; NaN and infinite values are left out.
    baseline : float
        What the mean is compared with.
    level : float
        Level of the interval of the mean.
    """
    every = np.asarray(values, float).ravel()
    finite = every[np.isfinite(every)]
    n = len(finite)
    mean = float(finite.mean()) if n else np.nan
    std = float(finite.std(ddof=1)) if n > 1 else np.nan
    return mean_test_from_moments(mean, std, n, baseline, level=level)


def mean_test_from_moments(
    mean: float, std: float, n: int, baseline: float, *, level: float = 0.95
) -> MeanTest:
    """Compare a mean that was reported with its standard deviation and n with a baseline.

    Parameters
    ----------
    mean, std : float
        Mean and sample standard deviation.
    n : int
        Size of the sample.
    baseline : float
        What the mean is compared with.
    level : float
        Level of the interval of the mean.

    Returns
    -------
    MeanTest
        Below two values t, p, d and the interval are NaN. Without spread they are infinite (p = 0), or, where
        the mean is the baseline, t and d are 0 and p is 1.
    """
    if not std >= 0 and n > 1:
        raise ValueError(f"the standard deviation must not be negative, got {std}")
    if n < 2:
        nothing = Interval(np.nan, np.nan, level)
        return MeanTest(n, mean, np.nan, baseline, np.nan, max(n - 1, 0), np.nan, np.nan, np.nan, nothing)
    difference = mean - baseline
    error = std / np.sqrt(n)
    infinite = 0.0 if difference == 0 else float(np.copysign(np.inf, difference))
    d = difference / std if std > 0 else infinite
    t = float(difference / error) if std > 0 else infinite
    p = float(2 * stats.t.sf(abs(t), n - 1))
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * error)
    return MeanTest(n, mean, std, baseline, t, n - 1, p, 1 - p, d, Interval(mean - half, mean + half, level))


def success_rate(
    successes: int, n: int, *, prior: tuple[float, float] = (1.0, 1.0), level: float = 0.95
) -> SuccessRate:
    """Bayesian estimate of a success rate.

    Parameters
    ----------
    successes, n : int
        Successes among n trials.
    prior : (float, float)
        Parameters of the Beta prior; (1, 1) is uniform (Bayes 1763), (0.5, 0.5) is Jeffreys'.
    level : float
        Level of the credible interval.

    Returns
    -------
    SuccessRate
        The posterior is Beta(prior[0] + successes, prior[1] + n − successes).
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must be between 0 and n, got {successes} of {n}")
    if min(prior) <= 0:
        raise ValueError(f"the prior's parameters must be above 0, got {prior}")
    a, b = prior[0] + successes, prior[1] + n - successes
    low, high = (float(q) for q in stats.beta.ppf(((1 - level) / 2, (1 + level) / 2), a, b))
    return SuccessRate(successes, n, successes / n if n else np.nan, a / (a + b), Interval(low, high, level))
