"""What a plot shows of a measured layer: a point or a share of a bar for each row of its table."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.viewer.measured_layer import MeasuredLayer

GROUPED_BY = ("class", "status", "t", "z")
"""Columns that plots can be grouped by."""
MOST_GROUPS = 40
"""Groups that stand side by side."""
MOST_BINS = 80
JITTER = 0.35
"""How far points stray from the middle of their group at most."""


class PlotKind(Enum):
    """What a plot shows; the value is its title."""

    HISTOGRAM = "Histogram"
    SCATTER = "Scatter"
    GROUPS = "By group"


@dataclass(frozen=True, eq=False)
class PlotPoints:
    """Rows of a table as points.

    Attributes
    ----------
    kind : PlotKind
        What is shown.
    labels : (N,) ndarray of int64
        The cell of each point.
    x, y : (N,) ndarray of float
        Where it is; in a histogram y is 0.
    x_title, y_title : str
        Of the axes.
    columns : tuple of str
        What x and y are of; of grouped plots what y is of.
    groups : (N,) ndarray of int or None
        Number of its group.
    names : tuple of str
        Of the groups.
    by : str
        The column of the groups; empty where there are none.
    """

    kind: PlotKind
    labels: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    x_title: str
    y_title: str
    columns: tuple[str, ...]
    groups: NDArray[np.intp] | None = None
    names: tuple[str, ...] = field(default=())
    by: str = ""

    def labels_in_range(self, low: float, high: float) -> NDArray[np.int64]:
        """Cells with x from low to high."""
        return np.unique(self.labels[(self.x >= low) & (self.x <= high)])

    def labels_in_polygon(self, corners: NDArray[np.float64]) -> NDArray[np.int64]:
        """Cells in a polygon (K, 2) of x and y, which may cross itself."""
        from matplotlib.path import Path

        if len(corners) < 3:
            return np.zeros(0, np.int64)
        inside = Path(corners).contains_points(np.column_stack([self.x, self.y]))
        return np.unique(self.labels[inside])

    def of(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which points are of these cells."""
        return np.isin(self.labels, labels)


def plot_points(
    measured: MeasuredLayer, kind: PlotKind, x: str, y: str = "", by: str = "", here: bool = False
) -> PlotPoints:
    """Points for a plot.

    Parameters
    ----------
    measured : MeasuredLayer
        Whose cells.
    kind : PlotKind
        What to show.
    x, y : str
        Columns; y only for a scatter.
    by : str
        One of `GROUPED_BY`, or empty.
    here : bool
        Whether only cells of the shown plane are meant; else each cell has a point in every plane.

    Raises
    ------
    OptionError
        Where there are no groups to show, or too many.
    """
    table = measured.here if here else measured.table
    values = table[x].to_numpy(np.float64)
    labels = table["index"].to_numpy(np.int64)
    numbers, names = _groups(table, by)
    title = _title(measured, x)
    if kind is PlotKind.HISTOGRAM:
        return PlotPoints(
            kind,
            labels,
            values,
            np.zeros(len(table)),
            title,
            "cells" if numbers is None else "share of cells",
            (x,),
            numbers,
            names,
            by,
        )
    if kind is PlotKind.SCATTER:
        second = table[y].to_numpy(np.float64)
        return PlotPoints(
            kind, labels, values, second, title, _title(measured, y), (x, y), numbers, names, by
        )
    if numbers is None:
        raise OptionError("Choose what to group by: class, status or time.")
    places = numbers + _strayed(values, numbers, len(names))
    return PlotPoints(kind, labels, places, values, by, title, (x,), numbers, names, by)


def histogram(points: PlotPoints) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Edges (B + 1,) of the bars, and the number of each bar's cells; those without a value are left out."""
    finite = points.x[np.isfinite(points.x)]
    if not len(finite):
        return np.array([0.0, 1.0]), np.zeros(1, np.int64)
    edges = np.histogram_bin_edges(finite, bins="auto" if len(finite) < 50_000 else MOST_BINS)
    if len(edges) > MOST_BINS + 1:
        edges = np.linspace(edges[0], edges[-1], MOST_BINS + 1)
    return edges, np.histogram(finite, edges)[0]


def bar_heights(
    points: PlotPoints, edges: NDArray[np.float64], chosen: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Heights (G, B) of the bars of a histogram, one line for each group.

    Parameters
    ----------
    points : PlotPoints
        What is shown.
    edges : (B + 1,) ndarray of float
        Of the bars.
    chosen : (N,) ndarray of bool, optional
        Only these points count; None: all.

    Returns
    -------
    (G, B) ndarray of float
        Numbers of cells; with groups the share of the group's cells that have a value.
    """
    counted = np.isfinite(points.x)
    groups = np.zeros(len(points.x), np.intp) if points.groups is None else points.groups
    heights = np.zeros((max(1, len(points.names)), len(edges) - 1))
    for group, line in enumerate(heights):
        own = counted & (groups == group)
        line[:] = np.histogram(points.x[own if chosen is None else own & chosen], edges)[0]
        line /= 1 if points.groups is None else max(1, own.sum())
    return heights


def violin(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outline of a group: values (K,) and the half width, 0 to `JITTER`, at each."""
    finite = values[np.isfinite(values)]
    if len(finite) < 5 or finite.min() == finite.max():
        return np.zeros(0), np.zeros(0)
    low, high = np.percentile(finite, (0.5, 99.5))
    edges = np.linspace(low, high if high > low else low + 1, 61)
    counts = np.histogram(finite, edges)[0].astype(np.float64)
    kernel = np.exp(-0.5 * (np.arange(-9, 10) / 3) ** 2)
    width = np.convolve(counts, kernel, "same")
    return (edges[1:] + edges[:-1]) / 2, JITTER * width / max(width.max(), 1e-12)


def _groups(table: pd.DataFrame, by: str) -> tuple[NDArray[np.intp] | None, tuple[str, ...]]:
    if not by:
        return None, ()
    column = table[by]
    if by in ("t", "z"):
        numbers, found = pd.factorize(column, sort=True)
        names = [f"{by} {int(value)}" for value in found]
    else:
        numbers, found = pd.factorize(column.astype(object).where(column.notna(), "").astype(str), sort=True)
        names = [word or "none" for word in found]
    if len(names) > MOST_GROUPS:
        raise OptionError(
            f"There are {len(names):,} values of '{by}'; at most {MOST_GROUPS} groups can be shown."
        )
    return numbers.astype(np.intp), tuple(names)


def _strayed(values: NDArray[np.float64], numbers: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    """How far each point strays to the side, within the outline of its group; the same each time."""
    aside = np.random.default_rng(0).uniform(-1, 1, len(values))
    reach = np.full(len(values), JITTER / 3)
    for group in range(count):
        own = numbers == group
        at, width = violin(values[own])
        if len(at):
            reach[own] = np.interp(np.nan_to_num(values[own]), at, width)
    return aside * reach


def _title(measured: MeasuredLayer, column: str) -> str:
    unit = measured.units.get(column, "")
    return f"{column} ({unit})" if unit else column
