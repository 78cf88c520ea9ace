"""ROIs of ImageJ: all comes back exactly; what Fiji writes is read; what is broken or huge is named."""

import io
import struct
import zipfile

import numpy as np
import pytest
import roifile
import tifffile
from imagecodecs import png_encode

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.formats import imagej_reading
from napari_cellseg.datasets.formats.imagej import FORMATS
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import DatasetError

from .nasty import (
    CLASSES,
    nasty_annotations,
    pixels_of,
    sample_of,
)

IMAGEJ = FORMATS[0]
SQUARE = [[1, 1], [4, 1], [4, 3], [1, 3]]


def written(some, folder):
    assert list(IMAGEJ.write(some, folder, CLASSES)) == [s.name for s in some]
    return folder


def read(path, notes=None, **more):
    return list(IMAGEJ.read(path, [] if notes is None else notes, **more))


def zip_of(folder, *rois, name="a", size=(10, 12)):
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for k, roi in enumerate(rois):
            data = roi if isinstance(roi, bytes) else roi.tobytes()
            archive.writestr(f"{k:04d}-0001.roi", data)
    if size:
        (folder / f"{name}.png").write_bytes(png_encode(pixels_of(size, "uint8")))
    return folder / f"{name}.zip"


def drawn(points=SQUARE, kind=roifile.ROI_TYPE.POLYGON, **more):
    roi = roifile.ImagejRoi.frompoints(np.array(points))
    roi.roitype = kind
    for key, value in more.items():
        setattr(roi, key, value)
    return roi


def boxed(kind, left, top, right, bottom, **more):
    return roifile.ImagejRoi(roitype=kind, left=left, top=top, right=right, bottom=bottom, **more)


def composite(*path):
    coordinates = np.array(path, np.float32)
    return boxed(roifile.ROI_TYPE.RECT, 0, 0, 9, 9, shape_roi_size=len(path), multi_coordinates=coordinates)


def test_objects_far_to_the_right_come_back(tmp_path):
    labels = np.zeros((3, 70_000), np.int32)
    for k, x in enumerate((0, 32_760, 40_000, 60_530, 65_530, 69_990), 1):
        labels[1, x : x + 10] = k
        labels[0, x] = k
    (found,) = read(written([Sample("wide", Annotation.from_labels(labels))], tmp_path))
    np.testing.assert_array_equal(found.annotation.labels, labels)


def test_roifile_reads_what_is_written(tmp_path):
    written([sample_of("a", nasty_annotations()["several classes"])], tmp_path)
    found = roifile.roiread(tmp_path / "a.zip")
    assert [roi.group for roi in found] == [1, 2, 3] * 4
    assert [roi.name for roi in found[:2]] == ["00001", "00002"]
    assert found[0].coordinates().tolist() == [[0, 0], [3, 0], [3, 4], [0, 4]]


def test_kinds_of_rois(tmp_path):
    kinds = roifile.ROI_TYPE
    rois = [
        drawn(),
        drawn([[5, 0], [8, 0], [8, 2], [5, 2]], kinds.FREEHAND),
        boxed(kinds.RECT, 0, 5, 2, 9),
        drawn([[9.2, 1.2], [11.2, 1.2], [11.2, 3.2], [9.2, 3.2]], kinds.TRACED),
    ]
    (found,) = read(zip_of(tmp_path, *rois))
    expected = np.zeros((10, 12), int)
    expected[1:3, 1:4], expected[:2, 5:8], expected[5:9, :2], expected[1:3, 9:11] = 1, 2, 3, 4
    np.testing.assert_array_equal(found.annotation.labels, expected)


def test_ovals_hold_pixels_whose_centre_is_inside(tmp_path):
    (found,) = read(zip_of(tmp_path, boxed(roifile.ROI_TYPE.OVAL, 3, 2, 34, 23), size=(30, 40)))
    y, x = np.mgrid[:30, :40] + 0.5
    inside = ((x - 18.5) / 15.5) ** 2 + ((y - 12.5) / 10.5) ** 2
    clear = np.abs(inside - 1) > 0.01
    np.testing.assert_array_equal(found.annotation.labels[clear] == 1, inside[clear] <= 1)


def test_composite_rois_with_holes_pieces_and_curves(tmp_path):
    square = [0, 0, 0, 1, 8, 0, 1, 8, 8, 1, 0, 8, 4, 0, 2, 2, 1, 4, 2, 1, 4, 4, 1, 2, 4, 4]
    (found,) = read(zip_of(tmp_path, composite(*square)))
    assert found.annotation.labels.sum() == 60
    round_end = [0, 0, 0, 1, 4, 0, 3, 8, 0, 8, 8, 4, 8, 2, 2, 8, 0, 4, 4]
    (found,) = read(zip_of(tmp_path, composite(*round_end), name="b"))
    assert 35 < found.annotation.labels.sum() < 50


def test_what_has_no_area_is_said(tmp_path):
    notes = []
    kinds = roifile.ROI_TYPE
    rois = [
        drawn(kind=kinds.POINT),
        drawn(kind=kinds.FREELINE),
        boxed(kinds.LINE, 0, 0, 5, 5),
        drawn(group=4),
    ]
    (found,) = read(zip_of(tmp_path, *rois), notes)
    assert found.annotation.objects["class"].tolist() == ["group 4"]
    assert [n for n in notes if n.startswith("3 ROIs have no area")]
    assert [n for n in notes if "group" in n]


def test_files_and_images_are_paired(tmp_path):
    for name in ("a", "b_rois", "c-RoiSet"):
        zip_of(tmp_path, drawn(), name=name, size=None)
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / "images" / name).write_bytes(png_encode(pixels_of((7, 8), "uint8")))
    assert [(s.name, s.pixels().shape) for s in read(tmp_path)] == [(n, (7, 8)) for n in "abc"]
    zip_of(tmp_path / "one", drawn(), name="RoiSet", size=None)
    (tmp_path / "one" / "cells.png").write_bytes(png_encode(pixels_of((7, 8), "uint8")))
    (found,) = read(tmp_path / "one")
    assert found.pixels().shape == (7, 8)
    (tmp_path / "one" / "x.roi").write_bytes(drawn().tobytes())
    (found,) = read(tmp_path / "one" / "x.roi", images=tmp_path / "images" / "gone")
    assert found.annotation.shape == (3, 4)


def test_slices_become_samples_where_the_image_has_them(tmp_path):
    rois = [drawn(z_position=1), drawn(z_position=3), drawn(z_position=3, t_position=0)]
    path = zip_of(tmp_path, *rois, size=None)
    stack = np.arange(3 * 10 * 12, dtype=np.uint16).reshape(3, 10, 12)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    found = read(path)
    assert [(s.name, len(s.annotation)) for s in found] == [("a_z00", 1), ("a_z02", 2)]
    np.testing.assert_array_equal(found[1].pixels(), stack[2])
    (flat,) = read(zip_of(tmp_path / "flat", drawn(position=1), drawn(position=2)))
    assert (flat.name, len(flat.annotation)) == ("a", 2)


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    path = zip_of(tmp_path, drawn(), drawn())
    monkeypatch.setattr(imagej_reading, "MOST_BYTES", 100)
    with pytest.raises(DatasetError, match="2 ROIs of"):
        read(path)


TRUE = drawn().tobytes()
BROKEN = {
    "short": TRUE[:40],
    "no ROI": b"PK" + TRUE[2:],
    "more points than bytes": TRUE[:16] + struct.pack(">H", 9000) + TRUE[18:],
    "path that ends early": composite(0, 1, 1, 1, 5).tobytes(),
    "path with an unknown step": composite(7, 1, 1).tobytes(),
    "path without a start": composite(1, 1, 1).tobytes(),
    "path that is not finite": composite(0, 1, 1, 1, np.nan, 3, 1, 3, 3, 4).tobytes(),
    "infinite step": composite(np.inf, 1, 1).tobytes(),
    "far away": drawn(np.array(SQUARE) * 1e12).tobytes(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_rois_are_named(name, tmp_path):
    path = zip_of(tmp_path, drawn(), BROKEN[name])
    with pytest.raises(DatasetError, match=r"a\.zip', 0001-0001\.roi: "):
        read(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(60), bytes(range(256))])
def test_broken_archives_are_named(content, tmp_path):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.zip"):
        read(tmp_path / "a.zip")
    assert not IMAGEJ.matches(tmp_path / "a.zip")


def test_files_and_folders_that_look_like_it(tmp_path):
    path = zip_of(tmp_path / "a", drawn())
    assert IMAGEJ.matches(path)
    assert IMAGEJ.matches(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("readme.txt", "x")
    assert not IMAGEJ.matches(tmp_path / "b.zip")
    assert not IMAGEJ.matches(tmp_path / "gone.zip")
    with pytest.raises(DatasetError, match="holds no ROIs"):
        read(tmp_path)


def test_members_may_have_any_name(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("../../a.roi", "/etc/b.roi", "ü 漢.ROI", "__MACOSX/c.txt"):
            archive.writestr(name, TRUE)
    (tmp_path / "RoiSet.zip").write_bytes(content.getvalue())
    (found,) = read(tmp_path / "RoiSet.zip")
    assert len(found.annotation) == 3
    assert [p.name for p in tmp_path.rglob("*")] == ["RoiSet.zip"]
