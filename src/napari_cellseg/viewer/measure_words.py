"""What was measured, in words and in a few numbers."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from napari_cellseg.statistics.summaries import summarise
from napari_cellseg.viewer.measure_run import MeasureRequest


@dataclass(frozen=True)
class Card:
    """One feature of many cells, as the dock shows it.

    Attributes
    ----------
    n : int
        Cells with a value.
    left_out : int
        Cells without one.
    mean, median, low, high : str
        Formatted; the mean with ± its standard deviation and the unit; *low* and *high* are the extremes.
    """

    n: int
    left_out: int
    mean: str
    median: str
    low: str
    high: str


def number_words(value: float) -> str:
    """A number with three digits that count, and thousands set apart."""
    if not math.isfinite(value):
        return "–"
    if value != 0 and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.2e}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{decimals}f}"


def with_unit(value: float, unit: str) -> str:
    """A number and its unit."""
    return f"{number_words(value)} {unit}".rstrip()


def card(values: ArrayLike, unit: str) -> Card:
    """Number, mean, standard deviation, median and extremes of a feature."""
    found = summarise(values)
    every = np.asarray(values, np.float64).ravel()
    finite = every[np.isfinite(every)]
    low, high = (finite.min(), finite.max()) if len(finite) else (np.nan, np.nan)
    return Card(
        found.n,
        found.left_out,
        f"{number_words(found.mean)} ± {with_unit(found.std, unit)}",
        number_words(found.median),
        number_words(float(low)),
        number_words(float(high)),
    )


def confluence(table: pd.DataFrame, request: MeasureRequest) -> float:
    """Share of the image that cells cover, or fill; NaN where their area was not measured."""
    return float(table["area"].sum()) / request.area if "area" in table else np.nan


def result_line(table: pd.DataFrame, units: dict[str, str], request: MeasureRequest) -> str:
    """The result in a line, such as ``412 cells, mean area 132 µm², confluence 61 %``."""
    cells = table["index"].nunique()
    parts = [f"{cells:,} {'cell' if cells == 1 else 'cells'}"]
    if len(table) > cells:
        parts[0] += f" ({len(table):,} rows: some are in several planes)"
    if "area" in table and len(table):
        name = "volume" if request.choices.volume else "area"
        parts.append(f"mean {name} {with_unit(float(table['area'].mean()), units.get('area', ''))}")
    share = confluence(table, request)
    if math.isfinite(share):
        parts.append(f"{'filled' if request.choices.volume else 'confluence'} {100 * share:.3g} %")
    return ", ".join(parts)
