"""Object metrics against definitions written out."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.assignment import best_assignment
from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.evaluation.matching import match_labels
from napari_cellseg.evaluation.numbering import centroids, number_labels, numbered_overlaps
from napari_cellseg.evaluation.tallies import jaccard_tally

Pairs = Callable[..., tuple[NDArray[np.int32], NDArray[np.int32]]]


def aji_written_out(prediction: NDArray[np.int32], truth: NDArray[np.int32]) -> float:
    """Algorithm 1 of Kumar et al. 2017."""
    shared, union, used = 0, 0, set()
    ids = np.unique(prediction[prediction > 0])
    for t in np.unique(truth[truth > 0]):
        g = truth == t
        ious = [(g & (prediction == p)).sum() / (g | (prediction == p)).sum() for p in ids]
        if len(ious) == 0 or max(ious) == 0:
            union += g.sum()
            continue
        shares = [(g & (prediction == p)).sum() for p in ids]
        best = ids[max(range(len(ids)), key=lambda k: (ious[k], shares[k]))]
        used.add(best)
        shared += (g & (prediction == best)).sum()
        union += (g | (prediction == best)).sum()
    union += sum((prediction == p).sum() for p in ids if p not in used)
    return shared / union if union else np.nan


@pytest.mark.parametrize("seed", range(25))
def test_aji_is_its_algorithm(seed: int, random_pair: Pairs) -> None:
    prediction, truth = random_pair(seed)
    found = evaluate(prediction, truth).summary
    assert found["AJI"] == pytest.approx(aji_written_out(prediction, truth))
    assert found["AJI_plus"] <= found["IoU"] + 1e-12


@pytest.mark.parametrize("seed", range(10))
def test_assignment_has_the_largest_sum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = np.where(rng.random((4, 5)) < 0.6, rng.random((4, 5)) + 0.01, 0)
    rows, columns = np.nonzero(weights)
    chosen = best_assignment(rows.astype(np.int64), columns.astype(np.int64), weights[rows, columns])
    assert len(set(rows[chosen])) == len(set(columns[chosen])) == len(chosen)
    best = max(weights[range(4), list(order)].sum() for order in permutations(range(5), 4))
    assert weights[rows, columns][chosen].sum() == pytest.approx(best)


def test_overlaps_are_those_of_plain_counting(random_pair: Pairs) -> None:
    for seed in range(20):
        prediction, truth = random_pair(seed)
        found = numbered_overlaps(number_labels(prediction), number_labels(truth))
        assert np.array_equal(found.prediction, np.unique(prediction[prediction > 0]))
        assert np.array_equal(found.truth_areas, [(truth == t).sum() for t in found.truth])
        p, t = found.prediction[found.rows], found.truth[found.columns]
        pairs, counts = np.unique(
            np.stack([prediction, truth])[:, (prediction > 0) & (truth > 0)], axis=1, return_counts=True
        )
        assert np.array_equal(np.stack([p, t]), pairs)
        assert np.array_equal(found.shared, counts)
    with pytest.raises(ValueError, match="one shape"):
        match_labels(prediction, truth[1:])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.int64, np.uint64])
def test_numbering_takes_any_whole_numbers(dtype: type) -> None:
    labels = np.zeros((5, 6), dtype)
    labels[1:3, 1:3] = 1
    found = number_labels(labels)
    assert found.ids.tolist() == [1]
    assert found.areas.tolist() == [4]
    assert centroids(found).tolist() == [[0, 1.5, 1.5]]


def test_numbering_of_huge_ids_and_what_it_refuses() -> None:
    labels = np.zeros((3, 4), np.int64)
    labels[0, 0], labels[2] = 2**40, 9
    found = number_labels(labels)
    assert found.ids.tolist() == [9, 2**40]
    assert found.numbers[0, 0] == 2
    assert found.areas.tolist() == [4, 1]
    with pytest.raises(OptionError, match="whole numbers, not float64"):
        number_labels(np.zeros((2, 2)))
    with pytest.raises(OptionError, match="negative"):
        number_labels(np.full((2, 2), -3))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("iou", [0.3, 0.5, 0.7])
def test_counts_and_quality_follow_the_matches(seed: int, iou: float, random_pair: Pairs) -> None:
    prediction, truth = random_pair(seed)
    matching = match_labels(prediction, truth, iou)
    found = evaluate(prediction, truth, iou=iou).summary
    tp, fp, fn = len(matching.truth), len(matching.false_positives), len(matching.false_negatives)
    assert (found["TP"], found["FP"], found["FN"]) == (tp, fp, fn)
    assert found["precision"] == pytest.approx(tp / (tp + fp))
    assert found["recall"] == pytest.approx(tp / (tp + fn))
    assert found["F1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert found["PQ"] == pytest.approx(matching.iou.sum() / (tp + fp / 2 + fn / 2))
    if tp:
        assert found["PQ"] == pytest.approx(found["SQ"] * found["DQ"])
    assert found["count_error"] == fp - fn


def test_a_threshold_of_a_third_is_a_third() -> None:
    truth, prediction = np.zeros((100, 300), int), np.zeros((100, 300), int)
    truth[:, :200], prediction[:, 100:] = 1, 1
    assert evaluate(prediction, truth, iou=1 / 3).summary["TP"] == 1
    assert evaluate(prediction, truth, iou=0.3334).summary["TP"] == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_perfect_prediction_is_perfect_whatever_its_ids(seed: int, random_pair: Pairs) -> None:
    truth = random_pair(seed)[1]
    report = evaluate(truth.astype(np.int64) * 7, truth)
    for name in ("AP50", "AP50_95", "F1", "PQ", "AJI", "AJI_plus", "boundary_F", "Dice", "IoU", "SSIM"):
        assert report.summary[name] == pytest.approx(1), name
    assert report.summary["Hausdorff"] == report.summary["HD95"] == 0
    assert len(report.errors[report.errors.kind.isin(["missed", "invented"])]) == 0


@pytest.mark.parametrize("seed", range(10))
def test_swapping_both_swaps_precision_and_recall(seed: int, random_pair: Pairs) -> None:
    prediction, truth = random_pair(seed)
    one, other = evaluate(prediction, truth).summary, evaluate(truth, prediction).summary
    for a, b in (
        ("precision", "recall"),
        ("missed", "invented"),
        ("split", "merged"),
        ("F1", "F1"),
        ("PQ", "PQ"),
        ("AJI_plus", "AJI_plus"),
        ("boundary_precision", "boundary_recall"),
        ("Hausdorff", "Hausdorff"),
        ("HD95", "HD95"),
        ("pixel_FP", "pixel_FN"),
        ("SSIM", "SSIM"),
    ):
        assert one[a] == pytest.approx(other[b], nan_ok=True), (a, b)


def test_edge_cases() -> None:
    empty, full = np.zeros((9, 9), int), np.ones((9, 9), int)
    both = evaluate(empty, empty).summary
    for name in ("AP50", "AP50_95", "precision", "recall", "F1", "PQ", "AJI", "boundary_F", "Dice", "IoU"):
        assert np.isnan(both[name]), name
    assert both["accuracy"] == both["SSIM"] == both["pixel_TNR"] == 1
    assert both["Hausdorff"] == 0
    assert repr(evaluate(empty, empty)) == "<Report: no objects, neither predicted nor true>"
    nothing_found = evaluate(empty, full)
    for name in ("AP50", "AP50_95", "recall", "F1", "PQ", "AJI", "AJI_plus", "Dice", "IoU", "pixel_recall"):
        assert nothing_found.summary[name] == 0, name
    assert np.isnan(nothing_found.summary["precision"])
    assert np.isnan(nothing_found.summary["Hausdorff"])
    assert nothing_found.images["Hausdorff"][0] == np.inf
    invented = evaluate(full, empty).summary
    assert invented["F1"] == invented["AJI"] == 0
    assert np.isnan(invented["recall"])
    pixel = np.zeros((9, 9), int)
    pixel[4, 4] = 3
    assert evaluate(pixel, pixel).summary["AJI"] == 1


def test_jaccard_sums_of_nothing() -> None:
    empty = number_labels(np.zeros((3, 3), int))
    assert set(jaccard_tally(numbered_overlaps(empty, empty)).values()) == {0.0}
