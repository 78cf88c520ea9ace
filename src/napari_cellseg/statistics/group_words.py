"""A comparison of groups in sentences."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg.statistics.group_design import Design
from napari_cellseg.statistics.replicates import FEWEST

FEW = 3
"""Replicates per group below which a test can hardly find anything."""


def number(value: float) -> str:
    """A number with three digits, without an exponent where it can be read without."""
    if not np.isfinite(value):
        return {np.inf: "∞", -np.inf: "−∞"}.get(value, "undefined")
    if abs(value) >= 1e6 or 0 < abs(value) < 1e-4:
        text = f"{value:.2e}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−")


def p_words(p: float, name: str = "p") -> str:
    """A p-value, ``"p = 0.021"``."""
    if not np.isfinite(p):
        return f"no {name}"
    return f"{name} < 0.001" if p < 0.001 else f"{name} = {p:.2g}" if p < 0.1 else f"{name} = {p:.2f}"


def row_words(row: Mapping[str, Any], design: Design) -> str:
    """What a row of a comparison says.

    Parameters
    ----------
    row : mapping
        A row of `GroupComparison.table`.
    design : Design
        What was compared.
    """
    return f"{_difference(row, design)} {_test(row)}"


def warnings_of(design: Design) -> tuple[str, ...]:
    """What a reader of the comparison must know."""
    settings, found = design.settings, design.replicates_per_group()
    words = [f"{n:,} rows took no part: {why}." for why, n in design.left_out.items() if n]
    if settings.replicates is None:
        sizes = design.cells[settings.by].value_counts(sort=False)
        counts = ", ".join(f"{name}: {n:,}" for name, n in sizes.items())
        words.append(
            f"Cells were taken as independent replicates ({counts}). Cells of one image, well or animal are "
            "alike, so p is too small and intervals are too narrow: name the column that tells independent "
            "replicates apart. Number of independent replicates: not given."
        )
        return tuple(words)
    counts = ", ".join(f"{name}: {len(own)}" for name, own in found.items())
    if min(map(len, found.values())) < FEW:
        words.append(f"There are few independent replicates ({counts}); three or more per group say more.")
    shared = sorted(set.union(*map(set, found.values())) & _repeated(found))
    if shared and not settings.paired:
        named = ", ".join(shared[:3]) + (", …" if len(shared) > 3 else "")
        words.append(
            f"Some values of {settings.replicates!r} are in more than one group ({named}) and were taken as "
            "different replicates. If they are the same image, well, animal or day, compare paired."
        )
    if min(map(len, found.values())) < FEWEST:
        words.append(f"Effects among cells have no interval: it needs {FEWEST} replicates per group.")
    return tuple(words)


def _repeated(found: Mapping[str, list[str]]) -> set[str]:
    every = [name for own in found.values() for name in own]
    return {name for name in every if every.count(name) > 1}


def _difference(row: Mapping[str, Any], design: Design) -> str:
    unit = f" {row['unit']}" if row["unit"] else ""
    if pd.isna(row["first"]):
        size = f", {row['effect']} {number(row['effect_value'])}" if np.isfinite(row["effect_value"]) else ""
        return f"{row['feature']} in {row['groups']} ({_counts(row, '')}){size}."
    if not row["n_first"] or not row["n_second"]:
        empty = [row[name] for name in ("first", "second") if not row[f"n_{name}"]]
        return f"{row['feature']}: no values in {' and '.join(empty)}."
    sides = [
        f"{number(row[f'mean_{k}'])} ± {number(row[f'sd_{k}'])}{unit} in {row[k]} ({_counts(row, f'_{k}')})"
        for k in ("second", "first")
    ]
    what = (
        "mean ± sd of cells"
        if row["level"] == "cells"
        else f"mean ± sd of replicates' {design.settings.average}s"
    )
    size = f"{row['effect']} {number(row['effect_value'])}{_interval(row, design)}"
    if row["level"] == "replicates":
        name = "cliffs_delta" if row["effect"] == "Cliff's delta" else "hedges_g"
        among = "Cliff's delta" if name == "cliffs_delta" else "Hedges' g"
        size += f" among replicates; {among} {number(row[f'cells_{name}'])} among cells"
    return f"{row['feature']}: {sides[0]} against {sides[1]}, {what}; {size}."


def _counts(row: Mapping[str, Any], side: str) -> str:
    cells = int(row[f"n_cells{side}"])
    words = f"{cells:,} {'cell' if cells == 1 else 'cells'}"
    if row["level"] == "cells":
        return words
    n = int(row[f"n_replicates{side}"])
    return f"n = {n} {'replicate' if n == 1 else 'replicates'}, {words}"


def _interval(row: Mapping[str, Any], design: Design) -> str:
    if not np.isfinite(row["effect_low"]):
        return ""
    level = f"{design.settings.level:.0%}".replace("%", " %")
    return f" ({level} interval {number(row['effect_low'])} to {number(row['effect_high'])})"


def _test(row: Mapping[str, Any]) -> str:
    if not row["test"]:
        return f"No test: {row['why']}."
    df = f" ({row['df']})" if row["df"] else ""
    p = f"{p_words(row['p'])}, corrected {p_words(row['p_corrected'])}"
    return f"{row['test']}{df} = {number(row['statistic'])}, {p}, because {row['why']}."
