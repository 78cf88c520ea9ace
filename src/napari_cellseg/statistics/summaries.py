"""Mean, spread and percentiles of a sample, with what was left out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Summary:
    """Description of a sample.

    Attributes
    ----------
    n : int
        Finite values; the other attributes describe these.
    left_out : int
        Values that are NaN or infinite.
    mean, std, median, p5, p95 : float
        NaN where there is no value; the standard deviation is the sample's (n − 1) and NaN below two values.
        Percentiles interpolate linearly.
    """

    n: int
    left_out: int
    mean: float
    std: float
    median: float
    p5: float
    p95: float


def summarise(values: ArrayLike) -> Summary:
    """Describe a sample.

    Parameters
    ----------
    values : array-like of float
        The sample, of any shape. NaN and infinite values are counted and left out.
    """
    every = np.asarray(values, float).ravel()
    finite = every[np.isfinite(every)]
    n = len(finite)
    if n == 0:
        return Summary(0, len(every), *[np.nan] * 5)
    p5, median, p95 = (float(p) for p in np.percentile(finite, (5, 50, 95)))
    std = float(finite.std(ddof=1)) if n > 1 else np.nan
    return Summary(n, len(every) - n, float(finite.mean()), std, median, p5, p95)
