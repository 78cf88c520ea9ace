"""YOLO networks: both layouts of the output, padding, splitting of full tiles, and cards of exports."""

import numpy as np
import pytest

from napari_cellseg.errors import ModelError
from napari_cellseg.instances.prototypes import PrototypeDecoding
from napari_cellseg.models.embedded import read_export
from napari_cellseg.models.yolo import YoloModel, is_ranked, read_detections

M = 4
METADATA = {
    "task": "segment",
    "author": "Ultralytics",
    "names": "{0: 'cell', 1: 'debris'}",
    "stride": "32",
    "imgsz": "[320, 320]",
    "date": "2026-01-02T03:04:05",
}


def discs_of(tile):
    """Centres of the bright discs of radius 6 that a tile shows, by its single brightest pixels."""
    return np.argwhere(tile[0] > 0.9)


def anchors_of(points, classes=2):
    """All anchors, with coefficients that draw a disc of radius 6 from the prototypes x, y, x² + y² and 1."""
    rows = []
    for k, (y, x) in enumerate(points):
        coefficients = [2 * x, 2 * y, -1.0, 36.0 - x * x - y * y]
        rows.append([x + 0.5, y + 0.5, 13, 13, *([0.9 - 1e-4 * k] + [0.1] * (classes - 1)), *coefficients])
    rows.append([0.0] * (4 + classes + M))
    return np.array(rows, np.float32).T


def ranked_of(points, most):
    anchors = anchors_of(points)
    x, y, w, h, score = anchors[:5]
    best = np.column_stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, 0 * score, anchors[6:].T])
    out = np.zeros((most, 6 + M), np.float32)
    out[: min(most, len(points))] = best[: min(most, len(points))]
    return out


def prototypes_of(shape):
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    return np.stack([x, y, x * x + y * y, np.ones_like(x)])


def model(tiny_card, network, **changes):
    fields = {
        "kind": "instance",
        "maps": (),
        "decoder": None,
        "prototypes": PrototypeDecoding(),
        "classes": ("cell", "debris"),
        "tile": 256,
        "tile_multiple": 32,
        "overlap": 64,
        "confidence_floor": 0.2,
    }
    return YoloModel(tiny_card(**{**fields, **changes}), network, "cpu")


def tile_with(points, shape):
    tile = np.full((1, 3, *shape), 0.2, np.float32)
    for y, x in points:
        tile[0, :, y, x] = 1.0
    return tile


def grid_of(shape, step=20):
    return [(y, x) for y in range(10, shape[0] - 8, step) for x in range(10, shape[1] - 8, step)]


def test_both_layouts_say_the_same():
    points = [(20, 30), (50, 60)]
    full = read_detections(anchors_of(points), M, 2, 0.25)
    best = read_detections(ranked_of(points, 5), M, 2, 0.25)
    for name in ("boxes", "scores", "classes", "coefficients"):
        np.testing.assert_allclose(getattr(full, name), getattr(best, name), rtol=1e-6)
    assert full.boxes.tolist() == [[14, 24, 27, 37], [44, 54, 57, 67]]


def test_the_best_class_counts():
    anchors = anchors_of([(20, 30)])
    anchors[4:6, 0] = 0.3, 0.8
    found = read_detections(anchors, M, 2, 0.25)
    assert (found.classes.tolist(), found.scores.tolist()) == ([1], pytest.approx([0.8]))


def test_another_output_is_refused():
    with pytest.raises(ModelError, match=r"\(10, anchors\) or \(objects, 10\)"):
        is_ranked(np.zeros((7, 9)), M, 2)


@pytest.mark.parametrize("ranked", [False, True])
def test_objects_of_a_tile_that_must_be_padded(tiny_card, ranked):
    shape, seen = (100, 70), []

    def network(tiles):
        seen.append(tiles.shape)
        points = discs_of(tiles[0])
        return [(ranked_of(points, 300) if ranked else anchors_of(points), prototypes_of(tiles.shape[2:]))]

    points = [(20, 30), (97, 66)]
    found = model(tiny_card, network).predict_instances(tile_with(points, shape))[0]
    assert seen == [(1, 3, 128, 96)]
    assert found.boxes[0].tolist() == [15, 25, 26, 36]
    assert found.boxes[1, 2:].tolist() == [100, 70]
    fixed = model(tiny_card, network, fixed_tile=True)
    assert fixed.predict_instances(tile_with(points, shape))[0].boxes.tolist() == found.boxes.tolist()
    assert seen[-1] == (1, 3, 256, 256)
    with pytest.raises(ModelError, match="up to 256 pixels"):
        fixed.predict_instances(tile_with(points, (300, 70)))


def test_a_full_tile_is_seen_in_parts(tiny_card):
    """A network that gives 20 objects at most finds all 144 of a tile, each once and whole."""

    def network(tiles):
        return [(ranked_of(discs_of(tiles[0]), 20), prototypes_of(tiles.shape[2:]))]

    shape = (256, 256)
    points = grid_of(shape)
    limited = model(tiny_card, network)
    found = limited.predict_instances(tile_with(points, shape))[0]
    centres = sorted(((found.boxes[:, :2] + found.boxes[:, 2:] - 1) // 2).tolist())
    assert centres == sorted(map(list, points))
    assert limited.split_tiles > 4
    assert len(set(found.areas.tolist())) == 1


def test_values_that_are_no_numbers(tiny_card):
    broken = model(tiny_card, lambda tiles: [(np.full((10, 3), np.nan, np.float32), prototypes_of((64, 64)))])
    with pytest.raises(ModelError, match="no numbers"):
        broken.predict_instances(tile_with([], (64, 64)))


def test_what_an_export_says(tmp_path):
    told = read_export(tmp_path / "a.onnx", METADATA, [1, 3, 320, 320])
    assert (told.classes, told.tile, told.stride, told.fixed) == (("cell", "debris"), 320, 32, True)
    free = read_export(tmp_path / "a.onnx", {**METADATA, "imgsz": "[500, 300]"}, ["n", 3, "h", "w"])
    assert (free.tile, free.fixed) == (512, False)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"task": "detect"}, "not for segmentation"),
        ({"names": "{0: 'a', 2: 'b'}"}, "classes"),
        ({"names": "{}"}, "no classes"),
        ({"names": "__import__('os').system('true')"}, "cannot be read"),
        ({"names": "[" * 200_000}, "too long"),
        ({"stride": "0"}, "stride 0"),
        ({"stride": "'a'"}, "stride 'a'"),
        ({"imgsz": "[1]"}, "images of"),
        ({"imgsz": "[-5, 10**9]"}, "cannot be read|images of"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, change, words):
    with pytest.raises(ModelError, match=words):
        read_export(tmp_path / "a.onnx", {**METADATA, **change}, [1, 3, 320, 320])


@pytest.mark.parametrize("shape, words", [([1, 5, 320, 320], "5 channels"), ([1, 3, 320, 640], "not square")])
def test_inputs_that_do_not_fit(tmp_path, shape, words):
    with pytest.raises(ModelError, match=words):
        read_export(tmp_path / "a.onnx", METADATA, shape)
