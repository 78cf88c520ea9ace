"""Numbers about numbers, against closed forms, scipy and reported values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from napari_cellseg.statistics.baseline import mean_test, mean_test_from_moments, success_rate
from napari_cellseg.statistics.calibration import reliability
from napari_cellseg.statistics.paired import paired_difference
from napari_cellseg.statistics.resampling import (
    bootstrap_interval,
    jackknife_interval,
    resampling_weights,
    weighted_mean,
)
from napari_cellseg.statistics.summaries import summarise


def test_reported_moments_give_the_reported_effect() -> None:
    found = mean_test_from_moments(0.89, 0.07, 3180, 0.75)
    assert found.d == pytest.approx(2.0)
    assert found.t == pytest.approx(112.8, abs=0.05)
    assert found.df == 3179
    assert found.p < 1e-300
    assert found.confidence == 1.0
    assert found.interval.low == pytest.approx(0.8876, abs=1e-4)


def test_mean_test_is_scipys() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.1, 40)
    found = mean_test([*values, np.nan, np.inf], 0.75)
    expected = stats.ttest_1samp(values, 0.75)
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    interval = expected.confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx((interval.low, interval.high))
    assert found.n == 40


def test_mean_test_without_spread_or_with_one_value() -> None:
    assert mean_test([0.5, 0.5], 0.5).p == 1.0
    assert mean_test([0.5, 0.5], 0.25).t == np.inf
    assert mean_test([0.5, 0.5], 0.25).p == 0.0
    assert np.isnan(mean_test([0.5], 0.25).t)
    assert mean_test([], 0.25).n == 0
    with pytest.raises(ValueError, match="negative"):
        mean_test_from_moments(1.0, -1.0, 5, 0.0)


def test_success_rate_is_the_posterior_of_a_uniform_prior() -> None:
    found = success_rate(9, 10)
    assert found.rate == 0.9
    assert found.mean == pytest.approx(10 / 12)
    assert found.interval.low == pytest.approx(stats.beta(10, 2).ppf(0.025))
    all_right = success_rate(20, 20)
    assert all_right.interval.low == pytest.approx(0.025 ** (1 / 21))
    assert all_right.interval.high < 1
    assert np.isnan(success_rate(0, 0).rate)
    with pytest.raises(ValueError, match="between 0 and n"):
        success_rate(3, 2)


def test_summary_leaves_out_what_is_not_finite() -> None:
    found = summarise([1.0, 2.0, 3.0, np.nan, np.inf])
    assert (found.n, found.left_out, found.mean, found.median) == (3, 2, 2.0, 2.0)
    assert found.std == 1.0
    assert (found.p5, found.p95) == pytest.approx((1.1, 2.9))
    assert summarise([]).n == 0
    assert np.isnan(summarise([4.0]).std)


def test_weights_draw_n_cases() -> None:
    weights = resampling_weights(7, 50, seed=3)
    assert weights.shape == (50, 7)
    assert (weights.sum(1) == 7).all()
    assert np.array_equal(weights, resampling_weights(7, 50, seed=3))
    values = np.array([1.0, np.nan, 3, 4, 5, 6, 7])
    expected = [np.nanmean(np.repeat(values, w.astype(int))) for w in weights]
    assert np.allclose(weighted_mean(values, weights), expected)


def test_bootstrap_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for i in range(300):
        found = bootstrap_interval(rng.exponential(1.0, 60), level=0.9, resamples=400, seed=i)
        hits += found.low <= 1.0 <= found.high
    assert 0.82 < hits / 300 < 0.94
    assert np.isnan(bootstrap_interval([1.0]).low)
    with pytest.raises(ValueError, match="level"):
        bootstrap_interval([1.0, 2.0], level=1.0)


def test_the_jackknife_of_a_mean_is_the_interval_of_student() -> None:
    values = np.random.default_rng(1).normal(0.1, 0.3, 5)
    rest = (values.sum() - values) / 4
    found = jackknife_interval(float(values.mean()), rest)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("rest", [[], [0.5], [0.5, np.nan, 0.4]])
def test_the_jackknife_says_nothing_of_one_case_or_an_undefined_one(rest: list[float]) -> None:
    assert np.isnan(jackknife_interval(0.5, rest).low)


def test_paired_difference_names_what_got_worse() -> None:
    first = np.array([0.5, 0.6, 0.7, 0.8, np.nan, 0.9])
    second = np.array([0.7, 0.5, 0.7, 0.4, 0.3, 0.95])
    found = paired_difference(first, second)
    assert found.worse.tolist() == [3, 1]
    assert found.better.tolist() == [0, 5]
    assert found.equal.tolist() == [2]
    assert (found.n, found.left_out) == (5, 1)
    expected = stats.ttest_rel(second[np.isfinite(first)], first[np.isfinite(first)])
    assert (found.test.t, found.test.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.interval.low <= found.mean <= found.interval.high
    same = paired_difference(first, first)
    assert np.isnan(same.wilcoxon_p)
    assert same.mean == 0
    with pytest.raises(ValueError, match="each case"):
        paired_difference([1.0], [1.0, 2.0])


def test_calibrated_confidences_have_a_small_error() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(size=20000)
    correct = rng.uniform(size=20000) < confidence
    found = reliability(confidence, correct)
    assert found.counts.tolist() == [2000] * 10
    assert found.ece < 0.02
    assert reliability(confidence, rng.uniform(size=20000) < 0.5).ece == pytest.approx(0.25, abs=0.02)


def test_ece_by_hand_and_without_cases() -> None:
    found = reliability([0.1, 0.2, 0.8, 0.9], [False, True, True, True], bins=2)
    assert found.confidence.tolist() == pytest.approx([0.15, 0.85])
    assert found.correct.tolist() == [0.5, 1.0]
    assert found.ece == pytest.approx(0.5 * 0.35 + 0.5 * 0.15)
    assert np.isnan(reliability([], []).ece)
    assert reliability([0.7] * 5, [True] * 5).counts.tolist() == [5]
    with pytest.raises(ValueError, match="between 0 and 1"):
        reliability([1.2], [True])
    with pytest.raises(ValueError, match="bins"):
        reliability([0.2], [True], bins=0)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), st.booleans()), min_size=1),
    st.integers(0, 99),
)
def test_calibration_does_not_depend_on_the_order(cases: list[tuple[float, bool]], seed: int) -> None:
    confidence, correct = zip(*cases, strict=True)
    order = np.random.default_rng(seed).permutation(len(cases))
    found = reliability(confidence, correct, bins=3)
    moved = reliability(np.array(confidence)[order], np.array(correct)[order], bins=3)
    assert found.ece == pytest.approx(moved.ece)
    assert found.counts.sum() == len(cases)
    assert 0 <= found.ece <= 1
