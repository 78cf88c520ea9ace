"""Missed, invented, split and merged objects."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.evaluation.matching import match_overlaps
from napari_cellseg.evaluation.mistakes import Outcome, find_mistakes, outcome_labels, outcome_map
from napari_cellseg.evaluation.pairs import image_pairs

Pairs = Callable[..., tuple[NDArray[np.int32], NDArray[np.int32]]]


@pytest.fixture
def one_of_each() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """A hit, a miss, an invention, a split in three, two merged; the truth's touch each other."""
    truth, prediction = np.zeros((30, 60), np.int32), np.zeros((30, 60), np.int32)
    truth[2:10, 2:10] = prediction[2:10, 2:10] = 1
    truth[2:10, 20:28] = 2
    prediction[2:10, 40:48] = 7
    truth[15:25, 2:20] = 3
    prediction[15:25, 2:8], prediction[15:25, 8:14], prediction[15:25, 14:20] = 11, 12, 13
    truth[15:25, 30:36], truth[15:25, 36:42] = 4, 5
    prediction[15:25, 30:42] = 21
    return prediction, truth


def test_each_kind_is_found_once(one_of_each: tuple[NDArray[np.int32], NDArray[np.int32]]) -> None:
    report = evaluate(*one_of_each)
    for kind in ("missed", "invented", "split", "merged"):
        assert report.summary[kind] == 1, kind
    assert report.sentence().startswith(
        "2 of 5 objects found, 1 missed, 1 invented, 1 split, 1 merged; F1 0.364"
    )
    rows = report.errors.set_index("kind")
    assert rows.loc["missed", "truth_ids"] == (2,)
    assert rows.loc["invented", "prediction_ids"] == (7,)
    assert rows.loc["split", "truth_ids"] == (3,)
    assert rows.loc["split", "prediction_ids"] == (11, 12, 13)
    assert rows.loc["merged", "prediction_ids"] == (21,)
    assert rows.loc["merged", "truth_ids"] == (4, 5)
    assert (rows.loc["missed", "y"], rows.loc["missed", "x"]) == (5.5, 23.5)
    assert rows.loc["split", "iou"] == pytest.approx(1 / 3)
    assert rows.loc["merged", "area"] == 120


def test_the_picture_shows_each_kind(one_of_each: tuple[NDArray[np.int32], NDArray[np.int32]]) -> None:
    images = image_pairs(*one_of_each)[0]
    shown = outcome_map(images.read(0))
    assert shown[5, 5] == Outcome.HIT
    assert shown[5, 25] == Outcome.MISSED
    assert shown[5, 45] == Outcome.INVENTED
    assert shown[20, 5] == Outcome.SPLIT
    assert shown[20, 40] == Outcome.MERGED
    assert shown[0, 0] == 0
    assert np.array_equal(outcome_labels(images), shown)
    stack = image_pairs(*(np.stack([np.zeros_like(a), a])[None] for a in one_of_each))[0]
    assert np.array_equal(outcome_labels(stack)[0, 1], shown)
    assert not outcome_labels(stack)[0, 0].any()


def test_a_speck_in_a_hit_makes_it_split() -> None:
    truth = np.ones((10, 10), int)
    prediction = truth.copy()
    prediction[4, 4] = 2
    report = evaluate(prediction, truth)
    assert report.summary["TP"] == 1
    assert report.errors.kind.tolist() == ["split"]
    assert report.errors.truth_ids[0] == (1,)


def test_half_is_not_most() -> None:
    truth, prediction = np.zeros((4, 8), int), np.zeros((4, 8), int)
    truth[:, :4] = 1
    prediction[:, 2:6] = 1
    report = evaluate(prediction, truth)
    assert report.errors.kind.tolist() == ["missed", "invented"]
    assert report.errors.iou.tolist() == pytest.approx([1 / 3, 1 / 3])


@pytest.mark.parametrize("seed", range(30))
def test_every_object_has_one_outcome(seed: int, random_pair: Pairs) -> None:
    prediction, truth = random_pair(seed)
    pair = image_pairs(prediction, truth)[0].read(0)
    matching = match_overlaps(pair.overlaps, 0.5)
    mistakes = find_mistakes(pair.overlaps, matching)
    pieces = {int(p) for _, parts in mistakes.splits for p in parts}
    merged = {int(t) for _, parts in mistakes.merges for t in parts}
    split = {i for i, _ in mistakes.splits}
    mergers = {i for i, _ in mistakes.merges}
    hit_p = set(np.searchsorted(pair.overlaps.prediction, matching.prediction).tolist())
    hit_t = set(np.searchsorted(pair.overlaps.truth, matching.truth).tolist())
    assert set(mistakes.invented.tolist()) == set(range(len(pair.prediction))) - hit_p - pieces - mergers
    assert set(mistakes.missed.tolist()) == set(range(len(pair.truth))) - hit_t - split - merged
    for whole, parts in mistakes.splits:
        inside = pair.truth.numbers == whole + 1
        for part in parts:
            own = pair.prediction.numbers == part + 1
            assert (own & inside).sum() > own.sum() / 2
    assert len(evaluate(prediction, truth).errors) == (
        len(mistakes.missed) + len(mistakes.invented) + len(mistakes.splits) + len(mistakes.merges)
    )


def test_errors_name_the_plane_and_volumes_have_a_z() -> None:
    truth = np.zeros((3, 12, 12), int)
    truth[2, 3:6, 3:6] = 4
    planes = evaluate(np.zeros_like(truth), truth, names=["stack"])
    assert planes.errors[["image", "plane", "y", "x"]].to_numpy().tolist() == [["stack", 2, 4.0, 4.0]]
    assert "z" not in planes.errors
    volume = evaluate(np.zeros_like(truth), truth, dimensions=3)
    assert volume.errors[["plane", "z", "y", "x"]].to_numpy().tolist() == [[0, 2.0, 4.0, 4.0]]
    assert volume.images.shape[0] == 1
    assert evaluate(truth, truth).errors.empty
