"""From the sums of images to tables: each image, all of them, groups, strata."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.evaluation.matching import THRESHOLDS
from napari_cellseg.evaluation.metrics import (
    METRICS,
    OBJECT_METRICS,
    Metric,
    Sums,
    ap_at,
    compute_metrics,
    ratio,
)
from napari_cellseg.evaluation.tallies import Tally, tp_key
from napari_cellseg.statistics.resampling import RESAMPLES, percentile_interval, resampled_sums
from napari_cellseg.statistics.summaries import summarise

OUTLINE_DISTANCES = ("Hausdorff", "HD95")


def image_values(tallies: pd.DataFrame) -> pd.DataFrame:
    """Every metric of every image; outline distances are infinite where one of the two is empty.

    Parameters
    ----------
    tallies : DataFrame
        A row per image, a column per sum.
    """
    values = compute_metrics({name: tallies[name].to_numpy(float) for name in tallies})
    table = pd.DataFrame(values, index=tallies.index)
    missing = tallies["outline_missing"].to_numpy() > 0
    for name in OUTLINE_DISTANCES:
        table.loc[missing, name] = np.inf
    for metric in METRICS:
        if metric.is_count:
            table[metric.name] = table[metric.name].astype(np.int64)
    return table


def pooled_values(tallies: pd.DataFrame, metrics: Sequence[Metric] = METRICS) -> dict[str, float]:
    """Every metric of all images together: sums are added up before ratios are taken."""
    sums = {name: float(tallies[name].sum()) for name in tallies}
    return {name: float(value) for name, value in compute_metrics(sums, metrics).items()}


def resampling_units(images: Sequence[str]) -> NDArray[np.int64]:
    """Unit to which each row belongs when images are resampled.

    Planes of one image are no independent cases, so that whole images are drawn where there are several, and
    planes only where there is a single image.
    """
    codes, names = pd.factorize(np.asarray(images, object))
    return np.arange(len(codes), dtype=np.int64) if len(names) == 1 else codes.astype(np.int64)


def resampled_values(
    tallies: pd.DataFrame,
    units: NDArray[np.int64],
    resamples: int = RESAMPLES,
    seed: int = 0,
    metrics: Sequence[Metric] = METRICS,
) -> dict[str, NDArray[np.float64]]:
    """Every metric of all images together, in each bootstrap resample of units."""
    by_unit = tallies.groupby(units, sort=True).sum().to_numpy(float)
    drawn = resampled_sums(by_unit, resamples, seed)
    sums: Sums = {name: drawn[:, i] for i, name in enumerate(tallies)}
    return compute_metrics(sums, metrics)


def left_out_values(
    tallies: pd.DataFrame, units: NDArray[np.int64], metrics: Sequence[Metric] = METRICS
) -> dict[str, NDArray[np.float64]]:
    """Every metric of all images together without one unit at a time, (units,) each."""
    by_unit = tallies.groupby(units, sort=True).sum()
    rest = by_unit.sum() - by_unit
    return compute_metrics({name: rest[name].to_numpy(float) for name in rest}, metrics)


def metric_table(tallies: pd.DataFrame, images: Sequence[str], level: float = 0.95) -> pd.DataFrame:
    """All metrics of some images.

    Parameters
    ----------
    tallies : DataFrame
        A row per image, a column per sum.
    images : sequence of str
        Name of the image of each row.
    level : float
        Level of the intervals.

    Returns
    -------
    DataFrame
        A row per metric: ``pooled`` over all images (counts: their total; distances and SSIM: the mean of the
        images in which they are defined) with its bootstrap interval ``low``, ``high`` (NaN for counts and
        below two images); then ``mean``, ``std`` (n − 1), ``median``, ``p5``, ``p95`` over images, with the
        number ``n`` of images in which the metric is finite and ``left_out`` of those in which it is not.
    """
    pooled = pooled_values(tallies)
    each = image_values(tallies)
    units = resampling_units(images)
    several = len(np.unique(units)) > 1
    draws = resampled_values(tallies, units) if several else {}
    rows = []
    for metric in METRICS:
        low = high = np.nan
        if several and not metric.is_count:
            interval = percentile_interval(draws[metric.name], level)
            low, high = interval.low, interval.high
        found = summarise(each[metric.name])
        rows.append(
            {
                "metric": metric.name,
                "pooled": pooled[metric.name],
                "low": low,
                "high": high,
                "mean": found.mean,
                "std": found.std,
                "median": found.median,
                "p5": found.p5,
                "p95": found.p95,
                "n": found.n,
                "left_out": found.left_out,
            }
        )
    return pd.DataFrame(rows).set_index("metric")


def iou_table(tallies: pd.DataFrame) -> pd.DataFrame:
    """Pooled AP, precision, recall and F1 at each IoU threshold."""
    sums = {name: float(tallies[name].sum()) for name in tallies}
    predicted, true = sums["predicted_objects"], sums["true_objects"]
    rows = []
    for threshold in THRESHOLDS:
        tp = sums[tp_key(threshold)]
        values = {
            "AP": ap_at(sums, tp_key(threshold)),
            "precision": ratio(tp, predicted),
            "recall": ratio(tp, true),
            "F1": ratio(2 * tp, predicted + true),
        }
        rows.append({"iou": threshold, **{name: float(value) for name, value in values.items()}})
    return pd.DataFrame(rows)


def strata_table(values: NDArray[np.float64], edges: Sequence[float]) -> pd.DataFrame:
    """How many images lie in each stratum of a metric.

    Parameters
    ----------
    values : (n,) ndarray
        The metric of each image.
    edges : sequence of float
        Where strata meet, rising; a value on an edge belongs to the upper stratum.

    Returns
    -------
    DataFrame
        ``from``, ``to`` (infinite at the ends), ``images``, ``share`` of all images and ``mean`` per stratum,
        the highest first; then a row for images in which the metric is undefined, if there are any.
    """
    bounds = [-np.inf, *sorted(edges), np.inf]
    rows = []
    for low, high in reversed(list(zip(bounds, bounds[1:], strict=False))):
        inside = values[(values >= low) & (values < high)]
        mean = float(inside.mean()) if len(inside) else np.nan
        rows.append({"from": low, "to": high, "images": len(inside), "mean": mean})
    undefined = int(np.isnan(values).sum())
    if undefined:
        rows.append({"from": np.nan, "to": np.nan, "images": undefined, "mean": np.nan})
    table = pd.DataFrame(rows)
    table.insert(3, "share", table["images"] / max(1, len(values)))
    return table


def class_table(tallies: dict[str, Tally]) -> pd.DataFrame:
    """Object metrics of each class, in which only objects of the same class match."""
    rows = []
    for name, tally in tallies.items():
        values = {m: float(v) for m, v in compute_metrics(tally, OBJECT_METRICS).items()}
        rows.append(
            {
                "class": name,
                "true_objects": int(tally["true_objects"]),
                "predicted_objects": int(tally["predicted_objects"]),
                **values,
            }
        )
    return pd.DataFrame(rows)
