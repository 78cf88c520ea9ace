"""A mask per object: everything comes back, and what others write is understood."""

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest

from napari_cellseg.datasets.annotation import Annotation, object_table
from napari_cellseg.datasets.formats.label_pairs import FORMATS as PAIRS
from napari_cellseg.datasets.formats.mask_folder import FORMATS
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import DatasetError

from .nasty import CLASSES, nasty_annotations, sample_of

(DSB,) = FORMATS


def written(given, folder):
    assert list(DSB.write(given, folder, CLASSES)) == [s.name for s in given]
    notes = []
    return list(DSB.read(folder, notes)), notes


def test_rows_and_splits_come_back(tmp_path):
    annotation = nasty_annotations()["overlap"]
    table = object_table([1, 2, 3], classes=["NA", "b", "µ"], status=["added", "edited", "predicted"])
    table["confidence"] = [0.1 + 0.2, np.nan, 1.0]
    annotation = Annotation(annotation.labels, table, annotation.covered)
    given = [sample_of(f"n{split}", annotation, split=split) for split in ("train", "val", "test", None)]
    found, _ = written(given, tmp_path)
    assert {s.name: s.split for s in found} == {s.name: s.split for s in given}
    pd.testing.assert_frame_equal(found[0].annotation.objects, table, check_exact=True)


def lay_out(folder, name, image, masks):
    (folder / name / "images").mkdir(parents=True)
    (folder / name / "masks").mkdir()
    iio.imwrite(folder / name / "images" / f"{name}.png", image)
    for stem, mask in masks.items():
        iio.imwrite(folder / name / "masks" / f"{stem}.png", mask)


IMAGE = np.arange(80, dtype=np.uint8).reshape(8, 10)
ONE = np.zeros((8, 10), np.uint8)
ONE[1:4, 2:5] = 255
TWO = np.zeros((8, 10), np.uint8)
TWO[3:7, 4:9] = 255


def test_the_challenges_own_folders(tmp_path):
    colour = np.stack([IMAGE, IMAGE // 2, IMAGE, np.full_like(IMAGE, 255)], -1)
    lay_out(tmp_path, "3f9a", colour, {"c0ffee": TWO, "badcab": ONE, "00": ONE * 0})
    (tmp_path / "plain" / "images").mkdir(parents=True)
    assert DSB.matches(tmp_path)
    assert not any(f.matches(tmp_path) for f in PAIRS[:2])
    notes = []
    (sample,) = DSB.read(tmp_path, notes)
    assert sample.pixels().shape == (8, 10, 3)
    assert sample.annotation.objects["index"].tolist() == [2, 3]
    assert {m.index: m.area for m in sample.annotation.masks()} == {2: 9, 3: 20}
    assert set(sample.annotation.covered) == {3}
    assert [("are empty" in n, "no masks" in n) for n in notes] == [(True, False), (False, True)]


def test_masks_with_shades_are_cut_at_half(tmp_path):
    soft = ONE.copy()
    soft[4, 2:5], soft[0, 2:5] = 200, 90
    lay_out(tmp_path, "a", IMAGE, {"7": soft, "1": (TWO > 0).astype(np.uint8)})
    (sample,) = DSB.read(tmp_path, [])
    assert {m.index: m.area for m in sample.annotation.masks()} == {7: 12, 1: 20}


def test_an_image_without_objects(tmp_path):
    lay_out(tmp_path, "a", IMAGE, {})
    (sample,) = DSB.read(tmp_path, [])
    assert sample.annotation.shape == (8, 10)
    assert len(sample.annotation) == 0


def test_images_from_another_folder(tmp_path):
    lay_out(tmp_path / "in", "a", IMAGE, {"1": ONE})
    (tmp_path / "in" / "a" / "images" / "a.png").unlink()
    iio.imwrite(tmp_path / "a.png", IMAGE)
    (sample,) = DSB.read(tmp_path / "in", [], images=tmp_path)
    np.testing.assert_array_equal(sample.pixels(), IMAGE)


def test_what_is_wrong_is_named(tmp_path):
    lay_out(tmp_path, "a", IMAGE, {"1": ONE, "2": TWO[:5]})
    with pytest.raises(DatasetError, match=r"2\.png"):
        list(DSB.read(tmp_path, []))
    (tmp_path / "a" / "masks" / "2.png").write_bytes(b"\x89PNG")
    with pytest.raises(DatasetError, match=r"2\.png"):
        list(DSB.read(tmp_path, []))
    with pytest.raises(DatasetError, match="folder per image"):
        list(DSB.read(tmp_path / "a", []))
    with pytest.raises(DatasetError, match="no image"):
        list(DSB.write([Sample("b", nasty_annotations()["hole"])], tmp_path / "out", CLASSES))
