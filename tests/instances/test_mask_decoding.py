"""Decoding of masks: pieces are objects, touching ones are cut where they touch, nothing depends on place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_cellseg.evaluation.matching import match_labels
from napari_cellseg.instances.basins import squared_distances
from napari_cellseg.instances.maps import decode_maps, decode_maps_with_features, object_medians
from napari_cellseg.instances.mask_decoding import MaskDecoding, decode_mask
from napari_cellseg.training.targets import pixel_targets

from .ellipses import scattered_objects

HALO = 60
BY_MAP, BY_SHAPE = MaskDecoding("map"), MaskDecoding("shape")


def cells(shape: tuple[int, int], count: int, seed: int, radii: tuple[float, float] = (5, 14)) -> NDArray:
    """Roundish objects, many of them touching, none covered by more than a tenth."""
    return scattered_objects(shape, count, seed, radii, elongation=1.5)


def ideal_maps(labels: NDArray, noise: float = 0.0, seed: int = 0) -> NDArray[np.float32]:
    """Foreground and distance as a perfect network says, spoilt by smooth noise."""
    targets = pixel_targets(labels)
    spoilt = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(2, *labels.shape)), (0, 2, 2))
    maps = np.stack([targets.foreground * 0.98, targets.distance]) + noise * spoilt / spoilt.std()
    return np.clip(maps, 0, 1).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_touching_cells_are_told_apart_by_the_map_of_the_distance(seed: int) -> None:
    truth = cells((300, 360), 120, seed)
    matching = match_labels(decode_mask(ideal_maps(truth, 0.05, seed), BY_MAP).labels, truth, 0.8)
    assert len(matching.truth) >= 0.97 * len(np.unique(truth[truth > 0]))
    assert len(matching.false_positives) <= 0.03 * len(matching.truth)


@pytest.mark.parametrize("seed", range(3))
def test_touching_cells_are_told_apart_by_the_map_of_their_boundaries(seed: int) -> None:
    truth = cells((300, 360), 120, seed)
    spoilt = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(2, *truth.shape)), (0, 2, 2))
    ideal = np.stack([(truth > 0) * 0.98, ndimage.gaussian_filter(find_boundaries(truth).astype(float), 0.7)])
    maps = np.clip(ideal + 0.05 * spoilt / spoilt.std(), 0, 1).astype(np.float32)
    matching = match_labels(decode_mask(maps, MaskDecoding("boundary")).labels, truth, 0.8)
    assert len(matching.truth) >= 0.97 * len(np.unique(truth[truth > 0]))
    assert len(matching.false_positives) <= 0.03 * len(matching.truth)
    with pytest.raises(ValueError, match="needs a second map"):
        decode_mask(maps[:1], MaskDecoding("boundary"))


def test_two_discs_that_touch_are_cut_at_their_neck_by_their_shape() -> None:
    y, x = np.mgrid[:60, :90]
    left, right = ((y - 30) ** 2 + (x - c) ** 2 <= 15**2 for c in (30, 57))
    maps = np.where(left | right, 0.9, 0.0)[None].astype(np.float32)
    assert len(decode_mask(maps, MaskDecoding("none")).scores) == 1
    found = decode_mask(maps, BY_SHAPE)
    assert len(found.scores) == 2
    assert np.array_equal(found.labels > 0, left | right)
    assert found.anchors == pytest.approx(np.array([[30, 30], [30, 57]]), abs=1)
    assert len(decode_mask(maps, MaskDecoding("shape", prominence=1.0)).scores) == 1
    closer = (left | ((y - 30) ** 2 + (x - 33) ** 2 <= 15**2))[None].astype(np.float32)
    assert len(decode_mask(closer, BY_SHAPE).scores) == 1


@given(seed=st.integers(0, 10**6), share=st.floats(0.1, 0.7))
@settings(max_examples=25, deadline=None)
def test_without_separation_each_connected_piece_is_an_object(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((23, 31)) < share
    params = MaskDecoding(min_area=1, max_hole=0, min_confidence=0.0)
    found = decode_mask(mask[None].astype(np.float32), params).labels
    pieces, count = ndimage.label(mask)
    assert found.max() == count
    assert len(np.unique(np.stack([found.ravel(), pieces.ravel()]), axis=1).T) == count + (not mask.all())


@given(seed=st.integers(0, 10**6), shape=st.tuples(st.integers(1, 30), st.integers(1, 30)))
@settings(max_examples=40, deadline=None)
def test_distances_are_exact(seed: int, shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(seed).random(shape) < 0.93
    if mask.all():
        assert (squared_distances(mask, 7) == 49).all()
    else:
        expected = ndimage.distance_transform_edt(mask) ** 2
        assert squared_distances(mask, 100) == pytest.approx(expected)


@pytest.mark.parametrize("params", [BY_MAP, BY_SHAPE, MaskDecoding()])
@pytest.mark.parametrize("shape", [(64, 48), (1, 1), (3, 200)])
@pytest.mark.parametrize("value", [0.0, 0.29, np.nan])
def test_empty_maps_give_no_object(params: MaskDecoding, shape: tuple[int, int], value: float) -> None:
    found = decode_mask(np.full((2, *shape), value, np.float32), params)
    assert found.labels.shape == shape
    assert not found.labels.any()
    assert found.scores.shape == found.classes.shape == (0,)
    assert found.anchors.shape == (0, 2)


@pytest.mark.parametrize("params", [BY_MAP, BY_SHAPE])
def test_output_is_consistent_and_the_same_each_time(params: MaskDecoding) -> None:
    maps = ideal_maps(cells((200, 260), 60, 3), 0.1)
    found, features = decode_maps_with_features(maps, params)
    count = len(found.scores)
    assert np.array_equal(np.unique(found.labels), np.arange(count + 1))
    assert found.labels.dtype == np.int32
    assert features.shape == (count, 4)
    assert ((features[:, :3] >= 0) & (features[:, :3] <= 1)).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    places = found.anchors.astype(np.float64)
    assert (np.lexsort((places[:, 1], places[:, 0])) == np.arange(count)).all()
    again = decode_maps(maps.copy(), params)
    assert np.array_equal(found.labels, again.labels)


@pytest.mark.parametrize("params", [BY_MAP, BY_SHAPE])
@pytest.mark.parametrize("seed", range(3))
def test_a_block_with_a_halo_gives_the_same_objects(params: MaskDecoding, seed: int) -> None:
    maps = ideal_maps(cells((360, 370), 200, seed), 0.12, seed)
    whole = decode_mask(maps, params)
    at, size = np.array([47, 52]), 260
    view = tuple(slice(a, a + size) for a in at)
    block = decode_mask(maps[(slice(None), *view)], params)
    compared = 0
    for i, anchor in enumerate(block.anchors, start=1):
        if not ((anchor >= HALO) & (anchor < size - HALO)).all():
            continue
        j = int(np.abs(whole.anchors - anchor - at).sum(axis=1).argmin()) + 1
        assert np.array_equal(block.labels == i, whole.labels[view] == j)
        assert block.scores[i - 1] == pytest.approx(whole.scores[j - 1])
        compared += 1
    assert compared >= 8


def test_weak_pieces_are_candidates_of_less_confidence() -> None:
    truth = np.zeros((90, 90), np.int32)
    truth[10:30, 10:30], truth[50:70, 50:70] = 1, 2
    maps = ideal_maps(truth)
    maps[0, 50:70, 50:70] = 0.4
    found = decode_mask(maps, MaskDecoding("map", min_confidence=0.0))
    assert np.array_equal(found.labels, truth)
    assert found.scores[1] < 0.3 < 0.9 < found.scores[0]


def test_holes_are_filled_gaps_between_cells_are_not_and_crumbs_go() -> None:
    maps = np.zeros((1, 80, 80), np.float32)
    maps[0, 20:60, 20:60] = 0.9
    expected = (maps[0] > 0).astype(np.int32)
    maps[0, 38:41, 30:33] = 0
    maps[0, 5:8, 5:8] = 0.9
    assert np.array_equal(decode_mask(maps, BY_SHAPE).labels, expected)
    y, x = np.mgrid[:90, :90]
    ring = [(y - a) ** 2 + (x - b) ** 2 <= 18.6**2 for a, b in ((26, 26), (26, 62), (62, 26), (62, 62))]
    found = decode_mask(np.any(ring, axis=0)[None].astype(np.float32), BY_SHAPE)
    assert len(found.scores) == 4
    assert found.labels[44, 44] == 0


def test_parameters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="floor"):
        MaskDecoding(floor=0.6)
    with pytest.raises(ValueError, match="prominence"):
        MaskDecoding(prominence=1.2)
    with pytest.raises(ValueError, match="negative"):
        MaskDecoding(smoothing=-1.0)
    with pytest.raises(ValueError, match="second map"):
        decode_mask(np.zeros((1, 8, 8), np.float32), BY_MAP)


def test_medians_over_objects() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, (31, 29)).astype(np.int32)
    labels[labels == 4] = 0
    values = rng.random(labels.shape, np.float32)
    found = object_medians(values, labels, 5)
    for i in (1, 2, 3, 5):
        inside = np.sort(values[labels == i])
        assert found[i - 1] == inside[(len(inside) - 1) // 2]
    assert found[3] == 0
    assert object_medians(values, np.zeros_like(labels), 0).shape == (0,)
