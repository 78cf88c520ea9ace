"""Table 6 of the bright-field paper, and what probability and disagreement of an ensemble are worth."""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_cellseg.evaluation.results import BaselineComparison, Report
from napari_cellseg.models.card import DISAGREEMENT

FOREGROUND = "foreground"
"""Name of the map with the probability of a cell."""

MAPS = (FOREGROUND, DISAGREEMENT)
"""Maps whose values are described, where a model gives them."""

OUTCOMES = {
    "TP": "cell, found",
    "FP": "background, taken for a cell",
    "FN": "cell, missed",
    "TN": "background, left out",
}
"""What pixels turned out to be."""

BINS = 1000
"""Bins between 0 and 1 in which values are counted to rank them."""


class MapTally:
    """Values of a model's maps by what its pixels turned out to be, added up image by image.

    Parameters
    ----------
    maps : sequence of str
        Maps that are given with each image.
    """

    def __init__(self, maps: tuple[str, ...]) -> None:
        self.maps = maps
        self._sums = {(m, o): np.zeros(3) for m in maps for o in OUTCOMES}
        self._ranks = {m: np.zeros((2, BINS)) for m in maps}

    def add(self, found: ArrayLike, truth: ArrayLike, values: dict[str, Any]) -> None:
        """Add an image.

        Parameters
        ----------
        found, truth : (Y, X) array-like of int
            Labels; 0 is background.
        values : dict of str to (Y, X) ndarray
            Each of the maps, 0 to 1, at the scale of the image.
        """
        positive, true = np.asarray(found) > 0, np.asarray(truth) > 0
        masks = {
            "TP": positive & true,
            "FP": positive & ~true,
            "FN": ~positive & true,
            "TN": ~positive & ~true,
        }
        wrong = positive != true
        for name in self.maps:
            map_ = np.asarray(values[name], np.float64)
            for outcome, mask in masks.items():
                chosen = map_[mask]
                self._sums[name, outcome] += (chosen.size, chosen.sum(), np.square(chosen).sum())
            doubt = 1 - np.abs(2 * map_ - 1) if name == FOREGROUND else map_
            for row, mask in enumerate((~wrong, wrong)):
                self._ranks[name][row] += np.histogram(doubt[mask], BINS, (0, 1))[0]

    def table(self) -> pd.DataFrame:
        """A row per map and outcome (``all`` last): pixels, mean and standard deviation of the map.

        ``tells_errors``, in the rows ``all``, is the chance that a wrong pixel is more doubtful than a right
        one (area under the ROC curve): 0.5 tells nothing, 1 all. The doubt of a probability p is
        1 − \\|2 p − 1\\|, that of a disagreement the disagreement itself.
        """
        rows = []
        for name in self.maps:
            parts = {outcome: self._sums[name, outcome] for outcome in OUTCOMES}
            for outcome, sums in {**parts, "all": np.sum(list(parts.values()), axis=0)}.items():
                row = {"map": name, "pixels are": outcome, **_moments(*sums.tolist())}
                rows.append(row | {"tells_errors": math.nan})
            rows[-1]["tells_errors"] = area_under_roc(*self._ranks[name])
        columns = ["map", "pixels are", "pixels", "mean", "sd", "tells_errors"]
        return pd.DataFrame(rows, columns=columns)


def _moments(n: float, total: float, squares: float) -> dict[str, float]:
    """Number, mean and standard deviation (n − 1) from sums."""
    mean = total / n if n else math.nan
    sd = math.sqrt(max(0.0, squares - n * mean**2) / (n - 1)) if n > 1 else math.nan
    return {"pixels": int(n), "mean": mean, "sd": sd}


def area_under_roc(negative: NDArray[np.float64], positive: NDArray[np.float64]) -> float:
    """Chance that a positive case is in a higher bin than a negative one; half of that where both are in one.

    Parameters
    ----------
    negative, positive : (B,) ndarray
        Cases in each bin, the bins in rising order.

    Returns
    -------
    float
        NaN where there are no cases of one kind. Hanley & McNeil 1982, Radiology 143: 29.
    """
    pairs = float(negative.sum() * positive.sum())
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs) if pairs else math.nan


def baseline_row(report: Report, baseline: float, metric: str = "Dice") -> dict[str, Any]:
    """Table 6 in numbers: a metric of the images against a baseline.

    Parameters
    ----------
    report : Report
        Evaluation of a model.
    baseline : float
        What the mean is compared with; 0.75 in the paper.
    metric : str
        Of the images; the paper's F1 is that of pixels, which is Dice.

    Returns
    -------
    dict
        ``n``, ``mean``, ``sd`` and ``low`` to ``high``, the mean's 95 % interval; ``t`` and two-sided ``p``
        of the one-sample t-test, ``confidence`` (one-sided) that the mean of all such images is above the
        baseline; Cohen's ``d``; ``reached``, the share of images at or above the baseline, with the 95 %
        credible interval ``reached_low`` to ``reached_high`` (Beta distribution, uniform prior).
    """
    found = report.against_baseline(baseline, metric)
    test, success = found.test, found.success
    return {
        "metric": metric,
        "baseline": baseline,
        "n": test.n,
        "mean": test.mean,
        "sd": test.std,
        "low": test.interval.low,
        "high": test.interval.high,
        "confidence": one_sided_confidence(found),
        "t": test.t,
        "p": test.p,
        "d": test.d,
        "reached": success.rate,
        "reached_low": success.interval.low,
        "reached_high": success.interval.high,
    }


def one_sided_confidence(found: BaselineComparison) -> float:
    """Confidence that the mean is above the baseline: 1 − p / 2 where it is, p / 2 where it is below."""
    test = found.test
    return 1 - test.p / 2 if test.t > 0 else test.p / 2


def reliability_table(report: Report) -> pd.DataFrame:
    """Confidence of found objects, bin by bin, beside the share that is right (IoU ≥ 0.5); empty without."""
    columns = ["objects", "confidence", "right", "low", "high"]
    found = report.reliability
    if found is None or not len(found.counts):
        return pd.DataFrame(columns=columns)
    values = (found.counts, found.confidence, found.correct, found.low, found.high)
    return pd.DataFrame(dict(zip(columns, values, strict=True)))
