"""Cells are not replicates: averages per replicate, and intervals that know which cells belong together."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.statistics.resampling import Interval, percentile_interval, resampling_weights

Values = NDArray[np.float64]
Average: TypeAlias = Literal["mean", "median"]
"""How the cells of a replicate are averaged."""

FEWEST = 5
"""Replicates per group below which resampling them says too little for an interval."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupValues:
    """One feature of one group.

    Attributes
    ----------
    name : str
        Of the group.
    cells : (n,) ndarray of float64
        Finite values, one per cell.
    left_out : int
        Cells of the group whose value is not finite.
    replicated : bool
        Whether it is known which replicate each cell belongs to; where not, the following are empty.
    of : (n,) ndarray of int64
        Position in `averages` of the replicate of each cell.
    replicates : (r,) ndarray of int64
        Codes of the replicates, increasing.
    averages : (r,) ndarray of float64
        Mean or median of each replicate.
    """

    name: str
    cells: Values
    left_out: int
    replicated: bool
    of: NDArray[np.int64]
    replicates: NDArray[np.int64]
    averages: Values

    @property
    def tested(self) -> Values:
        """What a test runs over: averages of replicates where they are known, else cells."""
        return self.averages if self.replicated else self.cells

    def within(self, replicates: NDArray[np.int64]) -> "GroupValues":
        """The part of the group that belongs to some of its replicates.

        Parameters
        ----------
        replicates : (s,) ndarray of int64
            Codes, increasing, each one of the group's own.
        """
        kept = np.isin(self.replicates, replicates)
        place = np.cumsum(kept) - 1
        inside = kept[self.of]
        return GroupValues(
            self.name,
            self.cells[inside],
            self.left_out,
            True,
            place[self.of[inside]].astype(np.int64),
            self.replicates[kept],
            self.averages[kept],
        )


def group_values(
    name: str, values: Values, replicates: NDArray[np.int64] | None, average: Average = "mean"
) -> GroupValues:
    """Values of one group, and their average per replicate.

    Parameters
    ----------
    name : str
        Of the group.
    values : (n,) ndarray of float64
        A value per cell; those that are not finite are counted and left out.
    replicates : (n,) ndarray of int64, optional
        Code of the replicate of each cell.
    average : {"mean", "median"}
        How the cells of a replicate are averaged.
    """
    usable = np.isfinite(values)
    cells, left_out = values[usable], int((~usable).sum())
    if replicates is None:
        unknown = np.zeros(0, np.int64)
        return GroupValues(name, cells, left_out, False, unknown, unknown, np.zeros(0))
    codes, of = np.unique(replicates[usable], return_inverse=True)
    grouped = pd.Series(cells).groupby(of)
    low, high = grouped.min().to_numpy(), grouped.max().to_numpy()
    averages = grouped.agg(average).to_numpy(float).clip(low, high)  # rounding must not spread equal values
    return GroupValues(name, cells, left_out, True, of.astype(np.int64), codes.astype(np.int64), averages)


@dataclass(frozen=True, slots=True)
class ClusteredIntervals:
    """Intervals of effects among cells, from resampling whole replicates.

    Attributes
    ----------
    d, delta : Interval
        Of Cohen's d and of Cliff's delta; NaN where a group has fewer than 5 replicates.
    """

    d: Interval
    delta: Interval


def clustered_intervals(
    first: GroupValues,
    second: GroupValues,
    *,
    paired: bool = False,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> ClusteredIntervals:
    """How far the effects among cells would move, had other replicates been taken.

    Parameters
    ----------
    first, second : GroupValues
        Two groups whose replicates are known.
    paired : bool
        Whether both have the same replicates in the same order, which are then drawn together.
    level : float
        Level of the intervals.
    resamples, seed : int
        See `resampling_weights`.

    Returns
    -------
    ClusteredIntervals
        Percentiles over resamples of replicates, each with all its cells (cluster bootstrap; Field & Welsh
        2007).
    """
    n, m = len(first.averages), len(second.averages)
    if min(n, m) < FEWEST:
        nothing = Interval(np.nan, np.nan, level)
        return ClusteredIntervals(nothing, nothing)
    weights = resampling_weights(n, resamples, seed)
    others = weights if paired else resampling_weights(m, resamples, seed + 1)
    centre = float(np.concatenate([first.cells, second.cells]).mean())
    a, b = (weights @ _sums(first, centre), others @ _sums(second, centre))
    inner = sum(s[:, 2] - s[:, 1] ** 2 / s[:, 0] for s in (a, b))
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = np.sqrt(np.maximum(inner, 0) / (a[:, 0] + b[:, 0] - 2))
        d = (b[:, 1] / b[:, 0] - a[:, 1] / a[:, 0]) / pooled
    delta = ((weights @ _dominance(first, second)) * others).sum(1) / (a[:, 0] * b[:, 0])
    return ClusteredIntervals(percentile_interval(d, level), percentile_interval(delta, level))


def _sums(group: GroupValues, centre: float) -> Values:
    """Count, sum and sum of squares of each replicate's cells, (r, 3)."""
    shifted = group.cells - centre
    r = len(group.averages)
    columns = [np.bincount(group.of, w, r) for w in (np.ones(len(shifted)), shifted, shifted**2)]
    return np.stack(columns, axis=1)


def _dominance(first: GroupValues, second: GroupValues) -> Values:
    """Pairs of cells of two replicates with the second larger, less those with it smaller, (r, s)."""
    if len(first.averages) > len(second.averages):
        return -_dominance(second, first).T
    r, s = len(first.averages), len(second.averages)
    order = np.argsort(second.cells)
    cells, of = second.cells[order], second.of[order]
    result = np.empty((r, s))
    for k in range(r):
        ordered = np.sort(first.cells[first.of == k])
        below = np.searchsorted(ordered, cells, side="left")
        up_to = np.searchsorted(ordered, cells, side="right")
        result[k] = np.bincount(of, below + up_to - len(ordered), s)
    return result
