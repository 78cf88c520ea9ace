"""How much an object needs a person's eyes, and why, in words."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Values = NDArray[np.float64]

USUAL = 2.0
"""Robust z-score up to which a size or shape is nothing special in its image."""
STRANGE = 6.0
"""Robust z-score from which it could not be stranger."""
LEAST_SIZE, LEAST_SHAPE = 0.15, 0.03
"""Spread of the logarithm of the area, and of roundness, that is usual in any image."""
FEWEST = 8
"""Objects that an image must have before any of them can be odd among them."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One reason for doubt.

    Attributes
    ----------
    column : str
        Column of the table that it is read from.
    weight : float
        Doubt that it can cause by itself, 0 to 1.
    strength : callable
        From the column's values to how much each object shows it, 0 to 1; NaN shows nothing.
    words : callable
        What is said of one value.
    """

    column: str
    weight: float
    strength: Callable[[Values], Values]
    words: Callable[[float, float], str]


def robust_z(values: Values, least: float) -> Values:
    """Distance from the median in robust standard deviations (1.4826 times the median absolute deviation).

    Parameters
    ----------
    values : (N,) ndarray of float
        One per object.
    least : float
        Standard deviation that is assumed at least, so that nothing is odd among objects nearly alike.

    Returns
    -------
    (N,) ndarray of float
        All 0 where there are fewer than `FEWEST` finite values.
    """
    finite = values[np.isfinite(values)]
    if len(finite) < FEWEST:
        return np.zeros_like(values)
    centre = np.median(finite)
    spread = max(least, float(1.4826 * np.median(np.abs(finite - centre))))
    return np.asarray((values - centre) / spread)


def _oddness(z: Values) -> Values:
    return np.clip((z - USUAL) / (STRANGE - USUAL), 0, 1)


def _odd_size(areas: Values) -> Values:
    return _oddness(np.abs(robust_z(np.log(np.maximum(areas, 1)), LEAST_SIZE)))


def _odd_shape(values: Values) -> Values:
    return _oddness(-robust_z(values, LEAST_SHAPE))


def _size_words(area: float, median: float) -> str:
    if area >= median:
        return f"{area / median:.1f} times the usual size"
    return f"only {100 * area / median:.0f} % of the usual size"


GROUNDS = (
    Ground("confidence", 1.0, lambda c: 1 - np.clip(c, 0, 1), lambda c, _: f"confidence {c:.2f}"),
    Ground("disagreement", 0.6, lambda d: np.clip(d, 0, 1), lambda d, _: f"the networks disagree ({d:.2f})"),
    Ground("area", 0.3, _odd_size, _size_words),
    Ground("roundness", 0.3, _odd_shape, lambda v, m: f"odd outline (roundness {v:.2f}, usually {m:.2f})"),
    Ground("solidity", 0.3, _odd_shape, lambda v, m: f"dented (solidity {v:.2f}, usually {m:.2f})"),
    Ground("contact", 0.2, lambda c: c, lambda c, _: f"touches others along {100 * c:.0f} % of its outline"),
    Ground("seam", 0.1, lambda s: s, lambda *_: "where two tiles of the segmentation met"),
    Ground("border", 0.05, lambda b: b, lambda *_: "cut by the border of the image"),
)
"""What makes an object doubtful, each by itself; together they leave the product of what each leaves.

The weights were chosen on half of the images of ``benchmarks/doubt.py``: simulated ones and three real sets.
"""
_WORTH_SAYING = 0.05


def doubt(table: pd.DataFrame) -> pd.DataFrame:
    """Doubt in each object of one image.

    Every ground leaves 1 − weight · strength of the trust in an object; doubt is 1 minus the product of what
    they leave. Sizes and shapes are odd by comparison with the other objects of the table.

    Parameters
    ----------
    table : DataFrame
        A row per object: ``index``, and of these the columns that there are: ``confidence`` (calibrated, so
        that it is the share of such objects that are right; NaN where none is known), ``disagreement`` (of
        the members of an ensemble, 0 to 1), ``area``, ``roundness``, ``solidity`` and ``contact`` (0 to 1),
        ``seam`` and ``border`` (bool).

    Returns
    -------
    DataFrame
        A row per row of the table: ``index``, ``doubt`` (0 to 1), and ``reason``, words such as
        ``"confidence 0.31; 3.1 times the usual size"``, the strongest first, empty where there is none.
    """
    grounds = [g for g in GROUNDS if g.column in table]
    trust = np.ones(len(table))
    causes = np.zeros((len(grounds), len(table)))
    for row, ground in enumerate(grounds):
        values = table[ground.column].to_numpy(float)
        causes[row] = ground.weight * np.nan_to_num(ground.strength(values))
        trust *= 1 - causes[row]
    reasons = _reasons(table, grounds, causes)
    return pd.DataFrame({"index": table["index"].to_numpy(), "doubt": 1 - trust, "reason": reasons})


def _reasons(table: pd.DataFrame, grounds: list[Ground], causes: Values) -> list[str]:
    columns = [table[g.column].to_numpy(float) for g in grounds]
    medians = [float(np.nanmedian(c)) if np.isfinite(c).any() else np.nan for c in columns]
    order = np.argsort(-causes, axis=0, kind="stable").T.tolist()
    result = []
    for number, ranked in enumerate(order):
        said = [k for k in ranked if causes[k, number] >= _WORTH_SAYING]
        words = [grounds[k].words(float(columns[k][number]), medians[k]) for k in said]
        result.append("; ".join(words))
    return result
