"""Geometric operations: image, labels and ignored pixels move together, and labels stay labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cellseg.training.unets.augmentation import AugmentationConfig
from napari_cellseg.training.unets.geometric import (
    Affine,
    Crowding,
    Elastic,
    GridDistortion,
    HorizontalFlip,
    PadAndCrop,
    ResizedCrop,
    Rotate90,
    Transpose,
    VerticalFlip,
)
from napari_cellseg.training.unets.operation import Geometric, standing
from napari_cellseg.training.unets.warping import Patch, warped

from .scenes import cells, landmarks

NONE = (0.0, 0.0)
DEFAULTS = AugmentationConfig().geometric()
WITHOUT_STRENGTH: tuple[Geometric, ...] = (
    Elastic(displacement=NONE),
    GridDistortion(limit=NONE),
    Affine(scale=(1, 1), shift=NONE, rotation=NONE, shear=NONE),
    ResizedCrop(area=(1, 1), aspect=(1, 1)),
    PadAndCrop(padding=NONE),
)


def moved(patch: Patch, operation: Geometric, seed: int = 0, *, smooth: bool = True) -> Patch:
    coordinates = operation.coordinates(patch.labels.shape, np.random.default_rng(seed))
    return warped(patch, coordinates, smooth=smooth)


@pytest.mark.parametrize("operation", WITHOUT_STRENGTH, ids=lambda o: type(o).__name__)
def test_zero_strength_is_the_identity(operation: Geometric) -> None:
    patch = cells(True)
    same = moved(patch, operation)
    np.testing.assert_allclose(same.image, patch.image, atol=1e-4)
    np.testing.assert_array_equal(same.labels, patch.labels)
    np.testing.assert_array_equal(same.ignored, patch.ignored)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", DEFAULTS)
def test_image_labels_and_ignored_pixels_move_together(name: str, seed: int) -> None:
    patch = landmarks()
    changed = moved(patch, DEFAULTS[name], seed)
    inner = ndimage.minimum_filter(changed.labels, 7) == ndimage.maximum_filter(changed.labels, 7)
    assert inner.mean() > 0.2
    together = np.isclose(changed.image, changed.labels / 40, atol=1e-5)
    assert together[inner].mean() > 0.99
    assert together.mean() > 0.8
    np.testing.assert_array_equal(changed.ignored, (changed.labels > 0) & (changed.labels % 2 == 0))
    assert set(np.unique(changed.labels)) <= set(range(17))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", DEFAULTS)
def test_every_operation_has_an_effect_and_is_repeatable(name: str, seed: int) -> None:
    patch = landmarks()
    changed, again = (moved(patch, DEFAULTS[name], seed) for _ in range(2))
    assert (changed.labels != patch.labels).mean() > 0.01
    np.testing.assert_array_equal(changed.image, again.image)
    np.testing.assert_array_equal(changed.labels, again.labels)


def test_flips_turns_and_transposition_are_exact() -> None:
    patch = cells(True)
    square = Patch(patch.image[:60, :90], patch.labels[:60, :90], patch.ignored[:60, :90])
    turns = [moved(square, Rotate90(), seed).labels for seed in range(12)]
    expected = [np.rot90(square.labels, k) for k in (1, 2, 3)]
    found = {next(k for k, e in enumerate(expected, 1) if np.array_equal(t, e)) for t in turns}
    assert found == {1, 2, 3}
    for operation, change in (
        (HorizontalFlip(), np.fliplr),
        (VerticalFlip(), np.flipud),
        (Transpose(), lambda a: np.swapaxes(a, 0, 1)),
    ):
        changed = moved(square, operation)
        np.testing.assert_array_equal(changed.image, change(square.image))
        np.testing.assert_array_equal(changed.labels, change(square.labels))
        np.testing.assert_array_equal(changed.ignored, change(square.ignored))


@given(
    labels=st.lists(st.sampled_from([0, 1, 7, 300, 2**31 - 1]), min_size=1, max_size=60),
    width=st.integers(1, 6),
    name=st.sampled_from(sorted(DEFAULTS)),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=60, deadline=None)
def test_no_label_is_invented(labels: list[int], width: int, name: str, seed: int) -> None:
    plane = np.resize(np.array(labels, np.int32), (-(-len(labels) // width), width))
    patch = Patch(np.zeros(plane.shape, np.float32), plane, np.zeros(plane.shape, bool))
    changed = moved(patch, DEFAULTS[name], seed)
    assert changed.labels.dtype == np.int32
    assert set(np.unique(changed.labels)) <= set(np.unique(plane))


@pytest.mark.parametrize("seed", range(4))
def test_elastic_bending_does_not_tear_or_fold(seed: int) -> None:
    place = Elastic().coordinates((256, 256), np.random.default_rng(seed))
    (yy, yx), (xy, xx) = (np.gradient(axis) for axis in place)
    assert (yy * xx - yx * xy > 0).mean() > 0.995
    shift = (place - standing((256, 256)))[:, 20:-20, 20:-20]
    assert 1.0 < shift.std() < 5.0
    changed = moved(landmarks(), Elastic(), seed)
    for number in (6, 7, 10, 11):
        pieces = np.bincount(ndimage.label(changed.labels == number)[0].ravel())[1:]
        assert pieces.max() > 0.98 * pieces.sum()


def test_grid_distortion_keeps_border_and_order() -> None:
    for seed in range(5):
        place = GridDistortion(limit=(0.9, 0.9)).coordinates((60, 90), np.random.default_rng(seed))
        assert (np.diff(place[0], axis=0) > 0).all()
        assert (np.diff(place[1], axis=1) > 0).all()
        np.testing.assert_allclose(place[:, [0, -1], [0, -1]], [[0, 59], [0, 89]], atol=1e-4)


def test_affine_moves_scales_and_turns_about_the_middle() -> None:
    still = {"shift": NONE, "rotation": NONE, "shear": NONE}
    rng = np.random.default_rng(0)
    place = Affine(**(still | {"scale": (2, 2)})).coordinates((101, 101), rng)
    np.testing.assert_allclose(place[:, 50, 50], 50, atol=1e-4)
    np.testing.assert_allclose(place[:, 60, 30], [55, 40], atol=1e-4)
    place = Affine(**(still | {"scale": (1, 1), "rotation": (90, 90)})).coordinates((101, 101), rng)
    assert abs(place[0, 50, 60] - 50) == pytest.approx(10, abs=1e-3)
    place = Affine(**(still | {"scale": (1, 1), "shift": (0.1, 0.1)})).coordinates((100, 100), rng)
    np.testing.assert_allclose(place[:, 30, 30], 20, atol=1e-4)


def test_crowding_brings_more_and_smaller_cells() -> None:
    patch = landmarks()
    for seed in range(5):
        changed = moved(patch, Crowding(), seed)
        area = np.bincount(changed.labels.ravel(), minlength=17)[6]
        assert area < 0.95 * np.bincount(patch.labels.ravel())[6]
        assert ndimage.label(changed.labels)[1] > 16


def test_a_resized_crop_shows_a_part_enlarged() -> None:
    for seed in range(5):
        place = ResizedCrop(area=(0.25, 0.25), aspect=(1, 1)).coordinates(
            (80, 80), np.random.default_rng(seed)
        )
        assert place.min() >= -0.5
        assert place.max() <= 79.5
        np.testing.assert_allclose(np.diff(place[0], axis=0), 0.5, atol=1e-4)


def test_nearest_pixels_bring_no_new_values() -> None:
    patch = cells(False)
    for name, operation in DEFAULTS.items():
        changed = moved(patch, operation, 3, smooth=False)
        assert np.isin(changed.image, patch.image).all(), name
