"""Augmentation: labels stay labels, image and labels move together."""

import numpy as np
import pytest

from napari_cellseg.training.augmentation import (
    Augmentation,
    augment_intensity,
    draw_scale,
    draw_transform,
    empty_image,
    uneven_light,
    warp_crop,
)
from napari_cellseg.training.samples import CropSource, Sample, sampling_weights

STAINED = Augmentation(stain=1.0, grey=0.0, shade=0.0, blur=0.0, noise=0.0, rescale=0.0)


def labelled(height: int = 90, width: int = 120) -> np.ndarray:
    labels = np.zeros((height, width), np.int32)
    for i, (y, x) in enumerate(np.ndindex(3, 4), start=1):
        labels[10 + 27 * y : 25 + 27 * y, 8 + 29 * x : 27 + 29 * x] = 10 * i
    return labels


@pytest.mark.parametrize("seed", range(8))
def test_image_and_labels_move_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = labelled()
    image = (labels > 0).astype(np.float32)[..., None]
    matrix = draw_transform(rng.uniform(0.5, 2.0), Augmentation(rotate=1.0), rng)
    crop, crop_labels = warp_crop(image, labels, matrix, (45.0, 60.0), 96)
    assert set(np.unique(crop_labels)) <= set(np.unique(labels))
    agree = (crop[..., 0] > 0.5) == (crop_labels > 0)
    assert agree.mean() > 0.98


def test_the_identity_leaves_everything_as_it_is() -> None:
    labels = labelled(64, 64)
    image = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    crop, crop_labels = warp_crop(image, labels, np.eye(2), (31.5, 31.5), 64)
    assert np.allclose(crop, image, atol=1e-6)
    assert np.array_equal(crop_labels, labels)


@pytest.mark.parametrize("diameter", [0.0, 8.0, 20.0, 90.0])
def test_scale_stays_in_its_limits(diameter: float) -> None:
    rng = np.random.default_rng(0)
    settings = Augmentation()
    scales = np.array([draw_scale(diameter, settings, rng) for _ in range(200)])
    assert (scales >= settings.scale_low).all()
    assert (scales <= settings.scale_high).all()


@pytest.mark.parametrize(("diameter", "seen"), [(8.0, 17.0), (30.0, 30.0), (100.0, 39.2)])
def test_images_come_at_the_scale_at_which_they_will_be_segmented(diameter: float, seen: float) -> None:
    rng = np.random.default_rng(0)
    settings = Augmentation(own=1.0, own_scale=(12.0, 64.0), scale_low=0.1, scale_high=3.0)
    scales = np.array([draw_scale(diameter, settings, rng) for _ in range(300)])
    assert np.median(scales) * diameter == pytest.approx(seen, rel=0.03)


@pytest.mark.parametrize("channels", [1, 3])
def test_intensity_keeps_shape_and_range(channels: int) -> None:
    rng = np.random.default_rng(3)
    image = rng.random((40, 40, channels)).astype(np.float32)
    for _ in range(40):
        changed = augment_intensity(image, Augmentation(), rng)
        assert changed.shape == (40, 40, 3)
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert changed.min() >= -0.5
        assert changed.max() <= 3.0


def test_stains_get_stronger_and_weaker_and_white_stays_white() -> None:
    rng = np.random.default_rng(0)
    image = np.ones((8, 8, 3), np.float32)
    image[:4] = (0.45, 0.3, 0.6)  # haematoxylin on glass
    changed = [augment_intensity(image, STAINED, rng) for _ in range(50)]
    purple = np.array([c[0, 0] for c in changed])
    assert np.mean([c[-1, -1].min() for c in changed]) > 0.9
    assert purple.std(axis=0).min() > 0.05
    assert np.mean(purple[:, 1] < purple[:, 2]) > 0.8


def test_empty_images_and_light_are_finite() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        image = empty_image(48, rng)
        assert image.shape == (48, 48, 3)
        assert np.isfinite(image).all()
    field = uneven_light((30, 50), 0.3, rng)
    assert field.shape == (30, 50)
    assert np.abs(field).max() <= 0.3 + 1e-6


def samples() -> list[Sample]:
    rng = np.random.default_rng(0)
    labels = labelled()
    grey = (labels > 0)[..., None] * 900 + rng.integers(0, 60, (*labels.shape, 1))
    colour = np.repeat(255 - 200 * (labels > 0)[..., None], 3, axis=2) - [0, 20, 10]
    many = [Sample(f"grey{i}", "a", grey.astype(np.uint16), labels, "grey", 19.0) for i in range(9)]
    return [*many, Sample("stained", "b", colour.astype(np.uint8), labels, "colour", 19.0)]


def test_kinds_are_balanced_rather_than_images() -> None:
    weights = sampling_weights(samples())
    assert weights.sum() == pytest.approx(1)
    assert weights[-1] > 3 * weights[0]


def test_an_emphasised_set_is_drawn_more_often() -> None:
    plain, emphasised = sampling_weights(samples()), sampling_weights(samples(), {"b": 2.0})
    assert emphasised.sum() == pytest.approx(1)
    assert emphasised[-1] / emphasised[0] == pytest.approx(2 * plain[-1] / plain[0])


def test_the_last_crops_are_drawn_with_other_strengths() -> None:
    late = Augmentation(own=1.0, rotate=0.0, diameter_low=40.0, diameter_high=41.0)
    plain, other = CropSource(samples(), 64, Augmentation()), CropSource(samples(), 64, late)
    both = CropSource(samples(), 64, Augmentation(), finish=(4, late))
    assert np.array_equal(both.crop(3)[0], plain.crop(3)[0])
    assert np.array_equal(both.crop(4)[0], other.crop(4)[0])
    assert not np.array_equal(plain.crop(4)[0], other.crop(4)[0])


def test_a_crop_depends_only_on_seed_and_number() -> None:
    first, again = (CropSource(samples(), 64, Augmentation(), seed=5) for _ in range(2))
    other = CropSource(samples(), 64, Augmentation(), seed=6)
    for number in (0, 3, 17):
        image, targets = first.crop(number)
        same, same_targets = again.crop(number)
        assert image.shape == (3, 64, 64)
        assert np.array_equal(image, same)
        assert np.array_equal(targets.offsets, same_targets.offsets)
        assert not np.array_equal(image, other.crop(number)[0])
