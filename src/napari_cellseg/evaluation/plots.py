"""Plots of a report, as matplotlib figures that need no window."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg.evaluation.matching import THRESHOLDS
from napari_cellseg.evaluation.metrics import find_metric
from napari_cellseg.evaluation.ranking import RECALLS
from napari_cellseg.evaluation.results import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that colour-blind eyes tell apart (Okabe & Ito 2008)."""

MARKERS = "osD^vPX"


def plot_ap_over_iou(reports: Mapping[str, Report]) -> "Figure":
    """Average precision over the IoU threshold, a line per report."""
    figure, axes = _axes("IoU threshold", "AP = TP / (TP + FP + FN)")
    for k, (name, report) in enumerate(reports.items()):
        axes.plot(report.by_iou["iou"], report.by_iou["AP"], label=name, **_style(k))
    axes.set_xticks(THRESHOLDS[::2])
    axes.set_ylim(0, 1.02)
    if len(reports) > 1:
        axes.legend(frameon=False)
    return figure


def plot_precision_recall(report: Report, thresholds: Sequence[float] = (0.5, 0.75, 0.9)) -> "Figure":
    """Precision over recall as the confidence threshold falls, a line per IoU threshold.

    Raises
    ------
    ValueError
        If the report has no confidences.
    """
    if report.ranking is None:
        raise ValueError("precision over recall needs confidences, and this report has none")
    figure, axes = _axes("recall", "precision")
    for k, threshold in enumerate(thresholds):
        place = THRESHOLDS.index(threshold)
        precision = report.ranking.precision[place]
        label = f"IoU ≥ {threshold:.2f} (mAP {np.mean(precision):.3f})"
        reached = np.where(np.isnan(report.ranking.confidence[place]), np.nan, precision)
        axes.plot(RECALLS, reached, label=label, color=COLOURS[k], linestyle=("-", "--", ":")[k % 3])
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, loc="lower left")
    return figure


def plot_reliability(report: Report) -> "Figure":
    """Share of detections that are right over their confidence, with 95 % credible intervals.

    Raises
    ------
    ValueError
        If the report has no confidences.
    """
    found = report.reliability
    if found is None:
        raise ValueError("reliability needs confidences, and this report has none")
    figure, axes = _axes("mean confidence of a bin", "share that is right (IoU ≥ 0.50)")
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", label="calibrated")
    inside = found.correct.clip(found.low, found.high)
    errors = [inside - found.low, found.high - inside]
    label = f"ECE {found.ece:.3f}"
    axes.errorbar(found.confidence, found.correct, yerr=errors, label=label, capsize=2, **_style(0))
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, loc="upper left")
    return figure


def plot_images(report: Report, metric: str = "F1", by: str | None = None) -> "Figure":
    """A metric of every image, spread sideways by group, with the mean and standard deviation."""
    values = report.images[find_metric(metric).name]
    column = by or next(iter(report.group_columns), None)
    names = ["all"] if column is None else list(dict.fromkeys(report.images[column]))
    figure, axes = _axes("", metric)
    rng = np.random.default_rng(0)
    for k, name in enumerate(names):
        own = values if column is None else values[report.images[column] == name]
        own = own[np.isfinite(own)]
        axes.plot(
            k + rng.uniform(-0.18, 0.18, len(own)),
            own,
            "o",
            color=COLOURS[0],
            alpha=0.5,
            markersize=4,
        )
        if len(own):
            spread = own.std() if len(own) > 1 else 0
            axes.errorbar(
                k + 0.28, own.mean(), yerr=spread, fmt="D", color=COLOURS[1], capsize=3, markersize=4
            )
    axes.set_xticks(range(len(names)), [str(n) for n in names], rotation=30 if len(names) > 4 else 0)
    axes.set_xlim(-0.5, len(names) - 0.5)
    return figure


def _style(k: int) -> dict[str, Any]:
    return {"color": COLOURS[k % 7], "marker": MARKERS[k % 7], "markersize": 4, "linewidth": 1.5}


def _axes(x: str, y: str) -> tuple["Figure", Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
