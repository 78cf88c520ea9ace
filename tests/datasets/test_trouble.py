"""Disks that are full or read-only, and catalogues of many images: said in words, and nothing is lost."""

import errno
import json
import os

import numpy as np
import pytest

from napari_cellseg.datasets import catalogue, files
from napari_cellseg.datasets.catalogue import CACHE, Catalogue
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import OutputError
from napari_cellseg.review import locking

SHAPE = (20, 24)


def image(seed):
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.int32)
    labels[2:9, 3:12] = 4
    return rng.integers(0, 4000, SHAPE).astype(np.uint16), labels


def contents(folder):
    """Every file with what is in it; the lock is none of the dataset."""
    found = (p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


@pytest.fixture
def dataset(tmp_path):
    made = Dataset.create(tmp_path / "data")
    made.add(*image(0), name="a")
    return made


@pytest.mark.parametrize("writer", ["write_png", "write_source", "write_planes", "write_polygons"])
def test_a_full_disk_is_said_and_changes_nothing(dataset, monkeypatch, writer):
    before = contents(dataset.folder)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, writer, full)
    with pytest.raises(OutputError, match="the disk is full"):
        dataset.add(*image(1), name="b")
    with pytest.raises(OutputError, match="the disk is full"):
        dataset.add(*image(2), name="a")
    monkeypatch.undo()
    assert contents(dataset.folder) == before
    assert dataset.names == ("a",)
    assert dataset.add(*image(1), name="b").name == "b"


def test_a_full_disk_at_the_end_of_a_change(dataset, monkeypatch):
    before = contents(dataset.folder)

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        dataset.remove("a")
    with pytest.raises(OutputError, match="the disk is full"):
        dataset.add(*image(2), name="a")
    monkeypatch.undo()
    assert contents(dataset.folder) == before
    np.testing.assert_array_equal(dataset.sample("a").pixels(), image(0)[0])


def test_a_read_only_disk_can_be_read(dataset, monkeypatch, tmp_path):
    (dataset.folder / ".staging" / "left").mkdir(parents=True)
    before = contents(dataset.folder)

    def refused(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(locking.os, "open", refused)
    opened = Dataset.open(dataset.folder)
    assert opened.names == ("a",)
    assert opened.sample("a").pixels().shape == SHAPE
    assert opened.loss("coco").is_exact
    with pytest.raises(OutputError, match="the disk is read-only"):
        opened.add(*image(1), name="b")
    assert contents(dataset.folder) == before


def test_records_are_read_again_only_where_they_changed(dataset, monkeypatch):
    record = json.loads((dataset.folder / "records/a.json").read_text())
    for number in range(catalogue._WORTHWHILE + 6):
        text = json.dumps({**record, "name": f"n{number}", "pixels": str(number)})
        (dataset.folder / f"records/n{number}.json").write_text(text)
    dataset.refresh()
    dataset.add(*image(1), name="b")
    assert (dataset.folder / CACHE).exists()
    (dataset.folder / "records/n3.json").write_text("{}")
    (dataset.folder / "records/n4.json").unlink()
    read = []
    original = catalogue.read_entry
    monkeypatch.setattr(catalogue, "read_entry", lambda path: read.append(path.stem) or original(path))
    again = Catalogue(dataset.folder)
    assert read == ["n3"]
    assert set(again) == set(dataset.names) - {"n3", "n4"}
    assert set(again.broken) == {"n3"}
    assert all(again[name] == dataset._catalogue[name] for name in again)
    (dataset.folder / CACHE).write_text('{"version": 1, "entries": {"a": 3}}')
    assert set(Catalogue(dataset.folder)) == set(again)
