"""Size and place: equal to scikit-image where it has the property."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import label, regionprops, regionprops_table

from napari_cellseg.features.objects import Objects
from napari_cellseg.features.size import FEATURES, size

SKIMAGE = (
    "area",
    "perimeter",
    "perimeter_crofton",
    "equivalent_diameter_area",
    "area_bbox",
    "area_filled",
    "extent",
    "euler_number",
    "bbox",
    "centroid",
)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10**6), st.sampled_from([(40, 48), (12, 9), (1, 20), (9, 1)]), st.sampled_from([1.0, 0.3])
)
def test_size_is_that_of_scikit_image(odd_objects, seed, shape, pixel):
    labels = odd_objects(seed, shape)
    expected = regionprops_table(labels, properties=SKIMAGE, spacing=(pixel, pixel))
    measured = size(Objects.found_in(labels, spacing=(pixel, pixel)))
    assert len(labels[labels > 0]) > 0
    for name, values in expected.items():
        np.testing.assert_allclose(measured[name], values, rtol=1e-9, atol=1e-9, err_msg=name)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
def test_size_of_volumes_is_that_of_scikit_image(seed):
    labels = np.random.default_rng(seed).integers(0, 6, (5, 6, 7))
    names = ("area", "equivalent_diameter_area", "extent", "bbox", "centroid")
    expected = regionprops_table(labels, properties=names, spacing=(2.0, 0.5, 0.25))
    measured = size(Objects.found_in(labels, spacing=(2.0, 0.5, 0.25)))
    for name, values in expected.items():
        np.testing.assert_allclose(measured[name], values, rtol=1e-9, err_msg=name)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
def test_holes_and_pieces_are_counted(odd_objects, seed):
    labels = odd_objects(seed)
    measured = size(Objects.found_in(labels))
    for i, region in enumerate(regionprops(labels)):
        outside = label(~np.pad(region.image, 1), connectivity=1)
        assert measured["pieces"][i] == label(region.image, connectivity=2).max()
        assert measured["holes"][i] == outside.max() - 1


def test_columns_are_those_of_the_registry_in_type_and_name():
    for shape in [(6, 6), (4, 6, 6)]:
        measured = size(Objects.found_in(np.ones(shape, np.uint8)))
        wanted = {f.name: f.dtype for f in FEATURES if len(shape) in f.dims}
        assert {name: str(values.dtype) for name, values in measured.items()} == wanted


def test_objects_at_the_border_are_told():
    labels = np.zeros((9, 9), np.int32)
    labels[0, 4], labels[4, 8], labels[4, 4], labels[8, 1], labels[1:8, 1] = 1, 2, 3, 4, 5
    assert size(Objects.found_in(labels))["touches_border"].tolist() == [True, True, False, True, False]


@pytest.mark.parametrize("spacing, within", [((1.0, 1.0), 0.06), ((2.0, 1.0), 0.1), ((0.25, 1.0), 0.14)])
def test_perimeters_of_a_disc_with_oblong_pixels(spacing, within):
    """A disc of radius 40 in physical units, whatever the pixels are."""
    y, x = np.mgrid[: int(100 / spacing[0]), : int(100 / spacing[1])]
    disc = (y * spacing[0] - 50) ** 2 + (x * spacing[1] - 50) ** 2 < 1600
    measured = size(Objects.found_in(disc.astype(np.uint8), spacing=spacing))
    assert measured["perimeter_crofton"][0] == pytest.approx(2 * np.pi * 40, rel=0.04)
    assert measured["perimeter"][0] == pytest.approx(2 * np.pi * 40, rel=within)
    assert measured["area"][0] == pytest.approx(np.pi * 1600, rel=0.02)


def test_perimeter_of_a_square_with_oblong_pixels_counts_each_step():
    labels = np.zeros((20, 30), np.int32)
    labels[4:14, 5:25] = 1
    measured = size(Objects.found_in(labels, spacing=(3.0, 0.5)))
    assert measured["perimeter"][0] == pytest.approx(2 * (9 * 3.0 + 19 * 0.5))


def test_no_objects_have_columns_all_the_same():
    measured = size(Objects.found_in(np.zeros((5, 5), np.int32)))
    assert set(measured) == {f.name for f in FEATURES if 2 in f.dims}
    assert all(len(values) == 0 for values in measured.values())


def test_a_ring_around_another_object():
    labels = np.full((7, 7), 1, np.int32)
    labels[2:5, 2:5] = 2
    measured = size(Objects.found_in(labels))
    assert measured["holes"].tolist() == [1, 0]
    assert measured["area_filled"].tolist() == [ndimage.binary_fill_holes(labels == 1).sum(), 9]
