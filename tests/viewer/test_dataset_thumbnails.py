"""Small pictures of annotated images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.datasets.annotation import Annotation, object_table
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import DatasetError
from napari_cellseg.viewer.dataset_thumbnails import EDGE, ThumbnailCache, make_thumbnail
from napari_cellseg.viewer.status_colours import COLOURS


def sample(shape: tuple[int, ...] = (200, 300), dtype: type = np.uint16, **options: object) -> Sample:
    labels = np.zeros(shape[:2], np.int32)
    labels[20:80, 20:80], labels[20:80, 80:160], labels[120:180, 200:280] = 1, 2, 7
    table = object_table([1, 2, 7], status=["accepted", "predicted", "edited"])
    pixels = np.random.default_rng(0).integers(100, 200, shape).astype(dtype)
    return Sample("field", Annotation.from_labels(labels, table), lambda: pixels, **options)


def rgb(status: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(COLOURS[status][1:]))


def test_outlines_have_the_colour_of_the_status() -> None:
    picture = make_thumbnail(sample())
    assert picture.shape == (EDGE * 200 // 300, EDGE, 3)
    found = {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}
    assert {rgb("accepted"), rgb("predicted"), rgb("edited")} <= found
    assert rgb("added") not in found
    inside = picture[15:25, 12:20]
    assert (np.ptp(inside, axis=2) == 0).all()


def test_a_small_image_keeps_its_size() -> None:
    labels = np.zeros((10, 12), np.int32)
    labels[2:5, 2:6] = 1
    picture = make_thumbnail(Sample("s", Annotation.from_labels(labels), lambda: np.ones((10, 12))))
    assert picture.shape == (10, 12, 3)
    outline = (picture == rgb("accepted")).all(2)
    assert outline.sum() == 10


def test_colours_stay_and_unreviewed_pixels_are_dark() -> None:
    ignored = np.zeros((200, 300), bool)
    ignored[100:] = True
    shown = make_thumbnail(sample((200, 300, 3), np.uint8, ignored=ignored))
    plain = make_thumbnail(sample((200, 300, 3), np.uint8))
    assert (shown[:30] == plain[:30]).all()
    assert shown[-5:].max() < plain[-5:].min()


@settings(max_examples=30)
@given(st.integers(1, 500), st.integers(1, 500), st.sampled_from([(), (1,), (2,), (3,)]))
def test_every_size_gives_a_picture(height: int, width: int, channels: tuple[int, ...]) -> None:
    pixels = np.zeros((height, width, *channels), np.float32)
    annotation = Annotation.from_labels(np.ones((height, width), np.int32))
    picture = make_thumbnail(Sample("s", annotation, lambda: pixels))
    assert max(picture.shape) <= EDGE
    assert picture.dtype == np.uint8


def test_an_image_of_another_size_is_an_error() -> None:
    with pytest.raises(DatasetError, match="must be"):
        make_thumbnail(Sample("s", Annotation.from_labels(np.zeros((4, 4), int)), lambda: np.zeros((5, 5))))


def test_the_cache_forgets_what_was_not_asked_for() -> None:
    cache, picture = ThumbnailCache(2), np.zeros((2, 2, 3), np.uint8)
    cache.put("a", picture)
    cache.put("b", picture)
    assert cache.get("a") is picture
    cache.put("c", picture)
    assert (cache.get("b"), len(cache)) == (None, 2)
