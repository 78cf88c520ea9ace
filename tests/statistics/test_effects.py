"""Effect sizes, tests and corrections, against scipy, closed forms and brute force."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from napari_cellseg.statistics.correction import corrected_p
from napari_cellseg.statistics.effects import (
    bias_correction,
    cliffs_delta,
    cohens_d,
    cohens_dz,
    explained_share,
    hedges_g,
)
from napari_cellseg.statistics.group_tests import (
    Choice,
    choose_family,
    compare_blocks,
    compare_pairs,
    compare_samples,
    welch_anova,
)

MEANS, RANKS = Choice("means", "asked"), Choice("ranks", "asked")
few = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@settings(deadline=None, max_examples=80)
@given(few, few)
def test_cliffs_delta_is_the_mean_of_all_signs(a: list[float], b: list[float]) -> None:
    found = cliffs_delta([*a, np.nan], b)
    assert found.value == pytest.approx(np.sign(np.subtract.outer(b, a)).mean(), abs=1e-15)
    assert cliffs_delta(b, a).value == -found.value
    if min(len(a), len(b)) > 1:
        assert -1 <= found.interval.low <= found.value <= found.interval.high <= 1


def test_cliffs_delta_of_many_cells_is_exact() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 500, 100_000), rng.integers(3, 503, 100_000)
    counts = np.bincount(a, minlength=503), np.bincount(b, minlength=503)
    below = np.cumsum(counts[0]) - counts[0]
    above = len(a) - np.cumsum(counts[0])
    assert cliffs_delta(a, b).value == (counts[1] * (below - above)).sum() / 1e10


def test_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    true_delta = 2 * stats.norm.cdf(0.8 / np.sqrt(2)) - 1
    hits = np.zeros(3)
    for _ in range(300):
        a, b = rng.normal(0, 1, 10), rng.normal(0.8, 1, 14)
        for k, (effect, true) in enumerate(
            [(cohens_d(a, b), 0.8), (cliffs_delta(a, b), true_delta), (cohens_dz(a - b[:10]), -0.8 / 2**0.5)]
        ):
            hits[k] += effect.interval.low <= true <= effect.interval.high
    assert ((hits / 300 > 0.91) & (hits / 300 < 0.985)).all()


def test_d_and_g_by_hand() -> None:
    a, b = [1.0, 2, 3, 4], [3.0, 4, 5, 6]
    assert cohens_d(a, b).value == pytest.approx(2 / np.sqrt(5 / 3))
    assert hedges_g(a, b).value == pytest.approx(2 / np.sqrt(5 / 3) * bias_correction(6))
    assert bias_correction(4) == pytest.approx(0.797885, abs=1e-6)  # Hedges 1981, table 1
    t = stats.ttest_ind(b, a).statistic
    d = cohens_d(a, b)
    assert stats.nct.cdf(t, 6, d.interval.low * np.sqrt(2)) == pytest.approx(0.975, abs=1e-5)
    assert stats.nct.cdf(t, 6, d.interval.high * np.sqrt(2)) == pytest.approx(0.025, abs=1e-5)


def test_explained_share_is_that_of_the_tests() -> None:
    rng = np.random.default_rng(2)
    groups = [rng.normal(m, 1, n) for m, n in ((0, 12), (1, 20), (2, 9))]
    f = stats.f_oneway(*groups).statistic
    share = explained_share(groups)
    assert share.value == pytest.approx(2 * f / (2 * f + 38))
    nc = [end * 41 / (1 - end) for end in (share.interval.low, share.interval.high)]
    assert stats.ncf.cdf(f, 2, 38, nc[0]) == pytest.approx(0.975, abs=1e-6)
    assert stats.ncf.cdf(f, 2, 38, nc[1]) == pytest.approx(0.025, abs=1e-6)
    ranked = explained_share(groups, of_ranks=True)
    assert ranked.value == pytest.approx(stats.kruskal(*groups).statistic / 40)


@pytest.mark.parametrize(
    "first, second, d, delta, words",
    [
        ([], [1.0, 2], np.nan, np.nan, "at least two values"),
        ([np.nan, np.inf], [1.0, 2], np.nan, np.nan, "at least two values"),
        ([1.0], [2.0], np.nan, 1.0, "at least two values"),
        ([1.0, 1], [1.0, 1], 0.0, 0.0, "no spread"),
        ([0.1] * 3, [0.3] * 5, np.inf, 1.0, "no spread"),
        ([2.0, 2], [1.0, 1], -np.inf, -1.0, "no spread"),
    ],
)
def test_effects_that_are_not_defined_say_so(
    first: list[float], second: list[float], d: float, delta: float, words: str
) -> None:
    found = cohens_d(first, second)
    assert found.value == pytest.approx(d, nan_ok=True)
    assert words in found.note
    assert np.isnan([found.interval.low, found.interval.high]).all()
    assert cliffs_delta(first, second).value == pytest.approx(delta, nan_ok=True)


def test_shares_and_pairs_that_are_not_defined_say_so() -> None:
    assert explained_share([[1.0], [2.0]]).note
    assert explained_share([[1.0, 1], [1.0]]).value == 0
    assert explained_share([[1.0, 1], [2.0, 2]]).value == 1
    assert cohens_dz([1.0]).note
    assert cohens_dz([0.5, 0.5]).value == np.inf
    assert cohens_dz([0.0, 0.0]).value == 0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(3, 20), st.integers(3, 20), st.booleans())
def test_two_groups_are_tested_as_scipy_does(seed: int, n: int, m: int, rounded: bool) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 1, n), rng.normal(0.5, 2, m)
    if rounded:
        a, b = np.round(a * 2), np.round(b * 2) + np.arange(m) % 2
    welch, expected = compare_samples([a, b], MEANS), stats.ttest_ind(b, a, equal_var=False)
    assert (welch.name, welch.statistic) == ("Welch's t", pytest.approx(expected.statistic))
    assert (welch.p, welch.df[0]) == (pytest.approx(expected.pvalue), pytest.approx(expected.df))
    ranks, by_rank = compare_samples([a, b], RANKS), stats.mannwhitneyu(b, a)
    assert (ranks.name, ranks.statistic, ranks.p) == (
        "Mann–Whitney U",
        by_rank.statistic,
        pytest.approx(by_rank.pvalue),
    )


def test_more_groups_are_tested_as_scipy_does() -> None:
    rng = np.random.default_rng(3)
    alike = [rng.normal(m, 1, n) for m, n in ((0, 30), (0.3, 40), (0.6, 20))]
    plain = compare_samples(alike, MEANS)
    assert plain.name == "One-way ANOVA"
    assert (plain.statistic, plain.p) == pytest.approx(tuple(stats.f_oneway(*alike)))
    kruskal = compare_samples(alike, RANKS)
    assert (kruskal.statistic, kruskal.p) == pytest.approx(tuple(stats.kruskal(*alike)))
    uneven = [g * s for g, s in zip(alike, (1, 3, 8), strict=True)]
    welch = compare_samples(uneven, MEANS)
    assert welch.name == "Welch's ANOVA"
    assert "variances differ" in welch.why
    t = stats.ttest_ind(uneven[0], uneven[2], equal_var=False)
    f, df, p = welch_anova([uneven[0], uneven[2]])
    assert (f, df[1], p) == pytest.approx((t.statistic**2, t.df, t.pvalue))


def test_welchs_anova_by_hand() -> None:
    groups = [[1.0, 2, 3, 4, 5], [2.0, 4, 6, 8, 10, 12], [3.0, 3, 4, 5]]
    f, df, p = welch_anova([np.array(g) for g in groups])
    weights = np.array([5 / 2.5, 6 / 14.0, 4 / (11 / 12)])
    means = np.array([3.0, 7.0, 3.75])
    grand = (weights * means).sum() / weights.sum()
    uneven = ((1 - weights / weights.sum()) ** 2 / np.array([4, 5, 3])).sum()
    assert f == pytest.approx((weights * (means - grand) ** 2).sum() / 2 / (1 + 2 / 8 * uneven))
    assert df == (2.0, pytest.approx(8 / (3 * uneven)))
    assert p == pytest.approx(stats.f.sf(f, *df))


def test_the_data_choose_the_test() -> None:
    rng = np.random.default_rng(4)
    normal = [rng.normal(size=30), rng.normal(size=30)]
    skewed = [rng.exponential(size=30) ** 2, rng.normal(size=30)]
    assert choose_family(normal).family == "means"
    assert choose_family(skewed).family == "ranks"
    assert "Shapiro" in choose_family(skewed).why
    assert choose_family([g[:4] for g in skewed]).family == "means"
    assert "cannot be judged" in choose_family([g[:4] for g in skewed]).why
    assert choose_family([rng.uniform(size=5000), rng.normal(size=5000)]).family == "means"
    assert "skewed" in choose_family([rng.exponential(size=5000)] * 2).why
    assert "tails" in choose_family([rng.standard_t(3, size=5000)] * 2).why
    assert choose_family([np.zeros(4), np.ones(5)]).family == "ranks"


@pytest.mark.parametrize(
    "samples, choice, name, p, why",
    [
        ([[], [1, 2]], MEANS, "", np.nan, "at least two values"),
        ([[1], [2]], RANKS, "", np.nan, "at least two values"),
        ([[1, 1], [2, 2]], MEANS, "", np.nan, "no spread"),
        ([[1, 1], [1, 1]], MEANS, "", np.nan, "all values are the same"),
        ([[1, 1], [1, 1]], RANKS, "Mann–Whitney U", 1.0, "all values are the same"),
        ([[1, 1], [1], [1]], RANKS, "Kruskal–Wallis", 1.0, "all values are the same"),
        ([[1, 1], [1, 2], [3, 5]], MEANS, "One-way ANOVA", None, "without spread"),
        ([[1, 2], [3, 5], [4, 7], []], MEANS, "One-way ANOVA", None, "1 of 4 groups"),
    ],
)
def test_degenerate_groups_are_told_in_words(
    samples: Sequence[Sequence[float]], choice: Choice, name: str, p: float | None, why: str
) -> None:
    found = compare_samples([np.array(s, float) for s in samples], choice)
    assert found.name == name
    assert why in found.why
    assert np.isfinite(found.p) if p is None else found.p == pytest.approx(p, nan_ok=True)


def test_pairs_and_blocks_are_tested_as_scipy_does() -> None:
    rng = np.random.default_rng(5)
    a, b, c = rng.normal(size=(3, 9)) + np.arange(9)
    t = stats.ttest_rel(b, a)
    assert (compare_pairs(a, b, MEANS).statistic, compare_pairs(a, b, MEANS).p) == pytest.approx(
        (t.statistic, t.pvalue)
    )
    assert compare_pairs(a, b, RANKS).p == pytest.approx(stats.wilcoxon(b - a).pvalue)
    assert compare_blocks([a, b, c]).p == pytest.approx(stats.friedmanchisquare(a, b, c).pvalue)
    assert compare_pairs(a, a, MEANS).p == 1
    assert "by the same" in compare_pairs(np.zeros(3), np.ones(3), MEANS).why
    assert compare_pairs(a[:1], b[:1], MEANS).name == ""
    assert compare_blocks([a, a, a]).p == 1
    assert compare_blocks([a[:1], b[:1], c[:1]]).name == ""


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=20))
def test_corrected_p_values(p: list[float]) -> None:
    found = corrected_p([*p, np.nan])
    assert np.isnan(found[-1])
    assert found[:-1] == pytest.approx(stats.false_discovery_control(p) if p else [])
    holm = corrected_p(p, "holm")
    order = np.argsort(p, kind="stable")
    by_hand = [max(min(1, p[order[j]] * (len(p) - j)) for j in range(k + 1)) for k in range(len(p))]
    assert holm[order] == pytest.approx(by_hand)
    assert (corrected_p(p, "none") == np.array(p)).all()


def test_corrections_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="method"):
        corrected_p([0.1], "bonferoni")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="between 0 and 1"):
        corrected_p([1.1])
