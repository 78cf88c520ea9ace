"""The rows of a comparison of groups: one per feature and pair, and one for all groups."""

from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from napari_cellseg.statistics.effects import (
    Effect,
    bias_correction,
    cliffs_delta,
    cohens_d,
    cohens_dz,
    explained_share,
)
from napari_cellseg.statistics.group_design import Design, Settings
from napari_cellseg.statistics.group_tests import (
    Choice,
    GroupTest,
    choose_family,
    compare_blocks,
    compare_pairs,
    compare_samples,
)
from napari_cellseg.statistics.replicates import GroupValues, Values, clustered_intervals
from napari_cellseg.statistics.resampling import Interval
from napari_cellseg.statistics.summaries import summarise

Row = dict[str, Any]

COLUMNS = (
    *("feature", "unit", "groups", "first", "second", "level", "n_cells", "n_replicates"),
    *(
        f"{name}_{side}"
        for side in ("first", "second")
        for name in ("n_cells", "n_replicates", "n", "mean", "sd", "median")
    ),
    *("difference", "difference_low", "difference_high"),
    *("effect", "effect_value", "effect_low", "effect_high"),
    *(
        f"{level}_{name}{end}"
        for level in ("cells", "replicates")
        for name in ("cohens_d", "hedges_g", "cliffs_delta")
        for end in ("", "_low", "_high")
    ),
    *("test", "statistic", "df", "p", "p_corrected", "why", "words"),
)
"""Columns of a comparison, in order."""


def description(feature: str, unit: str, group: GroupValues) -> Row:
    """How a feature is distributed in a group, over cells and over replicates."""
    row: Row = {"feature": feature, "unit": unit, "group": group.name}
    row |= {"n_cells": len(group.cells), "left_out": group.left_out, "n_replicates": len(group.averages)}
    for name, sample in (("cells", group.cells), ("replicates", group.averages)):
        found = summarise(sample)
        row |= {f"{name}_mean": found.mean, f"{name}_sd": found.std, f"{name}_median": found.median}
    return row


def comparison_rows(feature: str, values: list[GroupValues], design: Design) -> list[Row]:
    """Rows of one feature: all groups, where there are more than two, then pairs.

    Parameters
    ----------
    feature : str
        Its column.
    values : list of GroupValues
        Its values in each group of the design.
    design : Design
        What is compared, and how.
    """
    settings = design.settings
    level = "cells" if settings.replicates is None else "replicates"
    start = {"feature": feature, "unit": design.units[feature], "level": level}
    choice = _choice([group.tested for group in values if len(group.tested)], settings)
    rows = [start | _overall_row(values, choice, settings)] if len(values) > 2 else []
    rows += [start | _pair_row(*pair, choice, settings) for pair in _pairs(values, settings.control)]
    return rows


def _choice(samples: list[Values], settings: Settings) -> Choice:
    if settings.test == "auto":
        return choose_family(samples)
    return Choice(settings.test, "it was asked for")


def _pairs(values: list[GroupValues], control: str | None) -> list[tuple[GroupValues, GroupValues]]:
    if control is None:
        return list(combinations(values, 2))
    (base,) = (group for group in values if group.name == control)
    return [(base, group) for group in values if group is not base]


def _overall_row(values: list[GroupValues], choice: Choice, settings: Settings) -> Row:
    if settings.paired:
        values = _in_common(values)
    samples = [group.tested for group in values]
    test = compare_blocks(samples) if settings.paired else compare_samples(samples, choice, fewest=3)
    of_ranks = settings.paired or choice.family == "ranks"
    effect = explained_share(samples, of_ranks=of_ranks, level=settings.level)
    if settings.paired:
        effect = _without_interval(effect)
    row: Row = {"groups": ", ".join(group.name for group in values), "first": None, "second": None}
    return row | _counts(values, settings) | _effect_columns("effect", effect) | _test_columns(test)


def _pair_row(first: GroupValues, second: GroupValues, choice: Choice, settings: Settings) -> Row:
    if settings.paired:
        first, second = _in_common([first, second])
        choice = _choice([second.tested - first.tested], settings)
        test = compare_pairs(first.tested, second.tested, choice)
    else:
        test = compare_samples([first.tested, second.tested], choice)
    row: Row = {"groups": f"{first.name}, {second.name}", "first": first.name, "second": second.name}
    row |= _counts([first, second], settings) | _side("first", first) | _side("second", second)
    row |= _mean_difference(first.tested, second.tested, settings)
    effects = _effects(first, second, settings)
    row |= _effect_columns("effect", _main_effect(first, second, choice, settings, effects))
    for name, effect in effects.items():
        row |= {name: effect.value, f"{name}_low": effect.interval.low, f"{name}_high": effect.interval.high}
    return row | _test_columns(test)


def _in_common(values: list[GroupValues]) -> list[GroupValues]:
    """The groups with only those replicates that all of them have."""
    common = values[0].replicates
    for group in values[1:]:
        common = np.intersect1d(common, group.replicates)
    return [group.within(common) for group in values]


def _counts(values: list[GroupValues], settings: Settings) -> Row:
    sizes = [len(group.averages) for group in values]
    return {
        "n_cells": sum(len(group.cells) for group in values),
        "n_replicates": sizes[0] if settings.paired else sum(sizes),
    }


def _side(side: str, group: GroupValues) -> Row:
    found = summarise(group.tested)
    return {
        f"n_cells_{side}": len(group.cells),
        f"n_replicates_{side}": len(group.averages),
        f"n_{side}": found.n,
        f"mean_{side}": found.mean,
        f"sd_{side}": found.std,
        f"median_{side}": found.median,
    }


def _mean_difference(a: Values, b: Values, settings: Settings) -> Row:
    low = high = np.nan
    if min(len(a), len(b)) > 1 and (np.ptp(a) > 0 or np.ptp(b) > 0):
        if not settings.paired:
            found = stats.ttest_ind(b, a, equal_var=False)
            low, high = found.confidence_interval(settings.level)
        elif np.ptp(b - a) > 0:
            low, high = stats.ttest_rel(b, a).confidence_interval(settings.level)
    difference = float(b.mean() - a.mean()) if len(a) and len(b) else np.nan
    return {"difference": difference, "difference_low": float(low), "difference_high": float(high)}


def _effects(first: GroupValues, second: GroupValues, settings: Settings) -> dict[str, Effect]:
    """Cohen's d, Hedges' g and Cliff's delta among cells and among replicates, by column."""
    level = settings.level
    found: dict[str, Effect] = {}
    pairs = {"cells": (first.cells, second.cells), "replicates": (first.averages, second.averages)}
    for at, (a, b) in pairs.items():
        d, delta = cohens_d(a, b, level=level), cliffs_delta(a, b, level=level)
        if at == "cells" and first.replicated:
            clustered = clustered_intervals(
                first,
                second,
                paired=settings.paired,
                level=level,
                resamples=settings.resamples,
                seed=settings.seed,
            )
            d = Effect(d.name, d.value, clustered.d, d.note)
            delta = Effect(delta.name, delta.value, clustered.delta, delta.note)
        elif settings.paired:
            d, delta = _without_interval(d), _without_interval(delta)
        found |= {f"{at}_cohens_d": d, f"{at}_hedges_g": _unbiased(d, len(a) + len(b) - 2)}
        found[f"{at}_cliffs_delta"] = delta
    return found


def _unbiased(d: Effect, df: int) -> Effect:
    factor = bias_correction(df)
    interval = Interval(d.interval.low * factor, d.interval.high * factor, d.interval.level)
    return Effect("Hedges' g", d.value * factor, interval, d.note)


def _main_effect(
    first: GroupValues, second: GroupValues, choice: Choice, settings: Settings, effects: dict[str, Effect]
) -> Effect:
    if settings.paired and choice.family == "means":
        return cohens_dz(second.tested - first.tested, level=settings.level)
    at = "replicates" if first.replicated else "cells"
    return effects[f"{at}_hedges_g" if choice.family == "means" else f"{at}_cliffs_delta"]


def _without_interval(effect: Effect) -> Effect:
    nothing = Interval(np.nan, np.nan, effect.interval.level)
    return Effect(effect.name, effect.value, nothing, effect.note)


def _effect_columns(name: str, effect: Effect) -> Row:
    ends = {f"{name}_low": effect.interval.low, f"{name}_high": effect.interval.high}
    return {name: effect.name, f"{name}_value": effect.value} | ends


def _test_columns(test: GroupTest) -> Row:
    df = ", ".join(f"{n:.4g}" for n in test.df)
    return {
        "test": test.name,
        "statistic": test.statistic,
        "df": f"df = {df}" if df else "",
        "p": test.p,
        "why": test.why,
    }
