"""Growth is the line that SciPy fits through the logarithms."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from napari_cellseg.errors import OptionError
from napari_cellseg.features.growth import (
    add_times,
    fit_growth,
    frame_series,
    growth_record,
    growth_words,
)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(3, 40), st.floats(-0.1, 0.1))
def test_growth_is_the_line_through_the_logarithms(seed, n, rate):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 48, n))
    counts = 100 * np.exp(rate * times + rng.normal(0, 0.1, n))
    found = fit_growth(times, counts, level=0.9)
    line = stats.linregress(times, np.log(counts))
    half = stats.t.ppf(0.95, n - 2) * line.stderr
    assert found.rate == pytest.approx(line.slope)
    assert found.start == pytest.approx(np.exp(line.intercept))
    assert found.r_squared == pytest.approx(line.rvalue**2, abs=1e-9)
    assert (found.rate_interval.low, found.rate_interval.high) == pytest.approx(
        (line.slope - half, line.slope + half)
    )
    if line.slope - half > 0:
        assert found.doubling_interval.low == pytest.approx(np.log(2) / (line.slope + half))
        assert found.doubling_interval.high == pytest.approx(np.log(2) / (line.slope - half))
        assert found.doubling_interval.low < found.doubling_time < found.doubling_interval.high


def test_a_culture_that_doubles_every_twenty_hours():
    times = np.arange(0, 60, 2.0)
    found = fit_growth(times, 50 * 2 ** (times / 20))
    assert found.doubling_time == pytest.approx(20)
    assert found.start == pytest.approx(50)
    middle, low, high = found.curve([0, 20, 40])
    assert middle == pytest.approx([50, 100, 200])
    assert (low <= middle).all()
    assert (middle <= high).all()


def test_the_interval_holds_the_rate_as_often_as_it_says():
    rng = np.random.default_rng(6)
    times = np.arange(12.0)
    held = 0
    for _ in range(400):
        found = fit_growth(times, np.exp(0.05 * times + rng.normal(0, 0.2, 12)), level=0.8)
        held += found.rate_interval.low <= 0.05 <= found.rate_interval.high
    assert 0.74 < held / 400 < 0.86


def test_the_band_is_narrowest_in_the_middle():
    rng = np.random.default_rng(7)
    times = np.arange(10.0)
    middle, low, high = fit_growth(times, np.exp(0.1 * times + rng.normal(0, 0.1, 10))).curve([0, 4.5, 9])
    width = np.log(high / low)
    assert width[1] < width[0]
    assert width[1] < width[2]
    assert np.log(middle / low) == pytest.approx(np.log(high / middle))


def test_empty_frames_and_times_outside_of_the_range_are_left_out():
    times = np.arange(8.0)
    counts = np.array([0, 7, 10, 20, 40, 80, np.nan, 81])
    found = fit_growth(times, counts, between=(2, 6))
    assert (found.n, found.left_out) == (4, 4)
    assert found.doubling_time == pytest.approx(1)


def test_a_culture_that_does_not_grow():
    still = fit_growth([0, 1, 2], [5, 5, 5])
    assert (still.rate, still.doubling_time) == (0, np.inf)
    assert np.isnan(still.r_squared)
    dying = fit_growth([0, 1, 2, 3], [80, 41, 20, 10])
    assert np.isnan(dying.doubling_time)
    assert np.isnan(dying.doubling_interval.high)
    unsure = fit_growth([0, 1, 2, 3], [10, 13, 9, 13])
    assert unsure.doubling_interval.high == np.inf


@pytest.mark.parametrize("times", [[], [3.0], [2.0, 2.0, 2.0]])
def test_one_time_is_no_growth(times):
    found = fit_growth(times, np.ones(len(times)))
    assert np.isnan(found.rate)
    assert np.isnan(found.doubling_interval.low)


def test_two_times_have_no_interval():
    found = fit_growth([0, 10], [10, 20])
    assert found.doubling_time == pytest.approx(10)
    assert np.isnan(found.rate_interval.low)
    assert np.isnan(found.curve([5])[1]).all()


@pytest.mark.parametrize("arguments", [([1, 2], [1]), ([1, 2], [1, 2], (3, 3)), ([1, 2], [1, 2], None, 1.0)])
def test_what_makes_no_sense_is_refused(arguments):
    times, values, *rest = arguments
    keywords = dict(zip(("between", "level"), rest, strict=False))
    with pytest.raises(OptionError):
        fit_growth(times, values, **keywords)


def frames():
    """Two planes of each of three times."""
    table = pd.DataFrame({"t": [0, 0, 1, 1, 2, 2], "z": [0, 1] * 3, "count": [1, 1, 2, 2, 4, 4]})
    table["confluence"] = table["count"] / 10
    return table


def test_planes_of_one_time_are_put_together():
    times, counts, unit = frame_series(frames(), "count")
    assert (times.tolist(), counts.tolist(), unit) == ([0, 1, 2], [2, 4, 8], "frames")
    assert frame_series(frames(), "confluence")[1].tolist() == pytest.approx([0.1, 0.2, 0.4])
    timed = add_times(frames(), 30, "min")
    assert list(timed)[:3] == ["t", "time", "z"]
    times, _, unit = frame_series(timed, "count")
    assert (times.tolist(), unit) == ([0, 30, 60], "min")


def test_what_is_no_time_series_is_said():
    with pytest.raises(OptionError, match="no time axis"):
        frame_series(frames().drop(columns="t"), "count")
    with pytest.raises(OptionError, match="no time axis"):
        add_times(frames().drop(columns="t"), 1, "h")
    with pytest.raises(OptionError, match="above 0"):
        add_times(frames(), 0, "h")
    with pytest.raises(OptionError, match="count or confluence"):
        frame_series(frames(), "z")


@pytest.mark.parametrize(
    "counts, words",
    [
        ([10, 20, 40], "doubles in 5 h (95 % interval 5 to 5 h), R² 1.00"),
        ([10, 11, 10, 13], "doubles in "),
        ([10, 11, 10, 13], "h or more)"),
        ([10, 20], "doubles in 5 h, R² 1.00"),
        ([7, 7, 7], "does not grow: rate 0 per h"),
        ([8, 4, 2], "does not grow: rate -0.139 per h (95 % interval -0.139 to -0.139)"),
        ([8], "no growth can be fitted"),
        ([0, 0], "no growth can be fitted"),
    ],
)
def test_growth_in_words(counts, words):
    assert words in growth_words(fit_growth(np.arange(len(counts)) * 5, counts), "h")


def test_what_is_not_finite_is_none_in_a_record():
    record = growth_record(fit_growth([0, 1, 2, 3], [10, 11, 10, 13]), "h")
    assert record["doubling_interval"]["high"] is None
    assert record["rate"] > 0
    assert record["unit"] == "h"
    assert growth_record(fit_growth([0], [1]), "h")["doubling_time"] is None
