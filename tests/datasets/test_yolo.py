"""YOLO datasets: what is written comes back as promised, foreign ones are read, broken lines are named."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from imagecodecs import png_encode
from scipy import ndimage

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.formats.yolo import FORMATS, polygon_lines
from napari_cellseg.datasets.formats.yolo_yaml import yaml_text
from napari_cellseg.datasets.names import safe_name
from napari_cellseg.errors import DatasetError

from .nasty import (
    CLASSES,
    annotations,
    assert_same_objects,
    many_objects,
    nasty_annotations,
    nasty_samples,
    of_planes,
    pixels_of,
    sample_of,
)

YOLO = FORMATS[0]
TRIANGLE = "0 0.05 0.05 0.55 0.05 0.05 0.55"


def written(samples, folder, classes=CLASSES):
    assert list(YOLO.write(samples, folder, classes)) == [s.name for s in samples]
    return folder


def read(path, notes=None, **more):
    return list(YOLO.read(Path(path), [] if notes is None else notes, **more))


def laid_out(folder, **files):
    """Files by their path; an image of 10 × 10 pixels where the content is None."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_encode(pixels_of((10, 10), "uint8")) if content is None else content.encode())
    return folder


def one_image(folder, labels, yaml="train: images\nval: images\nnames: [cell, dead]\n"):
    return laid_out(folder, **{"images/a.png": None, "labels/a.txt": labels, "dataset.yaml": yaml})


@settings(deadline=None, max_examples=30)
@given(annotations())
def test_what_comes_back_is_what_was_promised(tmp_path_factory, annotation):
    folder = tmp_path_factory.mktemp("yolo")
    written([sample_of("a", annotation, dtype="uint8")], folder)
    (found,) = read(folder)
    assert_same_objects(found.annotation, YOLO.as_read_back(annotation))


def test_nasty_samples_come_back_as_promised(tmp_path):
    samples = nasty_samples()
    found = {s.name: s for s in read(written(samples, tmp_path))}
    assert found.keys() == {safe_name(s.name) for s in samples}
    for sample in samples:
        again = found[safe_name(sample.name)]
        assert_same_objects(again.annotation, YOLO.as_read_back(sample.annotation))
        assert len(again.annotation) == len(sample.annotation)
        assert again.split == "train"
        assert again.pixels().dtype == np.uint8


CONNECTED = [
    name
    for name, annotation in nasty_annotations().items()
    if all(ndimage.label(mask.pixels, np.ones((3, 3)))[1] == 1 for mask in annotation.masks())
]


@pytest.mark.parametrize("name", CONNECTED)
def test_connected_objects_are_exact(name):
    annotation = nasty_annotations()[name]
    assert_same_objects(YOLO.as_read_back(annotation), annotation, ids=False)


def test_pieces_come_back_joined():
    annotation = nasty_annotations()["several pieces"]
    (before,), (after,) = annotation.masks(), YOLO.as_read_back(annotation).masks()
    assert before.area < after.area < before.area + 13


@pytest.mark.slow
def test_more_objects_than_16_bits_number(tmp_path):
    annotation = many_objects()
    written([sample_of("many", annotation, dtype="uint8")], tmp_path)
    (found,) = read(tmp_path)
    np.testing.assert_array_equal(found.annotation.labels, annotation.labels)


def test_lines_hold_centres_of_pixels():
    square = np.zeros((10, 20), bool)
    square[2:5, 4:9] = True
    (line,) = polygon_lines(of_planes([square], classes="b"), ["a", "b"])
    words = line.split()
    assert words[0] == "1"
    points = np.array(words[1:], float).reshape(-1, 2)
    assert {tuple(p) for p in points} == {(0.225, 0.25), (0.425, 0.25), (0.425, 0.45), (0.225, 0.45)}


def test_one_pixel_is_a_polygon_of_three_points():
    (line,) = polygon_lines(nasty_annotations()["one pixel"], ["cell"])
    assert line == "0" + " 0.500000 0.500000" * 3


def test_a_class_without_a_number_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="'cell'"):
        polygon_lines(nasty_annotations()["hole"], ["nucleus"])


def test_a_sample_without_pixels_is_refused(tmp_path):
    sample = sample_of("a", nasty_annotations()["hole"])
    with pytest.raises(DatasetError, match="no image"):
        list(YOLO.write([type(sample)("a", sample.annotation)], tmp_path, CLASSES))


def test_splits_and_classes_come_back(tmp_path):
    several = nasty_annotations()["several classes"]
    samples = [sample_of(s, several, dtype="uint8", split=s) for s in ("train", "val", "test")]
    found = read(written(samples, tmp_path))
    assert [(s.name, s.split) for s in found] == [(s, s) for s in ("train", "val", "test")]
    assert all(s.annotation.class_names() == sorted(CLASSES) for s in found)
    assert "path" not in (tmp_path / "dataset.yaml").read_text()
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert len(read(moved)) == len(read(moved / "dataset.yaml")) == 3


def test_the_picture_has_all_the_range_of_the_plane(tmp_path):
    dim = np.linspace(300, 420, 900).reshape(30, 30).astype(np.uint16)
    sample = sample_of("dim", Annotation.from_labels(np.zeros((30, 30), int)))
    written([type(sample)("dim", sample.annotation, lambda: dim)], tmp_path)
    (path,) = tmp_path.glob("images/*/*.png")
    (found,) = (
        s
        for s in read(laid_out(tmp_path, **{"labels/train/x.txt": TRIANGLE, "images/train/x.png": None}))
        if s.name == "dim"
    )
    assert found.pixels().min() == 0
    assert found.pixels().max() == 255
    assert path.stem == "dim"


FOLDERS = {
    "Ultralytics": ("images/train/a.png", "labels/train/a.txt", "train"),
    "Roboflow": ("valid/images/a.png", "valid/labels/a.txt", "val"),
    "plain": ("images/a.png", "labels/a.txt", None),
    "beside": ("a.png", "a.txt", None),
    "deep": ("images/test/plate 1/a.png", "labels/test/plate 1/a.txt", "test"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_without_a_yaml(name, tmp_path):
    image, labels, split = FOLDERS[name]
    notes = []
    (found,) = read(laid_out(tmp_path, **{image: None, labels: TRIANGLE}), notes)
    assert (found.name, found.split, len(found.annotation)) == ("a", split, 1)
    assert found.annotation.class_names() == ["class_0"]
    assert any("class_0" in note for note in notes)


def test_names_of_classes_beside_the_labels(tmp_path):
    laid_out(
        tmp_path, **{"images/a.png": None, "labels/a.txt": TRIANGLE, "classes.txt": "round cell\nlong\n"}
    )
    assert read(tmp_path)[0].annotation.class_names() == ["round cell"]


YAMLS = {
    "list": "train: images\nnames: [cell]",
    "dictionary": "train: images\nnames: {0: cell}",
    "text keys": "train: images\nnames: {'0': cell}",
    "validation": "validation: images\nnames: [cell]",
    "list of folders": "train: [images]\nnames: [cell]",
    "list of images": "train: list.txt\nnames: [cell]",
    "one image": "train: images/a.png\nnames: [cell]",
    "path of the folder": "path: .\ntrain: images\nnames: [cell]",
    "path elsewhere": "path: ../datasets/cells\ntrain: images\nnames: [cell]",
    "absolute path elsewhere": "path: /data/cells\ntrain: images\nnames: [cell]",
    "as Roboflow writes it": "train: ../images\nval: ../valid/images\nnc: 1\nnames: ['cell']",
}


@pytest.mark.parametrize("name", YAMLS)
def test_yaml_files_of_others(name, tmp_path):
    one_image(tmp_path, TRIANGLE, YAMLS[name])
    (tmp_path / "list.txt").write_text("./images/a.png\n\nimages/gone.png\n")
    notes = []
    (found,) = read(tmp_path, notes)
    assert found.annotation.class_names() == ["cell"]
    assert any("elsewhere" in name and "is not there" in note for note in notes) == ("elsewhere" in name)
    assert any("images that a list names" in note for note in notes) == (name == "list of images")


def test_a_path_below_the_yaml(tmp_path):
    laid_out(tmp_path, **{"cells/images/a.png": None, "cells/labels/a.txt": TRIANGLE})
    (tmp_path / "data.yaml").write_text("path: cells\ntrain: images\nnames: [cell]")
    assert len(read(tmp_path)) == 1
    (tmp_path / "data.yaml").write_text(f"path: {tmp_path / 'cells'}\ntrain: images\nnames: [cell]")
    assert len(read(tmp_path)) == 1


def test_images_in_another_folder(tmp_path):
    laid_out(tmp_path, **{"pictures/a.png": None, "ds/labels/a.txt": TRIANGLE})
    assert len(read(tmp_path / "ds", images=tmp_path / "pictures")) == 1
    (tmp_path / "ds" / "dataset.yaml").write_text("path: /elsewhere\ntrain: images/train\nnames: [cell]")
    with pytest.raises(DatasetError, match=r"/elsewhere.*folder with the images"):
        read(tmp_path / "ds")
    laid_out(tmp_path, **{"far/images/train/a.png": None, "ds/labels/train/a.txt": TRIANGLE})
    assert len(read(tmp_path / "ds", images=tmp_path / "far")) == 1


def test_boxes_are_said_not_taken(tmp_path):
    notes = []
    (found,) = read(one_image(tmp_path, f"0 0.5 0.5 0.2 0.2\n{TRIANGLE}\n1 0.5 0.5 0.2 0.2\n"), notes)
    assert len(found.annotation) == 1
    assert [note for note in notes if "box" in note and note.startswith("2 ") and "line 1" in note]


def test_what_is_left_out_is_said(tmp_path):
    one_image(tmp_path, f"{TRIANGLE}\n0 1 1 1 1 1 1\n", "train: images\nval: images\nnames: [cell]")
    laid_out(tmp_path, **{"images/b.png": None, "labels/c.txt": TRIANGLE, "images/d.webp": "x"})
    notes = []
    found = read(tmp_path, notes)
    assert [(s.name, len(s.annotation), s.split) for s in found] == [("a", 1, "train"), ("b", 0, "train")]
    for words in ("no pixel", "without objects", "no image", "kind", "twice"):
        assert any(words in note for note in notes), words


def test_corners_of_pixels_as_others_write_them(tmp_path):
    """0.3 is pixel 3 of 10, although 0.3 times 10 is a little less in single precision."""
    (found,) = read(one_image(tmp_path, "0 0.3 0.3 0.7 0.3 0.7 0.6 0.3 0.6"))
    rows, columns = np.nonzero(found.annotation.labels)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 6, 3, 7)


BROKEN = {
    "not a number": "0 0.1 0.1 x 0.2 0.3 0.3",
    "not finite": "0 0.1 0.1 nan 0.2 0.3 0.3",
    "infinite": "0 0.1 0.1 1e999 0.2 0.3 0.3",
    "odd": "0 0.1 0.1 0.2 0.2 0.3 0.3 0.9",
    "two points less": "0 0.1 0.1 0.3",
    "class only": "0",
    "class too large": "2 0.1 0.1 0.2 0.2 0.3 0.1",
    "negative class": "-1 0.1 0.1 0.2 0.2 0.3 0.1",
    "class by name": "cell 0.1 0.1 0.2 0.2 0.3 0.1",
    "half a class": "0.5 0.1 0.1 0.2 0.2 0.3 0.1",
    "outside": "0 0.1 0.1 1.2 0.2 0.3 0.1",
    "pixels": "0 10 10 200 10 200 40",
    "negative": "0 -0.1 0.1 0.2 0.2 0.3 0.1",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_lines_are_named(name, tmp_path):
    one_image(tmp_path, f"{TRIANGLE}\n\n{BROKEN[name]}\n{TRIANGLE}\n")
    with pytest.raises(DatasetError, match=re.escape(f"{Path('labels', 'a.txt')}', line 3: ")):
        read(tmp_path)


BROKEN_YAMLS = {
    "empty": "",
    "text": "hello",
    "tabs": "train:\timages\n\tnames: [",
    "no images": "names: [cell]",
    "absolute": "train: /etc\nnames: [cell]",
    "climbing": "train: ../../x\nnames: [cell]",
    "number as a folder": "train: 3\nnames: [cell]",
    "names a text": "train: images\nnames: cell",
    "names with a gap": "train: images\nnames: {0: cell, 2: dead}",
    "names from 1": "train: images\nnames: {1: cell}",
    "counts differ": "train: images\nnc: 3\nnames: [cell]",
    "too many": "train: images\nnc: 1000000000",
    "poses": "train: images\nnames: [cell]\nkpt_shape: [17, 3]",
    "nested": "train: images\nnames: [[cell]]",
    "endless": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ntrain: images\nnames: [*c, *c]",
    "nothing there": "train: gone\nnames: [cell]",
}


@pytest.mark.parametrize("name", BROKEN_YAMLS)
def test_broken_yaml_files_are_named(name, tmp_path):
    one_image(tmp_path, TRIANGLE, BROKEN_YAMLS[name])
    with pytest.raises(DatasetError, match=r"dataset\.yaml"):
        read(tmp_path)


def test_links_that_lead_out_are_refused(tmp_path):
    outside = laid_out(tmp_path / "outside", **{"a.png": None, "a.txt": TRIANGLE})
    inside = one_image(tmp_path / "inside", TRIANGLE)
    (inside / "images" / "b.png").symlink_to(outside / "a.png")
    with pytest.raises(DatasetError, match="not below"):
        read(inside)
    (inside / "images" / "b.png").unlink()
    (inside / "labels" / "a.txt").unlink()
    (inside / "labels" / "a.txt").symlink_to(outside / "a.txt")
    with pytest.raises(DatasetError, match="not below"):
        read(inside)


def test_a_small_label_of_a_huge_claim_is_refused(tmp_path):
    one_image(tmp_path, TRIANGLE)
    png = bytearray((tmp_path / "images" / "a.png").read_bytes())
    png[16:24] = (60_000).to_bytes(4, "big") * 2
    (tmp_path / "images" / "a.png").write_bytes(png)
    with pytest.raises(DatasetError, match=r"a\.png"):
        read(tmp_path)


def test_folders_that_look_like_it(tmp_path):
    assert YOLO.matches(one_image(tmp_path / "a", TRIANGLE))
    assert YOLO.matches(tmp_path / "a" / "dataset.yaml")
    other = (tmp_path / "a" / "dataset.yaml").rename(tmp_path / "a" / "cells-seg.yaml")
    assert YOLO.matches(other)
    assert [s.annotation.class_names() for s in read(tmp_path / "a")] == [["cell"]]
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "conda.yaml").write_text("name: x")
    assert not YOLO.matches(tmp_path / "d")
    assert YOLO.matches(laid_out(tmp_path / "b", **{"valid/images/a.png": None, "valid/labels/a.txt": ""}))
    assert not YOLO.matches(laid_out(tmp_path / "c", **{"images/a.png": None, "masks/a.png": None}))
    assert not YOLO.matches(tmp_path / "gone")


def test_the_yaml_keeps_every_name():
    text = yaml_text(["no", "1", "Zelle: µ #", "null"])
    import yaml

    assert list(yaml.safe_load(text)["names"].values()) == ["no", "1", "Zelle: µ #", "null"]
