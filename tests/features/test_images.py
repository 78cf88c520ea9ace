"""What a whole image is: how many objects, how much of it they cover, and how good it is."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import blur_effect

from napari_cellseg.errors import OptionError
from napari_cellseg.events import Progress
from napari_cellseg.features import quality
from napari_cellseg.features.images import measure_images, measuring_images, summarise_image
from napari_cellseg.features.measuring import measure
from napari_cellseg.features.objects import Objects
from napari_cellseg.features.quality import blur, focus, saturation, unevenness


def film():
    labels = np.zeros((3, 10, 20), np.int32)
    labels[0, :5, :4] = 1
    labels[1, :5, :4], labels[1, 5:, 10:] = 1, 2
    return labels


def test_counts_and_confluence_frame_by_frame():
    table = measure_images(film(), axes="TYX", scale=0.5, unit="µm")
    assert table["t"].tolist() == [0, 1, 2]
    assert table["count"].tolist() == [1, 2, 0]
    assert table["confluence"].tolist() == [0.1, 0.35, 0]
    assert table["density"].tolist() == [1 / 50, 2 / 50, 0]
    assert table.attrs["units"] == {"count": "", "confluence": "", "density": "1/µm²"}


def test_classes_are_counted_in_every_image():
    known = pd.DataFrame({"index": [1, 1, 2], "t": [0, 1, 1], "class": ["live", "dead", None]})
    table = measure_images(film(), axes="TYX", table=known)
    assert table["count_of-live"].tolist() == [1, 0, 0]
    assert table["count_of-dead"].tolist() == [0, 1, 0]
    assert table["fraction_of-live"].tolist() == pytest.approx([1, 0, np.nan], nan_ok=True)


def test_numbered_classes_are_counted_where_an_object_has_none():
    known = pd.DataFrame({"index": [1], "class": [3]})
    table = measure_images(film()[1], table=known)
    assert table["count_of-3"].tolist() == [1]
    assert table["fraction_of-3"].tolist() == [1]
    cells = measure(film()[1], table=known, features="classes")
    assert cells["contacts_with-3"].tolist() == [0, 0]


def test_quality_of_each_channel():
    labels = film()[1]
    image = np.random.default_rng(0).integers(0, 4096, (10, 20, 2)).astype(np.uint16)
    table = measure_images(labels, image, channels=("DAPI", "GFP"))
    assert {"focus-DAPI", "blur-GFP", "saturation-GFP", "unevenness-DAPI"} <= set(table)
    assert table.attrs["units"]["focus-GFP"] == ""
    assert measure_images(labels, image[..., 0])["focus"][0] == table["focus-DAPI"][0]


def test_a_volume():
    table = measure_images(film(), volume=True, scale=(2, 1, 1), unit="µm")
    assert len(table) == 1
    assert table["confluence"][0] == pytest.approx(90 / 600)
    assert table["density"][0] == pytest.approx(2 / 1200)
    assert table.attrs["units"]["density"] == "1/µm³"


def test_it_can_be_followed_and_left():
    job = measuring_images(film(), axes="TYX")
    assert next(job) == Progress("Measuring images", 0, 3)
    job.close()


def test_one_class_for_each_object():
    with pytest.raises(OptionError, match="2 objects"):
        summarise_image(Objects.found_in(film()[1]), classes=["a"])


@settings(deadline=None, max_examples=12)
@given(
    st.integers(0, 10**6),
    st.sampled_from([(4, 9), (30, 41), (62, 20)]),
    st.sampled_from([np.uint8, np.uint16, np.float64]),
    st.sampled_from([7, 16, 1000]),
)
def test_blur_is_that_of_scikit_image_in_any_band(seed, shape, dtype, band):
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.random(shape), rng.uniform(0, 3))
    image = (field * (200 if np.dtype(dtype).kind == "u" else 1)).astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "BAND", band)
        assert blur(image) == pytest.approx(blur_effect(image), rel=1e-6, abs=1e-9)
        laplacian = ndimage.laplace(image.astype(float))
        if np.var(image.astype(float)) > 0:
            assert focus(image) == pytest.approx(laplacian.var() / image.astype(float).var(), rel=1e-9)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_blur_of_wide_integers_is_that_of_their_numbers(dtype):
    pixels = np.random.default_rng(2).integers(0, 4000, (60, 70))
    assert blur(pixels.astype(dtype)) == pytest.approx(blur(pixels.astype(np.uint16)))


def test_a_defocused_image_is_less_sharp():
    rng = np.random.default_rng(1)
    sharp = ndimage.gaussian_filter((rng.random((120, 120)) < 0.02) * 1000.0, 1)
    soft = ndimage.gaussian_filter(sharp, 3)
    assert focus(soft) < focus(sharp) / 5
    assert blur(soft) > blur(sharp)
    assert focus(sharp * 4 + 100) == pytest.approx(focus(sharp))


def test_an_even_or_tiny_image_has_no_focus():
    assert np.isnan(focus(np.full((9, 9), 3)))
    assert np.isnan(blur(np.ones((3, 9))))
    assert np.isnan(focus(np.array([[1.0, np.nan], [2, 3]])))


@pytest.mark.parametrize(
    "values, expected",
    [
        (np.array([0, 255, 255, 3], np.uint8), 0.5),
        (np.array([0, 4095, 7, 3], np.uint16), 0.25),
        (np.array([0, 4000, 4000, 3], np.uint16), 0),
        (np.array([0, 1.0, 0.5, np.nan]), 1 / 3),
        (np.array([0, 65535.0, 5, 1], np.float32), 0.25),
        (np.array([0.0, 1e30]), 0),
        (np.array([True, False]), 0.5),
        (np.array([np.nan]), np.nan),
    ],
)
def test_saturation(values, expected):
    assert saturation(values[None]) == pytest.approx(expected, nan_ok=True)


def test_unevenness_is_that_of_the_background():
    labels = np.zeros((160, 240), np.int32)
    labels[40:80, 50:90] = 1
    x = np.arange(240) + np.zeros((160, 1))
    rng = np.random.default_rng(2)
    even = rng.normal(1000, 20, labels.shape)
    even[labels > 0] = 60000
    assert unevenness(even, labels) < 0.01
    lamp = 1000 * (1 + 0.2 * (x - 119.5) / 105)
    lamp[labels > 0] = 60000
    assert unevenness(lamp + rng.normal(0, 5, lamp.shape), labels) == pytest.approx(0.4, abs=0.01)
    lamp[rng.random(lamp.shape) < 0.1] = np.nan
    assert unevenness(lamp, labels) == pytest.approx(0.4, abs=0.01)


def test_without_background_unevenness_is_not_known():
    assert np.isnan(unevenness(np.ones((80, 80)), np.ones((80, 80), np.int32)))
    assert np.isnan(unevenness(np.zeros((80, 80)), np.zeros((80, 80), np.int32)))
