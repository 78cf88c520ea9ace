"""Labels layers saved in the formats of other programs."""

import json
from pathlib import Path

import napari_builtins
import numpy as np
import pytest
from napari.layers import Labels
from npe2 import PluginManager, PluginManifest
from pycocotools.coco import COCO

import napari_cellseg
from napari_cellseg.datasets.annotation import object_table
from napari_cellseg.datasets.formats.registry import find_format
from napari_cellseg.errors import CellSegWarning, DatasetError
from napari_cellseg.viewer.dataset_writing import (
    write_coco_file,
    write_geojson_file,
    write_imagej_file,
    write_run_lengths_file,
    write_yolo_file,
)


def layer(planes: int = 1) -> Labels:
    data = np.zeros((planes, 30, 40), np.int32)
    data[:, 2:12, 2:12], data[:, 5:8, 5:8], data[:, 2:12, 20:30] = 1, 0, 7
    found = Labels(data if planes > 1 else data[0], name="cells", axis_labels="tyx"[-(2 + (planes > 1)) :])
    table = object_table([1, 7], classes=["nucleus", "debris"], status=["accepted", "predicted"])
    found.features = table
    return found


def save(write, path: Path, labels: Labels) -> Path:
    (written,) = write(str(path), *labels.as_layer_data_tuple()[:2])
    assert Path(written) == path
    assert [p for p in path.parent.iterdir() if ".partial" in p.name] == []
    return path


def test_coco_keeps_masks_classes_and_status(tmp_path: Path) -> None:
    path = save(write_coco_file, tmp_path / "cells.json", layer())
    coco = COCO(str(path))
    masks = {a["attributes"]["index"]: coco.annToMask(a).astype(bool) for a in coco.anns.values()}
    for label, mask in masks.items():
        assert (mask == (layer().data == label)).all()
    assert {a["attributes"]["status"] for a in coco.anns.values()} == {"accepted", "predicted"}
    assert {c["name"] for c in coco.cats.values()} == {"nucleus", "debris"}


def test_coco_holds_all_planes_of_a_stack(tmp_path: Path) -> None:
    path = save(write_coco_file, tmp_path / "stack.json", layer(3))
    images = json.loads(path.read_text())["images"]
    assert [image["file_name"] for image in images] == [f"stack_t00{k}.png" for k in range(3)]


@pytest.mark.parametrize(
    "write, format, name",
    [
        (write_geojson_file, "geojson", "cells.geojson"),
        (write_imagej_file, "imagej", "cells.zip"),
        (write_run_lengths_file, "sartorius", "cells.csv"),
    ],
)
def test_exact_formats_are_read_again(tmp_path: Path, write, format: str, name: str) -> None:
    path = save(write, tmp_path / name, layer())
    (sample,) = find_format(format).read(path, [])
    assert (sample.annotation.labels == layer().data).all()
    assert sample.annotation.objects["class"].tolist() == ["nucleus", "debris"]
    assert sample.annotation.objects["status"].tolist() == ["accepted", "predicted"]


def test_yolo_polygons_tell_their_classes(tmp_path: Path) -> None:
    with pytest.warns(CellSegWarning, match="0 debris, 1 nucleus"):
        path = save(write_yolo_file, tmp_path / "cells.txt", layer())
    lines = path.read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["1", "0"]
    assert len(lines[1].split()) == 1 + 2 * 4


def test_what_yolo_loses_is_told(tmp_path: Path) -> None:
    pieces = np.zeros((30, 40), np.int32)
    pieces[2:6, 2:6] = pieces[20:25, 20:25] = 1
    with pytest.warns(CellSegWarning, match="do not come back as they are"):
        save(write_yolo_file, tmp_path / "pieces.txt", Labels(pieces))
    assert find_format("yolo").as_read_back is not None


def test_a_stack_does_not_fit_a_file_of_one_plane(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'cells' has 3"):
        save(write_yolo_file, tmp_path / "cells.txt", layer(3))
    assert not list(tmp_path.iterdir())


def test_no_objects_are_a_file_too(tmp_path: Path) -> None:
    empty = Labels(np.zeros((30, 40), np.int32))
    assert save(write_yolo_file, tmp_path / "empty.txt", empty).read_text() == ""
    assert json.loads(save(write_coco_file, tmp_path / "empty.json", empty).read_text())["annotations"] == []


@pytest.mark.parametrize(
    "name, command",
    [
        ("cells.json", "napari-cellseg.write_coco"),
        ("cells.txt", "napari-cellseg.write_yolo"),
        ("cells.geojson", "napari-cellseg.write_geojson"),
        ("cells.zip", "napari-cellseg.write_imagej"),
        ("cells.csv", "napari-cellseg.write_run_lengths"),
        ("cells.npz", "napari.write_labels"),
    ],
)
def test_napari_chooses_the_writer_by_the_ending(name: str, command: str) -> None:

    manager = PluginManager()
    for path in (
        Path(napari_cellseg.__file__).parent / "napari.yaml",
        Path(napari_builtins.__file__).parent / "builtins.yaml",
    ):
        manager.register(PluginManifest.from_file(path))
    writer, _ = manager.get_writer(name, ["labels"])
    assert writer.command == command
