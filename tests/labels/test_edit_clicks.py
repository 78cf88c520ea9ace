"""Objects grown from one click on the image, or on a model's maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cellseg.errors import OptionError
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.instances.decoding import VoteDecoding
from napari_cellseg.instances.mask_decoding import MaskDecoding
from napari_cellseg.labels.growing import grow_from_click, grow_from_maps, size_misfit

from .conftest import disc


def agreement(a, b):
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("click", [(40, 40), (32, 46)])
def test_a_bright_or_dark_disc_is_found(sign, click):
    rng = np.random.default_rng(0)
    truth = disc((80, 80), (40, 40), 14)
    image = sign * ndimage.gaussian_filter(truth * 100.0, 1.5) + rng.normal(0, 6, truth.shape)
    assert agreement(grow_from_click(image, click, max_diameter=50), truth) > 0.85


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(42, 42), (70, 20)])
def test_pixels_that_are_no_numbers_do_not_lead_astray(value, place):
    truth = disc((80, 80), (40, 40), 14)
    image = ndimage.gaussian_filter(truth * 100.0, 1.5) + np.random.default_rng(0).normal(0, 6, truth.shape)
    image[place] = value
    assert agreement(grow_from_click(image, (40, 40), max_diameter=50), truth) > 0.85


def test_a_colour_that_is_no_brighter_is_found():
    truth = disc((80, 80), (40, 40), 14)
    image = np.stack([np.where(truth, 60, 180), np.where(truth, 180, 60), np.full(truth.shape, 90)], axis=-1)
    assert agreement(grow_from_click(image.astype(np.uint8), (40, 44), max_diameter=50), truth) > 0.9


def test_one_of_two_that_touch_is_found():
    truth = disc((60, 80), (30, 25), 14)
    image = ndimage.gaussian_filter((truth | disc((60, 80), (30, 50), 13)) * 1000.0, 1)
    assert agreement(grow_from_click(image, (30, 22), max_diameter=60), truth) > 0.85


def test_most_nuclei_are_found():
    field = simulate_fluorescence((256, 256), objects=12, touching=0.0, seed=3)
    scores = []
    for label in np.unique(field.labels)[1:]:
        truth = field.labels == label
        click = np.argwhere(truth).mean(axis=0)
        scores.append(agreement(grow_from_click(field.image, click, max_diameter=60), truth))
    assert np.median(scores) > 0.85


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.floats(0, 29), st.floats(0, 39), st.floats(3, 40))
def test_what_grows_is_one_smooth_thing_within_reach(seed, y, x, diameter):
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.normal(size=(30, 40)), 3)
    taken = np.zeros((30, 40), bool)
    taken[rng.integers(30), rng.integers(40)] = True
    place = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
    if taken[place]:
        return
    mask = grow_from_click(image, (y, x), max_diameter=diameter, taken=taken)
    assert not np.any(mask & taken)
    assert np.count_nonzero(ndimage.binary_fill_holes(mask) & ~mask & ~taken) == 0
    if mask.any():
        assert np.linalg.norm(np.argwhere(mask) - place, axis=1).max() <= diameter


def test_nothing_grows_on_nothing():
    flat = np.full((30, 30), 7.0)
    assert not grow_from_click(flat, (15, 15), max_diameter=20).any()
    assert not grow_from_click(np.full((30, 30), np.nan), (15, 15), max_diameter=20).any()


def test_clicks_that_hit_nothing_are_refused():
    image = np.zeros((30, 30))
    with pytest.raises(OptionError, match="inside"):
        grow_from_click(image, (31, 2), max_diameter=20)
    with pytest.raises(OptionError, match="already"):
        grow_from_click(image, (3, 3), max_diameter=20, taken=np.ones((30, 30), bool))
    with pytest.raises(OptionError, match="plane"):
        grow_from_click(image[0], (3, 3), max_diameter=20)


def maps_of(objects, foreground):
    """Maps of a perfect model: offsets point at the centre of each disc."""
    shape = (80, 100)
    maps = np.zeros((4, *shape), np.float32)
    for centre, radius in objects:
        inside = disc(shape, centre, radius)
        maps[0][inside] = foreground
        for axis in range(2):
            maps[2 + axis][inside] = (centre[axis] - np.indices(shape)[axis][inside]) / 16
    return maps


@pytest.mark.parametrize("params", [VoteDecoding(), MaskDecoding("shape")], ids=["votes", "mask"])
@pytest.mark.parametrize("foreground", [0.9, 0.3, 0.12])
def test_a_weak_object_of_the_maps_is_found(foreground, params):
    objects = [((40, 30), 14), ((40, 58), 13)]
    maps = maps_of(objects, foreground)
    found, label = grow_from_maps(maps, params, (42, 25))
    truth = disc((80, 100), (40, 30), 14) & ~disc((80, 100), (40, 58), 13)
    assert agreement(found.labels == label, truth) > 0.95
    assert grow_from_maps(maps, params, (5, 90))[1] == 0
    with pytest.raises(OptionError, match="inside"):
        grow_from_maps(maps, params, (-4, 90))


def test_the_misfit_of_a_size_is_the_same_above_and_below():
    field = disc((90, 90), (45, 45), 20)
    assert size_misfit(field, 40) == pytest.approx(0, abs=0.02)
    assert size_misfit(field, 80) == pytest.approx(np.log(4), abs=0.02)
    assert size_misfit(field, 20) == pytest.approx(np.log(4), abs=0.02)
    assert size_misfit(np.zeros((5, 5), bool), 20) == np.inf
