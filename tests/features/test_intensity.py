"""Intensities of objects are those of scikit-image and SciPy, whatever the image's type."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats
from skimage.measure import regionprops_table
from skimage.segmentation import find_boundaries

from napari_cellseg.features.background import RING_GAP, RING_WIDTH, background
from napari_cellseg.features.intensity import FEATURES, intensity
from napari_cellseg.features.objects import Objects

SKIMAGE = ["intensity_mean", "intensity_std", "intensity_min", "intensity_max", "intensity_median"]


def scattered(rng, shape, count=7):
    """Labels in several pieces, down to single pixels, with gaps in their numbering."""
    ids = rng.choice(5000, count, replace=False) + 1
    fields = np.where(rng.random(shape) < 0.4, 0, ids[rng.integers(0, count, shape)]).astype(np.int32)
    middle = tuple(slice(n // 4, n // 2 + 1) for n in shape)
    fields[middle] = ids[0]
    return fields


def pixels(rng, shape, dtype):
    if np.dtype(dtype).kind == "f":
        return rng.normal(3, 50, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(max(limits.min, -(2**40)), min(limits.max, 2**40), shape, endpoint=True).astype(dtype)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10**6),
    st.sampled_from([(17, 23), (1, 30), (30, 1), (70, 60), (4, 9, 8)]),
    st.sampled_from([np.uint8, np.uint16, np.float64]),
)
def test_equals_scikit_image_numpy_and_scipy(seed, shape, dtype):
    rng = np.random.default_rng(seed)
    labels, image = scattered(rng, shape), pixels(rng, shape, dtype)
    spacing = tuple(rng.uniform(0.2, 3, len(shape)))
    found = intensity(Objects.found_in(labels, spacing=spacing), image[..., None])
    expected = regionprops_table(
        labels, image.astype(float), [*SKIMAGE, "centroid_weighted"], spacing=spacing
    )
    sums = ndimage.sum_labels(image.astype(float), labels, np.unique(labels[labels > 0]))
    for name, values in expected.items():
        steady = np.abs(sums) > 1e-6 * np.abs(image).max() if "centroid" in name else np.full(len(sums), True)
        assert found[name][steady] == pytest.approx(values[steady], rel=1e-6, abs=1e-9), name
    for row, label in enumerate(np.unique(labels[labels > 0])):
        values = image[labels == label].astype(float)
        assert found["intensity_sum"][row] == pytest.approx(values.sum(), rel=1e-12, abs=1e-6)
        for q in (5, 25, 75, 95):
            assert found[f"intensity_q{q:02d}"][row] == pytest.approx(np.quantile(values, q / 100), rel=1e-9)
        if np.ptp(values) > 0:
            skewness = stats.skew(values)
            assert found["intensity_skewness"][row] == pytest.approx(skewness, rel=1e-6, abs=1e-9)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([(17, 23), (5, 9, 8)]))
def test_edge_is_the_inner_boundary(seed, shape):
    rng = np.random.default_rng(seed)
    labels, image = scattered(rng, shape), pixels(rng, shape, np.float64)
    found = intensity(Objects.found_in(labels), image[..., None])["intensity_edge_mean"]
    for row, label in enumerate(np.unique(labels[labels > 0])):
        edge = find_boundaries(labels == label, connectivity=1, mode="inner")
        assert found[row] == pytest.approx(image[edge].mean(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    "values",
    [
        np.full(500, 7.5),
        np.array([0.0] * 300 + [65535.0]),
        np.repeat([1.0, 2.0, 3.0], 200),
        np.geomspace(1e-300, 1e300, 400),
        np.array([-1e307] * 50 + [1e307] * 50),
        np.arange(65.0)[::-1],
    ],
)
def test_quantiles_are_exact_for_any_distribution(values):
    labels = np.ones((1, len(values)), np.int32)
    found = intensity(Objects.found_in(labels), values[None, :, None])
    for q, name in ((0.05, "q05"), (0.25, "q25"), (0.5, "median"), (0.75, "q75"), (0.95, "q95")):
        assert found[f"intensity_{name}"][0] == pytest.approx(np.quantile(values, q), rel=1e-12)


def test_sums_of_small_integers_do_not_overflow():
    labels = np.ones((300, 300), np.int32)
    found = intensity(Objects.found_in(labels), np.full((300, 300, 1), 255, np.uint8))
    assert found["intensity_sum"][0] == 300 * 300 * 255


def test_pixels_that_are_not_finite_are_left_out():
    labels = np.array([[1, 1, 1, 2, 2, 3]], np.int32)
    image = np.array([[1.0, np.nan, 3.0, np.inf, np.nan, 5.0]])
    found = intensity(Objects.found_in(labels), image[..., None])
    assert found["intensity_mean"].tolist() == pytest.approx([2, np.nan, 5], nan_ok=True)
    assert found["intensity_max"].tolist() == pytest.approx([3, np.nan, 5], nan_ok=True)
    assert found["intensity_sum"].tolist() == pytest.approx([4, np.nan, 5], nan_ok=True)
    assert found["centroid_weighted-1"].tolist() == pytest.approx([1.5, np.nan, 5], nan_ok=True)


def test_without_light_there_is_no_weighted_centroid():
    found = intensity(Objects.found_in(np.ones((3, 3), np.int32)), np.zeros((3, 3, 1)))
    assert np.isnan(found["centroid_weighted-0"][0])
    assert np.isnan(found["intensity_skewness"][0])
    assert found["intensity_mean"][0] == 0


def test_several_channels_are_told_apart_by_name():
    labels = np.array([[4, 4], [0, 9]], np.int32)
    image = np.stack([labels, labels * 10], axis=-1).astype(np.uint16)
    found = intensity(Objects.found_in(labels), image, ("DAPI", "GFP"))
    assert found["intensity_mean-DAPI"].tolist() == [4, 9]
    assert found["intensity_mean-GFP"].tolist() == [40, 90]
    assert len(found) == 2 * sum(2 in f.dims for f in FEATURES)


@pytest.mark.parametrize("dtype", [bool, np.longdouble, ">u2"])
def test_rare_types_of_images_are_read(dtype):
    labels = np.array([[1, 1, 2]], np.int32)
    found = intensity(Objects.found_in(labels), np.array([[0, 1, 1]]).astype(dtype)[..., None])
    assert found["intensity_mean"].tolist() == [0.5, 1]


def test_no_objects_have_empty_columns():
    objects = Objects.found_in(np.zeros((4, 4), np.int32))
    image = np.zeros((4, 4, 1))
    for columns in (intensity(objects, image), background(objects, image)):
        assert all(values.shape == (0,) for values in columns.values())


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_background_is_the_median_of_a_ring(seed):
    rng = np.random.default_rng(seed)
    seeds = np.where(rng.random((40, 50)) < 0.004, rng.integers(1, 9, (40, 50)), 0).astype(np.int32)
    labels = ndimage.grey_dilation(seeds, size=(5, 3))
    image = rng.normal(100, 5, labels.shape)
    image[rng.random(labels.shape) < 0.05] = np.nan
    found = background(Objects.found_in(labels), image[..., None])
    for row, label in enumerate(np.unique(labels[labels > 0])):
        distance = ndimage.distance_transform_edt(labels != label)
        ring = (labels == 0) & (distance > RING_GAP) & (distance <= RING_GAP + RING_WIDTH)
        ring &= np.isfinite(image)
        expected = np.median(image[ring]) if ring.any() else np.nan
        mean = np.nanmean(image[labels == label]) if np.isfinite(image[labels == label]).any() else np.nan
        if np.isnan(mean):
            expected = np.nan
        assert found["intensity_background"][row] == pytest.approx(expected, nan_ok=True)
        assert found["intensity_over_background"][row] == pytest.approx(mean - expected, nan_ok=True)
