"""Shape: equal to scikit-image where it has the property, else what analytic shapes have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import disk, ellipse
from skimage.measure import perimeter, regionprops, regionprops_table
from skimage.morphology import convex_hull_image

from napari_cellseg.features.objects import Objects
from napari_cellseg.features.shape import FEATURES, shape

SKIMAGE = ("axis_major_length", "axis_minor_length", "eccentricity", "area_convex", "solidity")
SHAPES = st.sampled_from([(40, 48), (12, 9), (1, 20), (9, 1)])
SPACINGS = st.sampled_from([(1.0, 1.0), (0.3, 0.3), (2.0, 0.5)])


def shapes_of(labels, spacing=(1.0, 1.0)):
    return shape(Objects.found_in(labels, spacing=spacing))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), SHAPES, SPACINGS)
def test_shape_is_that_of_scikit_image(odd_objects, seed, size, spacing):
    labels = odd_objects(seed, size)
    measured = shapes_of(labels, spacing)
    expected = regionprops_table(labels, properties=SKIMAGE, spacing=spacing)
    for name, values in expected.items():
        np.testing.assert_allclose(measured[name], values, rtol=1e-6, atol=1e-6, err_msg=name)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), SHAPES, SPACINGS)
def test_orientation_is_that_of_scikit_image_modulo_a_half_turn(odd_objects, seed, size, spacing):
    labels = odd_objects(seed, size)
    measured = shapes_of(labels, spacing)
    expected = regionprops_table(labels, properties=("orientation",), spacing=spacing)["orientation"]
    long = measured["axis_major_length"] > measured["axis_minor_length"] * (1 + 1e-9) + 1e-9
    turned = np.mod(measured["orientation"] - expected + 0.1, np.pi) - 0.1
    np.testing.assert_allclose(turned[long], 0, atol=1e-6)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(1, 25), st.floats(0.01, 0.6))
def test_hulls_of_scattered_pixels_are_those_of_scikit_image(seed, height, width, share):
    mask = np.random.default_rng(seed).random((height, width)) < share
    mask[0, 0] = True
    hull = convex_hull_image(mask)
    measured = shapes_of(mask.astype(np.uint8))
    assert measured["area_convex"][0] == hull.sum()
    assert measured["perimeter_convex"][0] == pytest.approx(perimeter(hull, 4))


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
def test_derived_shapes_follow_their_formulas(odd_objects, seed):
    labels = odd_objects(seed)
    measured = shapes_of(labels)
    for i, region in enumerate(regionprops(labels)):
        if region.perimeter > 0:
            around = perimeter(region.image_convex, 4)
            assert measured["circularity"][i] == pytest.approx(4 * np.pi * region.area / region.perimeter**2)
            assert measured["convexity"][i] == pytest.approx(around / region.perimeter)
        if region.axis_major_length > 0:
            major, minor = region.axis_major_length, region.axis_minor_length
            assert measured["roundness"][i] == pytest.approx(4 * region.area / (np.pi * major**2))
            assert measured["elongation"][i] == pytest.approx(1 - minor / major, abs=1e-6)
            moments = region.moments_central
            spread = 2 * np.pi * (moments[2, 0] + moments[0, 2])
            assert measured["compactness"][i] == pytest.approx(region.area**2 / spread)


def test_a_disc_is_round_in_every_way():
    labels = np.zeros((130, 130), np.int32)
    labels[disk((64, 64), 60)] = 1
    measured = {name: values[0] for name, values in shapes_of(labels).items()}
    for name in ("aspect_ratio", "solidity", "convexity", "roundness", "compactness"):
        assert measured[name] == pytest.approx(1, abs=0.02), name
    assert measured["circularity"] == pytest.approx(1, abs=0.12)
    assert measured["elongation"] == pytest.approx(0, abs=0.01)
    assert measured["axis_major_length"] == pytest.approx(120, rel=0.01)


@pytest.mark.parametrize("side", range(1, 60))
def test_squares_are_not_eccentric_whatever_their_pixels(side):
    measured = shapes_of(np.ones((side, side), np.uint8), (0.3, 0.3))
    assert measured["eccentricity"][0] == pytest.approx(0, abs=1e-7)


def test_an_ellipse_has_its_axes_and_orientation():
    labels = np.zeros((200, 200), np.int32)
    labels[ellipse(100, 100, 60, 20, rotation=np.pi / 6)] = 1
    measured = {name: values[0] for name, values in shapes_of(labels).items()}
    assert measured["axis_major_length"] == pytest.approx(120, rel=0.02)
    assert measured["aspect_ratio"] == pytest.approx(3, rel=0.02)
    assert measured["elongation"] == pytest.approx(2 / 3, rel=0.02)
    assert measured["orientation"] == pytest.approx(np.pi / 6, abs=0.02)


def test_a_single_pixel_and_a_line_say_where_they_have_no_shape():
    labels = np.zeros((9, 9), np.int32)
    labels[1, 1] = 1
    labels[4, 1:8] = 2
    np.fill_diagonal(labels[5:, 5:], 3)
    measured = shapes_of(labels)
    assert [n for n, v in measured.items() if np.isnan(v[0])] == [
        "aspect_ratio",
        "elongation",
        "convexity",
        "circularity",
        "roundness",
        "compactness",
    ]
    for row in (1, 2):
        assert [n for n, v in measured.items() if np.isnan(v[row])] == ["aspect_ratio"]
    assert measured["elongation"][1:].tolist() == [1, 1]
    assert measured["eccentricity"].tolist() == [0, 1, 1]
    assert measured["axis_minor_length"].tolist() == [0, 0, 0]


def test_far_away_in_a_large_image_nothing_is_lost():
    labels = np.zeros((3000, 3000), np.uint16)
    labels[2900:2903, 2800:2990] = 7
    labels[5:2990, 5] = 9
    expected = regionprops_table(labels, properties=SKIMAGE)
    for name, values in expected.items():
        np.testing.assert_allclose(shapes_of(labels)[name], values, rtol=1e-6, atol=1e-6, err_msg=name)


def test_columns_are_those_of_the_registry():
    for labels in (np.ones((6, 6), np.uint8), np.zeros((6, 6), np.uint8)):
        measured = shapes_of(labels)
        assert list(measured) == [f.name for f in FEATURES]
        assert {str(values.dtype) for values in measured.values()} == {"float64"}


@pytest.mark.parametrize("offset", [(0, 0), (7, 3), (301, 17)])
def test_round_objects_have_an_eccentricity_of_0(offset):
    for radius in range(1, 30):
        y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
        labels = np.zeros((400, 100), np.int32)
        labels[offset[0] :, offset[1] :][: len(y), : len(x)] = y**2 + x**2 <= radius**2
        assert shapes_of(labels)["eccentricity"][0] == pytest.approx(0, abs=1e-6)
