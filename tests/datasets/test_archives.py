"""Archives: what is safe is unpacked, and nothing else."""

import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.datasets import archives
from napari_cellseg.datasets.archives import find_root, from_archive, is_archive, unpacking
from napari_cellseg.datasets.formats.registry import find_format
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import DatasetError
from napari_cellseg.events import drain

from .nasty import CLASSES, assert_same_objects, nasty_annotations, sample_of


def archive_of(path, files, **how):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content, **how)
    return path


def everything(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "around" / "in").mkdir(parents=True)
    (tmp_path / "around" / "precious.txt").write_text("mine")
    return tmp_path / "around" / "in"


def refused(path, folder):
    """The words of the refusal; nothing is written before it."""
    with pytest.raises(DatasetError, match=path.name) as error:
        drain(unpacking(path, folder))
    assert everything(folder.parent) == {"precious.txt": b"mine"}
    return str(error.value)


def test_files_come_out_as_they_were(tmp_path, folder):
    files = {"a/b.txt": b"b", "a/Zellen µ 漢.txt": os.urandom(3_000_000), "c.txt": b""}
    path = archive_of(tmp_path / "x.zip", [*files.items(), ("empty/", b""), ("__MACOSX/._b", b"clutter")])
    assert is_archive(path)
    steps = list(unpacking(path, folder))
    assert everything(folder) == files
    assert (folder / "empty").is_dir()
    assert steps[-1].fraction == 1
    assert [s.done for s in steps] == sorted(s.done for s in steps)


@pytest.mark.parametrize(
    "name",
    [
        "../precious.txt",
        "/tmp/x",
        "a/../../precious.txt",
        "C:\\x",
        "..\\precious.txt",
        "\\\\host\\x",
        "a/./../..",
        "",
    ],
)
def test_names_that_lead_out_are_refused(tmp_path, folder, name):
    path = archive_of(tmp_path / "x.zip", [("good.txt", b"1"), (zipfile.ZipInfo(name), b"2")])
    refused(path, folder)


def test_links_are_refused(tmp_path, folder):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = archive_of(tmp_path / "x.zip", [(link, b"../precious.txt"), ("link/x", b"2")])
    assert "link" in refused(path, folder)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("a.txt", "a.txt"), ("a.txt", "A.TXT"), ("b/a", "b//a")])
def test_the_same_file_twice_is_refused(tmp_path, folder, names):
    path = archive_of(tmp_path / "x.zip", [(name, b"1") for name in names])
    assert "twice" in refused(path, folder)


def test_a_bomb_is_refused(tmp_path, folder, monkeypatch):
    path = archive_of(tmp_path / "x.zip", [(f"{i}.txt", bytes(10**6)) for i in range(8)])
    drain(unpacking(path, folder))
    for file in folder.iterdir():
        file.unlink()
    monkeypatch.setattr("napari_cellseg.archives.FREE_GROWTH", 10**6)
    assert "8,000,000" in refused(path, folder)
    monkeypatch.setattr("napari_cellseg.archives.MOST_GROWTH", 10**4)
    monkeypatch.setattr(archives, "MOST_FILES", 7)
    assert "more than 7 files" in refused(path, folder)
    monkeypatch.setattr(archives, "MOST_FILES", 8)
    monkeypatch.setattr(archives, "RESERVE", 2**62)
    assert "bytes on the disk" in refused(path, folder)


def test_files_that_share_their_bytes_are_refused(tmp_path, folder):
    path = archive_of(tmp_path / "x.zip", [("a", os.urandom(5000)), ("b", os.urandom(5000))])
    content = path.read_bytes()
    first, second = content.index(b"PK\x01\x02"), content.rindex(b"PK\x01\x02")
    entries = content[first:second] * 2
    path.write_bytes(content[:first][:5100] + entries + content[second + len(entries) // 2 :])
    with pytest.raises(DatasetError, match=r"x\.zip"):
        drain(unpacking(path, folder))


def test_a_password_is_refused(tmp_path, folder):
    path = archive_of(tmp_path / "x.zip", [("a", b"1")])
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "password" in refused(path, folder)


def test_damage_is_noticed(tmp_path, folder):
    content = archive_of(tmp_path / "x.zip", [("a", os.urandom(2000)), ("b", b"b" * 9000)]).read_bytes()
    path = tmp_path / "y.zip"
    path.write_bytes(content[:-30])
    with pytest.raises(DatasetError, match=r"y\.zip.*Copy it again"):
        is_archive(path)
    refusals = 0
    for place in range(0, len(content), 37):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            drain(unpacking(path, folder))
        except DatasetError:
            refusals += 1
        for file in [*folder.rglob("*")]:
            file.unlink()
    assert refusals > 50
    assert (folder.parent / "precious.txt").read_text() == "mine"


def test_rois_are_no_archive_to_unpack(tmp_path):
    assert not is_archive(archive_of(tmp_path / "r.zip", [("1.roi", b"Iout"), ("2.ROI", b"Iout")]))
    assert is_archive(archive_of(tmp_path / "m.zip", [("1.roi", b"Iout"), ("a.png", b"")]))
    (tmp_path / "a.json").write_text("{}")
    assert not is_archive(tmp_path / "a.json")
    assert not is_archive(tmp_path)


def test_an_archived_folder_is_imported(tmp_path, monkeypatch):
    known = nasty_annotations()
    given = [sample_of(n, known[n], split="val") for n in ("overlap", "nested rings")]
    deep = tmp_path / "made" / "stage1_train"
    list(find_format("dsb").write(given, deep, CLASSES))
    files = [(str(p.relative_to(tmp_path / "made")), p.read_bytes()) for p in deep.rglob("*") if p.is_file()]
    path = archive_of(tmp_path / "x.zip", files)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    dataset = Dataset.create(tmp_path / "data")
    dataset.import_from(path)
    for sample in given:
        back = dataset.sample(sample.name)
        assert_same_objects(back.annotation, sample.annotation)
        np.testing.assert_array_equal(back.pixels(), sample.pixels())
        assert back.origin.source == str(
            path / "stage1_train" / "val" / sample.name / "images" / f"{sample.name}.png"
        )
    assert not any((tmp_path / "tmp").iterdir())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatasetError, match=r"x\.zip"):
        dataset.import_from(path)
    assert not any((tmp_path / "tmp").iterdir())


def test_the_root_is_where_something_is(tmp_path):
    deep = tmp_path / "one" / "two"
    list(find_format("dsb").write([sample_of("a", nasty_annotations()["hole"])], deep, CLASSES))
    assert find_root(tmp_path) == find_root(tmp_path, find_format("dsb")) == deep
    (tmp_path / "readme.txt").write_text("")
    assert find_root(tmp_path) == tmp_path


def test_sources_from_elsewhere_stay(tmp_path):
    sample = sample_of("a", nasty_annotations()["hole"])
    assert from_archive(sample, tmp_path, Path("x.zip")) is sample
