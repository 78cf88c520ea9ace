"""What is counted in one image, all of it sums, so that images, groups and resamples pool by adding."""

from collections.abc import Sequence

import numpy as np

from napari_cellseg.evaluation.assignment import best_assignment
from napari_cellseg.evaluation.boundaries import boundary_counts
from napari_cellseg.evaluation.masks import mask_ssim, outline_distances
from napari_cellseg.evaluation.matching import THRESHOLDS, Matching, match_overlaps
from napari_cellseg.evaluation.mistakes import Mistakes
from napari_cellseg.evaluation.overlaps import Overlaps
from napari_cellseg.evaluation.pairs import LabelPair

Tally = dict[str, float]
"""Sums of one image by name."""


TIE = 1e-6
"""What the published code of AJI+ adds to the union, by which the larger of two equal IoUs is taken."""


def tp_key(threshold: float) -> str:
    """Name under which the matches at a threshold are counted, for example ``"tp_50"``."""
    return f"tp_{round(100 * threshold)}"


def object_tally(overlaps: Overlaps, matching: Matching) -> Tally:
    """Objects, and matches at the chosen threshold and at each of `THRESHOLDS`."""
    tally: Tally = {
        "true_objects": len(overlaps.truth),
        "predicted_objects": len(overlaps.prediction),
        "tp": len(matching.truth),
        "iou_sum": float(matching.iou.sum()),
    }
    for threshold in THRESHOLDS:
        tally[tp_key(threshold)] = len(match_overlaps(overlaps, threshold).truth)
    return tally


def jaccard_tally(overlaps: Overlaps) -> Tally:
    """Shared and united pixels of the aggregated Jaccard index, in both forms.

    Notes
    -----
    AJI (Kumar et al. 2017): each true object with the prediction of the highest IoU, which may serve several;
    predictions that serve none join the union. AJI+ (Graham et al. 2019): each prediction serves one, in the
    assignment with the largest summed IoU. Of equal IoUs the larger overlap is taken, as their published
    code does.
    """
    order = np.lexsort((overlaps.rows, -overlaps.shared, -overlaps.iou, overlaps.columns))
    _, first = np.unique(overlaps.columns[order], return_index=True)
    chosen = order[first]
    weights = overlaps.shared / (overlaps.unions + TIE)
    plus = best_assignment(overlaps.rows, overlaps.columns, weights)
    tally: Tally = {}
    for name, pairs in (("aji", chosen), ("aji_plus", plus)):
        rest_truth = np.delete(overlaps.truth_areas, overlaps.columns[pairs]).sum()
        rest_prediction = np.delete(overlaps.prediction_areas, overlaps.rows[pairs]).sum()
        tally[f"{name}_shared"] = float(overlaps.shared[pairs].sum())
        tally[f"{name}_union"] = float(overlaps.unions[pairs].sum() + rest_truth + rest_prediction)
    return tally


def pixel_tally(pair: LabelPair) -> Tally:
    """True and false pixels of the foreground."""
    overlaps = pair.overlaps
    both = int(overlaps.shared.sum())
    predicted, true = int(overlaps.prediction_areas.sum()), int(overlaps.truth_areas.sum())
    return {
        "pixel_tp": both,
        "pixel_fp": predicted - both,
        "pixel_fn": true - both,
        "pixel_tn": pair.truth.numbers.size - predicted - true + both,
    }


def picture_tally(pair: LabelPair, spacing: Sequence[float] | None, tolerance: float) -> Tally:
    """Boundary pixels found, structural similarity and outline distances, the last where finite."""
    boundary = boundary_counts(pair.prediction, pair.truth, tolerance)
    prediction, truth = pair.prediction.numbers > 0, pair.truth.numbers > 0
    distances = outline_distances(prediction, truth, spacing)
    tally: Tally = {
        "boundary_prediction": boundary.prediction,
        "boundary_truth": boundary.truth,
        "boundary_prediction_near": boundary.prediction_near,
        "boundary_truth_near": boundary.truth_near,
    }
    tally["outline_missing"] = float(distances.hausdorff == np.inf)
    values = {"ssim": mask_ssim(prediction, truth), "hausdorff": distances.hausdorff, "hd95": distances.hd95}
    for name, value in values.items():
        finite = bool(np.isfinite(value))
        tally[f"{name}_sum"], tally[f"{name}_n"] = (value, 1) if finite else (0.0, 0)
    return tally


def mistake_tally(mistakes: Mistakes) -> Tally:
    """Mistakes of each kind."""
    return {
        "missed": len(mistakes.missed),
        "invented": len(mistakes.invented),
        "split": len(mistakes.splits),
        "merged": len(mistakes.merges),
    }


def image_tally(
    pair: LabelPair,
    matching: Matching,
    mistakes: Mistakes,
    *,
    spacing: Sequence[float] | None = None,
    boundary_tolerance: float = 2.0,
) -> Tally:
    """All sums of one image.

    Parameters
    ----------
    pair : LabelPair
        Prediction and truth.
    matching : Matching
        Matches at the chosen threshold.
    mistakes : Mistakes
        Mistakes of the image.
    spacing : sequence of float, optional
        Size of a pixel along each axis.
    boundary_tolerance : float
        Distance in pixels up to which a boundary pixel counts as found.
    """
    objects = object_tally(pair.overlaps, matching)
    difference = abs(objects["predicted_objects"] - objects["true_objects"])
    return {
        "images": 1,
        **objects,
        "count_difference": difference,
        **jaccard_tally(pair.overlaps),
        **mistake_tally(mistakes),
        **pixel_tally(pair),
        **picture_tally(pair, spacing, boundary_tolerance),
    }
