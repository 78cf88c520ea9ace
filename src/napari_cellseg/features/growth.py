"""How a culture grows: an exponential through counts or confluence over time, and its doubling time."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from napari_cellseg.errors import OptionError
from napari_cellseg.statistics.resampling import Interval

Values = NDArray[np.float64]

TIME = "time"
"""Column of a table of frames: when each was taken, in the unit in ``attrs["units"]``."""
FRAMES = "frames"
"""Unit of times that are numbers of frames."""
GROWING = {"count": "sum", "confluence": "mean"}
"""What grows in a table of frames, and how the planes of one time are put together."""
NEVER = 1e9
"""Doubling times beyond are no growth but rounding."""
SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
"""Units of time that users choose from."""


@dataclass(frozen=True, slots=True)
class Growth:
    """An exponential through a series, N(t) = start · exp(rate · t).

    Attributes
    ----------
    n, left_out : int
        Times that the fit is through; times outside of the range, or with a value that is not finite or not
        above 0.
    start : float
        N at t = 0.
    rate : float
        Growth per unit of time; negative where the culture shrinks.
    rate_interval : Interval
        Confidence interval of the rate, from Student's t with n − 2 degrees of freedom.
    doubling_time : float
        ln 2 / rate, in units of the times; infinite for a rate of 0, NaN for a negative one.
    doubling_interval : Interval
        What the interval of the rate makes of it: infinite at its upper end where no growth cannot be ruled
        out, NaN where growth can.
    r_squared : float
        Share of the variance of ln N that the line explains; NaN for a constant series.
    spread : float
        Standard deviation of ln N about the line, with n − 2.
    centre, scatter : float
        Mean of the times, and sum of squared deviations from it.
    first, last : float
        The earliest and the latest of the times.
    """

    n: int
    left_out: int
    start: float
    rate: float
    rate_interval: Interval
    doubling_time: float
    doubling_interval: Interval
    r_squared: float
    spread: float
    centre: float
    scatter: float
    first: float
    last: float

    def curve(self, times: ArrayLike) -> tuple[Values, Values, Values]:
        """The exponential at some times, and the lower and upper end of its confidence band.

        The band, NaN below three points, is that of the fitted mean of ln N at the level of `rate_interval`.
        """
        t = np.asarray(times, float)
        middle = self.start * np.exp(self.rate * t)
        if self.n < 3:
            return middle, np.full_like(t, np.nan), np.full_like(t, np.nan)
        quantile = stats.t.ppf((1 + self.rate_interval.level) / 2, self.n - 2)
        half = quantile * self.spread * np.sqrt(1 / self.n + (t - self.centre) ** 2 / self.scatter)
        return middle, middle * np.exp(-half), middle * np.exp(half)


def fit_growth(
    times: ArrayLike,
    values: ArrayLike,
    *,
    between: tuple[float, float] | None = None,
    level: float = 0.95,
) -> Growth:
    """Fit an exponential to a series: a straight line through ln N by least squares.

    Parameters
    ----------
    times : (n,) array-like of float
        In any unit, for example the frame times the hours between frames.
    values : (n,) array-like of float
        Count, confluence or another size of the culture at each time, as `measure_images` gives them.
    between : (float, float), optional
        First and last time of exponential growth: before it cells settle, after it they lack room. None: all.
    level : float
        Level of the intervals.

    Returns
    -------
    Growth
        Rate and doubling time are NaN below two times, their intervals below three.

    Raises
    ------
    OptionError
        Where there is not one value for each time, the range is empty, or the level is not between 0 and 1.

    Notes
    -----
    Source: Hall et al. 2014 (log-linear growth rates). The frames of one film are no independent
    experiments: the interval tells how well one culture follows an exponential, not how another one would
    grow. For that, fit each culture and compare their rates.
    """
    t, n = np.asarray(times, float), np.asarray(values, float)
    if t.shape != n.shape or t.ndim != 1:
        raise OptionError(f"Each time needs one value, but there are {t.shape} times and {n.shape} values.")
    if not 0 < level < 1:
        raise OptionError(f"The level must be above 0 and below 1, not {level}.")
    first, last = (-np.inf, np.inf) if between is None else between
    if not first < last:
        raise OptionError(f"Growth must be looked at between a time and a later one, not {between}.")
    used = np.isfinite(t) & np.isfinite(n) & (t >= first) & (t <= last)
    used[used] = n[used] > 0
    return _fit_line(t[used], np.log(n[used]), int((~used).sum()), level)


def _fit_line(t: Values, log: Values, left_out: int, level: float) -> Growth:
    centre = float(t.mean()) if len(t) else np.nan
    scatter = float(np.square(t - centre).sum())
    ends = (float(t.min()), float(t.max())) if len(t) else (np.nan, np.nan)
    if not scatter > 0:
        nothing = Interval(np.nan, np.nan, level)
        lone = (np.nan, np.nan, nothing, np.nan, nothing, np.nan, np.nan)
        return Growth(len(t), left_out, *lone, centre, scatter, *ends)
    rate = float((t - centre) @ log / scatter)
    left = log - log.mean() - rate * (t - centre)
    total = float(np.square(log - log.mean()).sum())
    spread, half = np.nan, np.nan
    if len(t) > 2:
        spread = float(np.sqrt(left @ left / (len(t) - 2)))
        half = float(stats.t.ppf((1 + level) / 2, len(t) - 2) * spread / np.sqrt(scatter))
    return Growth(
        len(t),
        left_out,
        float(np.exp(log.mean() - rate * centre)),
        rate,
        Interval(rate - half, rate + half, level),
        _doubling(rate),
        Interval(
            _doubling(rate + half),
            np.inf if rate - half <= 0 < rate + half else _doubling(rate - half),
            level,
        ),
        1 - float(left @ left) / total if total > 0 else np.nan,
        spread,
        centre,
        scatter,
        *ends,
    )


def _doubling(rate: float) -> float:
    if rate == 0:
        return np.inf
    return float(np.log(2) / rate) if rate > 0 else np.nan


def add_times(table: pd.DataFrame, interval: float, unit: str) -> pd.DataFrame:
    """A table of frames with the column `TIME` after ``t``.

    Parameters
    ----------
    table : DataFrame
        From `measure_images`, of a time series.
    interval : float
        Time between two frames, above 0.
    unit : str
        Its unit.

    Raises
    ------
    OptionError
        Where the table has no column ``t``, or the interval is not above 0.
    """
    if "t" not in table:
        raise OptionError("There is no time axis: the images are no time series.")
    if not 0 < interval < math.inf:
        raise OptionError(f"The time between two frames must be above 0, not {interval}.")
    timed = table.copy()
    timed.insert(timed.columns.get_loc("t") + 1, TIME, table["t"] * float(interval))
    timed.attrs = {**table.attrs, "units": {**table.attrs.get("units", {}), TIME: unit}}
    timed.attrs["definitions"] = {**table.attrs.get("definitions", {}), TIME: "When the frame was taken."}
    return timed


def frame_series(table: pd.DataFrame, column: str) -> tuple[Values, Values, str]:
    """A column of a table of frames as a series over time, its planes put together.

    Parameters
    ----------
    table : DataFrame
        From `measure_images`, with or without `add_times`, of one time series.
    column : str
        ``"count"`` or ``"confluence"``.

    Returns
    -------
    times, values : (n,) ndarray of float
        Without `TIME` the numbers of the frames.
    unit : str
        Of the times.

    Raises
    ------
    OptionError
        Where the table has no time, or the column is another one.
    """
    if column not in GROWING:
        raise OptionError(f"Growth is that of {' or '.join(GROWING)}, not of {column!r}.")
    if "t" not in table:
        raise OptionError("There is no time axis: the images are no time series.")
    by = TIME if TIME in table else "t"
    series = table.groupby(by, sort=True)[column].agg(GROWING[column])
    unit = table.attrs.get("units", {}).get(TIME, FRAMES) if by == TIME else FRAMES
    return series.index.to_numpy(float), series.to_numpy(float), unit


def growth_words(growth: Growth, unit: str) -> str:
    """A fit in words: ``doubles in 18.4 h (95 % interval 15.2 to 23.3 h), R² 0.98``.

    Parameters
    ----------
    growth : Growth
        The fit.
    unit : str
        Of the times.
    """
    if not math.isfinite(growth.rate):
        return "no growth can be fitted: fewer than two times with a value above 0"
    low, high, level = growth.rate_interval.low, growth.rate_interval.high, growth.rate_interval.level
    fit = f", R² {growth.r_squared:.2f}" if math.isfinite(growth.r_squared) else ""
    if abs(growth.rate) < 1 / NEVER:
        return f"does not grow: rate 0 per {_one(unit)}"
    if growth.rate < 0:
        between = f" ({level:.0%} interval {low:.3g} to {high:.3g})" if math.isfinite(low) else ""
        return f"does not grow: rate {growth.rate:.3g} per {_one(unit)}{between}".replace("%", " %") + fit
    words = f"doubles in {growth.doubling_time:.3g} {unit}"
    first, last = growth.doubling_interval.low, growth.doubling_interval.high
    if math.isfinite(first):
        upper = f"to {last:.3g} {unit}" if math.isfinite(last) else f"{unit} or more"
        words += f" ({level:.0%} interval {first:.3g} {upper})".replace("%", " %")
    return words + fit


def growth_record(growth: Growth, unit: str) -> dict[str, Any]:
    """A fit as plain values for JSON; None stands for what is not finite.

    Parameters
    ----------
    growth : Growth
        The fit.
    unit : str
        Of the times.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        return None if isinstance(value, float) and not math.isfinite(value) else value

    kept = (
        "n",
        "left_out",
        "start",
        "rate",
        "rate_interval",
        "doubling_time",
        "doubling_interval",
        "r_squared",
    )
    values = asdict(growth)
    return {"unit": unit, **{name: plain(values[name]) for name in kept}}


def _one(unit: str) -> str:
    return "frame" if unit == FRAMES else unit
