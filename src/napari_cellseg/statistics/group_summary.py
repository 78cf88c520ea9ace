"""A comparison of groups in one line, and its rows in a few words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg.statistics.group_words import number, p_words
from napari_cellseg.statistics.groups import GroupComparison

SIGNIFICANT = 0.05
"""Corrected p below which a feature is said to differ."""
SYMBOLS = {
    "Hedges' g": "g",
    "Cohen's dz": "dz",
    "Cohen's d": "d",
    "Cliff's delta": "δ",
    "eta squared": "η²",
    "epsilon squared of ranks": "ε²",
}
"""Effects in a letter, where there is little room."""


def group_sizes(
    cells: pd.DataFrame, groups: Sequence[str], by: str, replicates: str | None
) -> dict[str, tuple[int, int]]:
    """Number of replicates (0: not known) and of cells in each group.

    Parameters
    ----------
    cells : DataFrame
        `Design.cells`, `GroupComparison.cells`.
    groups : sequence of str
        Their names.
    by, replicates : str
        Columns of the groups and of the replicates.
    """
    found = {}
    for name in groups:
        own = cells[cells[by] == name]
        found[name] = (0 if replicates is None else int(own[replicates].nunique()), len(own))
    return found


def sizes_words(sizes: Mapping[str, tuple[int, int]]) -> str:
    """Sizes of groups, ``"control: 3 replicates, 120 cells; drug: 3 replicates, 118 cells"``."""
    return "; ".join(
        f"{name}: {_count(replicates, 'replicate') + ', ' if replicates else ''}{_count(cells, 'cell')}"
        for name, (replicates, cells) in sizes.items()
    )


def effect_words(row: Mapping[str, Any], digits: int = 3) -> str:
    """The effect of a row of a comparison with its interval, ``"g 1.2 [0.5, 1.9]"``; empty without one.

    Parameters
    ----------
    row : mapping
        A row of `GroupComparison.table`.
    digits : {2, 3}
        How many of each number are shown.
    """
    if not np.isfinite(row["effect_value"]):
        return ""
    value, low, high = (number(float(f"{row[f'effect_{e}']:.{digits}g}")) for e in ("value", "low", "high"))
    words = f"{SYMBOLS.get(row['effect'], row['effect'])} {value}"
    if np.isfinite(row["effect_low"]):
        words += f" [{low}, {high}]"
    return words


def result_line(comparison: GroupComparison) -> str:
    """The result in a line: how many features differ, which most clearly, and what that rests on.

    Parameters
    ----------
    comparison : GroupComparison
        From `compare_groups`.
    """
    settings = comparison.settings
    several = len(settings["groups"]) > 2
    rows = comparison.overall if several else comparison.pairs
    if several:
        title = f"{', '.join(settings['groups'][:-1])} and {settings['groups'][-1]}"
    else:
        title = f"{rows['second'].iloc[0]} against {rows['first'].iloc[0]}"
    return f"{title}: {_found(rows, settings['correction'])}; {_basis(comparison)}."


def _found(rows: pd.DataFrame, correction: str) -> str:
    tested = rows[rows["p_corrected"].notna()].sort_values(["p_corrected", "p"], kind="stable")
    if tested.empty:
        return f"no feature could be tested ({rows['why'].iloc[0]})"
    differ = int((tested["p_corrected"] < SIGNIFICANT).sum())
    threshold = f"{'p' if correction == 'none' else 'corrected p'} < {SIGNIFICANT}"
    if not differ:
        return f"no difference was shown in {_count(len(tested), 'feature')} ({threshold})"
    clearest = tested.iloc[0]
    effect = f"{clearest['effect']} {number(clearest['effect_value'])}"
    what = f"{clearest['feature']} ({effect}, {p_words(clearest['p_corrected'])})"
    if len(tested) == 1:
        return f"{what} differs"
    verb = "differs" if differ == 1 else "differ"
    return f"{differ:,} of {len(tested):,} features {verb} ({threshold}), most clearly {what}"


def _basis(comparison: GroupComparison) -> str:
    settings = comparison.settings
    sizes = group_sizes(comparison.cells, settings["groups"], settings["by"], settings["replicates"])
    cells = sum(n for _, n in sizes.values())
    if settings["replicates"] is None:
        return f"{_count(cells, 'cell')} taken as independent"
    found = [str(n) for n, _ in sizes.values()]
    n = f"{', '.join(found[:-1])} and {found[-1]}"
    paired = ", compared in pairs" if settings["paired"] else ""
    return f"n = {n} replicates{paired}, {_count(cells, 'cell')}"


def _count(n: int, what: str) -> str:
    return f"{n:,} {what if n == 1 else what + 's'}"
