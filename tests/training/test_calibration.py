"""Calibration of the confidence."""

import numpy as np
import pytest

from napari_cellseg.instances.decoding import VoteDecoding
from napari_cellseg.statistics.calibration import reliability
from napari_cellseg.training.calibration import (
    Candidates,
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
