"""Histogram and scatter plot of features, with or without groups."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.features.figures import (
    COLOURS,
    COLUMN,
    MARKERS,
    add_legend,
    axis_label,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BINS = 100
LINES = ("-", "--", ":", "-.")


def plot_histogram(
    table: pd.DataFrame,
    feature: str,
    *,
    by: str | None = None,
    bins: int | Sequence[float] | None = None,
    width: float = COLUMN,
    height: float = 60.0,
) -> "Figure":
    """How a feature is distributed.

    Parameters
    ----------
    table : DataFrame
        A row per cell; units are in ``table.attrs["units"]``. Values that are not finite are left out.
    feature : str
        Column.
    by : str, optional
        Column of groups: an outline for each, as a share of the group's cells.
    bins : int or sequence of float, optional
        Their number or edges; None: Freedman & Diaconis' rule, at most 100.
    width, height : float
        Size, mm.

    Raises
    ------
    OptionError
        If a column is missing or has no numbers.
    """
    groups = _values(table, [feature], by)
    every = np.concatenate([values[:, 0] for values in groups.values()])
    edges = _edges(every, bins)
    figure, axes = new_figure(width, height)
    for k, (name, values) in enumerate(groups.items()):
        counts, _ = np.histogram(values[:, 0], edges)
        heights = counts if by is None else counts / max(1, len(values))
        colour, label = COLOURS[k % len(COLOURS)], f"{name} ({len(values):,})"
        axes.stairs(heights, edges, fill=True, color=colour, alpha=0.15 if by else 0.35)
        axes.stairs(heights, edges, color=colour, linewidth=1, linestyle=LINES[k % 4], label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(axis_label(feature, _unit(table, feature)))
    axes.set_ylabel("cells" if by is None else "share of cells")
    if by is not None:
        add_legend(axes, axis_label(by))
    return figure


def plot_scatter(
    table: pd.DataFrame,
    x: str,
    y: str,
    *,
    by: str | None = None,
    width: float = COLUMN,
    height: float = 70.0,
) -> "Figure":
    """One feature against another, a point per cell.

    Parameters
    ----------
    table : DataFrame
        A row per cell; units are in ``table.attrs["units"]``. Cells without both values are left out.
    x, y : str
        Columns.
    by : str, optional
        Column of groups, told apart by colour and marker.
    width, height : float
        Size, mm.

    Raises
    ------
    OptionError
        If a column is missing or has no numbers.
    """
    groups = _values(table, [x, y], by)
    figure, axes = new_figure(width, height)
    n = sum(map(len, groups.values()))
    size, alpha = (10.0, 0.7) if n <= 500 else (4.0, 0.5) if n <= 5000 else (1.5, 0.3)
    for k, (name, values) in enumerate(groups.items()):
        axes.scatter(
            values[:, 0],
            values[:, 1],
            s=size,
            alpha=alpha,
            color=COLOURS[k % len(COLOURS)],
            marker=MARKERS[k % len(MARKERS)],
            linewidths=0,
            rasterized=n > 500,
        )
        axes.scatter(
            [],
            [],
            s=14,
            color=COLOURS[k % len(COLOURS)],
            marker=MARKERS[k % len(MARKERS)],
            label=f"{name} ({len(values):,})",
        )
    axes.set_xlabel(axis_label(x, _unit(table, x)))
    axes.set_ylabel(axis_label(y, _unit(table, y)))
    if by is not None:
        add_legend(axes, axis_label(by))
    return figure


def _values(table: pd.DataFrame, features: list[str], by: str | None) -> dict[str, NDArray[np.float64]]:
    """Finite values (n, features) of each group."""
    for name in [*features, *([] if by is None else [by])]:
        if name not in table.columns:
            raise OptionError(f"The table has no column {name!r}.")
        if name != by and not pd.api.types.is_numeric_dtype(table[name]):
            raise OptionError(f"A feature must be a column of numbers; {name!r} is not.")
    values = np.stack([table[name].to_numpy(float, na_value=np.nan) for name in features], axis=1)
    usable = np.isfinite(values).all(axis=1)
    if by is None:
        return {"cells": values[usable]}
    rows = pd.Series(np.arange(len(table))).groupby(table[by].to_numpy(), observed=True, sort=True)
    return {str(name): values[own[usable[own]]] for name, own in ((k, v.to_numpy()) for k, v in rows)}


def _edges(values: NDArray[np.float64], bins: int | Sequence[float] | None) -> NDArray[np.float64]:
    if len(values) == 0:
        return np.array([0.0, 1.0])
    if bins is None:
        edges = np.histogram_bin_edges(values, "fd") if np.ptp(values) > 0 else np.zeros(2)
        bins = min(MOST_BINS, max(10, len(edges) - 1))
    return np.histogram_bin_edges(values, bins)


def _unit(table: pd.DataFrame, feature: str) -> str:
    return str(table.attrs.get("units", {}).get(feature, ""))
