"""Compares the metrics of `evaluate` with other packages' on random label pairs.

    python benchmarks/agreement.py [PAIRS]

Uses those of stardist, cellpose, torchmetrics, MONAI and scikit-image that are installed. Thresholds
that are the exact IoU of some pair are left out of the comparison with stardist and cellpose, which round.
"""

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.util import find_spec

import numpy as np
from scipy import ndimage
from skimage.metrics import hausdorff_distance, structural_similarity
from skimage.segmentation import relabel_sequential

from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.evaluation.matching import THRESHOLDS, label_overlaps
from napari_cellseg.evaluation.results import Report

Values = Iterator[tuple[str, float, float]]
TOLERANCE = 1e-5
"""Relative; some packages compute in float32."""


def random_labels(rng: np.random.Generator) -> np.ndarray:
    """A label image of up to 25 touching boxes, 12 to 70 pixels wide and high."""
    labels = np.zeros(rng.integers(12, 70, 2), np.int32)
    for i in range(1, int(rng.integers(2, 26))):
        y, x = (int(rng.integers(0, n)) for n in labels.shape)
        h, w = rng.integers(2, 17, 2)
        labels[y : y + h, x : x + w] = i
    return relabel_sequential(labels)[0]


def disturbed(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same objects shifted, some lost, merged, cut in two, or invented."""
    other = np.roll(labels, rng.integers(-2, 3, 2), (0, 1))
    for i in range(1, labels.max() + 1):
        what = rng.integers(0, 8)
        if what == 0:
            other[other == i] = 0
        elif what == 1:
            other[other == i] = int(rng.integers(1, labels.max() + 1))
        elif what == 2:
            ys, xs = np.nonzero(other == i)
            if len(ys):
                half = ys > np.median(ys)
                other[ys[half], xs[half]] = other.max() + 1
    if rng.random() < 0.5:
        other[:3, :3] = other.max() + 1
    return relabel_sequential(other)[0]


def has_tie(prediction: np.ndarray, truth: np.ndarray, threshold: float) -> bool:
    """Whether some pair has this IoU exactly."""
    pairs, exact = label_overlaps(prediction, truth), Fraction(str(threshold))
    return bool((pairs.shared * exact.denominator == exact.numerator * pairs.unions).any())


def stardist_values(report: Report, prediction: np.ndarray, truth: np.ndarray) -> Values:
    """TP and AP at ten thresholds; precision, recall, F1 and PQ at 0.5."""
    from stardist.matching import matching

    for threshold, found, ap in zip(
        THRESHOLDS, matching(truth, prediction, THRESHOLDS), report.by_iou["AP"], strict=True
    ):
        if has_tie(prediction, truth, threshold):
            continue
        yield "stardist AP", ap, found.accuracy
        if threshold == 0.5:
            for name in ("precision", "recall", "f1", "panoptic_quality"):
                ours = {"f1": "F1", "panoptic_quality": "PQ"}.get(name, name)
                yield f"stardist {ours}", report.summary[ours], getattr(found, name)


def cellpose_values(report: Report, prediction: np.ndarray, truth: np.ndarray) -> Values:
    """AP at ten thresholds."""
    from cellpose.metrics import average_precision

    theirs = average_precision([truth], [prediction], list(THRESHOLDS))[0][0]
    for threshold, ours, other in zip(THRESHOLDS, report.by_iou["AP"], theirs, strict=True):
        if not has_tie(prediction, truth, threshold):
            yield "cellpose AP", ours, other


def torchmetrics_values(report: Report, prediction: np.ndarray, truth: np.ndarray) -> Values:
    """Six pixel metrics."""
    import torch
    import torchmetrics.functional.classification as functional

    pair = [torch.from_numpy((x > 0).astype(np.int64).ravel()) for x in (prediction, truth)]
    for name, function in {
        "IoU": functional.binary_jaccard_index,
        "Dice": functional.binary_f1_score,
        "accuracy": functional.binary_accuracy,
        "pixel_precision": functional.binary_precision,
        "pixel_recall": functional.binary_recall,
        "pixel_TNR": functional.binary_specificity,
    }.items():
        yield f"torchmetrics {name}", report.summary[name], float(function(*pair))


def outlines(prediction: np.ndarray, truth: np.ndarray) -> list[np.ndarray]:
    """Outlines of both foregrounds; empty where either has none."""
    masks = [prediction > 0, truth > 0]
    return [m & ~ndimage.binary_erosion(m) for m in masks] if all(m.any() for m in masks) else []


def skimage_values(report: Report, prediction: np.ndarray, truth: np.ndarray) -> Values:
    """SSIM of the masks and Hausdorff distance of their outlines."""
    masks = [(x > 0).astype(float) for x in (prediction, truth)]
    yield "scikit-image SSIM", report.summary["SSIM"], structural_similarity(*masks, data_range=1.0)
    if found := outlines(prediction, truth):
        yield "scikit-image Hausdorff", report.summary["Hausdorff"], hausdorff_distance(*found)


def monai_values(report: Report, prediction: np.ndarray, truth: np.ndarray) -> Values:
    """Hausdorff distance and its 95th percentile."""
    import torch
    from monai.metrics import compute_hausdorff_distance

    if outlines(prediction, truth):
        pair = [torch.from_numpy((x > 0)[None, None].astype(np.float32)) for x in (prediction, truth)]
        for name, percentile in (("Hausdorff", None), ("HD95", 95)):
            theirs = compute_hausdorff_distance(*pair, include_background=True, percentile=percentile)
            yield f"MONAI {name}", report.summary[name], float(theirs)


SECOND: dict[str, Callable[[Report, np.ndarray, np.ndarray], Values]] = {
    "stardist": stardist_values,
    "cellpose": cellpose_values,
    "torchmetrics": torchmetrics_values,
    "monai": monai_values,
    "skimage": skimage_values,
}


def main(pairs: int) -> None:
    """Compare on so many pairs and print a line per metric."""
    warnings.simplefilter("ignore")
    compared: Counter[str] = Counter()
    differ: Counter[str] = Counter()
    worst: Counter[str] = Counter()
    sources = [values for package, values in SECOND.items() if find_spec(package)]
    for seed in range(pairs):
        rng = np.random.default_rng(seed)
        truth = random_labels(rng)
        prediction = disturbed(truth, rng)
        report = evaluate(prediction, truth)
        for values in sources:
            for name, ours, theirs in values(report, prediction, truth):
                if np.isnan(ours) and (np.isnan(theirs) or theirs == 0):
                    continue
                gap = abs(ours - theirs)
                compared[name] += 1
                worst[name] = max(worst[name], gap)
                differ[name] += not gap <= TOLERANCE * max(1, abs(theirs))
    for name, count in compared.items():
        print(f"{name:28} {count:7,} compared, {differ[name]:3} differ, at most {worst[name]:.1e}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
