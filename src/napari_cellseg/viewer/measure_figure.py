"""The plot of the Measure dock as a figure for a paper."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.events import Job, Progress
from napari_cellseg.features.figures import save_figure
from napari_cellseg.features.plots import plot_by_group, plot_histogram, plot_scatter
from napari_cellseg.viewer.measure_images import provenance_of
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.viewer.plot_points import PlotKind, PlotPoints, histogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELLS = "cells"
"""Name of the groups where there are none."""


def draw_points(
    points: PlotPoints, units: dict[str, str], selected: NDArray[np.bool_] | None = None
) -> "Figure":
    """What a plot shows, drawn for paper.

    Parameters
    ----------
    points : PlotPoints
        What is shown.
    units : dict of str to str
        Unit of each column.
    selected : (N,) ndarray of bool, optional
        Points that are marked.
    """
    values = (points.y,) if points.kind is PlotKind.GROUPS else (points.x, points.y)
    table = pd.DataFrame(dict(zip(points.columns, values, strict=False)))
    by = points.by or None
    if by is not None and points.groups is not None:
        table[by] = pd.Categorical.from_codes(points.groups, list(points.names))
    table.attrs["units"] = {name: units.get(name, "") for name in points.columns}
    if points.kind is PlotKind.HISTOGRAM:
        edges, _ = histogram(points)
        return plot_histogram(table, points.columns[0], by=by, bins=edges.tolist(), selected=selected)
    if points.kind is PlotKind.SCATTER:
        return plot_scatter(table, *points.columns, by=by, selected=selected)
    return plot_by_group(table, points.columns[0], points.by, selected=selected)


def saving_plot(
    measured: MeasuredLayer, points: PlotPoints, chosen: NDArray[np.int64], path: Path
) -> Job[list[Path]]:
    """The job that writes a plot in the size of a journal's column, with where it comes from.

    Parameters
    ----------
    measured : MeasuredLayer
        Whose cells.
    points : PlotPoints
        What is shown.
    chosen : (K,) ndarray of int
        Labels of the selected cells.
    path : Path
        Ends in ``.svg``, ``.pdf`` or ``.png``.
    """
    yield Progress("Drawing", 0, 0, path.name)
    settings: dict[str, Any] = {
        "plot": points.kind.value,
        "columns": list(points.columns),
        "by": points.by or None,
        "cells": len(points.labels),
        "selected": [int(label) for label in chosen],
    }
    origin = provenance_of(measured.request, settings)
    figure = draw_points(points, measured.units, points.of(chosen) if len(chosen) else None)
    save_figure(figure, path, provenance=origin, title=" and ".join(points.columns))
    return [path]
