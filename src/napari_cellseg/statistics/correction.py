"""Many p-values at once: what is left of them when so many things were tested."""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Correction: TypeAlias = Literal["benjamini-hochberg", "holm", "none"]
"""How p-values are corrected for their number."""


def corrected_p(p: ArrayLike, method: Correction = "benjamini-hochberg") -> NDArray[np.float64]:
    """Correct p-values for multiple comparisons.

    Parameters
    ----------
    p : (n,) array-like of float
        The p-values of one family of tests. NaN is a test that was not made: it stays NaN and does not count.
    method : {"benjamini-hochberg", "holm", "none"}
        ``"benjamini-hochberg"`` keeps the share of false ones among those called different (false discovery
        rate; Benjamini & Hochberg 1995); ``"holm"`` keeps the chance of even one false one (Holm 1979).

    Returns
    -------
    (n,) ndarray of float64
        Corrected p-values, in the same order, never below the given ones.

    Raises
    ------
    ValueError
        For an unknown method, or a p-value outside 0 to 1.
    """
    given = np.asarray(p, float)
    if method not in get_args(Correction):
        raise ValueError(f"method must be one of {', '.join(get_args(Correction))}, not {method!r}")
    made = np.isfinite(given)
    values = given[made]
    if ((values < 0) | (values > 1)).any():
        raise ValueError(f"p-values must be between 0 and 1, got {values.min()} to {values.max()}")
    result = given.copy()
    if method != "none" and len(values):
        order = np.argsort(values, kind="stable")
        n = len(values)
        if method == "holm":
            steps = np.maximum.accumulate(values[order] * np.arange(n, 0, -1))
        else:
            steps = np.minimum.accumulate((values[order] * n / np.arange(1, n + 1))[::-1])[::-1]
        corrected = np.empty(n)
        corrected[order] = np.minimum(steps, 1.0)
        result[made] = corrected
    return result
