"""Tests of whether groups differ, and the rule that chooses among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]
Family: TypeAlias = Literal["means", "ranks"]
"""What a test compares."""

JUDGED_FROM = 8
"""Values from which on a group's normality can be judged."""
LARGE = 200
"""Values from which on its shape is asked for, not a test of normality, which then finds any trifle."""
NORMALITY = 0.01
"""Shapiro–Wilk p-value below which a group is not normal."""
SKEWNESS, KURTOSIS = 1.0, 3.0
"""Skewness, and kurtosis above that of the normal, beyond which means say little (Bulmer 1979)."""
EQUAL_VARIANCES = 0.05
"""Brown–Forsythe p-value below which variances differ."""
EXACT_PAIRS = 10_000
"""Pairs of values up to which the Mann–Whitney test of a small group without ties is exact."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is compared, and why.

    Attributes
    ----------
    family : {"means", "ranks"}
        Means (Welch's t, analysis of variance) or ranks (Mann–Whitney, Kruskal–Wallis).
    why : str
        The reason, as a clause.
    """

    family: Family
    why: str


@dataclass(frozen=True, slots=True)
class GroupTest:
    """Outcome of a two-sided test.

    Attributes
    ----------
    name : str
        Of the test; empty where none could be made.
    statistic : float
        t, U, F, H, W or χ², as `name` says.
    df : tuple of float
        Degrees of freedom; empty where the test has none.
    p : float
        NaN where no test could be made.
    why : str
        Why this test, or why none, as a clause.
    """

    name: str
    statistic: float
    df: tuple[float, ...]
    p: float
    why: str


def choose_family(samples: Sequence[Values]) -> Choice:
    """What the data ask to be compared: means, unless they speak against it.

    Parameters
    ----------
    samples : sequence of (n,) ndarray
        The groups, finite values.

    Returns
    -------
    Choice
        Ranks if no group has any spread; or if a group of 8 to 199 values is not normal (Shapiro–Wilk, p <
        0.01); or if a group of 200 or more is skewed (beyond ±1) or heavy-tailed (excess kurtosis above 3).
        Otherwise means: in large groups their tests hold without normality, and below 8 values normality
        cannot be judged, while a test of ranks has hardly any power (3 against 3: p is never below 0.1).
    """
    if all(np.ptp(s) == 0 for s in samples if len(s)):
        return Choice("ranks", "no group has any spread")
    judged = [s for s in samples if len(s) >= JUDGED_FROM and np.ptp(s) > 0]
    if not judged:
        return Choice(
            "means", f"below {JUDGED_FROM} values normality cannot be judged and ranks have hardly any power"
        )
    against = [reason for s in judged if (reason := _against_normal(s))]
    if against:
        return Choice("ranks", against[0])
    if all(len(s) >= LARGE for s in judged):
        return Choice("means", "the groups are large and not strongly skewed")
    return Choice("means", "nothing speaks against normal groups")


def compare_samples(samples: Sequence[Values], choice: Choice, *, fewest: int = 2) -> GroupTest:
    """Test whether groups differ.

    Parameters
    ----------
    samples : sequence of (n,) ndarray
        Two or more groups, finite values; those of fewer than two values are left out of tests of means,
        empty ones of tests of ranks.
    choice : Choice
        What is compared.
    fewest : int
        Groups that must be left for a test.

    Returns
    -------
    GroupTest
        Of means: Welch's t (two groups; Welch 1947), one-way analysis of variance, or Welch's (1951) where
        variances differ (Brown & Forsythe 1974). Of ranks: Mann–Whitney U (two groups; exact for a group of
        up to 8 without ties) or Kruskal–Wallis. t and U are those of the second group against the first.
    """
    least = 2 if choice.family == "means" else 1
    usable = [s for s in samples if len(s) >= least]
    if len(usable) < fewest or max(map(len, usable)) < 2:
        how_many = {2: "two", 3: "three"}.get(fewest, str(fewest))
        return no_test(f"a test needs at least two values in each of {how_many} groups")
    why = choice.why
    if len(usable) < len(samples):
        why = f"{why}; {len(samples) - len(usable)} of {len(samples)} groups have too few values to take part"
    if choice.family == "means":
        return _means(usable, why)
    every = np.concatenate(usable)
    two = len(usable) == 2
    name = "Mann–Whitney U" if two else "Kruskal–Wallis"
    if np.ptp(every) == 0:
        middle = len(usable[0]) * len(usable[1]) / 2 if two else 0.0
        return GroupTest(name, middle, () if two else (len(usable) - 1.0,), 1.0, "all values are the same")
    if two:
        return _mann_whitney(usable[0], usable[1], why)
    found = stats.kruskal(*usable)
    return GroupTest(name, float(found.statistic), (len(usable) - 1.0,), float(found.pvalue), why)


def compare_pairs(first: Values, second: Values, choice: Choice) -> GroupTest:
    """Test whether paired values differ.

    Parameters
    ----------
    first, second : (n,) ndarray
        Values of the same n replicates in two groups.
    choice : Choice
        What is compared; best chosen from the differences.

    Returns
    -------
    GroupTest
        The paired t-test, or Wilcoxon's signed-rank test (1945).
    """
    differences = second - first
    if len(differences) < 2:
        return no_test("a paired test needs at least two replicates that are in both groups")
    if not differences.any():
        return GroupTest("Paired t", 0.0, (len(differences) - 1.0,), 1.0, "no replicate differs")
    if choice.family == "ranks":
        signed = stats.wilcoxon(differences[differences != 0])
        return GroupTest(
            "Wilcoxon signed-rank", float(signed.statistic), (), float(signed.pvalue), choice.why
        )
    if np.ptp(differences) == 0:
        return no_test("all replicates differ by the same, so there is no spread to test against")
    found = stats.ttest_rel(second, first)
    return GroupTest("Paired t", float(found.statistic), (float(found.df),), float(found.pvalue), choice.why)


def compare_blocks(samples: Sequence[Values]) -> GroupTest:
    """Friedman's test (1937) of three or more groups with the same replicates.

    Parameters
    ----------
    samples : sequence of (n,) ndarray
        Values of the same n replicates in each group.
    """
    blocks = np.stack(samples)
    if blocks.shape[1] < 2:
        return no_test("a test needs at least two replicates that are in every group")
    df = (len(samples) - 1.0,)
    if (blocks == blocks[0]).all():
        return GroupTest("Friedman", 0.0, df, 1.0, "no replicate differs")
    found = stats.friedmanchisquare(*blocks)
    why = "the same replicates are in every group"
    return GroupTest("Friedman", float(found.statistic), df, float(found.pvalue), why)


def welch_anova(samples: Sequence[Values]) -> tuple[float, tuple[float, float], float]:
    """Welch's (1951) analysis of variance: F, its degrees of freedom, p.

    Parameters
    ----------
    samples : sequence of (n,) ndarray
        Two or more groups of two or more values, each with some spread.
    """
    k = len(samples)
    n = np.array([len(s) for s in samples], float)
    weights = n / np.array([s.var(ddof=1) for s in samples])
    means = np.array([s.mean() for s in samples])
    total = weights.sum()
    between = (weights * (means - (weights * means).sum() / total) ** 2).sum() / (k - 1)
    uneven = ((1 - weights / total) ** 2 / (n - 1)).sum()
    f = float(between / (1 + 2 * (k - 2) / (k**2 - 1) * uneven))
    df = (k - 1.0, float((k**2 - 1) / (3 * uneven)))
    return f, df, float(stats.f.sf(f, *df))


def no_test(why: str) -> GroupTest:
    """The outcome where no test can be made."""
    return GroupTest("", float("nan"), (), float("nan"), why)


def _against_normal(sample: Values) -> str:
    if len(sample) >= LARGE:
        skewness, kurtosis = float(stats.skew(sample)), float(stats.kurtosis(sample))
        if abs(skewness) > SKEWNESS:
            return f"a group is skewed (skewness {skewness:.1f})"
        return f"a group has heavy tails (excess kurtosis {kurtosis:.1f})" if kurtosis > KURTOSIS else ""
    p = float(stats.shapiro(sample).pvalue)
    return f"a group is not normal (Shapiro–Wilk p = {p:.2g})" if p < NORMALITY else ""


def _means(samples: Sequence[Values], why: str) -> GroupTest:
    if all(np.ptp(s) == 0 for s in samples):
        same = np.ptp(np.concatenate(samples)) == 0
        return no_test("all values are the same" if same else "there is no spread within the groups")
    if len(samples) == 2:
        found = stats.ttest_ind(samples[1], samples[0], equal_var=False)
        return GroupTest("Welch's t", float(found.statistic), (float(found.df),), float(found.pvalue), why)
    plain = stats.f_oneway(*samples)
    df = (len(samples) - 1.0, float(sum(map(len, samples)) - len(samples)))
    differ, reason = _variances_differ(samples)
    if differ:
        f, df, p = welch_anova(samples)
        return GroupTest("Welch's ANOVA", f, df, p, f"{why}; {reason}")
    return GroupTest("One-way ANOVA", float(plain.statistic), df, float(plain.pvalue), f"{why}; {reason}")


def _variances_differ(samples: Sequence[Values]) -> tuple[bool, str]:
    """Whether Welch's analysis is called for, and why or why not."""
    if any(np.ptp(s) == 0 for s in samples):
        return False, "a group without spread rules out Welch's"
    if min(map(len, samples)) < 3:
        return False, "below 3 values variances cannot be judged"
    with np.errstate(divide="ignore", invalid="ignore"):
        p = float(stats.levene(*samples, center="median").pvalue)
    if p < EQUAL_VARIANCES:
        return True, f"variances differ (Brown–Forsythe p = {p:.2g})"
    return False, f"variances do not differ clearly (Brown–Forsythe p = {p:.2g})"


def _mann_whitney(first: Values, second: Values, why: str) -> GroupTest:
    pairs = len(first) * len(second)
    ties = len(np.unique(np.concatenate([first, second]))) < len(first) + len(second)
    exact = not ties and min(len(first), len(second)) <= 8 and pairs <= EXACT_PAIRS
    found = stats.mannwhitneyu(second, first, method="exact" if exact else "asymptotic")
    return GroupTest("Mann–Whitney U", float(found.statistic), (), float(found.pvalue), why)
