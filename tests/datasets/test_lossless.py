"""What formats that lose nothing have in common: objects, rows, splits and unreviewed areas come back."""

import numpy as np
import pytest
from hypothesis import given, settings

from napari_cellseg.datasets.annotation import Annotation, object_table
from napari_cellseg.datasets.formats.registry import find_format, list_formats
from napari_cellseg.datasets.names import safe_name
from napari_cellseg.datasets.sample import Sample

from .nasty import CLASSES, assert_same_objects, many_objects, nasty_annotations, nasty_samples, samples

LOSSLESS = [found.name for found in list_formats() if found.lossless]
NAMES_KEPT = ("geojson", "imagej")
"""Formats that bring back names that no file can have."""


def written_and_read(name, some, folder, classes=CLASSES):
    """Samples as they come back, by the names that they come back with."""
    found = find_format(name)
    assert list(found.write(some, folder, classes)) == [sample.name for sample in some]
    assert found.matches(folder)
    return {sample.name: sample for sample in found.read(folder, [])}


def name_back(name, sample):
    return sample.name if name in NAMES_KEPT else safe_name(sample.name)


def test_most_formats_are_lossless():
    assert len(LOSSLESS) == 9


@pytest.mark.parametrize("name", LOSSLESS)
def test_nasty_samples_come_back_exactly(tmp_path, name):
    given_samples = nasty_samples()
    found = written_and_read(name, given_samples, tmp_path)
    assert found.keys() == {name_back(name, sample) for sample in given_samples}
    for sample in given_samples:
        again = found[name_back(name, sample)]
        assert_same_objects(again.annotation, sample.annotation)
        np.testing.assert_array_equal(again.pixels(), sample.pixels())


@pytest.mark.parametrize("name", LOSSLESS)
def test_names_that_end_like_files_stay_apart(tmp_path, name):
    annotation = nasty_annotations()["touching"]
    given_samples = [
        Sample(text, annotation, lambda k=k: np.full(annotation.shape, k, np.uint16))
        for k, text in enumerate(["a.png", "a", "b.tif", "c.jpg"])
    ]
    found = written_and_read(name, given_samples, tmp_path)
    assert {text: int(sample.pixels().max()) for text, sample in found.items()} == {
        sample.name: k for k, sample in enumerate(given_samples)
    }


@pytest.mark.parametrize("name", LOSSLESS)
@settings(deadline=None, max_examples=30)
@given(sample=samples())
def test_any_sample_comes_back_exactly(tmp_path_factory, name, sample):
    ((back, again),) = written_and_read(name, [sample], tmp_path_factory.mktemp("any")).items()
    assert back == name_back(name, sample)
    assert_same_objects(again.annotation, sample.annotation)
    np.testing.assert_array_equal(again.pixels(), sample.pixels())
    assert again.pixels().dtype == sample.pixels().dtype


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coco", "sartorius", "geojson", "imagej"])
def test_more_objects_than_16_bits_number_come_back(tmp_path, name):
    annotation = many_objects(66_000)
    (again,) = written_and_read(name, [Sample("many", annotation)], tmp_path, ("cell",)).values()
    np.testing.assert_array_equal(again.annotation.labels, annotation.labels)


@pytest.mark.parametrize("name", ["geojson", "imagej"])
def test_rows_splits_and_unreviewed_areas_come_back(tmp_path, name):
    overlap = nasty_annotations()["overlap"]
    table = object_table([1, 2, 3], classes=CLASSES, status=["predicted", "edited", "added"])
    table["confidence"], table["origin"] = [0.25, np.nan, 1.0], ["model:nuclei@3", "person", "model:µ"]
    ignored = np.zeros(overlap.shape, bool)
    ignored[2:5, 3:], ignored[7, 0] = True, True
    annotation = Annotation(overlap.labels, table.astype({"origin": "str"}), overlap.covered)
    sample = Sample("a/b", annotation, split="val", ignored=ignored)
    (found,) = written_and_read(name, [sample], tmp_path).values()
    assert found.annotation.objects.equals(annotation.objects)
    assert_same_objects(found.annotation, annotation)
    np.testing.assert_array_equal(found.ignored, ignored)
    assert (found.name, found.split, found.read_pixels) == ("a/b", "val", None)


@pytest.mark.parametrize("name", ["coco", "sartorius", "geojson", "imagej"])
def test_sizes_of_empty_images_without_pixels_come_back(tmp_path, name):
    empty = nasty_annotations()["no objects"]
    (found,) = written_and_read(name, [Sample("a", empty)], tmp_path).values()
    assert (found.annotation.shape, len(found.annotation)) == (empty.shape, 0)
