"""The check of a dataset finds what is wrong, names the file and says what to do."""

import json
import shutil

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.datasets.annotation import Annotation, ObjectMask, object_table
from napari_cellseg.datasets.checking import KINDS, SEVERITIES, check_source
from napari_cellseg.datasets.file_checks import wrong_lines
from napari_cellseg.datasets.formats.registry import find_format
from napari_cellseg.datasets.formats.yolo import polygon_lines
from napari_cellseg.datasets.object_checks import check_objects, same_objects
from napari_cellseg.datasets.sample import Origin, Sample
from napari_cellseg.datasets.store import Dataset

from .nasty import CLASSES, annotations, nasty_annotations, nasty_samples, painted, pixels_of, sample_of

CELLS = np.kron(np.arange(1, 10, dtype=np.int32).reshape(3, 3), np.pad(np.ones((6, 6), np.int32), 2))


def cells(name, seed, split="train", classes="cell", **more):
    """A sample with nine good cells and pixels of its own."""
    annotation = Annotation.from_labels(CELLS, object_table(range(1, 10), classes=classes))
    pixels = pixels_of(CELLS.shape, seed=seed)
    return Sample(name, annotation, lambda: pixels, split=split, **more)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    dataset = Dataset.create(tmp_path_factory.mktemp("made") / "data")
    for k, split in enumerate(("train", "train", "val")):
        dataset.add_sample(cells(f"im {k}", k, split))
    return dataset.folder


@pytest.fixture
def dataset(made, tmp_path):
    """A good dataset that may be spoilt."""
    return Dataset.open(shutil.copytree(made, tmp_path / "data"))


def check(dataset):
    return Dataset.open(dataset.folder).check()


def only(findings):
    (finding,) = findings
    assert finding.kind in KINDS
    assert finding.severity in SEVERITIES
    assert finding.text.endswith(".")
    assert finding.fix
    return finding


def test_a_good_dataset_has_no_findings(dataset):
    assert check(dataset) == []


@pytest.mark.parametrize(
    "path",
    ["images/train/im 0.png", "labels/train/im 0.txt", "masks/train/im 0.tif", "source/train/im 0.tif"],
)
def test_a_missing_file_is_found(dataset, path):
    (dataset.folder / path).unlink()
    finding = only(check(dataset))
    assert (finding.image, finding.kind, finding.severity, finding.file) == ("im 0", "missing", "error", path)


@pytest.mark.parametrize(
    "path", ["images/train/im 0.png", "masks/train/im 0.tif", "source/train/im 0.tif", "records/im 0.json"]
)
def test_a_file_that_no_longer_opens_is_found(dataset, path):
    file = dataset.folder / path
    file.write_bytes(file.read_bytes()[:60])
    findings = check(dataset)
    assert {f.severity for f in findings if path in f.text} == {"error"}
    assert {f.kind for f in findings if f.severity == "error"} <= {"unreadable", "record"}


def test_a_picture_of_another_size_is_found(dataset):
    iio.imwrite(dataset.folder / "images/train/im 0.png", np.zeros((9, 9), np.uint8))
    finding = only(check(dataset))
    assert (finding.kind, finding.severity) == ("size", "error")
    assert "9 × 9" in finding.text


def test_masks_of_another_size_are_found(dataset):
    tifffile.imwrite(dataset.folder / "masks/train/im 0.tif", np.zeros((9, 9), np.uint16))
    finding = only(check(dataset))
    assert (finding.severity, finding.file) == ("error", "masks/train/im 0.tif")
    assert "(9, 9)" in finding.text


def test_a_changed_file_is_found(dataset):
    file = dataset.folder / "labels/train/im 0.txt"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))
    finding = only(check(dataset))
    assert (finding.kind, finding.severity, finding.file) == ("changed", "warning", "labels/train/im 0.txt")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("0 0.1 0.1 1.2 0.1 0.5 0.5", "1.2"),
        ("7 0.1 0.1 0.2 0.1 0.5 0.5", "class '7'"),
        ("0 0.1 0.1 0.2", "three points"),
        ("0 0.1 x 0.2 0.1 0.5 0.5", "numbers"),
        ("0 0.1 nan 0.2 0.1 0.5 0.5", "nan"),
    ],
)
def test_wrong_polygons_are_found_with_their_line(dataset, line, word):
    file = dataset.folder / "labels/train/im 0.txt"
    file.write_text(file.read_text() + line + "\n")
    finding = only(check(dataset))
    assert (finding.kind, finding.severity) == ("polygons", "error")
    assert "line 10" in finding.text
    assert word in finding.text


@settings(deadline=None, max_examples=25)
@given(annotations())
def test_polygons_that_we_write_are_right(annotation):
    assert wrong_lines("\n".join(polygon_lines(annotation, CLASSES)), len(CLASSES)) == []


def test_files_of_no_image_are_found(dataset):
    for name in ("x.png", "y.png", ".hidden"):
        (dataset.folder / "images/train" / name).write_bytes(b"")
    (dataset.folder / "labels/train/x.cache").write_bytes(b"")
    finding = only(check(dataset))
    assert (finding.kind, finding.file) == ("stray", "images/train/x.png")
    assert "2 files" in finding.text


@pytest.mark.parametrize(
    "text",
    ["", "names: [a, b]", "{", "train: images/train\nval: elsewhere\ntest: images/test\nnames: {0: cell}"],
)
def test_a_changed_dataset_yaml_is_found(dataset, text):
    (dataset.folder / "dataset.yaml").write_text(text)
    finding = only(check(dataset))
    assert (finding.kind, finding.severity, finding.file) == ("record", "error", "dataset.yaml")


def test_a_record_that_lists_other_files_is_found(dataset):
    path = dataset.folder / "records/im 0.json"
    record = json.loads(path.read_text())
    record["files"]["../../elsewhere"] = "0"
    path.write_text(json.dumps(record))
    finding = only(check(dataset))
    assert (finding.kind, finding.file) == ("record", "../../elsewhere")


# -- objects ----------------------------------------------------------------------------------------------


def objects_of(annotation, **more):
    return list(check_objects(Sample("a", annotation, **more)))


def test_the_same_object_many_times_is_found():
    square = np.ones((9, 9), bool)
    masks = [ObjectMask(k, 3, 4, square) for k in range(1, 87)] + [ObjectMask(100, 30, 30, square)]
    finding = only(objects_of(Annotation.from_masks((50, 50), masks)))
    assert (finding.kind, finding.severity) == ("same", "error")
    assert finding.objects == tuple(range(2, 87))
    assert "85 objects" in finding.text


def test_objects_that_are_nearly_the_same_are_found():
    whole, less = np.ones((10, 10), bool), np.ones((10, 10), bool)
    less[0, :5] = False
    half = whole[:5]
    annotation = Annotation.from_masks(
        (30, 30), [ObjectMask(i, 2, 2, m) for i, m in ((1, whole), (2, less), (3, half))]
    )
    finding = only(objects_of(annotation))
    assert (finding.severity, finding.objects) == ("warning", (2,))


@settings(deadline=None, max_examples=40)
@given(annotations(), st.sampled_from([0.3, 0.9, 1.0]))
def test_pairs_are_those_of_whole_masks(annotation, overlap):
    planes = {m.index: painted(m, annotation.shape) for m in annotation.masks()}
    expected = {}
    for low in planes:
        for high in planes:
            iou = (planes[low] & planes[high]).sum() / (planes[low] | planes[high]).sum()
            if low < high and iou >= overlap:
                expected[low, high] = iou
    assert {(a, b): iou for a, b, iou in same_objects(annotation, overlap)} == pytest.approx(expected)


def test_specks_are_found():
    labels = CELLS.copy()
    labels[0, 0], labels[0, 29] = 20, 21
    finding = only(objects_of(Annotation.from_labels(labels)))
    assert (finding.kind, finding.objects) == ("specks", (20, 21))


def test_images_without_objects_or_review_are_found():
    nothing = nasty_annotations()["no objects"]
    assert only(objects_of(nothing)).kind == "empty"
    assert only(objects_of(nothing, ignored=np.ones(nothing.shape, bool))).kind == "unreviewed"
    table = object_table(range(1, 10), status=["predicted"] * 3 + ["accepted"] * 6)
    finding = only(objects_of(Annotation.from_labels(CELLS, table)))
    assert (finding.kind, finding.severity, finding.objects) == ("unreviewed", "warning", (1, 2, 3))


def test_nothing_nasty_stops_the_check(tmp_path):
    dataset = Dataset.create(tmp_path / "d")
    for sample in nasty_samples():
        dataset.add_sample(sample)
    found = dataset.check()
    assert {f.kind for f in found} <= {"same", "specks", "empty", "duplicates", "splits"}
    assert any(f.kind == "same" for f in found)


# -- among images -----------------------------------------------------------------------------------------


def kinds(findings):
    return [(f.kind, f.severity) for f in findings]


def test_splits_and_classes_are_looked_at(tmp_path):
    dataset = Dataset.create(tmp_path / "d", classes=("cell", "dead", "never"))
    assert kinds(dataset.check()) == [("splits", "note")]
    dataset.add_sample(cells("a", 1))
    dataset.add_sample(cells("b", 2, classes=["dead"] * 9))
    assert kinds(dataset.check()) == [("splits", "warning"), ("classes", "note")]
    dataset.move("b", "val")
    found = dataset.check()
    assert kinds(found) == [("classes", "warning"), ("classes", "note")]
    assert "'dead'" in found[0].text


def test_a_rare_class_is_found(tmp_path):
    list(find_format("label-images").write([cells("a", 1, None), many("b")], tmp_path, CLASSES))
    finding = only(f for f in check_source(tmp_path) if f.kind == "classes")
    assert "'rare' has 1 objects" in finding.text


def many(name):
    labels = np.zeros((61, 61), np.int32)
    labels[::2, ::2] = np.arange(1, 962).reshape(31, 31)
    table = object_table(range(1, 962), classes=["rare"] + ["cell"] * 960)
    return sample_of(name, Annotation.from_labels(labels, table))


def test_groups_across_splits_are_found(dataset):
    for name, split in (("p1", "train"), ("p2", "val")):
        dataset.add_sample(cells(name, ord(name[1]), split, origin=Origin(group="plate 1")))
    finding = only(check(dataset))
    assert (finding.kind, finding.severity) == ("groups", "warning")
    assert "'plate 1' are in train and val" in finding.text


# -- what other programs wrote ----------------------------------------------------------------------------


def test_duplicates_across_splits_of_others_are_found(tmp_path):
    samples = [cells("a", 1, "train"), cells("b", 1, "val"), cells("c", 3, "val")]
    list(find_format("stardist").write(samples, tmp_path, CLASSES))
    finding = only(check_source(tmp_path))
    assert (finding.image, finding.kind, finding.severity) == ("b", "duplicates", "error")
    assert "'a' of train" in finding.text


def test_what_cannot_be_read_is_a_finding(tmp_path):
    list(find_format("cellpose").write([cells("a", 1, None)], tmp_path, CLASSES))
    (tmp_path / "a_masks.tif").write_bytes(b"II*\0")
    finding = only(check_source(tmp_path, "cellpose"))
    assert finding.severity == "error"
    assert "a_masks.tif" in finding.text
    assert only(check_source(tmp_path / "nowhere")).severity == "error"


def test_what_reading_left_out_is_a_note(tmp_path):
    list(find_format("cellpose").write([cells("a", 1, None)], tmp_path, CLASSES))
    iio.imwrite(tmp_path / "b.png", np.zeros((5, 5), np.uint8))
    finding = only(check_source(tmp_path))
    assert (finding.kind, finding.severity) == ("import", "note")
    assert "b.png" in finding.text
