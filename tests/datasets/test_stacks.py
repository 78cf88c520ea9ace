"""Stacks, channels and regions: a sample per plane, with the rows and the place that belong to it."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import AxesError, DatasetError
from napari_cellseg.images.reading import read_image

T, Z, Y, X = 3, 2, 20, 24


@pytest.fixture
def dataset(tmp_path):
    return Dataset.create(tmp_path / "data", fractions=(0.4, 0.3, 0.3))


def film(channels=0):
    """A time-lapse of stacks whose labels move, (T, Z, [C,] Y, X)."""
    rng = np.random.default_rng(0)
    labels = np.zeros((T, Z, Y, X), np.int32)
    for t in range(T):
        labels[t, :, 2 + t : 8 + t, 3:9] = 1
        labels[t, 1, 12:18, 10 + t : 16 + t] = 2
    shape = (T, Z, channels, Y, X) if channels else labels.shape
    return rng.integers(0, 4000, shape).astype(np.uint16), labels


def test_a_time_lapse_of_stacks_is_a_sample_per_plane_in_one_split(dataset):
    pixels, labels = film()
    table = pd.DataFrame({"index": [1, 2], "class": ["cell", "mitotic"], "status": ["edited", None]})
    added = dataset.add(da.from_array(pixels), labels, name="film", objects=table, axes="TZYX")
    assert added.names == tuple(f"film_t{t:03d}_z{z:02d}" for t in range(T) for z in range(Z))
    assert dataset.records()["split"].nunique() == 1
    assert set(dataset.records()["group"]) == {"film"}
    sample = dataset.sample("film_t002_z01")
    assert sample.origin.position == {"t": 2, "z": 1}
    np.testing.assert_array_equal(sample.pixels(), pixels[2, 1])
    np.testing.assert_array_equal(sample.annotation.labels, labels[2, 1])
    assert sample.annotation.objects["status"].tolist() == ["edited", "accepted"]
    assert sample.annotation.objects["class"].tolist() == ["cell", "mitotic"]
    assert len(dataset.sample("film_t000_z00").annotation) == 1
    assert added.notes == ("New in the dataset's classes: mitotic.",)
    again = dataset.add(pixels, labels, name="film", axes="TZYX")
    assert again.updated
    assert len(dataset) == T * Z


def test_rows_of_planes_that_are_numbered_anew(dataset):
    pixels, labels = film()
    table = pd.DataFrame({"index": [1, 1, 1], "t": [0, 1, 2], "class": ["a", "b", "c"]})
    dataset.add(pixels[:, 0], labels[:, 0], name="f", objects=table, axes="TYX")
    classes = [dataset.sample(f"f_t00{t}").annotation.objects["class"].tolist() for t in range(T)]
    assert classes == [["a"], ["b"], ["c"]]
    with pytest.raises(DatasetError, match="one row per object"):
        dataset.add(pixels[0, 0], labels[0, 0], name="g", objects=table)


@pytest.mark.parametrize(
    "classes, expected",
    [
        (pd.Categorical(["b", "a"]), ["b", "a", "cell"]),
        (pd.Categorical(["b", None]), ["b", "cell", "cell"]),
        ([2, 1], ["2", "1", "cell"]),
        (["", "a"], ["cell", "a", "cell"]),
    ],
)
def test_classes_of_any_type_where_an_object_has_no_row(dataset, classes, expected):
    labels = np.zeros((Y, X), np.int32)
    labels[1, 1:4] = 1, 2, 3
    table = pd.DataFrame({"index": [1, 2], "class": classes, "status": pd.Categorical(["edited"] * 2)})
    dataset.add(film()[0][0, 0], labels, name="a", objects=table)
    objects = dataset.sample("a").annotation.objects
    assert objects["class"].tolist() == expected
    assert objects["status"].tolist() == ["edited", "edited", "accepted"]
    assert Annotation.from_labels(labels, table[table["class"] != ""]).objects["index"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "move, axes", [((), None), ((2, -1), None), ((2, 0), "CTZYX"), ((2, 1), "TCZYX"), ((2, -1), "TZYXC")]
)
def test_channels_come_last_wherever_they_are(dataset, move, axes):
    pixels, labels = film(channels=4)
    given = np.moveaxis(pixels, *move) if move else pixels
    dataset.add(given, labels, name="a", axes=axes)
    dataset.add(pixels[1, 0], labels[1, 0], name="c", channels=[3, 1])
    dataset.add(pixels[0, 0], labels[0, 0], name="d", channels=2)
    np.testing.assert_array_equal(dataset.sample("d").pixels(), pixels[0, 0, 2])
    names = [name for name in dataset.names if name.startswith("a")]
    assert len(names) == T * Z
    position = "a_t002_z01" if axes else names[-1]
    np.testing.assert_array_equal(dataset.sample(position).pixels(), np.moveaxis(pixels[2, 1], 0, -1))
    np.testing.assert_array_equal(dataset.sample("c").pixels(), pixels[1, 0][[3, 1]].transpose(1, 2, 0))


def test_colour_comes_without_alpha(dataset):
    rgba = np.random.default_rng(0).integers(0, 255, (Y, X, 4)).astype(np.uint8)
    dataset.add(rgba, np.zeros((Y, X), int), name="a", split="train")
    np.testing.assert_array_equal(dataset.sample("a").pixels(), rgba[..., :3])


def test_a_region_is_cut_out_and_remembered(dataset):
    pixels, labels = film()
    ignored = np.zeros((Y, X), bool)
    ignored[:6] = True
    for region in ((4, 2, 16, 14), (0, 0, 9, 9)):
        dataset.add(pixels[0, 1], labels[0, 1], source="a/b.tif", region=region, ignored=ignored)
    assert dataset.names == ("b", "b_2")
    sample = dataset.sample("b")
    assert sample.origin.region == (4, 2, 16, 14)
    np.testing.assert_array_equal(sample.pixels(), pixels[0, 1, 4:16, 2:14])
    np.testing.assert_array_equal(sample.annotation.labels, labels[0, 1, 4:16, 2:14])
    np.testing.assert_array_equal(sample.ignored, ignored[4:16, 2:14])
    assert dataset.records()["split"].nunique() == 1
    assert dataset.add(pixels[0, 1], labels[0, 1], source="a/b.tif", region=(0, 0, 9, 9)).updated


def test_unreviewed_pixels_are_no_background_in_the_picture(dataset):
    pixels = np.full((Y, X), 100, np.uint16)
    pixels[5:9, 5:9], pixels[12:16, 12:16] = 4000, 3000
    labels = np.zeros((Y, X), int)
    labels[5:9, 5:9] = 1
    dataset.add(pixels, labels, name="a", ignored=pixels == 3000, split="train")
    picture = read_image(dataset.folder / "images/train/a.png").data
    assert set(np.unique(picture[12:16, 12:16])) == {0}
    assert picture[6, 6] == 255
    np.testing.assert_array_equal(dataset.sample("a").pixels(), pixels)


def test_what_does_not_fit_is_refused_in_words(dataset):
    pixels, labels = film(channels=2)
    with pytest.raises(DatasetError, match="shape of the image without its channels"):
        dataset.add(pixels, labels[0], name="a", axes="TZCYX")
    with pytest.raises(AxesError, match="repeats"):
        dataset.add(pixels, labels, name="a", axes="TTCYX")
    with pytest.raises(DatasetError, match="between 0 and 1"):
        dataset.add(pixels, labels, name="a", channels=5, axes="TZCYX")
    with pytest.raises(DatasetError, match="not texts"):
        dataset.add(pixels, labels, name="a", axes="TZCYX", objects=pd.DataFrame({"index": ["1", "2"]}))
    with pytest.raises(DatasetError, match="region"):
        dataset.add(pixels[0, 0, 0], labels[0, 0], name="a", region=(5, 5, 5, 9))
    with pytest.raises(DatasetError, match="region"):
        dataset.add(pixels[0, 0, 0], labels[0, 0], name="a", region=(0, 0, 99, 9))
    assert len(dataset) == 0
