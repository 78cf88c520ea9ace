"""Pictures and polygons that a YOLO network learns from, against what `segment` shows and the labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagecodecs import png_decode

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.formats.yolo import read_yolo
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import TrainingError
from napari_cellseg.events import drain
from napari_cellseg.images.planes import open_planes
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models.card import IntensityScaling
from napari_cellseg.pipeline.view import PlaneView, measure_intensities
from napari_cellseg.training.yolo.estimating import Work
from napari_cellseg.training.yolo.recipe import YoloRecipe
from napari_cellseg.training.yolo.tiles import (
    PADDING,
    VISIBLE,
    cut_tiles,
    eight_bit,
    making_tiles,
    read_tiles,
    tile_starts,
)


def recipe(folder, **changes):
    return YoloRecipe.from_dict({"data": str(folder), "model": "cells.pt", "imgsz": 96, **changes})


@pytest.fixture
def dataset(tmp_path):
    made = Dataset.create(tmp_path / "data", ("cell", "dead cell"))
    for number, split in enumerate(("train", "train", "val", "test")):
        scene = simulate_fluorescence((130, 170), diameter=(12, 30), touching=0.4, bits=16, seed=number)
        classes = {int(k): "dead cell" for k in np.unique(scene.labels)[1:] if k % 3 == 0}
        classes = {int(k): classes.get(int(k), "cell") for k in np.unique(scene.labels)[1:]}
        made.add(scene.image, scene.labels, name=f"image {number}", split=split, classes=classes)
    return made


def pictures(tiles, split):
    return [png_decode(path.read_bytes()) for path in sorted(tiles.pictures(split).glob("*.png"))]


@given(length=st.integers(1, 5000), edge=st.integers(2, 40).map(lambda n: 32 * n))
def test_tiles_cover_an_axis_with_overlap(length, edge):
    starts, overlap = tile_starts(length, edge, edge // 8), edge // 8
    assert starts[0] == 0
    if length <= edge:
        assert len(starts) == 1
        return
    assert starts[-1] == length - edge
    shared = [a + edge - b for a, b in zip(starts[:-1], starts[1:], strict=True)]
    assert min(shared) >= overlap
    assert (len(starts) - 1) * (edge - overlap) + overlap < length


@pytest.mark.parametrize("changes", [{}, {"imgsz": 192}, {"scale": "fit"}])
def test_pictures_are_estimated_as_they_are_cut(dataset, changes):
    made = recipe(dataset.folder, single_class=True, **changes)
    tiles = drain(making_tiles(dataset, made, dataset.folder.parent / "tiles"))
    work = Work.of(dataset, made)
    assert (work.learnt, work.validated) == (tiles.tiles["train"], tiles.tiles["val"])
    assert work.scored == 2 * work.validated
    assert work.objects > 1


def test_a_tile_shows_what_segment_shows_the_network(dataset):
    sample = dataset.sample("image 0")
    low, high = dataset.settings.scaling
    planes = open_planes(sample.pixels(), axes="YX")
    scaling = IntensityScaling(low_percentile=low, high_percentile=high)
    limits = measure_intensities(planes, 0, scaling).range
    seen = PlaneView(planes, 0, limits, 1.0, 3).read(slice(0, 130), slice(0, 170))
    shown = eight_bit(sample, None, (low, high))
    assert np.abs(shown / 255 - seen.clip(0, 1)[0]).max() <= 0.5 / 255 + 1e-6


def test_objects_in_tiles_are_those_of_the_labels(dataset):
    sample = dataset.sample("image 0")
    annotation = sample.annotation
    areas = {mask.index: mask.area for mask in annotation.masks()}
    shown = eight_bit(sample, None, dataset.settings.scaling)
    seen = set()
    for picture, part in cut_tiles(shown, annotation, areas, 96):
        assert picture.shape == part.shape == (96, 96)
        for label in part.objects["index"]:
            assert np.count_nonzero(part.labels == label) >= VISIBLE * areas[label]
            seen.add(label)
    assert seen == set(areas)


def test_what_is_smaller_than_a_tile_is_padded():
    labels = np.zeros((40, 50), np.int32)
    labels[10:20, 30:50] = 7
    shown = np.full((40, 50, 3), 200, np.uint8)
    ((picture, part),) = cut_tiles(shown, Annotation.from_labels(labels), {7: 200}, 96)
    assert (picture[:40, :50] == 200).all()
    assert (picture[40:] == PADDING).all()
    assert (picture[:, 50:] == PADDING).all()
    np.testing.assert_array_equal(part.labels[:40, :50], labels)
    assert part.labels[40:].max() == part.labels[:, 50:].max() == 0


def test_a_folder_is_written_as_ultralytics_reads_it(dataset, tmp_path):
    tiles = drain(making_tiles(dataset, recipe(dataset.folder), tmp_path / "tiles"))
    assert tiles.classes == ("cell", "dead cell")
    assert set(tiles.images["train"]) == {"image 0", "image 1"}
    assert set(tiles.images["test"]) == {"image 3"}
    assert not (tiles.folder / "images" / "test").exists()
    for split in ("train", "val"):
        assert all(picture.shape == (96, 96) for picture in pictures(tiles, split))
        texts = sorted((tiles.folder / "labels" / split).glob("*.txt"))
        lines = [line for path in texts for line in path.read_text().splitlines()]
        assert (len(texts), len(lines)) == (tiles.tiles[split], tiles.objects[split])
        assert {line.split()[0] for line in lines} == {"0", "1"}
    read = list(read_yolo(tiles.folder, []))
    assert sum(len(sample.annotation) for sample in read) == sum(tiles.objects.values())


def test_images_may_stay_whole_and_classes_become_one(dataset, tmp_path):
    whole = recipe(dataset.folder, scale="fit", imgsz=64, single_class=True)
    tiles = drain(making_tiles(dataset, whole, tmp_path / "tiles"))
    assert tiles.classes == ("cell",)
    assert tiles.tiles == {"train": 2, "val": 1}
    assert pictures(tiles, "val")[0].shape == (130, 170)
    assert tiles.scale == pytest.approx(64 / 170)
    lines = (tiles.folder / "labels" / "val" / "000002.txt").read_text().splitlines()
    assert {line.split()[0] for line in lines} == {"0"}
    assert len(lines) == dataset.counts().at["val", "objects"]


def test_tiles_are_cut_again_only_when_the_dataset_has_changed(dataset, tmp_path):
    first = drain(making_tiles(dataset, recipe(dataset.folder), tmp_path / "tiles"))
    path = first.pictures("train") / "000000.png"
    before = path.stat().st_mtime_ns
    assert drain(making_tiles(dataset, recipe(dataset.folder), tmp_path / "tiles")) == first
    assert path.stat().st_mtime_ns == before
    sample = dataset.sample("image 0")
    dataset.add(
        sample.pixels(), np.where(sample.annotation.labels == 1, 0, sample.annotation.labels), name="image 0"
    )
    again = drain(making_tiles(dataset, recipe(dataset.folder), tmp_path / "tiles"))
    assert again.data != first.data
    assert read_tiles(tmp_path / "tiles") == again


def test_an_interrupted_cut_is_not_taken_for_a_whole_one(dataset, tmp_path):
    job = making_tiles(dataset, recipe(dataset.folder), tmp_path / "tiles")
    for step in job:
        if step.done == 1:
            break
    job.close()
    assert read_tiles(tmp_path / "tiles") is None
    drain(making_tiles(dataset, recipe(dataset.folder), tmp_path / "tiles"))


def test_channels_are_those_that_segment_reads(tmp_path):
    dataset = Dataset.create(tmp_path / "data")
    scene = simulate_fluorescence((64, 64), bits=16, seed=1)
    stack = np.stack([np.zeros_like(scene.image), scene.image], axis=2)
    dataset.add(stack, scene.labels, name="two", axes="YXC")
    sample = dataset.sample("two")
    assert eight_bit(sample, None, (1, 99.8)).max() == 0
    alone = eight_bit(sample, 1, (1, 99.8))
    assert (alone.shape, alone.max()) == ((64, 64), 255)


def test_unreviewed_pixels_become_background(tmp_path):
    dataset = Dataset.create(tmp_path / "data")
    scene = simulate_fluorescence((64, 64), bits=8, seed=1)
    ignored = np.zeros((64, 64), bool)
    ignored[:, 32:] = True
    labels = np.where(ignored, 0, scene.labels)
    dataset.add(scene.image, labels, name="half", ignored=ignored)
    shown = eight_bit(dataset.sample("half"), None, (1, 99.8))
    assert np.unique(shown[:, 32:]).size == 1


@pytest.mark.parametrize("missing", ["train", "val"])
def test_an_empty_split_is_told_plainly(dataset, tmp_path, missing):
    dataset.remove([e.name for e in dataset.entries() if e.split == missing])
    with pytest.raises(TrainingError, match=f"no images .*its split '{missing}'"):
        drain(making_tiles(dataset, recipe(dataset.folder), tmp_path / "tiles"))


def test_a_split_without_objects_is_told_plainly(tmp_path):
    dataset = Dataset.create(tmp_path / "data")
    scene = simulate_fluorescence((64, 64), bits=8, seed=1)
    dataset.add(scene.image, scene.labels, name="a", split="train")
    dataset.add(255 - scene.image, np.zeros((64, 64), np.int32), name="b", split="val")
    with pytest.raises(TrainingError, match="no objects to pick the best epoch by"):
        drain(making_tiles(dataset, recipe(dataset.folder), tmp_path / "tiles"))


def test_a_class_must_not_be_called_as_what_is_no_object(dataset, tmp_path):
    dataset.rename_class("dead cell", "background")
    with pytest.raises(TrainingError, match="class 'background'"):
        drain(making_tiles(dataset, recipe(dataset.folder), tmp_path / "tiles"))
    drain(making_tiles(dataset, recipe(dataset.folder, single_class=True), tmp_path / "tiles"))
