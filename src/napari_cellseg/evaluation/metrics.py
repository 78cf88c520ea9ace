"""The metrics: name, formula over sums, definition, source. Reports and tables read them here."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.matching import THRESHOLDS
from napari_cellseg.evaluation.tallies import tp_key

Values = NDArray[np.float64]
Sums = Mapping[str, Any]
"""Sums of an image, a group or many resamples by name: numbers or arrays of one shape (see `Tally`)."""

Kind = Literal["objects", "mistakes", "outlines", "pixels", "pictures"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric.

    Attributes
    ----------
    name : str
        Column and key of the metric.
    kind : str
        What it is about.
    formula : callable
        From sums to the value; NaN for 0 / 0.
    definition : str
        The formula in words or signs, with what it gives in edge cases.
    source : str
        Where the definition comes from; empty for plain counts.
    better : "higher", "lower" or ""
        Which direction is good; empty where the metric only describes.
    is_count : bool
        Whether pooling adds it up rather than averages it.
    """

    name: str
    kind: Kind
    formula: Callable[[Sums], Values]
    definition: str
    source: str = ""
    better: Literal["higher", "lower", ""] = "higher"
    is_count: bool = False


def ratio(top: Any, bottom: Any) -> Values:
    """top / bottom; NaN where the bottom is 0."""
    over, under = np.broadcast_arrays(np.asarray(top, float), np.asarray(bottom, float))
    result: Values = np.divide(over, under, out=np.full(over.shape, np.nan), where=under != 0)
    return result


def ap_at(sums: Sums, key: str) -> Values:
    """TP / (TP + FP + FN) of the matches counted under a key."""
    return ratio(sums[key], sums["predicted_objects"] + sums["true_objects"] - sums[key])


def _mean_ap(sums: Sums) -> Values:
    return np.asarray(sum(ap_at(sums, tp_key(t)) for t in THRESHOLDS) / len(THRESHOLDS), float)


def _f1(sums: Sums) -> Values:
    return ratio(2 * sums["tp"], sums["predicted_objects"] + sums["true_objects"])


def _boundary_f(sums: Sums) -> Values:
    precision = ratio(sums["boundary_prediction_near"], sums["boundary_prediction"])
    recall = ratio(sums["boundary_truth_near"], sums["boundary_truth"])
    found = ratio(2 * precision * recall, precision + recall)
    nothing = sums["boundary_prediction"] + sums["boundary_truth"] == 0
    return np.where(nothing, np.nan, np.nan_to_num(found))


def _dice(sums: Sums) -> Values:
    return ratio(2 * sums["pixel_tp"], 2 * sums["pixel_tp"] + sums["pixel_fp"] + sums["pixel_fn"])


def _accuracy(sums: Sums) -> Values:
    right = sums["pixel_tp"] + sums["pixel_tn"]
    return ratio(right, right + sums["pixel_fp"] + sums["pixel_fn"])


def _count(key: str) -> Callable[[Sums], Values]:
    return lambda sums: np.asarray(sums[key], float)


def _share(top: str, *bottom: str) -> Callable[[Sums], Values]:
    return lambda sums: ratio(sums[top], sum(sums[key] for key in bottom))


_KUMAR = "Kumar et al. 2017, IEEE TMI 36: 1550"
_GRAHAM = "Graham et al. 2019, Med. Image Anal. 58: 101563"
_KIRILLOV = "Kirillov et al. 2019, CVPR"
_DSB = "Caicedo et al. 2019, Nat. Methods 16: 1247; Schmidt et al. 2018, MICCAI"
_MATULA = "majority rule of Matula et al. 2015, PLoS ONE 10: e0144959"
_CSURKA = "Csurka et al. 2013, BMVC; Perazzi et al. 2016, CVPR"
_HEIN = "Maier-Hein et al. 2024, Nat. Methods 21: 195"

OBJECT_METRICS = (
    Metric(
        "AP50", "objects", lambda s: ap_at(s, "tp_50"), "TP / (TP + FP + FN) with matches at IoU ≥ 0.50", _DSB
    ),
    Metric(
        "AP75", "objects", lambda s: ap_at(s, "tp_75"), "TP / (TP + FP + FN) with matches at IoU ≥ 0.75", _DSB
    ),
    Metric("AP50_95", "objects", _mean_ap, "mean of AP at IoU ≥ 0.50, 0.55, …, 0.95 (exact decimals)", _DSB),
    Metric("precision", "objects", _share("tp", "predicted_objects"), "TP / predicted objects"),
    Metric("recall", "objects", _share("tp", "true_objects"), "TP / true objects"),
    Metric("F1", "objects", _f1, "2 TP / (predicted + true objects)"),
    Metric(
        "PQ",
        "objects",
        lambda s: ratio(2 * s["iou_sum"], s["predicted_objects"] + s["true_objects"]),
        "summed IoU of the matches / (TP + FP/2 + FN/2) = SQ · DQ; 0 without a match",
        _KIRILLOV,
    ),
    Metric("SQ", "objects", _share("iou_sum", "tp"), "mean IoU of the matches", _KIRILLOV),
    Metric("DQ", "objects", _f1, "the same as F1", _KIRILLOV),
)
MORE_OBJECT_METRICS = (
    Metric(
        "AJI",
        "objects",
        _share("aji_shared", "aji_union"),
        "each true object with the prediction of highest IoU (of equal ones the larger): shared / united "
        "pixels, the union with every prediction that serves none",
        _KUMAR,
    ),
    Metric(
        "AJI_plus",
        "objects",
        _share("aji_plus_shared", "aji_plus_union"),
        "AJI with each prediction serving one true object, by the assignment of largest summed IoU",
        _GRAHAM,
    ),
    Metric(
        "true_objects", "objects", _count("true_objects"), "objects in the truth", better="", is_count=True
    ),
    Metric(
        "predicted_objects",
        "objects",
        _count("predicted_objects"),
        "objects in the prediction",
        better="",
        is_count=True,
    ),
    Metric("TP", "objects", _count("tp"), "matches", better="higher", is_count=True),
    Metric(
        "FP",
        "objects",
        lambda s: np.asarray(s["predicted_objects"] - s["tp"], float),
        "predicted objects without a match",
        better="lower",
        is_count=True,
    ),
    Metric(
        "FN",
        "objects",
        lambda s: np.asarray(s["true_objects"] - s["tp"], float),
        "true objects without a match",
        better="lower",
        is_count=True,
    ),
    Metric(
        "count_error",
        "objects",
        lambda s: np.asarray(s["predicted_objects"] - s["true_objects"], float),
        "predicted − true objects",
        better="",
        is_count=True,
    ),
    Metric(
        "count_error_absolute",
        "objects",
        _share("count_difference", "images"),
        "mean of |predicted − true objects| over images",
        better="lower",
    ),
)
MISTAKE_METRICS = (
    Metric(
        "missed",
        "mistakes",
        _count("missed"),
        "true objects without a match that are neither split nor merged",
        _MATULA,
        "lower",
        True,
    ),
    Metric(
        "invented",
        "mistakes",
        _count("invented"),
        "predicted objects without a match that are neither a piece nor a merger",
        _MATULA,
        "lower",
        True,
    ),
    Metric(
        "split",
        "mistakes",
        _count("split"),
        "true objects that hold more than half of each of two or more predictions",
        _MATULA,
        "lower",
        True,
    ),
    Metric(
        "merged",
        "mistakes",
        _count("merged"),
        "predictions that cover more than half of each of two or more true objects",
        _MATULA,
        "lower",
        True,
    ),
)
OUTLINE_METRICS = (
    Metric(
        "boundary_precision",
        "outlines",
        _share("boundary_prediction_near", "boundary_prediction"),
        "predicted boundary pixels within the tolerance (2 px unless given) of a true one / all",
        _CSURKA,
    ),
    Metric(
        "boundary_recall",
        "outlines",
        _share("boundary_truth_near", "boundary_truth"),
        "true boundary pixels within the tolerance of a predicted one / all",
        _CSURKA,
    ),
    Metric(
        "boundary_F",
        "outlines",
        _boundary_f,
        "harmonic mean of boundary precision and recall; 0 where one image has no boundary",
        _CSURKA,
    ),
    Metric(
        "Hausdorff",
        "outlines",
        _share("hausdorff_sum", "hausdorff_n"),
        "largest distance between the outlines of the two foregrounds; 0 where both are empty, infinite "
        "(left out of means) where one is",
        "Huttenlocher et al. 1993, IEEE TPAMI 15: 850",
        "lower",
    ),
    Metric(
        "HD95",
        "outlines",
        _share("hd95_sum", "hd95_n"),
        "the larger of the two directed 95th percentiles of those distances",
        _HEIN,
        "lower",
    ),
)
PIXEL_METRICS = (
    Metric(
        "Dice", "pixels", _dice, "2 TP / (2 TP + FP + FN) of foreground pixels", "Dice 1945, Ecology 26: 297"
    ),
    Metric(
        "IoU",
        "pixels",
        _share("pixel_tp", "pixel_tp", "pixel_fp", "pixel_fn"),
        "TP / (TP + FP + FN)",
        "Jaccard 1912, New Phytol. 11: 37",
    ),
    Metric("accuracy", "pixels", _accuracy, "(TP + TN) / all pixels"),
    Metric("pixel_precision", "pixels", _share("pixel_tp", "pixel_tp", "pixel_fp"), "TP / (TP + FP)"),
    Metric("pixel_recall", "pixels", _share("pixel_tp", "pixel_tp", "pixel_fn"), "TP / (TP + FN)"),
    Metric("pixel_F1", "pixels", _dice, "the same as Dice"),
    Metric(
        "pixel_TPR",
        "pixels",
        _share("pixel_tp", "pixel_tp", "pixel_fn"),
        "TP / (TP + FN), the same as recall",
    ),
    Metric(
        "pixel_FPR", "pixels", _share("pixel_fp", "pixel_fp", "pixel_tn"), "FP / (FP + TN)", better="lower"
    ),
    Metric(
        "pixel_FNR", "pixels", _share("pixel_fn", "pixel_tp", "pixel_fn"), "FN / (TP + FN)", better="lower"
    ),
    Metric("pixel_TNR", "pixels", _share("pixel_tn", "pixel_fp", "pixel_tn"), "TN / (FP + TN)"),
    Metric("pixel_TP", "pixels", _count("pixel_tp"), "pixels of both foregrounds", better="", is_count=True),
    Metric("pixel_FP", "pixels", _count("pixel_fp"), "of the predicted one only", "", "lower", True),
    Metric("pixel_FN", "pixels", _count("pixel_fn"), "of the true one only", "", "lower", True),
    Metric(
        "pixel_TN", "pixels", _count("pixel_tn"), "pixels of neither foreground", better="", is_count=True
    ),
    Metric(
        "SSIM",
        "pixels",
        _share("ssim_sum", "ssim_n"),
        "structural similarity of the two masks of 0 and 1: data range 1, 7 × 7 uniform window, mean over "
        "planes; NaN for planes below 7 pixels",
        "Wang et al. 2004, IEEE TIP 13: 600",
    ),
)
METRICS: tuple[Metric, ...] = (
    *OBJECT_METRICS,
    *MORE_OBJECT_METRICS,
    *MISTAKE_METRICS,
    *OUTLINE_METRICS,
    *PIXEL_METRICS,
)
"""Every metric that needs no confidence, in the order of the tables."""

_BY_NAME = {metric.name: metric for metric in METRICS}


def find_metric(name: str) -> Metric:
    """The metric of a name.

    Raises
    ------
    OptionError
        If there is none; the text names those there are.
    """
    if name not in _BY_NAME:
        raise OptionError(f"The metric must be one of {', '.join(_BY_NAME)}, not {name!r}.")
    return _BY_NAME[name]


def compute_metrics(sums: Sums, metrics: Iterable[Metric] = METRICS) -> dict[str, Values]:
    """Value of each metric.

    Parameters
    ----------
    sums : mapping
        Sums by name; arrays give arrays.
    metrics : iterable of Metric
        Those wanted.
    """
    return {metric.name: metric.formula(sums) for metric in metrics}
