"""Matching against brute force."""

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_cellseg.evaluation.matching import THRESHOLDS, average_precision, match_labels, pool


def random_labels(
    rng: np.random.Generator, shape: tuple[int, int] = (14, 17), count: int = 5
) -> NDArray[np.int32]:
    """Overlapping boxes with ids that are not consecutive."""
    labels = np.zeros(shape, np.int32)
    for i in rng.choice(50, count, replace=False) + 1:
        y, x = rng.integers(0, shape[0] - 3), rng.integers(0, shape[1] - 3)
        labels[y : y + rng.integers(2, 8), x : x + rng.integers(2, 8)] = i
    return labels


def shaken(labels: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int32]:
    """Labels moved by a pixel, one of them cut in two, with other ids."""
    result = np.roll(labels, rng.integers(-1, 2, 2), (0, 1)) * 3
    ids = np.unique(result[result > 0])
    if len(ids):
        half = result == rng.choice(ids)
        half[: result.shape[0] // 2] = False
        result[half] = 1000
    return result


def brute_force(
    prediction: NDArray[np.int32], truth: NDArray[np.int32], threshold: float
) -> tuple[int, float]:
    """Largest number of pairs and, for it, largest summed IoU, over all assignments."""
    p, t = (np.unique(a[a > 0]) for a in (prediction, truth))
    iou = np.zeros((len(p), max(len(p), len(t))))
    for i, a in enumerate(p):
        for j, b in enumerate(t):
            both, either = (prediction == a) & (truth == b), (prediction == a) | (truth == b)
            value = both.sum() / either.sum()
            iou[i, j] = value if value >= threshold - 1e-12 else 0
    best = (0, 0.0)
    for order in permutations(range(iou.shape[1]), len(p)):
        chosen = iou[range(len(p)), list(order)]
        best = max(best, (int((chosen > 0).sum()), round(float(chosen.sum()), 9)))
    return best


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.75])
def test_matching_is_optimal(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    truth = random_labels(rng)
    prediction = shaken(truth, rng)
    found = match_labels(prediction, truth, threshold)
    count, total = brute_force(prediction, truth, threshold)
    assert len(found.prediction) == count
    assert found.iou.sum() == pytest.approx(total)
    assert (found.iou >= threshold).all()


def test_every_object_is_counted_once() -> None:
    rng = np.random.default_rng(1)
    truth = random_labels(rng, (60, 70), 20)
    prediction = shaken(truth, rng)
    found = match_labels(prediction, truth, 0.4)
    every = np.sort(np.concatenate([found.prediction, found.false_positives]))
    assert np.array_equal(every, np.unique(prediction[prediction > 0]))
    every = np.sort(np.concatenate([found.truth, found.false_negatives]))
    assert np.array_equal(every, np.unique(truth[truth > 0]))


def test_thresholds_are_exact_decimals() -> None:
    truth = np.zeros((1, 40), np.int32)
    truth[0, :20] = 1
    for shared, threshold in ((11, 0.55), (12, 0.6), (13, 0.65), (14, 0.7), (10, 0.5), (19, 0.95)):
        prediction = np.zeros_like(truth)
        prediction[0, :shared] = 1
        assert len(match_labels(prediction, truth, threshold).truth) == 1
        assert len(match_labels(prediction, truth, threshold + 0.001).truth) == 0


def test_one_truth_cut_exactly_in_half_is_matched_once() -> None:
    truth = np.ones((4, 10), np.int32)
    prediction = np.ones((4, 10), np.int32)
    prediction[:, 5:] = 2
    result = average_precision(prediction, truth, (0.5,))
    assert (result.tp[0], result.fp[0], result.fn[0]) == (1, 1, 0)


def test_empty_images() -> None:
    empty, one = np.zeros((5, 5), np.int32), np.ones((5, 5), np.int32)
    nothing = average_precision(empty, empty)
    assert np.isnan(nothing.ap).all()
    assert (average_precision(empty, one).fn == 1).all()
    assert (average_precision(one, empty).fp == 1).all()
    assert (average_precision(one, one).ap == 1).all()


def test_huge_ids_and_pooling() -> None:
    labels = np.zeros((6, 6), np.int64)
    labels[1:3, 1:3], labels[4:, 4:] = 2**40, 7
    result = average_precision(labels, (labels > 0) * np.where(labels > 7, 3, 5))
    assert (result.tp == 2).all()
    pooled = pool([result, average_precision(np.zeros_like(labels), labels)])
    assert np.allclose(pooled.ap, 0.5)
    assert pooled.thresholds == THRESHOLDS
    assert pooled.mean == pytest.approx(0.5)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        match_labels(np.zeros((2, 2), int), np.zeros((2, 3), int))
    with pytest.raises(ValueError, match="above 0"):
        match_labels(np.zeros((2, 2), int), np.zeros((2, 2), int), 0.0)
    with pytest.raises(ValueError, match="below 2"):
        match_labels(np.full((2, 2), 2**63, np.uint64), np.zeros((2, 2), int))
    with pytest.raises(ValueError, match="negative"):
        match_labels(np.full((2, 2), -1), np.zeros((2, 2), int))
