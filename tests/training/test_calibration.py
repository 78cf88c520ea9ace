"""Calibration of the confidence."""

import numpy as np
import pytest

from napari_cellseg.instances.decoding import VoteDecoding
from napari_cellseg.statistics.calibration import reliability
from napari_cellseg.training.calibration import (
    Candidates,
    adapt_confidence,
    best_threshold,
    calibration_error,
    collect_candidates,
    cross_validate,
    fit_confidence,
    labels_at,
    leave_sets_out,
    predict_confidence,
)
from napari_cellseg.training.samples import Sample
from napari_cellseg.training.targets import pixel_targets

TRUE = (-1.0, 2.0, -1.5, 0.5, 0.0)


def drawn(count: int = 6000) -> Candidates:
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (count, 4))
    correct = (rng.random(count) < predict_confidence(features, TRUE)).astype(float)
    images = rng.integers(0, 30, count)
    return Candidates(features, correct, images, np.where(images < 10, "a", "b"), 50)


def test_the_fit_finds_the_coefficients() -> None:
    assert fit_confidence(drawn()) == pytest.approx(TRUE, abs=0.2)


def test_cross_validated_confidence_is_calibrated() -> None:
    candidates = drawn()
    confidence = cross_validate(candidates)
    assert reliability(confidence, candidates.correct, 15).ece < 0.03
    assert reliability(np.sqrt(confidence), candidates.correct, 15).ece > 0.08


def test_a_set_left_out_is_calibrated_where_it_is_like_the_others() -> None:
    candidates = drawn()
    confidence = leave_sets_out(candidates)
    found, by_chance = calibration_error(confidence, candidates.correct)
    assert found < 0.03
    assert 0.005 < by_chance < 0.03
    other = candidates.sets == "b"
    candidates.correct[other] = 1 - candidates.correct[other]
    spoilt = leave_sets_out(candidates)
    assert calibration_error(spoilt, candidates.correct)[0] > 0.05


def test_labels_at_another_scale_keep_their_place() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[10:20, 30:50] = 3
    half = labels_at(labels, (20, 30))
    assert half.shape == (20, 30)
    assert (half[5:10, 15:25] == 3).all()
    assert half.sum() == 3 * 50
    assert labels_at(labels, (40, 60)) is labels


def test_the_best_threshold_beats_its_neighbours() -> None:
    candidates = drawn()
    confidence = predict_confidence(candidates.features, TRUE)
    threshold, f1 = best_threshold(candidates, confidence)
    truths = candidates.correct.sum() + candidates.missed
    for other in (threshold - 0.1, threshold, threshold + 0.1):
        kept = confidence >= other
        assert 2 * candidates.correct[kept].sum() / (kept.sum() + truths) <= f1 + 1e-12


def test_candidates_come_from_images() -> None:
    labels = np.zeros((60, 80), np.int32)
    labels[10:25, 10:30], labels[30:50, 40:70] = 1, 2
    targets = pixel_targets(labels)
    maps = np.stack([targets.foreground * 0.9, targets.distance, *targets.offsets])
    truth = np.where(labels == 2, 2, 0).astype(np.int32)
    sample = Sample("a", "b", labels[..., None], truth, "grey", 20.0)
    found = collect_candidates([sample, sample], [maps, maps], VoteDecoding())
    assert found.correct.tolist() == [0, 1, 0, 1]
    assert found.images.tolist() == [0, 0, 1, 1]
    assert found.missed == 0


def shifted(seed: int, name: str, bias: float, count: int = 400) -> Candidates:
    """Objects whose confidence follows the first feature, with an offset of the set's own."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (count, 4))
    correct = (rng.random(count) < 1 / (1 + np.exp(-(2 * features[:, 0] + bias)))).astype(np.float64)
    return Candidates(features, correct, np.arange(count), np.full(count, name), 0)


def test_confidence_follows_new_objects_and_stays_where_there_are_none() -> None:
    start = (0.0, 2.0, 0.0, 0.0, 0.0)
    new = shifted(1, "new", bias=-2.0)
    adapted = adapt_confidence(new, start, pull=1e-4)
    assert adapted[0] == pytest.approx(-2, abs=0.4)
    assert adapted[1] == pytest.approx(2, abs=0.5)
    held = adapt_confidence(new, start, pull=1e6)
    assert held == pytest.approx(start, abs=1e-2)


def test_many_objects_of_one_set_do_not_drown_another() -> None:
    start = (0.0, 2.0, 0.0, 0.0, 0.0)
    few, many = shifted(2, "new", bias=-2.0, count=300), shifted(3, "old", bias=0.0, count=6000)
    both = Candidates(
        np.concatenate([few.features, many.features]),
        np.concatenate([few.correct, many.correct]),
        np.concatenate([few.images, many.images]),
        np.concatenate([few.sets, many.sets]),
        0,
    )
    even = adapt_confidence(both, start)[0]
    assert -1.5 < even < -0.5
    assert -2.0 < adapt_confidence(both, start, emphasis={"new": 5.0})[0] < even
