"""A journal gives back what it was given: torn, damaged, on a full disk, without its folder."""

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from napari_cellseg.errors import JournalError
from napari_cellseg.review.image_key import ImageKey, array_key, file_key
from napari_cellseg.review.journal import Journal, remove_journal
from napari_cellseg.review.packing import pack_labels
from napari_cellseg.review.pixel_runs import PixelRuns
from napari_cellseg.review.resuming import Restored, find_journals, read_journal, replay, resume_journal

KEY = ImageKey("/images/cells.tif", 10, 20, "0" * 64)
SHAPE = (40, 50)
posix = pytest.mark.skipif(sys.platform == "win32", reason="an open file's folder cannot be removed there")


class Work:
    """Labels that get a square of noise with every step, and their journal."""

    def __init__(self, folder: Path) -> None:
        self.labels = np.zeros(SHAPE, np.uint16)
        self.labels[5:20, 5:20] = 1
        self.table = pd.DataFrame({"index": [0, 1], "status": ["", "predicted"]})
        self.journal = Journal.begin(KEY, pack_labels(self.labels), self.table, folder=folder)
        self.states = [self.labels.copy()]

    def step(self, side: int = 8) -> None:
        rng = np.random.default_rng(len(self.states))
        window = tuple(slice(s, s + side) for s in rng.integers(0, np.array(SHAPE) - side))
        before, after = self.labels[window].copy(), rng.integers(0, 3, (side, side), np.uint16)
        places = tuple(i + w.start for i, w in zip(np.nonzero(before != after), window, strict=True))
        changed = before != after
        self.labels[window] = after
        self.states.append(self.labels.copy())
        self.journal.append("noise", PixelRuns.of_pixels(places, before[changed], after[changed], SHAPE))

    def resumed(self) -> Restored:
        self.journal.close()
        self.journal, restored = resume_journal(self.journal.path)
        return restored


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    work = Work(tmp_path / "journals")
    yield work
    work.journal.close()


@contextmanager
def disk_full_after(path: Path, more: int) -> Iterator[None]:
    """No file of this process may grow beyond a few bytes more than one has now."""
    resource = pytest.importorskip("resource")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + more, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_step_is_in_the_file_when_append_returns(work: Work) -> None:
    for number in range(1, 6):
        work.step()
        assert len(read_journal(work.journal.path).entries) == 1 + number


def test_a_step_is_flushed_to_the_disk_in_the_background(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed, real = threading.Event(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (real(file), flushed.set()))
    work.step()
    assert flushed.wait(30)


def test_a_step_that_the_disk_did_not_take_is_said_with_the_next(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()

    def fail(file: int) -> None:
        tried.set()
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        work.step()
        assert tried.wait(30)
        with pytest.raises(JournalError, match="Input/output error"):
            work.journal.flush()
    restored = work.resumed()
    np.testing.assert_array_equal(restored.labels, work.labels)


def test_a_journal_torn_at_any_byte_gives_the_last_whole_step(work: Work, tmp_path: Path) -> None:
    work.step()
    work.step()
    before = work.journal.size
    work.step()
    content = work.journal.path.read_bytes()
    torn = tmp_path / "torn.journal"
    for end in range(before, len(content)):
        torn.write_bytes(content[:end])
        journal, restored = resume_journal(torn)
        journal.append("accept", review={"current": 3})
        journal.close()
        assert restored.steps == 2
        assert bool(restored.words) == (end > before)
        np.testing.assert_array_equal(restored.labels, work.states[2])
        assert [e.kind for e in read_journal(torn).entries] == ["begin", "noise", "noise", "accept"]


def test_damage_in_the_middle_is_said_and_a_copy_is_kept(work: Work) -> None:
    work.step()
    good = work.journal.size
    work.step()
    work.step()
    work.journal.close()
    content = bytearray(work.journal.path.read_bytes())
    content[good + 30] ^= 0xFF
    work.journal.path.write_bytes(content)
    work.journal, restored = resume_journal(work.journal.path)
    assert "damaged after step 1" in restored.words
    np.testing.assert_array_equal(restored.labels, work.states[1])
    assert work.journal.path.with_suffix(".damaged").read_bytes() == bytes(content)


def test_a_full_disk_is_said_once_and_nothing_is_lost(work: Work) -> None:
    work.step()
    with disk_full_after(work.journal.path, 10):
        with pytest.raises(JournalError, match=r"not kept on the disk at the moment.*kept in memory"):
            work.step()
        work.step()
        assert "not kept" in work.journal.trouble
        on_disk = read_journal(work.journal.path)
        assert len(on_disk.entries) == 2
        assert not on_disk.words
    work.step()
    assert not work.journal.trouble
    restored = work.resumed()
    assert restored.steps == 4
    np.testing.assert_array_equal(restored.labels, work.labels)


@posix
def test_a_vanished_folder_is_written_anew_when_it_can_be(work: Work, tmp_path: Path) -> None:
    folder = work.journal.path.parent
    work.step()
    shutil.rmtree(folder)
    folder.write_text("in the way")
    with pytest.raises(JournalError, match="a file is in the way"):
        work.step()
    work.step()
    folder.unlink()
    work.step()
    assert not work.journal.trouble
    assert find_journals(KEY, folder)[0].owner
    restored = work.resumed()
    assert restored.steps == 4
    np.testing.assert_array_equal(restored.labels, work.labels)


def test_a_journal_that_cannot_begin_says_so_and_tries_again(tmp_path: Path) -> None:
    (tmp_path / "journals").write_text("in the way")
    work = Work(tmp_path / "journals")
    assert "a file is in the way" in work.journal.trouble
    work.step()
    with pytest.raises(JournalError, match="not kept on the disk"):
        work.journal.flush()
    (tmp_path / "journals").unlink()
    work.step()
    assert not work.journal.trouble
    restored = work.resumed()
    assert restored.steps == 2
    np.testing.assert_array_equal(restored.labels, work.labels)
    work.journal.close()


@posix
def test_closing_says_what_is_not_on_the_disk(work: Work) -> None:
    folder = work.journal.path.parent
    shutil.rmtree(folder)
    folder.write_text("in the way")
    with pytest.raises(JournalError, match="a file is in the way"):
        work.step()
    with pytest.raises(JournalError, match="a file is in the way"):
        work.journal.close()
    folder.unlink()


def test_what_a_crash_left_of_a_file_being_written_is_no_journal(work: Work) -> None:
    path = work.journal.path
    path.with_name(f".{path.stem}.1-2.partial.journal").write_bytes(b"napari")
    assert [f.path for f in find_journals(KEY, path.parent)] == [path]


def test_a_journal_has_one_owner(work: Work) -> None:
    work.step()
    (found,) = find_journals(KEY, work.journal.path.parent)
    assert "process" in found.owner
    with pytest.raises(JournalError, match="in use by process"):
        resume_journal(found.path)
    with pytest.raises(JournalError, match="in use by process"):
        remove_journal(found.path)
    work.journal.close()
    (found,) = find_journals(KEY, work.journal.path.parent)
    assert not found.owner
    assert found.steps == 1
    assert found.words.startswith("1 step on 'cells.tif', last on ")


def test_two_journals_of_one_image_stand_side_by_side(work: Work, tmp_path: Path) -> None:
    other = Work(tmp_path / "journals")
    other.step()
    found = find_journals(KEY, tmp_path / "journals")
    assert {f.path for f in found} == {work.journal.path, other.journal.path}
    assert found[0].path == other.journal.path
    other.journal.discard()
    assert [f.path for f in find_journals(KEY, tmp_path / "journals")] == [work.journal.path]


def test_a_journal_that_cannot_be_read_hides_no_other(work: Work) -> None:
    folder = work.journal.path.parent
    broken = folder / f"cells-{KEY.identifier()}-0.journal"
    broken.write_bytes(work.journal.path.read_bytes()[:30])
    assert [f.path for f in find_journals(KEY, folder)] == [work.journal.path]
    work.journal.discard()
    with pytest.raises(JournalError, match="breaks off at its beginning"):
        find_journals(KEY, folder)


def test_discarding_leaves_nothing(work: Work) -> None:
    folder = work.journal.path.parent
    work.journal.discard()
    assert not list(folder.iterdir())
    assert find_journals(KEY, folder) == []


def test_compacting_keeps_the_state_and_starts_over(work: Work) -> None:
    for _ in range(20):
        work.step()
    size = work.journal.size
    work.journal.compact(pack_labels(work.labels), work.table, {"current": 7})
    assert work.journal.size < size
    work.step()
    restored = work.resumed()
    assert restored.steps == 1
    assert restored.review == {"current": 7}
    np.testing.assert_array_equal(restored.labels, work.labels)


def test_replay_refuses_other_labels(work: Work) -> None:
    work.step()
    entries = read_journal(work.journal.path).entries[1:]
    labels = work.states[0].copy()
    replay(labels, entries)
    np.testing.assert_array_equal(labels, work.states[1])
    with pytest.raises(JournalError, match="Step 1, 'noise', found"):
        replay(np.full(SHAPE, 9, np.uint16), entries)


def test_pixels_changed_without_a_step_are_said(work: Work) -> None:
    work.step()
    work.labels[:] = 9
    work.step(side=20)
    restored = work.resumed()
    assert "1 of 2 steps found pixels" in restored.words


def test_rows_come_and_go_with_their_types(work: Work) -> None:
    table = pd.DataFrame(
        {"index": [0, 1], "status": pd.Categorical(["", "edited"], categories=["", "edited"])}
    )
    table["confidence"] = np.array([np.nan, 0.3], np.float32)
    fresh = table.assign(index=[2, 3])
    work.journal.append("split", before=work.table.iloc[1:], after=table.iloc[1:])
    work.journal.append("add", after=fresh)
    work.journal.append("undo", before=fresh, after=fresh.iloc[:1])
    features = work.resumed().features
    assert features["index"].tolist() == [0, 1, 2]
    assert features["status"].tolist() == ["", "edited", ""]
    assert features["confidence"].dtype == np.float32
    assert features["confidence"].iloc[1] == np.float32(0.3)


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(b"something else")
    with pytest.raises(JournalError, match="is not a journal"):
        resume_journal(path)
    with pytest.raises(JournalError, match="cannot be read"):
        read_journal(tmp_path / "missing.journal")


def write_image(path: Path, content: NDArray[np.uint8]) -> ImageKey:
    path.write_bytes(content.tobytes())
    return file_key(path)


def test_an_image_is_known_by_path_size_time_and_both_ends(tmp_path: Path) -> None:
    content = np.zeros(3 * 2**20, np.uint8)
    key = write_image(tmp_path / "a.tif", content)
    assert key == file_key(tmp_path / "a.tif")
    for position in (0, -1):
        changed = content.copy()
        changed[position] = 1
        assert write_image(tmp_path / "a.tif", changed).digest != key.digest
    assert write_image(tmp_path / "b.tif", content).identifier() != key.identifier()
    assert write_image(tmp_path / "b.tif", content).digest == key.digest
    with pytest.raises(JournalError, match="cannot be read"):
        file_key(tmp_path / "missing.tif")


def test_an_image_without_a_file_is_known_by_its_ends() -> None:
    image = np.random.default_rng(0).integers(0, 999, (3, 900, 1100), np.uint16)
    key = array_key(image, "image")
    assert key == array_key(image.copy(), "image")
    for place in ((0, 0, 0), (-1, -1, -1)):
        changed = image.copy()
        changed[place] += 1
        assert array_key(changed, "image") != key
    assert array_key(image, "other") != key
