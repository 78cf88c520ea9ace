"""Boundaries, structural similarity and distances against scikit-image and scipy."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage.metrics import hausdorff_distance, structural_similarity
from skimage.segmentation import find_boundaries

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.boundaries import boundary_counts, outlines
from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.evaluation.masks import mask_ssim, outline_distances
from napari_cellseg.evaluation.numbering import number_labels

Pairs = Callable[..., tuple[NDArray[np.int32], NDArray[np.int32]]]


@pytest.mark.parametrize("seed", range(12))
def test_ssim_is_scikit_images(seed: int, random_pair: Pairs) -> None:
    prediction, truth = (a > 0 for a in random_pair(seed, (21 + seed, 33)))
    expected = structural_similarity(prediction.astype(float), truth.astype(float), data_range=1.0)
    assert mask_ssim(prediction, truth) == pytest.approx(expected, abs=1e-12)


def test_ssim_knows_that_an_empty_mask_is_wrong() -> None:
    truth = np.zeros((64, 64), bool)
    truth[10:40, 10:50] = True
    empty = np.zeros_like(truth)
    assert structural_similarity(empty.astype(np.uint8), truth.astype(np.uint8)) > 0.95
    assert mask_ssim(empty, truth) < 0.75
    assert np.isnan(mask_ssim(empty[:6], truth[:6]))


@pytest.mark.parametrize("shape", [(30, 31), (6, 17, 18)])
@pytest.mark.parametrize("seed", range(6))
def test_outlines_are_scikit_images_inner_boundaries(
    seed: int, shape: tuple[int, ...], random_pair: Pairs
) -> None:
    labels = number_labels(random_pair(seed, shape)[1])
    expected = find_boundaries(labels.numbers, connectivity=1, mode="inner")
    assert np.array_equal(outlines(labels.volume, edge=False).reshape(shape), expected)
    mask = labels.numbers > 0
    shell = mask & ~ndimage.binary_erosion(mask)
    found = outlines((labels.volume > 0).astype(np.int32), edge=True).reshape(shape)
    assert np.array_equal(found, shell)


@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 2, 3.7])
@pytest.mark.parametrize("shape", [(30, 31), (6, 17, 18)])
def test_boundary_pixels_near_another(tolerance: float, shape: tuple[int, ...], random_pair: Pairs) -> None:
    for seed in range(4):
        prediction, truth = (number_labels(a) for a in random_pair(seed, shape))
        found = boundary_counts(prediction, truth, tolerance)
        a, b = (find_boundaries(x.numbers, connectivity=1, mode="inner") for x in (prediction, truth))
        assert (found.prediction, found.truth) == (a.sum(), b.sum())
        assert found.prediction_near == (a & (ndimage.distance_transform_edt(~b) <= tolerance)).sum()
        assert found.truth_near == (b & (ndimage.distance_transform_edt(~a) <= tolerance)).sum()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("spacing", [None, (0.5, 2.0)])
def test_hausdorff_distances(seed: int, spacing: tuple[float, float] | None, random_pair: Pairs) -> None:
    prediction, truth = (a > 0 for a in random_pair(seed))
    found = outline_distances(prediction, truth, spacing)
    a, b = (m & ~ndimage.binary_erosion(m) for m in (prediction, truth))
    forward = ndimage.distance_transform_edt(~b, sampling=spacing)[a]
    backward = ndimage.distance_transform_edt(~a, sampling=spacing)[b]
    assert found.hausdorff == pytest.approx(max(forward.max(), backward.max()))
    assert found.hd95 == pytest.approx(max(np.percentile(forward, 95), np.percentile(backward, 95)))
    assert found.hd95 <= found.hausdorff
    if spacing is None:
        assert found.hausdorff == pytest.approx(hausdorff_distance(a, b))


def test_distance_of_two_shifted_squares_in_microns() -> None:
    truth, prediction = np.zeros((40, 40), int), np.zeros((40, 40), int)
    truth[10:20, 10:20], prediction[10:20, 14:24] = 1, 1
    assert evaluate(prediction, truth).summary["Hausdorff"] == 4
    assert evaluate(prediction, truth, spacing=(0.65, 0.65)).summary["Hausdorff"] == pytest.approx(2.6)
    thick = np.stack([truth, truth * 0, truth * 0]), np.stack([truth * 0, truth * 0, truth])
    assert evaluate(*thick, dimensions=3, spacing=(2.0, 0.5, 0.5)).summary["Hausdorff"] == 4
    with pytest.raises(OptionError, match="spacing needs 2 numbers"):
        evaluate(prediction, truth, spacing=(1.0,))
    with pytest.raises(OptionError, match="boundary_tolerance"):
        evaluate(prediction, truth, boundary_tolerance=-1)


def test_touching_objects_have_a_boundary_between_them() -> None:
    truth = np.ones((20, 20), int)
    truth[:, 10:] = 2
    assert evaluate(truth, truth).summary["boundary_F"] == 1
    assert evaluate(np.ones_like(truth), truth).summary["boundary_F"] == 0
    assert np.isnan(evaluate(np.ones_like(truth), np.ones_like(truth)).summary["boundary_F"])


@pytest.mark.parametrize("seed", range(6))
def test_pixel_metrics_are_plain_counts(seed: int, random_pair: Pairs) -> None:
    prediction, truth = random_pair(seed, (3, 25, 26))
    p, t = prediction > 0, truth > 0
    tp, fp, fn, tn = ((p & t).sum(), (p & ~t).sum(), (~p & t).sum(), (~p & ~t).sum())
    for dimensions in (2, 3):
        found = evaluate(prediction, truth, dimensions=dimensions).summary
        expected = {
            "pixel_TP": tp,
            "pixel_FP": fp,
            "pixel_FN": fn,
            "pixel_TN": tn,
            "Dice": 2 * tp / (2 * tp + fp + fn),
            "pixel_F1": 2 * tp / (2 * tp + fp + fn),
            "IoU": tp / (tp + fp + fn),
            "accuracy": (tp + tn) / p.size,
            "pixel_precision": tp / (tp + fp),
            "pixel_recall": tp / (tp + fn),
            "pixel_TPR": tp / (tp + fn),
            "pixel_FNR": fn / (tp + fn),
            "pixel_FPR": fp / (fp + tn),
            "pixel_TNR": tn / (fp + tn),
        }
        for name, value in expected.items():
            assert found[name] == pytest.approx(value), name
