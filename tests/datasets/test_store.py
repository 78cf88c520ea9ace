"""The dataset's folder: what goes in comes out, the same again is an update."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from scipy.ndimage import gaussian_filter

import napari_cellseg
from napari_cellseg.datasets.annotation import Annotation, ObjectMask, object_table
from napari_cellseg.datasets.sample import SPLITS, Origin, Sample
from napari_cellseg.datasets.store import Dataset, is_dataset
from napari_cellseg.errors import DatasetError, OutputError
from napari_cellseg.events import drain
from napari_cellseg.images.reading import read_image

SHAPE = (60, 70)


def image(seed, shape=SHAPE):
    """A picture with structure, uint16, and labels with gaps in their numbers."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.random(shape), 4)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    labels = np.zeros(shape, np.int32)
    for label in range(1, 8):
        y, x = rng.integers(0, shape[0] - 8), rng.integers(0, shape[1] - 8)
        labels[y : y + 8, x : x + 7] = 3 * label
    return (smooth * 4000).astype(np.uint16), labels


@pytest.fixture
def dataset(tmp_path):
    return Dataset.create(tmp_path / "data")


def test_a_dataset_is_part_of_the_public_face(tmp_path):
    made = napari_cellseg.Dataset.create(tmp_path / "my data", classes=["cell", "debris"])
    assert is_dataset(made.folder)
    assert made.classes == ("cell", "debris")
    assert len(made) == 0
    assert made.records().empty
    assert made.counts().loc["train", "images"] == 0


@pytest.mark.parametrize(
    "pixels",
    [
        image(1)[0],
        image(1)[0].astype(np.uint8),
        image(1)[0].astype(np.float32) / 7,
        image(1)[0].astype(">u2"),
        image(1)[0] > 2000,
        image(1)[0].astype(np.int64) - 900,
        np.stack([image(i)[0] for i in range(2)], -1),
        np.stack([image(i)[0] for i in range(5)], -1),
        np.stack([image(i)[0].astype(np.uint8) for i in range(3)], -1),
        np.stack([image(i)[0] > 2000 for i in range(3)], -1),
        image(1)[0][..., None],
        np.where(image(1)[0] > 3000, np.nan, 1.5),
    ],
    ids=lambda p: f"{p.dtype}-{p.shape}",
)
def test_pixels_and_labels_come_back_as_they_were(dataset, pixels):
    labels = image(1)[1]
    sample = Sample("a b µ", Annotation.from_labels(labels), lambda: pixels, Origin("x/a.tif", "well 3"))
    dataset.add_sample(sample)
    back = Dataset.open(dataset.folder).sample("a b µ")
    assert back.pixels().dtype == pixels.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back.pixels(), pixels)
    np.testing.assert_array_equal(back.annotation.labels, labels)
    assert back.origin == sample.origin


def test_overlaps_rows_and_ignored_pixels_come_back(dataset):
    masks = [
        ObjectMask(2, 3, 4, np.ones((20, 20), bool)),
        ObjectMask(90_000, 10, 10, np.ones((20, 20), bool)),
        ObjectMask(7, 12, 12, np.ones((3, 3), bool)),
        ObjectMask(8, 12, 12, np.ones((3, 3), bool)),
    ]
    table = object_table(
        [2, 90_000, 7, 8],
        classes=["cell", "mitotic", "cell", "cell"],
        status=["accepted", "edited", "added", "predicted"],
        confidence=[0.1 + 0.2, np.nan, 1, 0],
        origin="model:nuclei@3.0",
    ).assign(area=[1.5, np.nan, 3, 4], note=["a", "ü", "c", "d"])
    annotation = Annotation.from_masks(SHAPE, masks, table)
    ignored = np.zeros(SHAPE, bool)
    ignored[-9:] = True
    dataset.add_sample(Sample("a", annotation, lambda: image(1)[0], ignored=ignored))
    back = dataset.sample("a")
    pd.testing.assert_frame_equal(back.annotation.objects, annotation.objects)
    np.testing.assert_array_equal(back.annotation.labels, annotation.labels)
    assert back.annotation.covered.keys() == annotation.covered.keys()
    for label, mask in annotation.covered.items():
        found = back.annotation.covered[label]
        assert found.box == mask.box
        np.testing.assert_array_equal(found.pixels, mask.pixels)
    np.testing.assert_array_equal(back.ignored, ignored)
    assert dataset.classes == ("cell", "mitotic")
    assert dataset.records().loc[0, "reviewed"] == pytest.approx(1 - 9 / 60)


def test_files_are_where_trainers_look(dataset):
    pixels, labels = image(2)
    dataset.add(pixels, labels, name="fov 1", split="val")
    picture = read_image(dataset.folder / "images/val/fov 1.png").data
    assert picture.dtype == np.uint8
    assert (picture.min(), picture.max()) == (0, 255)
    order = np.argsort(pixels, axis=None, kind="stable")
    assert (np.diff(picture.ravel()[order].astype(int)) >= 0).all()
    masks = tifffile.imread(dataset.folder / "masks/val/fov 1.tif")
    assert masks.dtype == np.uint16
    np.testing.assert_array_equal(masks, labels)
    np.testing.assert_array_equal(tifffile.imread(dataset.folder / "source/val/fov 1.tif"), pixels)
    content = yaml.safe_load((dataset.folder / "dataset.yaml").read_text(encoding="utf-8"))
    assert content == {**{s: f"images/{s}" for s in SPLITS}, "names": {0: "cell"}}
    record = json.loads((dataset.folder / "records/fov 1.json").read_text(encoding="utf-8"))
    assert set(record["files"]) >= {"images/val/fov 1.png", "masks/val/fov 1.tif", "source/val/fov 1.tif"}


def test_the_same_image_again_is_an_update(dataset):
    pixels, labels = image(3)
    for seed in range(5):
        dataset.add(*image(10 + seed), name=f"other {seed}")
    first = dataset.add(pixels, labels, name="a", group="well 1", source="plates/a.tif", split="test")
    assert not first.updated
    half = np.where(labels > 9, labels, 0)
    again = [
        dataset.add(pixels + 1, half, name="a"),
        dataset.add(pixels, half, name="b", source="plates/a.tif"),
        dataset.add(pixels, half),
    ]
    assert [one.updated for one in again] == [True] * 3
    assert {one.name for one in again} == {"a"}
    assert len(dataset) == 6
    record = dataset.record("a")
    assert (record.split, record.origin.group, record.origin.source) == ("test", "well 1", "plates/a.tif")
    np.testing.assert_array_equal(dataset.sample("a").annotation.labels, half)
    assert record.added < record.updated


def test_an_update_takes_away_what_it_no_longer_has(dataset):
    pixels, labels = image(4)
    ignored = np.ones(SHAPE, bool)
    ignored[:9] = False
    dataset.add(pixels, labels, name="a", ignored=ignored)
    assert list(dataset.folder.glob("ignored/*/a.tif"))
    dataset.add(pixels, labels, name="a")
    assert not list(dataset.folder.glob("ignored/*/a.tif"))
    assert dataset.sample("a").ignored is None


def test_two_images_of_one_name_that_come_together_are_both_kept(dataset):
    samples = [
        Sample("a", Annotation.from_labels(labels), lambda p=pixels: p)
        for pixels, labels in map(image, range(3))
    ]
    for updated in (False, True):
        added = drain(dataset.adding(samples))
        assert [one.name for one in added] == ["a", "a_2", "a_3"]
        assert [one.updated for one in added] == [updated] * 3
    assert len(dataset) == 3
    assert dataset.add_sample(samples[2].renamed("a")).name == "a"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_images_whose_names_have_moved_on_are_all_kept(dataset, order):
    (one, labels), (other, fewer) = image(1), image(2)
    origin = Origin("plates/a.tif")
    dataset.add_sample(Sample("a", Annotation.from_labels(labels), lambda: one, origin))
    coming = [
        Sample("a", Annotation.from_labels(fewer), lambda: other, Origin("plates/new.tif")),
        Sample("b", Annotation.from_labels(labels), lambda: one, origin),
    ]
    drain(dataset.adding([coming[k] for k in order]))
    kept = [sample.pixels() for sample in dataset.samples()]
    assert len(kept) == 2
    assert all(any(np.array_equal(pixels, k) for k in kept) for pixels in (one, other))


def test_a_creation_that_was_ended_can_be_repeated(tmp_path):
    (tmp_path / "data/.staging/1").mkdir(parents=True)
    (tmp_path / "data/.lock").touch()
    assert len(Dataset.create(tmp_path / "data")) == 0


def test_black_images_are_no_update_of_each_other(dataset):
    for name in "ab":
        added = dataset.add(np.zeros(SHAPE, np.uint16), np.zeros(SHAPE, int), name=name)
        assert not added.updated
        assert not added.twin_of
    assert dataset.names == ("a", "b")


def test_names_that_differ_in_case_only_stay_apart(dataset):
    dataset.add(*image(1), name="A")
    assert dataset.add(*image(2), name="a").name == "a_2"


def test_a_dataset_may_be_moved(dataset, tmp_path):
    dataset.add(*image(5), name="a")
    moved = dataset.folder.rename(tmp_path / "elsewhere")
    back = Dataset.open(moved)
    np.testing.assert_array_equal(back.sample("a").pixels(), image(5)[0])
    assert not list(moved.rglob(".staging/*"))


def test_what_is_no_dataset_is_refused_in_words(tmp_path, dataset):
    with pytest.raises(DatasetError, match=r"no 'dataset\.json'"):
        Dataset.open(tmp_path)
    with pytest.raises(DatasetError, match="already"):
        Dataset.create(dataset.folder)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasetError, match="not an empty folder"):
        Dataset.create(tmp_path)
    with pytest.raises(DatasetError, match="add up to 1"):
        Dataset.create(tmp_path / "b", fractions=(1, 1, 1))
    (dataset.folder / "dataset.json").write_text('{"layout": 1,\n "classes": [')
    with pytest.raises(DatasetError, match="line 2"):
        Dataset.open(dataset.folder)


def test_numbers_and_lists_of_any_kind_are_taken(dataset):
    origin = Origin("a/b.tif", "", {"t": np.int64(3)}, [np.int32(0), 0, *SHAPE], np.float32(0.5))
    pixels, labels = image(1)
    for updated in (False, True):
        added = dataset.add_sample(Sample("a", Annotation.from_labels(labels), lambda: pixels, origin))
        assert added.updated == updated
    back = Dataset.open(dataset.folder).record("a").origin
    assert (back.position, back.region, back.pixel_size) == ({"t": 3}, (0, 0, *SHAPE), 0.5)
    assert dataset.add(pixels.tolist(), labels.tolist(), name="list").names == ("list",)
    with pytest.raises(DatasetError, match="split must be one of"):
        dataset.add(pixels, labels, name="b", split="training")


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long doubles are doubles here")
def test_long_doubles_are_refused(dataset):
    pixels, labels = image(1)
    with pytest.raises(DatasetError, match="up to 64 bits"):
        dataset.add(pixels.astype(np.longdouble), labels)


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1e9])
def test_pixel_sizes_of_any_unit_are_kept(dataset, size):
    pixels, labels = image(1)
    dataset.add(pixels, labels, name="a", pixel_size=size)
    back = Dataset.open(dataset.folder).sample("a")
    assert back.origin.pixel_size == size
    np.testing.assert_array_equal(back.pixels(), pixels)


def test_images_that_do_not_fit_are_refused_and_nothing_changes(dataset):
    pixels, labels = image(1)
    before = sorted(dataset.folder.rglob("*"))
    with pytest.raises(DatasetError, match="shape"):
        dataset.add(pixels[1:], labels)
    with pytest.raises(DatasetError, match="integers"):
        dataset.add(pixels, labels / 2)
    with pytest.raises(DatasetError, match="no image"):
        dataset.add_sample(Sample("a", Annotation.from_labels(labels)))
    with pytest.raises(DatasetError, match="up to 64 bits"):
        dataset.add(pixels.astype(complex), labels)
    for size in (0, -0.5, np.nan):
        with pytest.raises(DatasetError, match="must be above 0 µm"):
            dataset.add(pixels, labels, pixel_size=size)
    with pytest.raises(DatasetError, match="no image 'b'"):
        dataset.sample("b")
    assert sorted(dataset.folder.rglob("*")) == before
    assert len(dataset) == 0


def test_a_damaged_record_is_told_and_the_others_open(dataset):
    for seed, name in enumerate("abc"):
        dataset.add(*image(seed), name=name)
    (dataset.folder / "records/b.json").write_text("{")
    back = Dataset.open(dataset.folder)
    assert back.names == ("a", "c")
    assert "b.json" in back.broken["b"]
    back.add(*image(1), name="b")
    assert back.names == ("a", "b", "c")
    assert not back.broken


def test_files_that_are_gone_or_damaged_are_told_by_name(dataset):
    dataset.add(*image(1), name="a", split="train")
    (dataset.folder / "source/train/a.tif").write_bytes(b"II*\0 nothing")
    with pytest.raises(DatasetError, match=r"source/train/a\.tif"):
        dataset.sample("a").pixels()
    (dataset.folder / "masks/train/a.tif").unlink()
    with pytest.raises(DatasetError, match=r"masks/train/a\.tif' is missing"):
        dataset.sample("a")


def test_an_export_needs_an_empty_folder(dataset, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/file").write_text("x")
    with pytest.raises((OutputError, DatasetError), match=r"not empty|must be one of"):
        dataset.export("coco", tmp_path / "out")
