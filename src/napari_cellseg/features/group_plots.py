"""Plots of compared groups: the SuperPlot of one feature, and the effects of all."""

from itertools import pairwise
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from napari_cellseg.errors import OptionError
from napari_cellseg.features.figures import (
    COLOURS,
    COLUMN,
    COLUMNS,
    MARKERS,
    SMALL,
    TEXT,
    add_note,
    axis_label,
    new_figure,
)
from napari_cellseg.statistics.group_words import number, p_words
from napari_cellseg.statistics.groups import GroupComparison
from napari_cellseg.statistics.replicates import GroupValues, group_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = NDArray[np.float64]

MOST_POINTS = 1000
"""Cells of a group that are drawn as points; of more, so many at random."""
MOST_BRACKETS = 3
"""Pairs up to which each is written over its groups."""
EFFECTS = {"cohens_d": "Cohen's d", "hedges_g": "Hedges' g", "cliffs_delta": "Cliff's delta"}
_HALF = 0.36


def plot_groups(
    comparison: GroupComparison,
    feature: str,
    *,
    kind: Literal["violin", "box"] = "violin",
    width: float | None = None,
    height: float = 75.0,
) -> "Figure":
    """A feature in each group: cells, their distribution, replicates, effect and p.

    Parameters
    ----------
    comparison : GroupComparison
        From `compare_groups`.
    feature : str
        One of its features.
    kind : {"violin", "box"}
        How the distribution of the cells is drawn: its density, or quartiles with whiskers to 1.5 × their
        range.
    width, height : float
        Size, mm; None: one column of a journal (85 mm) up to four groups, else two (174 mm).

    Returns
    -------
    Figure
        A SuperPlot (Lord et al., J Cell Biol 2020): small points are cells, large ones the averages of
        replicates, each replicate in its colour and marker; the black line is mean ± sd of the replicates,
        or, where they are unknown, of the cells, which is written under it.

    Raises
    ------
    OptionError
        If the feature was not compared.
    """
    if feature not in comparison.settings["features"]:
        raise OptionError(
            f"feature must be one of {', '.join(comparison.settings['features'])}, not {feature!r}."
        )
    rows = comparison.table[comparison.table["feature"] == feature]
    groups = _groups(comparison, feature)
    figure, axes = new_figure(width or (COLUMN if len(groups) <= 4 else COLUMNS), height)
    for place, group in enumerate(groups):
        _draw_group(axes, place, group, kind, named=_shared_replicates(groups))
    if comparison.settings["paired"]:
        _join_pairs(axes, groups)
    axes.set_xticks(range(len(groups)), [_tick(group, len(groups)) for group in groups])
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_ylabel(axis_label(feature, rows["unit"].iloc[0]))
    _write_tests(axes, rows, [group.name for group in groups])
    add_note(figure, _note(comparison, groups))
    return figure


def plot_effects(
    comparison: GroupComparison,
    *,
    pair: tuple[str, str] | None = None,
    effect: Literal["hedges_g", "cohens_d", "cliffs_delta"] = "hedges_g",
    width: float = COLUMN,
    height: float | None = None,
) -> "Figure":
    """The effect of every feature with its interval, the largest on top.

    Parameters
    ----------
    comparison : GroupComparison
        From `compare_groups`.
    pair : (str, str), optional
        First and second group; None: the first pair.
    effect : {"hedges_g", "cohens_d", "cliffs_delta"}
        Which, among replicates where these are known, else among cells.
    width, height : float
        Size, mm; None: a line per feature.

    Returns
    -------
    Figure
        Filled points have a corrected p below 0.05. Features without a finite effect are left out.

    Raises
    ------
    OptionError
        If there is no such pair or effect.
    """
    pairs = comparison.pairs
    if effect not in EFFECTS:
        raise OptionError(f"effect must be one of {', '.join(EFFECTS)}, not {effect!r}.")
    first, second = pair or (pairs["first"].iloc[0], pairs["second"].iloc[0])
    rows = pairs[(pairs["first"] == first) & (pairs["second"] == second)]
    if rows.empty:
        raise OptionError(f"{first!r} and {second!r} were not compared in this order.")
    level = str(rows["level"].iloc[0])
    column = f"{level}_{effect}"
    rows = rows[np.isfinite(rows[column])].sort_values(column, ignore_index=True)
    figure, axes = new_figure(width, height or 25 + 4.5 * max(2, len(rows)))
    axes.axvline(0, color="0.7", linewidth=0.8, zorder=0)
    for place, row in rows.iterrows():
        found = row["p_corrected"] < 0.05
        colour = COLOURS[0] if found else "0.45"
        axes.plot([row[f"{column}_low"], row[f"{column}_high"]], [place, place], color=colour, linewidth=1)
        axes.plot(row[column], place, "o", color=colour, markerfacecolor=colour if found else "white", ms=4)
    axes.set_yticks(range(len(rows)), [axis_label(name) for name in rows["feature"]])
    axes.set_ylim(-0.7, max(1, len(rows)) - 0.3)
    interval = f"{comparison.settings['level']:.0%}".replace("%", " %")
    axes.set_xlabel(f"{EFFECTS[effect]} among {level},\n{interval} interval")
    axes.set_title(fill(f"{second} against {first}", 34), fontsize=TEXT + 1)
    if rows.empty:
        axes.text(
            0.5, 0.5, "no feature could be compared", transform=axes.transAxes, ha="center", fontsize=TEXT
        )
    add_note(figure, "filled: corrected p < 0.05")
    return figure


def spread_sideways(values: Values, half: float = _HALF) -> Values:
    """Offsets that keep points apart without overlapping their neighbours' group: wider where there are more.

    Parameters
    ----------
    values : (n,) ndarray
        Heights of the points.
    half : float
        Largest offset.

    Returns
    -------
    (n,) ndarray
        Offsets −half to half, the same for the same values.
    """
    if len(values) < 2:
        return np.zeros(len(values))
    grid, density = value_density(values)
    local = np.ones(len(values)) if grid is None else np.interp(values, grid, density)
    offsets: Values = np.random.default_rng(0).uniform(-half, half, len(values))
    return offsets * local * min(1.0, len(values) / 30)


def _groups(comparison: GroupComparison, feature: str) -> list[GroupValues]:
    settings, cells = comparison.settings, comparison.cells
    found = []
    for name in settings["groups"]:
        own = cells[cells[settings["by"]] == name]
        which = None
        if settings["replicates"] is not None:
            names = sorted(cells[settings["replicates"]].unique())
            which = np.searchsorted(names, own[settings["replicates"]]).astype(np.int64)
        found.append(group_values(name, own[feature].to_numpy(), which, settings["average"]))
    return found


def _shared_replicates(groups: list[GroupValues]) -> bool:
    """Whether replicates of several groups have the same names, and so the same colours."""
    codes = np.concatenate([group.replicates for group in groups])
    return len(np.unique(codes)) < len(codes)


def _draw_group(axes: "Axes", place: int, group: GroupValues, kind: str, named: bool) -> None:
    if len(group.cells) == 0:
        return
    if kind == "violin":
        grid, density = value_density(group.cells)
        if grid is not None:
            axes.fill_betweenx(
                grid, place - 0.45 * density, place + 0.45 * density, color="0.92", linewidth=0, zorder=0
            )
    _draw_cells(axes, place, group, named)
    if kind == "box":
        thin = {"linewidth": 0.7, "color": "0.25"}
        axes.boxplot(
            group.cells,
            positions=[place],
            widths=0.8,
            showfliers=False,
            boxprops=thin,
            whiskerprops=thin,
            capprops=thin,
            medianprops=thin | {"linewidth": 1.2},
            zorder=2,
            manage_ticks=False,
        )
    _draw_mean(axes, place, group.tested)
    for k, average in enumerate(group.averages):
        colour, marker = _look(group, k, named)
        axes.plot(
            place + _beside(k, len(group.averages)),
            average,
            marker,
            color=colour,
            markeredgecolor="black",
            markeredgewidth=0.6,
            markersize=5,
            zorder=4,
        )


def _draw_cells(axes: "Axes", place: int, group: GroupValues, named: bool) -> None:
    chosen = np.arange(len(group.cells))
    if len(chosen) > MOST_POINTS:
        chosen = np.random.default_rng(0).choice(chosen, MOST_POINTS, replace=False)
    cells = group.cells[chosen]
    x = place + spread_sideways(cells)
    size = 5.0 if len(cells) <= 100 else 2.5
    parts = group.of[chosen] if group.replicated else np.zeros(len(cells), int)
    for k in np.unique(parts):
        colour = _look(group, k, named)[0] if group.replicated else COLOURS[place % len(COLOURS)]
        own = parts == k
        axes.scatter(
            x[own], cells[own], s=size, color=colour, alpha=0.6, linewidths=0, rasterized=len(cells) > 200
        )


def _look(group: GroupValues, k: int, named: bool) -> tuple[str, str]:
    """Colour and marker of a replicate: by name where groups share them, else by its place in the group."""
    code = int(group.replicates[k]) if named else k
    return COLOURS[code % len(COLOURS)], MARKERS[(code + code // len(COLOURS)) % len(MARKERS)]


def _beside(k: int, n: int) -> float:
    """Places replicates beside each other, alternating."""
    return 0.0 if n == 1 else 0.22 * (2 * k / (n - 1) - 1)


def _draw_mean(axes: "Axes", place: int, values: Values) -> None:
    mean = values.mean()
    axes.plot([place - 0.3, place + 0.3], [mean, mean], color="black", linewidth=1.2, zorder=3)
    if len(values) > 1:
        axes.errorbar(place, mean, yerr=values.std(ddof=1), color="black", linewidth=0.9, capsize=3, zorder=3)


def _join_pairs(axes: "Axes", groups: list[GroupValues]) -> None:
    """Lines between the averages of one replicate in neighbouring groups."""
    for place, neighbours in enumerate(pairwise(groups)):
        first, second = neighbours
        for code in np.intersect1d(first.replicates, second.replicates):
            k = [int(np.searchsorted(group.replicates, code)) for group in neighbours]
            x = [place + at + _beside(k[at], len(group.averages)) for at, group in enumerate(neighbours)]
            y = [group.averages[k[at]] for at, group in enumerate(neighbours)]
            axes.plot(x, y, color="0.3", linewidth=0.6, zorder=3)


def value_density(values: Values) -> tuple[Values | None, Values]:
    """Heights, and the density of the values there as a share of its peak; None without spread.

    Parameters
    ----------
    values : (n,) ndarray
        Of one group; of more than 5000 a regular part is looked at.
    """
    if len(values) < 3 or np.ptp(values) == 0:
        return None, np.zeros(0)
    sample = values[:: -(-len(values) // 5000)]
    if np.ptp(sample) == 0:
        return None, np.zeros(0)
    grid = np.linspace(values.min(), values.max(), 100)
    density = stats.gaussian_kde(sample)(grid)
    return grid, density / density.max()


def _tick(group: GroupValues, groups: int) -> str:
    lines = [fill(group.name, max(8, (50 if groups <= 4 else 100) // groups))]
    if group.replicated:
        lines.append(f"n = {len(group.averages)}")
    n = len(group.cells)
    return "\n".join([*lines, f"{n:,} {'cell' if n == 1 else 'cells'}"])


def _write_tests(axes: "Axes", rows: pd.DataFrame, names: list[str]) -> None:
    """Brackets with p and effect over few pairs; of many groups the test of all, on top."""
    pairs = rows[rows["first"].notna()]
    if len(pairs) > MOST_BRACKETS:
        axes.set_title(_test_words(rows.iloc[0]), fontsize=SMALL)
        return
    low, high = axes.get_ylim()
    step = 0.12 * (high - low)
    for k, row in enumerate(pairs.to_dict("records")):
        ends = sorted(names.index(row[side]) for side in ("first", "second"))
        y = high + k * step
        tip = y - 0.15 * step
        axes.plot([ends[0], ends[0], ends[1], ends[1]], [tip, y, y, tip], color="black", linewidth=0.6)
        axes.annotate(
            _test_words(row),
            (sum(ends) / 2, y),
            xytext=(0, 1.5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=SMALL,
        )
    axes.set_ylim(low, high + (len(pairs) - 0.5) * step)
    axes.spines["left"].set_bounds(low, high)
    axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= high])


def _test_words(row: Any) -> str:
    if not row["test"]:
        return "no test"
    size = f"{row['effect']} {number(row['effect_value'])}"
    if np.isfinite(row["effect_low"]):
        size += f" [{number(row['effect_low'])}, {number(row['effect_high'])}]"
    return f"{p_words(row['p_corrected'])}, {size}"


def _note(comparison: GroupComparison, groups: list[GroupValues]) -> str:
    settings = comparison.settings
    if settings["replicates"] is None:
        words = "line: mean ± sd of cells, which were taken as independent replicates"
    else:
        words = f"large: {settings['average']} of a replicate; line: mean ± sd of replicates"
    if settings["correction"] != "none":
        words += "; p corrected"
    if max(len(group.cells) for group in groups) > MOST_POINTS:
        words += f"\nof more cells {MOST_POINTS:,} per group are drawn"
    return words
