"""Intensity scaling: what becomes 0 and 1, what is cut off, what is no number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_cellseg.images.scaling import (
    CLIP_HIGH,
    CLIP_LOW,
    IntensityRange,
    intensity_range,
    scale_intensity,
    standard_range,
)

IMAGES = arrays(np.uint16, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(image=IMAGES)
@settings(max_examples=40, deadline=None)
def test_the_mean_becomes_0_and_a_standard_deviation_1(image):
    found = scale_intensity(image, standard_range(image))
    if np.ptp(image) == 0:
        assert not found.any()
        return
    np.testing.assert_allclose(found, (image - image.mean()) / image.std(), atol=1e-3, rtol=1e-4)


@given(image=IMAGES)
@settings(max_examples=40, deadline=None)
def test_percentiles_become_0_and_1_and_what_is_far_outside_is_cut_off(image):
    low, high = np.percentile(image, (10, 90))
    if not high > low:
        low, high = image.min(), image.max()
    found = scale_intensity(image, intensity_range(image, 10, 90))
    expected = np.clip((image - float(low)) / max(float(high - low), 1e-9), CLIP_LOW, CLIP_HIGH)
    np.testing.assert_allclose(found, expected if high > low else 0, atol=1e-3)


def test_what_is_no_number_does_not_count_and_becomes_0():
    image = np.array([1.0, 3.0, np.nan, np.inf, -np.inf])
    assert standard_range(image) == IntensityRange(2.0, 3.0, clipped=False)
    assert scale_intensity(image, standard_range(image)).tolist() == [-1, 1, 0, CLIP_HIGH, CLIP_LOW]
    assert scale_intensity(image, IntensityRange(2.0, 3.0)).tolist() == [CLIP_LOW, 1, 0, CLIP_HIGH, CLIP_LOW]
    assert standard_range(np.array([np.nan])).is_constant
    assert standard_range([]).is_constant


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_image_becomes_0(value):
    image = np.full((3, 3), value, np.uint8)
    assert not scale_intensity(image, standard_range(image)).any()
    assert standard_range(np.array([True, False])) == IntensityRange(0.5, 1.0, clipped=False)
