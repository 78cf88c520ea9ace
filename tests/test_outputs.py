"""Files that are written all at once."""

import errno
import os

import pytest

from napari_cellseg.errors import OutputError
from napari_cellseg.outputs import make_folder, output_error, replacing


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".txt")
        assert temporary.name.startswith(".")
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError(errno.ENOSPC, "x")])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    expected = OutputError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        write_and_fail(path, error)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def write_and_fail(path, error):
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise error


def test_errors_of_inner_files_keep_their_own_words(tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(OutputError, match=r"inner\.txt' cannot be written: the disk is full"),
        replacing(tmp_path / "outer.txt"),
    ):
        write_and_fail(tmp_path / "inner.txt", full)
    assert list(tmp_path.iterdir()) == []


def test_folders(tmp_path):
    assert make_folder(tmp_path / "a" / "b").is_dir()
    assert make_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "b"):
        with pytest.raises(OutputError, match="a file is in the way"):
            make_folder(path)
    with (
        pytest.raises(OutputError, match="the folder does not exist"),
        replacing(tmp_path / "none" / "a") as t,
    ):
        t.write_text("x")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="no permission"), replacing(tmp_path / "a") as temporary:
            temporary.write_text("x")
    finally:
        tmp_path.chmod(0o700)


def test_other_reasons_keep_the_system_s_words():
    error = output_error("a", OSError(errno.ENAMETOOLONG, "File name too long"))
    assert str(error) == "'a' cannot be written: File name too long."
    assert str(output_error("a", OSError("odd"))) == "'a' cannot be written: odd."
    assert str(output_error("a", OSError())) == "'a' cannot be written: OSError."


def test_a_short_write_of_numpy_is_a_full_disk(tmp_path):
    error = OSError("65536 requested and 16352 written")
    assert str(output_error(tmp_path / "a.npy", error)).endswith("cannot be written: the disk is full.")
