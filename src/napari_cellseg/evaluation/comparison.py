"""Several predictions against one truth: a table of all, and two of them image by image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.evaluating import evaluating
from napari_cellseg.evaluation.metrics import find_metric
from napari_cellseg.evaluation.results import Report
from napari_cellseg.evaluation.tables import resampled_values, resampling_units
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.statistics.paired import PairedDifference, paired_difference
from napari_cellseg.statistics.resampling import Interval, percentile_interval


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
    paired: PairedDifference
    images: pd.DataFrame

    @property
    def worse(self) -> pd.DataFrame:
        """Images in which the second is worse, the worst first."""
        return self.images.iloc[self.paired.worse]


def compare(first: Report, second: Report, metric: str = "F1", *, level: float = 0.95) -> Comparison:
    """Compare two predictions of the same images.

    Parameters
    ----------
    first, second : Report
        Evaluations against the same truth, with the images in the same order.
    metric : str
        What to compare.
    level : float
        Level of the intervals.

    Raises
    ------
    OptionError
        If the reports are not about the same images and truth.
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
    units = resampling_units(list(images["image"]))
    interval = Interval(np.nan, np.nan, level)
    if len(np.unique(units)) > 1:
        draws = [resampled_values(report.tallies, units)[metric] for report in (first, second)]
        interval = percentile_interval(draws[1] - draws[0], level)
    pooled = first.summary[metric], second.summary[metric]
    return Comparison(metric, *pooled, pooled[1] - pooled[0], interval, paired, images)


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
        while True:
            try:
                step = next(job)
            except StopIteration as stop:
                reports[name] = stop.value
                break
            yield Progress(step.stage, step.done, step.total, f"{name}: {step.detail}")
    return reports


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
