"""Augmentation in two stages: how operations are dealt out, applied, repeated and written down."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from napari_cellseg.errors import OptionError
from napari_cellseg.training.unets.augmentation import (
    AugmentationConfig,
    Pair,
    apply_pair,
    augment,
    deal_pairs,
    variant_pair,
)
from napari_cellseg.training.unets.warping import Patch

from .scenes import cells, landmarks

CONFIG = AugmentationConfig()
PHOTOMETRIC, GEOMETRIC = tuple(CONFIG.photometric()), tuple(CONFIG.geometric())


def assert_equal(first: Patch, second: Patch) -> None:
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.ignored, second.ignored)


def test_all_operations_of_the_paper_are_there() -> None:
    assert set(PHOTOMETRIC) == {
        "motion_blur", "defocus", "zoom_blur", "gaussian_noise", "iso_noise", "hue_saturation_value",
        "channel_shuffle", "brightness_contrast", "gamma", "clahe", "to_grey", "invert",
    }  # fmt: skip
    assert set(GEOMETRIC) == {
        "elastic", "grid_distortion", "division_shift", "crowding_affine", "motion_crop", "pad_and_crop",
        "horizontal_flip", "vertical_flip", "rotate90", "transpose",
    }  # fmt: skip
    assert CONFIG.variants == 21
    assert CONFIG.motion_blur.length == (3, 7)
    assert CONFIG.defocus.radius == (1, 3)


@pytest.mark.parametrize("seed", range(5))
def test_operations_are_dealt_out_evenly(seed: int) -> None:
    pairs = deal_pairs(CONFIG, np.random.default_rng(seed))
    counts = Counter(pair.photometric for pair in pairs)
    assert len(pairs) == 21
    assert counts.pop(None) == CONFIG.unaltered
    assert set(counts) == set(PHOTOMETRIC)
    assert set(counts.values()) <= {1, 2}
    assert {pair.geometric for pair in pairs} <= set(GEOMETRIC)


def test_every_geometric_operation_comes_about_as_often() -> None:
    pairs = [variant_pair(CONFIG, 0, image, 0, v) for image in range(60) for v in range(21)]
    counts = Counter(pair.geometric for pair in pairs)
    assert set(counts) == set(GEOMETRIC)
    assert min(counts.values()) > 0.6 * len(pairs) / len(GEOMETRIC)


def test_switches_hold() -> None:
    config = CONFIG.without(*PHOTOMETRIC[1:], *GEOMETRIC[:-1])
    pairs = deal_pairs(config, np.random.default_rng(0))
    assert Counter(pairs) == {Pair(PHOTOMETRIC[0], "transpose"): 18, Pair(None, "transpose"): 3}
    nothing = CONFIG.without(*PHOTOMETRIC, *GEOMETRIC)
    assert set(deal_pairs(nothing, np.random.default_rng(0))) == {Pair(None, None)}
    assert_equal(augment(cells(True), nothing), cells(True))


def test_grey_images_get_no_operation_that_needs_colour() -> None:
    pairs = deal_pairs(CONFIG, np.random.default_rng(0), colour=False)
    dealt = {pair.photometric for pair in pairs}
    assert dealt == {None, *PHOTOMETRIC} - {"channel_shuffle", "to_grey"}


@pytest.mark.parametrize("colour", [False, True])
def test_a_variant_is_decided_by_its_numbers(colour: bool) -> None:
    patch = cells(colour)
    numbers = {"seed": 3, "image": 5, "epoch": 2, "variant": 7}
    first = augment(patch, CONFIG, **numbers)
    assert_equal(first, augment(patch, CONFIG, **numbers))
    for name in numbers:
        other = augment(patch, CONFIG, **(numbers | {name: numbers[name] + 1}))
        assert not np.array_equal(first.image, other.image)


def test_variants_beyond_the_last_are_new_ones() -> None:
    quiet = CONFIG.without(*PHOTOMETRIC)
    images = [augment(cells(False), quiet, variant=v).image.tobytes() for v in range(42)]
    assert len(set(images)) > 30
    assert variant_pair(CONFIG, 0, 0, 0, 25) == variant_pair(CONFIG, 0, 0, 0, 25)


@pytest.mark.parametrize("colour", [False, True])
def test_every_pair_keeps_range_type_and_labels(colour: bool) -> None:
    patch = cells(colour)
    before = replace(
        patch, image=patch.image.copy(), labels=patch.labels.copy(), ignored=patch.ignored.copy()
    )
    for photometric in (None, *CONFIG.photometric(colour=colour)):
        for geometric in (None, *GEOMETRIC):
            pair = Pair(photometric, geometric)
            changed = apply_pair(patch, pair, CONFIG, np.random.default_rng(1))
            assert changed.image.dtype == np.float32
            assert changed.labels.dtype == np.int32
            assert changed.ignored.dtype == bool
            assert changed.image.shape == patch.image.shape
            assert changed.image.min() >= 0
            assert changed.image.max() <= 1
            assert set(np.unique(changed.labels)) <= set(np.unique(patch.labels))
    assert_equal(patch, before)


@pytest.mark.parametrize("photometric", PHOTOMETRIC)
def test_photometric_operations_leave_labels_alone(photometric: str) -> None:
    patch = cells(True)
    changed = apply_pair(patch, Pair(photometric, None), CONFIG, np.random.default_rng(0))
    assert changed.labels is patch.labels
    assert changed.ignored is patch.ignored
    assert np.abs(changed.image - patch.image).mean() > 1e-3


def test_photometric_operations_come_first() -> None:
    patch, pair = cells(True), Pair("invert", "horizontal_flip")
    changed = apply_pair(patch, pair, CONFIG, np.random.default_rng(0))
    np.testing.assert_allclose(changed.image, 1 - patch.image[:, ::-1])
    np.testing.assert_array_equal(changed.labels, patch.labels[:, ::-1])


def test_a_frame_shows_what_lies_around_it_and_a_reflection_beyond() -> None:
    patch = landmarks()
    pair = Pair(None, "pad_and_crop")
    framed = apply_pair(patch, pair, CONFIG, np.random.default_rng(2), (40, 40, 48, 48))
    found = [
        (y, x)
        for y in range(80)
        for x in range(80)
        if np.array_equal(patch.labels[y : y + 48, x : x + 48], framed.labels)
    ]
    assert len(found) == 1
    assert found[0] != (40, 40)
    beyond = apply_pair(patch, Pair(None, None), CONFIG, np.random.default_rng(0), (-8, 0, 16, 128))
    np.testing.assert_array_equal(beyond.labels[:8], patch.labels[7::-1])
    np.testing.assert_array_equal(beyond.labels[8:], patch.labels[:8])


def test_the_configuration_survives_json() -> None:
    config = AugmentationConfig.from_dict(
        {"variants": 5, "unaltered": 1, "defocus": {"radius": [0.5, 2], "use": False}, "clahe": {"tiles": 4}}
    )
    assert config.defocus.radius == (0.5, 2)
    assert "defocus" not in config.photometric()
    assert AugmentationConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config
    assert AugmentationConfig.from_dict({}) == CONFIG


@pytest.mark.parametrize(
    "values",
    [
        {"blur": {}},
        {"defocus": {"radius": [3, 1]}},
        {"defocus": {"radius": [-1, 1]}},
        {"invert": {"amount": [0, 2]}},
        {"gamma": {"gamma": [0, 1]}},
        {"variants": 2, "unaltered": 3},
        {"elastic": {"displacement": [0, float("nan")]}},
    ],
)
def test_wrong_values_are_refused_in_words(values: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="augmentation"):
        AugmentationConfig.from_dict(values)


def test_unknown_operations_are_refused() -> None:
    with pytest.raises(OptionError, match="operation must be one of motion_blur"):
        CONFIG.without("sharpen")
    with pytest.raises(OptionError, match="not 'variants'"):
        CONFIG.without("variants")
