"""Several predictions against one truth: a table of all, and two of them image by image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.evaluating import evaluating
from napari_cellseg.evaluation.metrics import Metric, find_metric
from napari_cellseg.evaluation.results import Report
from napari_cellseg.evaluation.tables import (
    left_out_values,
    pooled_values,
    resampled_values,
    resampling_units,
)
from napari_cellseg.events import Job, Progress, drain, relay
from napari_cellseg.statistics.paired import PairedDifference, paired_difference
from napari_cellseg.statistics.resampling import Interval, jackknife_interval, percentile_interval


@dataclass(frozen=True, slots=True)
class PooledDifference:
    """Second against first prediction in one metric, over all images together.

    Attributes
    ----------
    first, second, difference : float
        The metric, and second − first; NaN where it is undefined.
    interval : Interval
        Bootstrap interval of the difference, both drawn on the same units.
    jackknife : Interval
        Its interval by the jackknife over units, which holds its level with few of them.
    units : int
        Independent pieces: images, or groups of them.
    """

    first: float
    second: float
    difference: float
    interval: Interval
    jackknife: Interval
    units: int


@dataclass(frozen=True)
class Comparison:
    """Second against first prediction of the same images in one metric.

    Attributes
    ----------
    metric : str
        The metric.
    first, second : float
        The metric over all images together.
    difference : float
        second − first.
    interval : Interval
        Bootstrap interval of that difference, both drawn on the same images.
    jackknife : Interval
        Interval of that difference by the jackknife, which holds its level with few images.
    units : int
        Independent pieces that both intervals rest on: images, or groups of them.
    paired : PairedDifference
        The differences of the images.
    images : DataFrame
        ``image``, ``plane``, ``first``, ``second``, ``difference``, in the order of the reports.
    """

    metric: str
    first: float
    second: float
    difference: float
    interval: Interval
    jackknife: Interval
    units: int
    paired: PairedDifference
    images: pd.DataFrame

    @property
    def worse(self) -> pd.DataFrame:
        """Images in which the second is worse, the worst first."""
        return self.images.iloc[self.paired.worse]


def compare(
    first: Report, second: Report, metric: str = "F1", *, by: str | None = None, level: float = 0.95
) -> Comparison:
    """Compare two predictions of the same images.

    Parameters
    ----------
    first, second : Report
        Evaluations against the same truth, with the images in the same order.
    metric : str
        What to compare.
    by : str, optional
        Column of `Report.images` that says which images belong together; the intervals are then over these
        groups. Images are independent unless it is given.
    level : float
        Level of the intervals.

    Raises
    ------
    OptionError
        If the reports are not about the same images and truth, or there is no such column.
    """
    chosen = find_metric(metric)
    key = ["image", "plane"]
    same = first.images[key].equals(second.images[key])
    if not same or not np.array_equal(first.tallies["true_objects"], second.tallies["true_objects"]):
        raise OptionError(
            "Two predictions can be compared only on the same images and truth, in the same order."
        )
    a, b = first.values(metric), second.values(metric)
    images = first.images[key].assign(first=a, second=b)
    paired = paired_difference(a, b, higher_is_better=chosen.better != "lower", level=level)
    images["difference"] = paired.differences
    units = resampling_units(list(images["image"])) if by is None else _groups(first, by)
    pooled = pooled_difference(first.tallies, second.tallies, chosen, units, level=level)
    return Comparison(
        metric,
        pooled.first,
        pooled.second,
        pooled.difference,
        pooled.interval,
        pooled.jackknife,
        pooled.units,
        paired,
        images,
    )


def pooled_difference(
    first: pd.DataFrame,
    second: pd.DataFrame,
    metric: Metric,
    units: NDArray[np.int64],
    *,
    level: float = 0.95,
) -> PooledDifference:
    """Compare the sums of two predictions of the same images.

    Parameters
    ----------
    first, second : DataFrame
        A row per image, a column per sum that the metric needs.
    metric : Metric
        What to compare.
    units : (n,) ndarray of int64
        Which rows belong together.
    level : float
        Level of the intervals.
    """
    a, b = (pooled_values(tallies, [metric])[metric.name] for tallies in (first, second))
    difference = b - a
    count = len(np.unique(units))
    interval = jackknife = Interval(np.nan, np.nan, level)
    if count > 1:
        draws = [resampled_values(t, units, metrics=[metric])[metric.name] for t in (first, second)]
        interval = percentile_interval(draws[1] - draws[0], level)
        rest = [left_out_values(t, units, [metric])[metric.name] for t in (first, second)]
        jackknife = jackknife_interval(difference, rest[1] - rest[0], level)
    return PooledDifference(a, b, difference, interval, jackknife, count)


def _groups(report: Report, by: str) -> NDArray[np.int64]:
    if by not in report.group_columns:
        known = ", ".join(report.group_columns) or "none"
        raise OptionError(f"by must be a column of groups, not {by!r}; there are: {known}.")
    codes: NDArray[np.int64] = pd.factorize(report.images[by])[0].astype(np.int64)
    return codes


def comparing(predictions: Mapping[str, Any], truth: Any, **options: Any) -> Job[dict[str, Report]]:
    """Evaluate several predictions against one truth, as a long job.

    Parameters
    ----------
    predictions : mapping of str to predictions
        By the name of the model, tool or annotator; each as for `evaluate`.
    truth : array-like, sequence or mapping
        As for `evaluate`.
    **options
        Keywords of `evaluate` that hold for all of them.
    """
    if not predictions:
        raise OptionError("There must be at least one prediction to evaluate.")
    reports: dict[str, Report] = {}
    for name, prediction in predictions.items():
        job = evaluating(prediction, truth, **options)
        reports[name] = yield from relay(job, partial(_named, name))
    return reports


def _named(name: str, step: Progress) -> Progress:
    """A step of one prediction as that of several."""
    return Progress(step.stage, step.done, step.total, f"{name}: {step.detail}")


def evaluate_many(
    predictions: Mapping[str, Any],
    truth: Any,
    *,
    progress: Callable[[Progress], object] | None = None,
    **options: Any,
) -> dict[str, Report]:
    """Evaluate several predictions against one truth, see `comparing`.

    Returns
    -------
    dict of str to Report
        For `comparison_table`, or two of them for `compare`.
    """
    return drain(comparing(predictions, truth, **options), progress)


def comparison_table(
    reports: Mapping[str, Report],
    metrics: Sequence[str] = ("AP50", "AP50_95", "F1", "PQ", "AJI", "Dice"),
    *,
    reference: str | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Several predictions in one table.

    Parameters
    ----------
    reports : mapping of str to Report
        Evaluations against the same truth.
    metrics : sequence of str
        What to show.
    reference : str, optional
        Name of the prediction with which the others are compared; the first unless given.
    level : float
        Level of the intervals.

    Returns
    -------
    DataFrame
        A row per prediction and metric: ``prediction``, ``metric``, ``pooled`` with its interval ``low``,
        ``high``, ``mean`` and ``std`` over images; and against the reference (NaN in its own rows)
        ``difference`` with ``difference_low``, ``difference_high``, the paired t-test's ``p``, and the
        numbers of images that got ``worse`` and ``better``.
    """
    base = next(iter(reports)) if reference is None else reference
    if base not in reports:
        raise OptionError(f"The reference must be one of {', '.join(reports)}, not {base!r}.")
    rows = []
    for name, report in reports.items():
        for metric in metrics:
            own = report.table.loc[find_metric(metric).name]
            row: dict[str, Any] = {"prediction": name, "metric": metric}
            row |= {column: float(own[column]) for column in ("pooled", "low", "high", "mean", "std")}
            if name != base:
                row |= _against(compare(reports[base], report, metric, level=level))
            rows.append(row)
    columns = [
        "prediction",
        "metric",
        "pooled",
        "low",
        "high",
        "mean",
        "std",
        "difference",
        "difference_low",
        "difference_high",
        "p",
        "worse",
        "better",
    ]
    return pd.DataFrame(rows, columns=columns).astype({"worse": "Int64", "better": "Int64"})


def _against(found: Comparison) -> dict[str, Any]:
    return {
        "difference": found.difference,
        "difference_low": found.interval.low,
        "difference_high": found.interval.high,
        "p": found.paired.test.p,
        "worse": len(found.paired.worse),
        "better": len(found.paired.better),
    }
