"""Decoding: ideal maps come back, nothing depends on place or luck."""

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_cellseg.evaluation.matching import match_labels
from napari_cellseg.instances.decoding import VoteDecoding, decode_votes
from napari_cellseg.training.targets import pixel_targets

from .ellipses import scattered_objects

HALO = 80


def ideal_maps(labels: NDArray[np.int32], noise: float = 0.0, seed: int = 0) -> NDArray[np.float32]:
    """What a perfect network says; with `noise`, its offsets are off by that many pixels."""
    targets = pixel_targets(labels)
    offsets = targets.offsets + np.random.default_rng(seed).normal(0, noise / 16, targets.offsets.shape)
    return np.stack([targets.foreground * 0.98, targets.distance, *offsets]).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.0, 1.5])
def test_ideal_maps_decode_to_their_objects(seed: int, noise: float) -> None:
    truth = scattered_objects((400, 500), 110, seed)
    decoded = decode_votes(ideal_maps(truth, noise, seed))
    matching = match_labels(decoded.labels, truth, 0.9)
    assert len(matching.truth) >= 0.99 * len(np.unique(truth[truth > 0]))
    assert len(matching.false_positives) <= 0.02 * len(matching.truth)


@pytest.mark.parametrize("radii", [(4, 5), (25, 32)])
def test_small_and_large_objects_come_back(radii: tuple[int, int]) -> None:
    truth = scattered_objects((320, 320), 30, 1, radii)
    matching = match_labels(decode_votes(ideal_maps(truth, 0.7)).labels, truth, 0.85)
    assert len(matching.false_negatives) + len(matching.false_positives) <= 1


@pytest.mark.parametrize("shape", [(64, 48), (1, 1), (3, 200)])
@pytest.mark.parametrize("value", [0.0, 0.19, np.nan])
def test_empty_maps_give_no_object(shape: tuple[int, int], value: float) -> None:
    decoded = decode_votes(np.full((4, *shape), value, np.float32))
    assert decoded.labels.shape == shape
    assert not decoded.labels.any()
    assert decoded.scores.shape == (0,)
    assert decoded.classes.shape == (0,)
    assert decoded.anchors.shape == (0, 2)


def test_output_is_consistent() -> None:
    decoded = decode_votes(ideal_maps(scattered_objects((200, 300), 40, 3)))
    count = len(decoded.scores)
    assert np.array_equal(np.unique(decoded.labels), np.arange(count + 1))
    assert decoded.labels.dtype == np.int32
    assert decoded.scores.dtype == np.float32
    assert ((decoded.scores >= 0) & (decoded.scores <= 1)).all()
    assert decoded.anchors.shape == (count, 2)
    assert ((decoded.anchors >= 0) & (decoded.anchors < (200, 300))).all()
    flat = decoded.anchors @ (300, 1)
    assert (np.diff(flat) > 0).all()


def test_decoding_is_deterministic() -> None:
    maps = ideal_maps(scattered_objects((200, 300), 60, 5), 2.0)
    first, second = decode_votes(maps), decode_votes(maps.copy())
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.scores, second.scores)


@pytest.mark.parametrize("seed", range(3))
def test_a_block_with_a_halo_gives_the_same_objects(seed: int) -> None:
    maps = ideal_maps(scattered_objects((460, 470), 150, seed), 2.0, seed)
    rng = np.random.default_rng(seed)
    maps[0] *= rng.uniform(0.4, 1.0, maps[0].shape).astype(np.float32)
    whole = decode_votes(maps)
    y, x = 61, 70
    block = decode_votes(maps[:, y : y + 340, x : x + 350])
    inner = (slice(HALO, 340 - HALO), slice(HALO, 350 - HALO))
    compared = 0
    for i, anchor in enumerate(block.anchors, start=1):
        if not (HALO <= anchor[0] < 340 - HALO and HALO <= anchor[1] < 350 - HALO):
            continue
        j = int(np.flatnonzero((whole.anchors == anchor + np.array([y, x])).all(axis=1))[0]) + 1
        assert np.array_equal(block.labels == i, (whole.labels == j)[y : y + 340, x : x + 350])
        assert block.scores[i - 1] == whole.scores[j - 1]
        compared += 1
    assert compared >= 8
    shifted = whole.labels[y : y + 340, x : x + 350][inner]
    assert np.array_equal(shifted > 0, block.labels[inner] > 0)


def test_weak_objects_are_disjoint_candidates_of_less_confidence() -> None:
    truth = scattered_objects((200, 200), 20, 7)
    maps = ideal_maps(truth)
    weak = truth % 2 == 0
    maps[0][weak] *= 0.35
    decoded = decode_votes(maps, VoteDecoding(min_confidence=0.0))
    matching = match_labels(decoded.labels, truth, 0.8)
    assert len(matching.false_negatives) == 0
    scores = decoded.scores[matching.prediction - 1]
    assert scores[matching.truth % 2 == 0].max() < scores[matching.truth % 2 == 1].min()


def test_small_holes_are_filled_and_crumbs_dropped() -> None:
    truth = np.zeros((80, 80), np.int32)
    truth[20:60, 20:60] = 1
    maps = ideal_maps(truth)
    maps[0, 38:41, 30:33] = 0
    maps[0, 5:7, 5:7] = 0.9
    decoded = decode_votes(maps)
    assert np.array_equal(decoded.labels, truth)
