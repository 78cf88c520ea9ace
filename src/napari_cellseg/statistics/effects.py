"""How different two or more groups are, in numbers that do not grow with the size of the sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from napari_cellseg.statistics.resampling import Interval

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Effect:
    """The size of a difference.

    Attributes
    ----------
    name : str
        What it is, for example ``"Hedges' g"``.
    value : float
        Second group against first: above 0 where the second is larger. NaN where it is not defined.
    interval : Interval
        Its confidence interval; NaN where there is none.
    note : str
        Why there is no value or no interval, in words; else empty.
    """

    name: str
    value: float
    interval: Interval
    note: str = ""


def cohens_d(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> Effect:
    """Difference of two means in units of the pooled standard deviation.

    Parameters
    ----------
    first, second : (n,) and (m,) array-like of float
        The groups; values that are not finite take no part.
    level : float
        Level of the interval.

    Returns
    -------
    Effect
        d = (mean₂ − mean₁) / s, s² = ((n − 1) s₁² + (m − 1) s₂²) / (n + m − 2) (Cohen 1988), with the
        interval of the non-central t distribution, exact for normal groups of equal variance (Steiger &
        Fouladi 1997). Without spread it is 0 or infinite, without an interval.
    """
    a, b = finite(first), finite(second)
    if min(len(a), len(b)) < 2:
        return _undefined("Cohen's d", level, "needs at least two values in each group")
    difference = float(b.mean() - a.mean())
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        infinite = 0.0 if a[0] == b[0] else float(np.copysign(np.inf, b[0] - a[0]))
        nothing = Interval(np.nan, np.nan, level)
        return Effect("Cohen's d", infinite, nothing, "there is no spread within the groups")
    df = len(a) + len(b) - 2
    d = difference / float(np.sqrt((_squares(a) + _squares(b)) / df))
    return Effect("Cohen's d", d, _noncentral_t(d, 1 / len(a) + 1 / len(b), df, level))


def hedges_g(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> Effect:
    """Cohen's d without its bias in small groups.

    Parameters
    ----------
    first, second, level
        As for `cohens_d`.

    Returns
    -------
    Effect
        g = J d with J = Γ(f / 2) / (√(f / 2) Γ((f − 1) / 2)) and f = n + m − 2 (Hedges 1981); the interval is
        J times that of d.
    """
    d = cohens_d(first, second, level=level)
    factor = bias_correction(len(finite(first)) + len(finite(second)) - 2)
    return Effect("Hedges' g", d.value * factor, _scaled(d.interval, factor), d.note)


def bias_correction(df: int) -> float:
    """Hedges' J, by which Cohen's d is multiplied; NaN below two degrees of freedom."""
    if df < 2:
        return float("nan")
    return float(np.exp(special.gammaln(df / 2) - np.log(df / 2) / 2 - special.gammaln((df - 1) / 2)))


def cohens_dz(differences: ArrayLike, *, level: float = 0.95) -> Effect:
    """Mean of paired differences in units of their standard deviation.

    Parameters
    ----------
    differences : (n,) array-like of float
        Second minus first of each pair; values that are not finite take no part.
    level : float
        Level of the interval.

    Returns
    -------
    Effect
        d_z = mean / standard deviation (Cohen 1988, Lakens 2013), with the interval of the non-central t
        distribution. It is larger than `cohens_d` the closer the pairs agree, and not to be mixed with it.
    """
    values = finite(differences)
    if len(values) < 2:
        return _undefined("Cohen's dz", level, "needs at least two pairs")
    if np.ptp(values) == 0:
        infinite = 0.0 if values[0] == 0 else float(np.copysign(np.inf, values[0]))
        nothing = Interval(np.nan, np.nan, level)
        return Effect("Cohen's dz", infinite, nothing, "all pairs differ by the same")
    d = float(values.mean() / values.std(ddof=1))
    return Effect("Cohen's dz", d, _noncentral_t(d, 1 / len(values), len(values) - 1, level))


def cliffs_delta(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> Effect:
    """How much more often a value of the second group is the larger one.

    Parameters
    ----------
    first, second : (n,) and (m,) array-like of float
        The groups; values that are not finite take no part.
    level : float
        Level of the interval.

    Returns
    -------
    Effect
        δ = P(second > first) − P(second < first), −1 to 1 (Cliff 1993), exact, in O((n + m) log (n + m))
        time. The interval is Cliff's asymmetric one from the unbiased variance (1993, 1996) with Student's t
        instead of the normal quantile, as Feng & Cliff (2004) found better in small samples; where the groups
        do not overlap it is that of a sample of the smaller one's size.
    """
    a, b = finite(first), finite(second)
    if min(len(a), len(b)) < 1:
        return _undefined("Cliff's delta", level, "needs values in each group")
    over_a, ties = _dominance(a, b)
    over_b, _ = _dominance(b, a)
    delta = int(over_a.sum()) / (len(a) * len(b))
    if min(len(a), len(b)) < 2:
        nothing = Interval(np.nan, np.nan, level)
        return Effect("Cliff's delta", delta, nothing, "an interval needs at least two values in each group")
    quantile = float(stats.t.ppf((1 + level) / 2, len(a) + len(b) - 2))
    if abs(delta) == 1:
        size = min(len(a), len(b))
        edge = (size - quantile**2) / (size + quantile**2)
        ends = (edge, 1.0) if delta > 0 else (-1.0, -edge)
        return Effect("Cliff's delta", delta, Interval(*ends, level))
    variance = _delta_variance(over_a / len(b), -over_b / len(a), delta, ties)
    half = quantile * np.sqrt(variance * ((1 - delta**2) ** 2 + quantile**2 * variance))
    ends_of = ((delta - delta**3 + s * half) / (1 - delta**2 + quantile**2 * variance) for s in (-1, 1))
    low, high = (float(np.clip(end, -1, 1)) for end in ends_of)
    return Effect("Cliff's delta", delta, Interval(low, high, level))


def explained_share(samples: Sequence[ArrayLike], *, of_ranks: bool = False, level: float = 0.95) -> Effect:
    """Share of the variance that lies between groups.

    Parameters
    ----------
    samples : sequence of (n,) array-like of float
        The groups; values that are not finite take no part.
    of_ranks : bool
        Whether the values are replaced by their ranks first.
    level : float
        Level of the interval.

    Returns
    -------
    Effect
        η² = SS between / SS total (Cohen 1988); of ranks it is the ε² = H / (n − 1) of the Kruskal–Wallis
        test (Tomczak & Tomczak 2014). The interval is that of the non-central F distribution (Steiger 2004),
        approximate for ranks; it is 0 to 0 where the groups differ less than chance makes them. η² is never
        below 0 and too large in small samples.
    """
    name = "epsilon squared of ranks" if of_ranks else "eta squared"
    groups = [g for g in map(finite, samples) if len(g)]
    n, k = sum(map(len, groups)), len(groups)
    if k < 2 or n <= k:
        return _undefined(name, level, "needs two groups and more values than groups")
    every = np.concatenate(groups)
    if np.ptp(every) == 0:
        return Effect(name, 0.0, Interval(np.nan, np.nan, level), "all values are the same")
    if of_ranks:
        every = stats.rankdata(every)
        groups = np.split(every, np.cumsum([len(g) for g in groups])[:-1])
    between = sum(len(g) * (g.mean() - every.mean()) ** 2 for g in groups)
    share = float(min(1.0, between / _squares(every)))
    if share == 1 or all(np.ptp(g) == 0 for g in groups):
        nothing = Interval(np.nan, np.nan, level)
        return Effect(name, 1.0, nothing, "there is no spread within the groups")
    f = share / (k - 1) / ((1 - share) / (n - k))
    low, high = (_noncentral_f(f, k - 1, n - k, q) for q in ((1 + level) / 2, (1 - level) / 2))
    return Effect(name, share, Interval(low / (low + n), high / (high + n), level))


def finite(values: ArrayLike) -> Values:
    """The finite values of a sample, as a flat array of float64."""
    every = np.asarray(values, float).ravel()
    kept: Values = every[np.isfinite(every)]
    return kept


def _squares(values: Values) -> float:
    return float(((values - values.mean()) ** 2).sum())


def _undefined(name: str, level: float, note: str) -> Effect:
    return Effect(name, float("nan"), Interval(np.nan, np.nan, level), note)


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(interval.low * factor, interval.high * factor, interval.level)


def _dominance(a: Values, b: Values) -> tuple[NDArray[np.int64], int]:
    """For each of `a` how many more of `b` are above it than below; and the number of ties."""
    ordered = np.sort(b)
    below = np.searchsorted(ordered, a, side="left")
    up_to = np.searchsorted(ordered, a, side="right")
    return (len(b) - up_to - below).astype(np.int64), int((up_to - below).sum())


def _delta_variance(rows: Values, columns: Values, delta: float, ties: int) -> float:
    """Cliff's unbiased variance of delta, and no less than (1 − δ²) / (n m − 1)."""
    n, m = len(rows), len(columns)
    spread = m * m * ((rows - delta) ** 2).sum() + n * n * ((columns - delta) ** 2).sum()
    each = n * m - ties - n * m * delta**2
    unbiased = (spread - each) / (n * m * (n - 1) * (m - 1))
    return float(max(unbiased, (1 - delta**2) / (n * m - 1)))


def _noncentral_t(d: float, scale: float, df: int, level: float) -> Interval:
    """Interval of d = t √scale, from the non-centralities under which t is at one and at the other end."""
    t = d / np.sqrt(scale)
    ends = [float(special.nctdtrinc(df, q, t)) for q in ((1 + level) / 2, (1 - level) / 2)]
    return Interval(ends[0] * float(np.sqrt(scale)), ends[1] * float(np.sqrt(scale)), level)


def _noncentral_f(f: float, df1: int, df2: int, quantile: float) -> float:
    """Non-centrality under which F ≤ f with this probability; 0 where none is that likely."""

    def excess(noncentrality: float) -> float:
        return float(special.ncfdtr(df1, df2, noncentrality, f)) - quantile

    if excess(0.0) <= 0:
        return 0.0
    high = 4 * f * df1 + 100
    while excess(high) > 0:
        high *= 2
    return float(optimize.brentq(excess, 0.0, high))
