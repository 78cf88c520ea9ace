"""A culture over time: what was counted, and the exponential through it."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_cellseg.features.figures import COLOURS, COLUMN, SMALL, add_note, axis_label, new_figure
from napari_cellseg.features.growth import Growth, frame_series, growth_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIT = "#D55E00"
"""Colour of the exponential."""
TITLES = {"count": "cells", "confluence": "confluence (%)"}
"""What the axis of each says."""


def plot_growth(
    table: pd.DataFrame,
    column: str = "count",
    growth: Growth | None = None,
    *,
    width: float = COLUMN,
    height: float = 60.0,
) -> "Figure":
    """Count or confluence over time, with the exponential that was fitted and its confidence band.

    Parameters
    ----------
    table : DataFrame
        From `measure_images`, of one time series, with or without `add_times`.
    column : {"count", "confluence"}
        What to draw; confluence in percent.
    growth : Growth, optional
        From `fit_growth`, through the same times and values.
    width, height : float
        Size, mm.

    Returns
    -------
    Figure
        Points are frames, the line is the fit over the times it is through, the doubling time is under it.

    Raises
    ------
    OptionError
        Where the table has no time, or the column is another one.
    """
    times, values, unit = frame_series(table, column)
    factor = 100.0 if column == "confluence" else 1.0
    figure, axes = new_figure(width, height)
    axes.plot(times, factor * values, "o", color=COLOURS[0], markersize=3, linewidth=0, zorder=3)
    if growth is not None and np.isfinite(growth.rate):
        at = np.linspace(growth.first, growth.last, 200)
        middle, low, high = (factor * curve for curve in growth.curve(at))
        axes.plot(at, middle, color=FIT, linewidth=1.2, zorder=2)
        axes.fill_between(at, low, high, color=FIT, alpha=0.2, linewidth=0, zorder=1)
        add_note(figure, growth_words(growth, unit))
    axes.set_ylim(bottom=0)
    axes.set_xlabel(axis_label("time", unit) if unit != "frames" else "frame")
    axes.set_ylabel(TITLES[column], fontsize=SMALL + 2)
    return figure
