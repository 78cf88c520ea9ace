"""Image files of the formats: what is written is read again, what is named is found, or refused in words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.formats.image_files import ImageFolder, Stems, name_of, read_pixels, write_image
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import DatasetError

from .nasty import NAMES, pixels_of


def sample_with(pixels, name="a"):
    return Sample(name, Annotation.from_labels(np.zeros(pixels.shape[:2], np.int32)), lambda: pixels)


@pytest.mark.parametrize(
    ("dtype", "channels", "suffix"),
    [
        ("uint8", None, ".png"),
        ("uint16", None, ".png"),
        ("uint8", 3, ".png"),
        ("uint16", 3, ".tif"),
        ("uint16", 2, ".tif"),
        ("uint8", 5, ".tif"),
        ("int16", None, ".tif"),
        ("float32", None, ".tif"),
        ("float64", 4, ".tif"),
        ("uint32", 1, ".tif"),
    ],
)
@pytest.mark.parametrize("shape", [(9, 7), (1, 1), (3, 4), (4, 1)])
def test_images_come_back_as_they_were(tmp_path, dtype, channels, suffix, shape):
    pixels = pixels_of(shape, dtype, channels)
    path = write_image(sample_with(pixels), tmp_path, "a b")
    again = read_pixels(path)
    assert path.name == f"a b{suffix}" or suffix == ".png"
    assert again.dtype == pixels.dtype
    np.testing.assert_array_equal(again.reshape(pixels.shape), pixels)


def test_grey_rgb_stays_rgb(tmp_path):
    pixels = np.repeat(pixels_of((5, 6), "uint8")[..., None], 3, 2)
    again = read_pixels(write_image(sample_with(pixels), tmp_path, "a"))
    np.testing.assert_array_equal(again, pixels)


def test_unreviewed_pixels_are_written_as_background(tmp_path):
    ignored = np.zeros((4, 4), bool)
    ignored[:2] = True
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    sample = Sample("a", Annotation.from_labels(np.zeros((4, 4), int)), lambda: pixels, ignored=ignored)
    again = read_pixels(write_image(sample, tmp_path, "a"))
    assert np.unique(again[:2]).size == 1
    np.testing.assert_array_equal(again[2:], pixels[2:])


@given(st.lists(st.sampled_from(["a", "A", "a_2", "a/b", "a_b", *NAMES]), max_size=8))
def test_stems_are_distinct_on_every_file_system(names):
    stems = Stems()
    taken = [stems.take(name).casefold() for name in names]
    assert len(set(taken)) == len(names)
    assert not any("/" in stem for stem in taken)


def test_names_lose_the_ending_of_an_image_only():
    names = {"a.png": "a", "a.b": "a.b", "x.ome.TIF": "x", "a": "a", ".png": ".png", "1.5.jpg": "1.5"}
    assert {name: name_of(name) for name in names} == names


def test_images_are_found_below_their_folders_only(tmp_path):
    (tmp_path / "inside" / "deep").mkdir(parents=True)
    for place in ("out.png", "inside/in.png", "inside/deep/deep.png"):
        (tmp_path / place).write_bytes(b"x")
    near = ImageFolder([tmp_path / "gone", tmp_path / "inside"])
    assert near.find("in.png", "here") == tmp_path / "inside" / "in.png"
    assert near.find("deep\\deep.png", "here") == tmp_path / "inside" / "deep" / "deep.png"
    assert near.find("in", "here", suffixes=(".tif", ".png")) == tmp_path / "inside" / "in.png"
    assert near.find("deep.png", "here") is None
    for bad in ("../out.png", str(tmp_path / "out.png"), "C:\\out.png", "", "deep/../../out.png"):
        with pytest.raises(DatasetError, match="here"):
            near.find(bad, "here")
    for bad in ("a\0b", "\ud800", "x" * 5000):
        with pytest.raises(DatasetError, match="here"):
            near.find(bad, "here")


def test_a_chosen_folder_is_searched_by_the_last_part_of_a_name(tmp_path):
    (tmp_path / "chosen" / "deep").mkdir(parents=True)
    for place in ("out.png", "chosen/deep/a.png"):
        (tmp_path / place).write_bytes(b"x")
    chosen = ImageFolder([tmp_path / "chosen"], anywhere=True)
    for name in ("a.png", "../../label-studio/a.png", "C:\\data\\a.png", "/data/a.png", "x/a.png"):
        assert chosen.find(name, "here") == tmp_path / "chosen" / "deep" / "a.png"
    assert chosen.find("../out.png", "here") is None


def test_files_that_are_no_image_of_one_plane_are_refused(tmp_path):
    broken, stack = tmp_path / "a.png", tmp_path / "b.npy"
    broken.write_bytes(b"no image")
    np.save(stack, np.zeros((5, 6, 7, 8)))
    for path in (broken, stack, tmp_path / "gone.png"):
        with pytest.raises(DatasetError, match=path.name):
            read_pixels(path)
