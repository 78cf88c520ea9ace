"""Histogram, scatter plot and violins of features, with or without groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.features.figures import (
    COLOURS,
    COLUMN,
    COLUMNS,
    MARKERS,
    add_legend,
    add_note,
    axis_label,
    new_figure,
)
from napari_cellseg.features.group_plots import spread_sideways, value_density

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows: TypeAlias = NDArray[np.bool_]

MOST_BINS = 100
LINES = ("-", "--", ":", "-.")


def plot_histogram(
    table: pd.DataFrame,
    feature: str,
    *,
    by: str | None = None,
    bins: int | Sequence[float] | None = None,
    selected: Rows | None = None,
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
    selected : (n,) ndarray of bool, optional
        Rows whose part of each bar is outlined in black.
    width, height : float
        Size, mm.

    Raises
    ------
    OptionError
        If a column is missing or has no numbers.
    """
    groups = _values(table, [feature], by, selected)
    every = np.concatenate([np.zeros(0), *(cells.values[:, 0] for cells in groups.values())])
    edges = _edges(every, bins)
    figure, axes = new_figure(width, height)
    for k, (name, cells) in enumerate(groups.items()):
        values, share = cells.values, 1 if by is None else max(1, len(cells.values))
        heights = np.histogram(values[:, 0], edges)[0] / share
        colour, label = COLOURS[k % len(COLOURS)], f"{name} ({len(values):,})"
        axes.stairs(heights, edges, fill=True, color=colour, alpha=0.15 if by else 0.35)
        axes.stairs(heights, edges, color=colour, linewidth=1, linestyle=LINES[k % 4], label=label)
        if cells.selected.any():
            part = np.histogram(values[cells.selected, 0], edges)[0] / share
            axes.stairs(part, edges, fill=True, color=colour, alpha=0.6)
            axes.stairs(part, edges, baseline=None, color="black", linewidth=0.8, linestyle=LINES[k % 4])
    axes.set_ylim(bottom=0)
    _note_selected(figure, groups)
    axes.set_xlabel(axis_label(feature, _unit(table, feature)))
    axes.set_ylabel("cells" if by is None else "share of cells")
    if by is not None and groups:
        add_legend(axes, axis_label(by))
    return figure


def plot_scatter(
    table: pd.DataFrame,
    x: str,
    y: str,
    *,
    by: str | None = None,
    selected: Rows | None = None,
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
    selected : (n,) ndarray of bool, optional
        Rows whose points are ringed in black.
    width, height : float
        Size, mm.

    Raises
    ------
    OptionError
        If a column is missing or has no numbers.
    """
    groups = _values(table, [x, y], by, selected)
    figure, axes = new_figure(width, height)
    size, alpha = _point_look(sum(len(cells.values) for cells in groups.values()))
    for k, (name, cells) in enumerate(groups.items()):
        (first, second), n = cells.values.T, len(cells.values)
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        axes.scatter(
            first,
            second,
            s=size,
            alpha=alpha,
            color=colour,
            marker=marker,
            linewidths=0,
            rasterized=n > 500,
        )
        axes.scatter([], [], s=14, color=colour, marker=marker, label=f"{name} ({n:,})")
        _ring(axes, first[cells.selected], second[cells.selected], size, marker)
    _note_selected(figure, groups)
    axes.set_xlabel(axis_label(x, _unit(table, x)))
    axes.set_ylabel(axis_label(y, _unit(table, y)))
    if by is not None and groups:
        add_legend(axes, axis_label(by))
    return figure


def plot_by_group(
    table: pd.DataFrame,
    feature: str,
    by: str,
    *,
    kind: Literal["violin", "box"] = "violin",
    selected: Rows | None = None,
    width: float | None = None,
    height: float = 70.0,
) -> "Figure":
    """One feature by group: a violin or box with quartiles, and a point per cell.

    Parameters
    ----------
    table : DataFrame
        A row per cell; units are in ``table.attrs["units"]``. Values that are not finite are left out.
    feature : str
        Column.
    by : str
        Column of groups, side by side in their order.
    kind : {"violin", "box"}
        The density of the cells around a narrow box of the quartiles, or a wide box with whiskers to 1.5 ×
        their range.
    selected : (n,) ndarray of bool, optional
        Rows whose points are ringed in black.
    width, height : float
        Size, mm; None: one column of a journal (85 mm) up to six groups, else two (174 mm).

    Raises
    ------
    OptionError
        If a column is missing or has no numbers, or the kind is another one.

    Notes
    -----
    It shows cells, and tests nothing; `plot_groups` shows a comparison over independent replicates.
    """
    if kind not in ("violin", "box"):
        raise OptionError(f"kind must be violin or box, not {kind!r}.")
    groups = _values(table, [feature], by, selected)
    figure, axes = new_figure(width or (COLUMN if len(groups) <= 6 else COLUMNS), height)
    size, alpha = _point_look(sum(len(cells.values) for cells in groups.values()))
    for place, cells in enumerate(groups.values()):
        values, colour = cells.values[:, 0], COLOURS[place % len(COLOURS)]
        if not len(values):
            continue
        if kind == "violin":
            _draw_violin(axes, place, values)
        x = place + spread_sideways(values)
        axes.scatter(
            x, values, s=size / 2, color=colour, alpha=alpha, linewidths=0, rasterized=len(values) > 200
        )
        _draw_box(axes, place, values, wide=kind == "box")
        _ring(axes, x[cells.selected], values[cells.selected], size / 2, "o")
    names = [f"{name}\n{len(cells.values):,}" for name, cells in groups.items()]
    crowded = sum(map(len, groups)) > 60
    axes.set_xticks(
        range(len(groups)), names, rotation=35 if crowded else 0, ha="right" if crowded else "center"
    )
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_xlabel(f"{axis_label(by)}, number of cells")
    axes.set_ylabel(axis_label(feature, _unit(table, feature)))
    _note_selected(figure, groups)
    return figure


@dataclass(frozen=True)
class _Cells:
    """Finite values (n, features) of a group, and which are selected (n,)."""

    values: NDArray[np.float64]
    selected: Rows


def _draw_violin(axes: "Axes", place: int, values: NDArray[np.float64]) -> None:
    grid, density = value_density(values)
    if grid is not None:
        ends = (place - 0.45 * density, place + 0.45 * density)
        axes.fill_betweenx(grid, *ends, facecolor="0.93", edgecolor="0.7", linewidth=0.5, zorder=0)


def _draw_box(axes: "Axes", place: int, values: NDArray[np.float64], wide: bool) -> None:
    thin = {"linewidth": 0.7, "color": "black"}
    axes.boxplot(
        values,
        positions=[place],
        widths=0.7 if wide else 0.14,
        whis=1.5 if wide else 0.0,
        showcaps=wide,
        showfliers=False,
        boxprops=thin,
        whiskerprops=thin,
        capprops=thin,
        medianprops=thin | {"linewidth": 1.4},
        zorder=3,
        manage_ticks=False,
    )


def _ring(axes: "Axes", x: NDArray[np.float64], y: NDArray[np.float64], size: float, marker: str) -> None:
    if len(x):
        axes.scatter(
            x, y, s=max(size, 4.0) * 1.6, marker=marker, facecolors="none", edgecolors="black",
            linewidths=0.6, zorder=4, rasterized=len(x) > 500,
        )  # fmt: skip


def _note_selected(figure: "Figure", groups: dict[str, _Cells]) -> None:
    chosen = sum(int(cells.selected.sum()) for cells in groups.values())
    if chosen:
        of = sum(len(cells.values) for cells in groups.values())
        add_note(figure, f"black outline: {chosen:,} selected of {of:,} cells")


def _are_long(groups: dict[str, _Cells]) -> bool:
    """Whether the names have no room side by side."""
    return sum(map(len, groups)) > (50 if len(groups) <= 6 else 100)


def _point_look(n: int) -> tuple[float, float]:
    """Size and opacity of so many points."""
    return (10.0, 0.7) if n <= 500 else (4.0, 0.5) if n <= 5000 else (1.5, 0.3)


def _values(
    table: pd.DataFrame, features: list[str], by: str | None, selected: Rows | None
) -> dict[str, _Cells]:
    """The cells of each group."""
    for name in [*features, *([] if by is None else [by])]:
        if name not in table.columns:
            raise OptionError(f"The table has no column {name!r}.")
        if name in features and not pd.api.types.is_numeric_dtype(table[name]):
            raise OptionError(f"A feature must be a column of numbers; {name!r} is not.")
    chosen = np.zeros(len(table), bool) if selected is None else np.asarray(selected, bool)
    if len(chosen) != len(table):
        raise OptionError(f"selected must be a truth for each of the {len(table)} rows, not {len(chosen)}.")
    values = np.stack([table[name].to_numpy(float, na_value=np.nan) for name in features], axis=1)
    usable = np.isfinite(values).all(axis=1)
    if by is None:
        return {"cells": _Cells(values[usable], chosen[usable])}
    known = table[by].reset_index(drop=True)
    rows = pd.Series(np.arange(len(table))).groupby(known, observed=True, sort=True)
    own = {str(name): part.to_numpy()[usable[part.to_numpy()]] for name, part in rows}
    return {name: _Cells(values[part], chosen[part]) for name, part in own.items()}


def _edges(values: NDArray[np.float64], bins: int | Sequence[float] | None) -> NDArray[np.float64]:
    if len(values) == 0:
        return np.array([0.0, 1.0])
    if bins is None:
        edges = np.histogram_bin_edges(values, "fd") if np.ptp(values) > 0 else np.zeros(2)
        bins = min(MOST_BINS, max(10, len(edges) - 1))
    return np.histogram_bin_edges(values, bins)


def _unit(table: pd.DataFrame, feature: str) -> str:
    return str(table.attrs.get("units", {}).get(feature, ""))
