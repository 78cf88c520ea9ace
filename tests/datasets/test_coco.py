"""COCO and its kin: exact there and back, what real tools write, and what is wrong told by file and key."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from napari_cellseg.datasets.annotation import Annotation, ObjectMask, object_table
from napari_cellseg.datasets.formats import coco, coco_json
from napari_cellseg.datasets.formats.coco_segmentations import polygon_segmentation, read_segmentation
from napari_cellseg.datasets.formats.polygons import pixel_polygon
from napari_cellseg.datasets.sample import Origin, Sample
from napari_cellseg.errors import DatasetError, OutputError

from .nasty import (
    CLASSES,
    assert_same_objects,
    drawn,
    nasty_annotations,
    nasty_samples,
    painted,
    sample_of,
)

FORMATS = {f.name: f for f in coco.FORMATS}
SQUARE = [[1, 1, 3, 1, 3, 3, 1, 3]]


def write(samples, folder, name="coco", classes=CLASSES):
    folder.mkdir(parents=True, exist_ok=True)
    return list(FORMATS[name].write(samples, folder, classes))


def read(path, name="coco", notes=None, images=None):
    return list(FORMATS[name].read(path, [] if notes is None else notes, images=images))


def document(*found, images=None, **more):
    """A COCO document of one image of 4 x 5 pixels, with these annotations."""
    return {
        "images": [{"id": 1, "width": 5, "height": 4, "file_name": "a.png"}] if images is None else images,
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, **a} for a in found],
        **more,
    }


def read_document(tmp_path, content, name="coco", notes=None, **options):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    return read(path, name, notes, **options)


@pytest.mark.parametrize("name", FORMATS)
def test_pycocotools_sees_the_same_masks(tmp_path, name, capsys):
    samples = nasty_samples()
    write(samples, tmp_path, name)
    api = COCO(next(tmp_path.rglob("*.json")))
    for image, sample in zip(api.imgs.values(), samples, strict=True):
        found = [api.annToMask(a).astype(bool) for a in api.imgToAnns[image["id"]]]
        expected = [painted(m, sample.annotation.shape) for m in sample.annotation.masks()]
        assert len(found) == len(expected)
        assert all(np.array_equal(f, e) for f, e in zip(found, expected, strict=True))
        for entry in api.imgToAnns[image["id"]]:
            mask = coco_mask.toBbox(api.annToRLE(entry))
            assert (entry["bbox"], entry["area"]) == (mask.tolist(), coco_mask.area(api.annToRLE(entry)))


@pytest.mark.parametrize("name", FORMATS)
def test_rows_groups_splits_and_unreviewed_areas_travel(tmp_path, name):
    table = object_table(
        [2, 9],
        classes=CLASSES[:2],
        status=["predicted", "edited"],
        confidence=[0.25, np.nan],
        origin=["model:a@1", "b"],
    )
    table["stain"], table["round"] = ["red", None], [3, 4]
    labels = drawn(["2..9", "22.9", "...."])
    ignored = np.zeros((3, 4), bool)
    ignored[2, 1:] = True
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    annotation = Annotation.from_labels(labels, table)
    origin = Origin(group="plate 1, well ü")
    samples = [
        Sample("a", annotation, lambda: pixels, origin, "val", ignored),
        Sample("b", annotation, None, Origin(), "train"),
        Sample("c", annotation),
    ]
    write(samples, tmp_path, name)
    by_name = {sample.name: sample for sample in read(tmp_path, name)}
    found = by_name["a"]
    pd.testing.assert_frame_equal(found.annotation.objects[table.columns[:5]], table[table.columns[:5]])
    assert found.annotation.objects["stain"].tolist()[0] == "red"
    assert found.annotation.objects["round"].tolist() == [3, 4]
    np.testing.assert_array_equal(found.ignored, ignored)
    assert by_name["b"].ignored is None
    assert by_name["b"].read_pixels is None
    assert (found.origin.group, by_name["b"].origin.group) == ("plate 1, well ü", "")
    assert {k: s.split for k, s in by_name.items()} == {"a": "val", "b": "train", "c": None}


def test_an_evaluation_leaves_out_unreviewed_areas_of_every_class(tmp_path):
    ignored = np.ones((3, 4), bool)
    write([Sample("a", Annotation.from_labels(np.zeros((3, 4), int)), ignored=ignored)], tmp_path)
    found = json.loads(next(tmp_path.rglob("*.json")).read_text())["annotations"]
    assert [(a["category_id"], a["iscrowd"], a["area"]) for a in found] == [
        (1, 1, 12),
        (2, 1, 12),
        (3, 1, 12),
    ]


@cache
def cells():
    """Masks of the sizes that cells have, without holes and with some."""
    y, x = np.mgrid[:40, :50]
    rng = np.random.default_rng(0)
    blobs = [
        np.hypot((y - 20) / rng.uniform(5, 15), (x - 25) / rng.uniform(5, 20)) + rng.normal(0, 0.05, y.shape)
        < 1
        for _ in range(20)
    ]
    return [ObjectMask(1, 3, 5, blob).trimmed() for blob in blobs]


def test_polygons_along_pixel_edges_are_the_convention_of_pycocotools():
    shape = (50, 60)

    def iou(mask, polygons):
        found = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *shape))).astype(bool)
        plane = painted(mask, shape)
        return (found & plane).sum() / (found | plane).sum()

    corners = [iou(m, polygon_segmentation(m, shape)) for m in cells()]
    centres = [iou(m, [pixel_polygon(m).ravel().tolist()]) for m in cells()]
    middles = [iou(m, [(pixel_polygon(m) + 0.5).ravel().tolist()]) for m in cells()]
    assert min(corners) == 1
    assert max(np.mean(centres), np.mean(middles)) < 0.95


@settings(deadline=None)
@given(st.lists(st.floats(-3, 20), min_size=6, max_size=16).filter(lambda p: len(p) % 2 == 0))
def test_polygons_of_others_are_rasterised_as_pycocotools_does(points):
    shape = (13, 17)
    expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([points, *SQUARE], *shape))).astype(
        bool
    )
    value = coco_json._compact({"segmentation": [points, *SQUARE]})["segmentation"]
    found = read_segmentation(value, shape, 1, "here")
    np.testing.assert_array_equal(painted(found, shape), expected)


def test_categories_are_the_classes_in_their_order(tmp_path):
    write([], tmp_path, "livecell", ("b", "a"))
    found = json.loads((tmp_path / "livecell_coco_default.json").read_text())
    assert [(c["id"], c["name"]) for c in found["categories"]] == [(1, "b"), (2, "a")]
    assert read(tmp_path, "livecell") == []


def test_objects_of_other_classes_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="class 'cell', not one of other"):
        write([Sample("a", nasty_annotations()["one pixel"])], tmp_path, classes=("other",))


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "annotations").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        write([Sample("a", nasty_annotations()["one pixel"])], tmp_path)


def test_livecell_with_annotations_by_id_and_images_in_folders(tmp_path):
    images = [
        {"id": 7, "width": 5, "height": 4, "file_name": "A172_1.tif", "original_filename": "A172_1.png"}
    ]
    more = {"iscrowd": 0, "image_id": 7, "category_id": 1, "bbox": [1, 1, 2, 2], "area": 4.0}
    found = {
        "101": {"segmentation": [[1.0, 1.0, 3.0, 1.0, 3.0, 3.0, 1.0, 3.0]], "id": 101, **more},
        "102": {"segmentation": [[0, 0, 1, 0, 1, 1, 0, 1]], "id": 102, **more},
    }
    place = tmp_path / "annotations" / "LIVECell"
    place.mkdir(parents=True)
    (place / "livecell_coco_train.json").write_text(json.dumps(document(images=images, annotations=found)))
    (place / "livecell_coco_val.json").write_text(json.dumps(document(images=[])))
    sample = sample_of("A172_1", Annotation.from_labels(np.zeros((4, 5), int)), dtype="int16")
    deep = tmp_path / "images" / "livecell_train_val_images" / "A172"
    deep.mkdir(parents=True)
    FORMATS["livecell"].write([sample], tmp_path / "out", ()).__next__()
    next((tmp_path / "out").rglob("*.tif")).rename(deep / "A172_1.tif")
    (again,) = read(tmp_path, "livecell")
    assert again.annotation.labels.tolist()[:2] == [[2, 0, 0, 0, 0], [0, 1, 1, 0, 0]]
    assert (again.name, again.split, again.origin.source) == ("A172_1", "train", "A172_1.tif")
    np.testing.assert_array_equal(again.pixels(), sample.pixels())
    assert read(place / "livecell_coco_train.json")[0].split == "train"


def test_cvat_with_its_masks_attributes_and_folders_in_names(tmp_path):
    images = [
        {
            "id": 1,
            "width": 3,
            "height": 2,
            "file_name": "well a/frame_000000.PNG",
            "license": 0,
            "date_captured": 0,
        },
        {
            "id": 2,
            "width": 3,
            "height": 2,
            "file_name": "well b/frame_000000.PNG",
            "license": 0,
            "date_captured": 0,
        },
    ]
    mask = {"segmentation": {"counts": [1, 2, 3], "size": [2, 3]}, "iscrowd": 1,
            "attributes": {"occluded": True, "track": 3, "note": "x"}}  # fmt: skip
    plain = {"segmentation": [[0, 0, 1, 0, 1, 1, 0, 1]], "iscrowd": 0, "attributes": {"occluded": False}}
    notes = []
    first, second = read_document(tmp_path, document(mask, plain, images=images), "coco", notes)
    assert (first.name, second.name) == ("well a_frame_000000", "well b_frame_000000")
    assert first.annotation.labels.tolist() == [[2, 1, 0], [1, 0, 0]]
    assert first.ignored is None
    assert first.annotation.objects["occluded"].tolist() == [True, False]
    assert first.annotation.objects["note"].tolist()[0] == "x"
    assert any(n.startswith("1 objects that are marked as crowd") for n in notes)
    assert any("2 images are not there" in n for n in notes)


def test_crowds_of_coco_are_areas_that_were_not_reviewed(tmp_path):
    crowd = {"segmentation": {"counts": [0, 2, 18], "size": [4, 5]}, "iscrowd": 1}
    notes = []
    (found,) = read_document(tmp_path, document(crowd), notes=notes)
    assert np.argwhere(found.ignored).tolist() == [[0, 0], [1, 0]]
    assert len(found.annotation) == 0
    assert any("marked as crowd are read as not reviewed" in n for n in notes)
    (found,) = read_document(tmp_path, document(crowd), "cvat")
    assert (len(found.annotation), found.ignored) == (1, None)


def test_roboflow_with_a_folder_per_split(tmp_path):
    for split, hue in (("train", 1), ("valid", 2)):
        folder = tmp_path / split
        sample = sample_of("a_jpg.rf.1", Annotation.from_labels(np.full((4, 5), hue)), dtype="uint8")
        write([sample], tmp_path / "out" / split, classes=("cell",))
        folder.mkdir()
        next((tmp_path / "out" / split).rglob("*.png")).rename(folder / "a_jpg.rf.1.png")
        content = document(
            {"segmentation": SQUARE, "category_id": 1, "bbox": [1, 1, 2, 2]},
            {"segmentation": [], "bbox": [0, 0, 1, 1]},
            images=[{"id": 1, "license": 1, "file_name": "a_jpg.rf.1.png", "height": 4, "width": 5}],
            categories=[
                {"id": 0, "name": "cells", "supercategory": "none"},
                {"id": 1, "name": "cell", "supercategory": "cells"},
            ],
        )
        (folder / "_annotations.coco.json").write_text(json.dumps(content))
    notes = []
    first, second = read(tmp_path, notes=notes)
    assert (first.name, first.split, second.name, second.split) == (
        "a_jpg.rf.1",
        "train",
        "a_jpg.rf.1_2",
        "val",
    )
    assert first.annotation.class_names() == ["cell"]
    assert first.pixels().shape == (4, 5)
    assert sum(n.startswith("1 annotations have no outline") for n in notes) == 2
    assert read(tmp_path / "train" / "_annotations.coco.json")[0].split == "train"


def test_label_studio_with_names_from_its_server(tmp_path):
    (tmp_path / "pictures" / "deep").mkdir(parents=True)
    write([sample_of("b", Annotation.from_labels(np.zeros((4, 5), int)))], tmp_path / "pictures" / "deep")
    images = [{"id": 0, "width": 5, "height": 4, "file_name": "../../label-studio/data/media/upload/1/b.png"}]
    content = document({"image_id": 0, "category_id": 0, "segmentation": SQUARE}, images=images,
                       categories=[{"id": 0, "name": "cell"}])  # fmt: skip
    with pytest.raises(DatasetError, match=r"images\[0\].file_name names the file"):
        read_document(tmp_path, content)
    (found,) = read_document(tmp_path, content, images=tmp_path / "pictures")
    assert (found.name, found.pixels().shape, found.annotation.labels[1, 1]) == ("b", (4, 5), 1)


def test_ids_may_be_texts_and_have_gaps_and_repeat(tmp_path):
    content = document(
        {"image_id": "x-1", "category_id": "90", "id": 5, "segmentation": SQUARE},
        {"image_id": 7.0, "category_id": 3, "id": 5, "segmentation": SQUARE[0]},
        {"image_id": "7", "category_id": 90, "id": 5, "segmentation": [[[0, 0], [1, 0], [1, 1], [0, 1]]]},
        images=[
            {"id": "x-1", "width": 5, "height": 4, "file_name": "a"},
            {"id": 7, "width": 5, "height": 4, "file_name": "b"},
        ],
        categories=[{"id": 90, "name": "dog"}, {"id": 3, "name": "cell"}],
    )
    first, second = read_document(tmp_path, content)
    assert first.annotation.objects["class"].tolist() == ["dog"]
    assert second.annotation.objects["class"].tolist() == ["cell", "dog"]
    assert second.annotation.labels[:2, :2].tolist() == [[2, 0], [0, 1]]


def test_objects_without_named_categories_are_called_by_number(tmp_path):
    notes = []
    (found,) = read_document(
        tmp_path, document({"category_id": 4, "segmentation": SQUARE}, categories=[]), notes=notes
    )
    assert found.annotation.class_names() == ["class 4"]
    assert any("called by its number" in n for n in notes)


def test_annotations_twice_and_outlines_of_nothing_are_told(tmp_path):
    notes = []
    twice = {"segmentation": SQUARE}
    thin = {"segmentation": [[0, 0, 0.1, 0, 0.1, 0.1]]}
    (found,) = read_document(
        tmp_path, document(twice, thin, twice, {"segmentation": [[1, 1]]}, {}), notes=notes
    )
    assert len(found.annotation) == 2
    assert any(n.startswith("1 objects have exactly the pixels") for n in notes)
    assert any(n.startswith("1 outlines hold no pixel's centre") for n in notes)
    assert any(n.startswith("2 annotations have no outline") for n in notes)


def test_annotations_without_their_image_are_told(tmp_path):
    notes = []
    (found,) = read_document(tmp_path, document({"segmentation": SQUARE, "image_id": 2}), notes=notes)
    assert len(found.annotation) == 0
    assert any("1 annotations belong to an image" in n and "annotations[0]" in n for n in notes)


def test_sizes_may_come_from_the_images(tmp_path):
    sample = sample_of("a", nasty_annotations()["touching"])
    write([sample], tmp_path, classes=("cell",))
    path = next(tmp_path.rglob("*.json"))
    content = json.loads(path.read_text())
    for key in ("width", "height"):
        del content["images"][0][key]
    path.write_text(json.dumps(content))
    assert_same_objects(read(tmp_path)[0].annotation, sample.annotation)
    next(tmp_path.rglob("*.png")).unlink()
    with pytest.raises(DatasetError, match=r"images\[0\].*neither a width"):
        read(tmp_path)


def test_a_file_name_used_twice_and_a_byte_order_mark(tmp_path):
    images = [{"id": i, "width": 5, "height": 4, "file_name": "a.png"} for i in (1, 2)]
    path = tmp_path / "x.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(document(images=images)).encode())
    assert FORMATS["coco"].matches(path)
    assert [s.name for s in read(path)] == ["a", "a_2"]
    path.write_text(json.dumps(document(images=images)), encoding="utf-16")
    assert [s.name for s in read(path)] == ["a", "a_2"]


RLE = {"size": [4, 5], "counts": [2, 3, 15]}
WRONG = {
    "annotations[0].segmentation must be": {"segmentation": "x"},
    "annotations[0].segmentation[1] must be": {"segmentation": [*SQUARE, "x"]},
    "annotations[0].segmentation[0] must be a list of x and y": {"segmentation": [[1, 2, 3, 4, 5, 6, 7]]},
    "annotations[0].segmentation[0] must be a": {"segmentation": [[1, 2, 3, None, 5, 6]]},
    "annotations[0].segmentation has a point far": {"segmentation": [[1, 2, 3, 1e300, 5, 6]]},
    "annotations[0].segmentation has a point": {"segmentation": [[1, 2, 3, float("nan"), 5, 6]]},
    "annotations[0].segmentation has a polygon that is longer": {
        "segmentation": [[0, 0, 900, 900, 0, 9] * 9000]
    },
    "annotations[0].segmentation.size must be [4, 5]": {"segmentation": {**RLE, "size": [5, 4]}},
    "annotations[0].segmentation.size must": {"segmentation": {**RLE, "size": [10**9, 10**9]}},
    "annotations[0].segmentation.counts: run 1 has a negative": {"segmentation": {**RLE, "counts": [2, -3]}},
    "annotations[0].segmentation.counts: run 1 ends past": {"segmentation": {**RLE, "counts": [2, 19]}},
    "annotations[0].segmentation.counts: run 0 ends past": {"segmentation": {**RLE, "counts": [1e300]}},
    "annotations[0].segmentation.counts must be": {"segmentation": {**RLE, "counts": [1.5]}},
    "annotations[0].segmentation.counts must be a": {"segmentation": {**RLE, "counts": {"a": 1}}},
    "annotations[0].segmentation.counts: it ends within": {"segmentation": {**RLE, "counts": "P"}},
    "annotations[0].category_id: there is no category 9": {"segmentation": SQUARE, "category_id": 9},
    "annotations[0].category_id must be": {"segmentation": SQUARE, "category_id": None},
    "annotations[0].category_id must be a whole": {"segmentation": SQUARE, "category_id": True},
    "annotations[0].image_id must be": {"image_id": [1]},
    "annotations[0].score must be": {"segmentation": SQUARE, "score": "high"},
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_annotations_are_told_by_their_key(tmp_path, words):
    with pytest.raises(DatasetError) as caught:
        read_document(tmp_path, document(WRONG[words]))
    assert str(caught.value).startswith(f"'{tmp_path / 'x.json'}', {words}")


IMAGE = {"id": 1, "width": 5, "height": 4, "file_name": "a.png"}
BROKEN = {
    "images[0].width must be": document(images=[{**IMAGE, "width": "5"}]),
    "images[0].width must": document(images=[{**IMAGE, "width": 1.5}]),
    "images[0].height must": document(images=[{**IMAGE, "height": -4}]),
    "images[0]: an image must have between": document(images=[{**IMAGE, "height": 10**30}]),
    "images[0]: an image must": document(images=[{**IMAGE, "height": 0}]),
    "images[0].file_name must be a text, it is missing": document(images=[{"id": 1}]),
    "images[0].file_name must be a text, 3 was found": document(images=[{**IMAGE, "file_name": 3}]),
    "images[0].file_name must be a text": document(images=[{**IMAGE, "file_name": "\ud800"}]),
    "images[0].id must be": document(images=[{**IMAGE, "id": None}]),
    "images[1].id: 1 is the id of another": document(images=[IMAGE, IMAGE]),
    "images[0] must be an object": document(images=[3]),
    "images must be a list": document(images="x"),
    "annotations must be a list": document(annotations=7),
    'annotations["k"] must be an object': document(annotations={"k": 7}),
    "categories[0].name must be a text": document(categories=[{"id": 1, "name": ""}]),
}  # fmt: skip


@pytest.mark.parametrize("words", BROKEN)
def test_wrong_files_are_told_by_their_key(tmp_path, words):
    with pytest.raises(DatasetError) as caught:
        read_document(tmp_path, BROKEN[words])
    assert str(caught.value).startswith(f"'{tmp_path / 'x.json'}', {words}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1, column 1"),
        (b'{"images": [],\n "annotations": [{"id": 1,', "line 2, column 27"),
        (b"\x89PNG\r\n", "is no UTF-8 text"),
        (b"[" * 100_000, "is no JSON that can be read"),
        (b'{"images": ' + b"9" * 5000, "is no JSON that can be read"),
        (b"[]", "is a list of results"),
        (b'"x"', "has no key 'images'"),
        (b'{"images": []}', "has no key 'annotations'"),
    ],
)
def test_files_that_are_no_coco_are_refused(tmp_path, content, words):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=f"x.json'.*{words}"):
        read(path)


def test_limits_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(coco_json, "LARGEST_FILE", 10)
    with pytest.raises(DatasetError, match="files of up to 0 MiB"):
        read_document(tmp_path, document())
    monkeypatch.undo()
    monkeypatch.setattr(coco_json, "MOST_VALUES", 3)
    with pytest.raises(DatasetError, match="more than 3 values"):
        read_document(tmp_path, document())


def test_nothing_there_is_told(tmp_path):
    for path, words in ((tmp_path / "gone", "no file or folder"), (tmp_path, "holds no COCO file")):
        with pytest.raises(DatasetError, match=words):
            read(path)
    with pytest.raises(DatasetError, match="no folder"):
        read_document(tmp_path, document(), images=tmp_path / "gone")


def test_other_json_is_not_taken_for_coco(tmp_path):
    for name, text in (
        ("a", '{"type": "FeatureCollection"}'),
        ("b", '{"layout": 1}'),
        ("c", "x"),
        ("d", "[]"),
    ):
        path = tmp_path / f"{name}.json"
        path.write_text(text)
        assert not FORMATS["coco"].matches(path)
    assert not FORMATS["coco"].matches(tmp_path)
    assert not FORMATS["coco"].matches(tmp_path / "gone.json")
