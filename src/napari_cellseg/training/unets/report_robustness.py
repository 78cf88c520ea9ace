"""How a model stands what spoils bright-field images: scores over the severity of each degradation."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import CellSegWarning
from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.evaluation.plots import COLOURS, MARKERS
from napari_cellseg.events import Job, Progress
from napari_cellseg.images.simulation.degradation import DEGRADATIONS, SEVERITIES, degraded_images
from napari_cellseg.models.protocols import Model
from napari_cellseg.pipeline.job import segment
from napari_cellseg.pipeline.results import Segmentation
from napari_cellseg.statistics.summaries import summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = ("Dice", "IoU", "pixel_precision", "pixel_recall", "AP50", "F1", "PQ")
"""Metrics of the table."""

DRAWN = {"Dice": "-", "AP50": "--"}
"""Metrics of the figure, and their lines."""

WIDEST = 5
"""Columns of the figure's legend, at most."""

SEEDS = (9001, 9002)
"""Seeds of the simulated fields: none that anybody would train with."""


def trying_degradations(
    models: Mapping[str, Model],
    *,
    confidence: float | None = None,
    degradations: Sequence[str] = tuple(DEGRADATIONS),
    severities: Sequence[float] = SEVERITIES,
    seeds: Sequence[int] = SEEDS,
    shape: tuple[int, int] = (520, 704),
    diameter: tuple[float, float] = (36.0, 64.0),
) -> Job[pd.DataFrame]:
    """Segment simulated bright-field images that are spoilt more and more, and evaluate.

    Parameters
    ----------
    models : mapping of str to model
        By the names that they have in the table.
    confidence : float, optional
        Objects at or above it count; that of each card unless given.
    degradations, severities, seeds, shape, diameter
        See `napari_cellseg.images.simulation.degraded_images`.

    Returns
    -------
    DataFrame
        A row per model, degradation and severity: ``value`` of the dial, number of ``images``, and each
        metric of `METRICS`, the mean over the images, with its standard deviation ``_sd``.

    Raises
    ------
    OptionError
        Where a degradation is unknown or a number out of its range.
    """
    scenes = degraded_images(degradations, severities, seeds, shape=shape, diameter=diameter)
    total, done = len(degradations) * len(severities) * len(seeds), 0
    rows: list[dict[str, Any]] = []
    for name in degradations:
        for severity in severities:
            found: dict[str, list[Segmentation]] = {model: [] for model in models}
            truth: list[NDArray[np.int32]] = []
            for _ in seeds:
                scene = next(scenes)
                yield Progress("Degrading", done, total, f"{name}, severity {severity:g}")
                done += 1
                truth.append(scene.field.labels)
                for label, model in models.items():
                    found[label].append(_segmented(scene.field.image, model, confidence))
            known = {"degradation": name, "severity": severity, "value": scene.value, "images": len(seeds)}
            rows += [{"model": m, **known, **_scores(of, truth)} for m, of in found.items()]
    columns = ["model", "degradation", "severity", "value", "images"]
    columns += [column for metric in METRICS for column in (metric, f"{metric}_sd")]
    return pd.DataFrame(rows, columns=columns)


def _segmented(image: NDArray[Any], model: Model, confidence: float | None) -> Segmentation:
    with catch_warnings():
        simplefilter("ignore", CellSegWarning)
        return segment(image, model, axes="YX", confidence=confidence)


def _scores(found: list[Segmentation], truth: list[NDArray[np.int32]]) -> dict[str, float]:
    images = evaluate(found, truth).images
    scores: dict[str, float] = {}
    for metric in METRICS:
        of = summarise(images[metric])
        scores |= {metric: of.mean, f"{metric}_sd": of.std}
    return scores


def plot_degradations(table: pd.DataFrame) -> "Figure":
    """Scores over severity: a panel per degradation, a colour per model, Dice drawn through, AP50 dashed.

    Parameters
    ----------
    table : DataFrame
        What `trying_degradations` gave.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(table["degradation"]))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.5 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        _draw_panel(axes, table[table["degradation"] == name], name)
    for axes in panels[::columns]:
        axes.set_ylabel("score", fontsize=8)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    columns = min(WIDEST, table["model"].nunique())  # a column of the legend is a model
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return figure


def _draw_panel(axes: Any, part: pd.DataFrame, name: str) -> None:
    for k, (model, own) in enumerate(part.groupby("model", sort=False)):
        for metric, line in DRAWN.items():
            style: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "linestyle": line}
            axes.errorbar(
                own["severity"],
                own[metric],
                yerr=None if own[f"{metric}_sd"].isna().all() else own[f"{metric}_sd"].fillna(0),
                label=f"{model}, {metric}",
                marker=MARKERS[k % len(MARKERS)],
                markersize=4,
                linewidth=1.3,
                capsize=2,
                **style,
            )
    low, high = (part.loc[part["severity"].agg(of), "value"] for of in ("idxmin", "idxmax"))
    axes.set_title(name.replace("_", " "), fontsize=9)
    axes.set_xlabel(f"severity (dial from {low:g} to {high:g})", fontsize=8)
    axes.set_ylim(0, 1.02)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
