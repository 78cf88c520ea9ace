"""Moments: equal to scikit-image; Hu's invariants are invariant."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import ellipse
from skimage.measure import regionprops_table

from napari_cellseg.features.moments import FEATURES, moments
from napari_cellseg.features.objects import Objects

SPACINGS = st.sampled_from([(1.0, 1.0), (0.3, 0.3), (2.0, 0.5)])
PROPERTIES = ("moments", "moments_central", "moments_normalized", "inertia_tensor", "inertia_tensor_eigvals")


def moments_of(labels, spacing=(1.0, 1.0)):
    return moments(Objects.found_in(labels, spacing=spacing))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([(40, 48), (12, 9), (1, 20), (9, 1)]), SPACINGS)
def test_moments_are_those_of_scikit_image(odd_objects, seed, size, spacing):
    """Central moments that cancel out are compared with the sum of what cancels."""
    labels = odd_objects(seed, size)
    measured = moments_of(labels, spacing)
    expected = regionprops_table(labels, properties=PROPERTIES, spacing=spacing)
    for name, values in expected.items():
        np.testing.assert_array_equal(np.isnan(measured[name]), np.isnan(values), err_msg=name)
        family, *orders = name.split("-")
        scale = np.abs(values)
        if family in ("moments_central", "moments_normalized"):
            i, j = map(int, orders)
            reach = (size[0] * spacing[0]) ** i * (size[1] * spacing[1]) ** j
            scale = np.maximum(scale, reach if family == "moments_central" else 1)
        elif family != "moments":
            scale = np.maximum(scale, 1)
        assert np.all(np.isnan(values) | (np.abs(measured[name] - values) <= 1e-9 * scale)), name


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
def test_hu_moments_are_those_of_scikit_image(odd_objects, seed):
    labels = odd_objects(seed)
    measured = moments_of(labels)
    for name, values in regionprops_table(labels, properties=("moments_hu",)).items():
        np.testing.assert_allclose(measured[name], values, rtol=1e-6, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.5), (2.0, 1.0)])
def test_hu_moments_depend_neither_on_place_nor_size_nor_turn_nor_pixels(spacing):
    found = []
    for size, turn in ((1.0, 0.0), (1.0, 1.0), (2.0, 2.0)):
        labels = np.zeros((400, 400), np.int32)
        rows, columns = ellipse(200, 200, 70 * size, 30 * size, rotation=turn)
        labels[rows, columns] = 1
        labels = labels[:: int(spacing[0])] if spacing[0] > 1 else labels
        values = moments_of(labels, spacing)
        found.append([values["moments_hu-0"][0], values["moments_hu-1"][0]])
    np.testing.assert_allclose(found[1:], found[:1] * 2, rtol=0.03)


def test_pixels_of_another_size_do_not_change_hu_moments(odd_objects):
    labels = odd_objects(3)
    large, small = moments_of(labels), moments_of(labels, (0.2, 0.2))
    for i in range(7):
        name = f"moments_hu-{i}"
        np.testing.assert_allclose(small[name], large[name], rtol=1e-6, atol=1e-12)


def test_columns_are_those_of_the_registry():
    for labels in (np.ones((6, 6), np.uint8), np.zeros((6, 6), np.uint8)):
        assert list(moments_of(labels)) == [f.name for f in FEATURES]
