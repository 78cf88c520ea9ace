"""Work that survives the end of its process."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel

from napari_cellseg.errors import JournalError
from napari_cellseg.events import drain
from napari_cellseg.review.resuming import FoundJournal
from napari_cellseg.review.status import Status
from napari_cellseg.viewer.correct_session import CorrectSession
from napari_cellseg.viewer.resuming import journals_of, resume
from napari_cellseg.viewer.reviewing import doubting

from .test_editing import grid

WORK = """
import os, shutil, signal, sys
from pathlib import Path
import numpy as np
from napari.components import ViewerModel
from napari_cellseg.events import drain
from napari_cellseg.viewer.correct_session import CorrectSession
from napari_cellseg.viewer.reviewing import doubting

labels, out = np.load(sys.argv[1]), sys.argv[2]
viewer = ViewerModel()
image = viewer.add_image(np.arange(labels.size, dtype=np.uint16).reshape(labels.shape), name="field")
layer = viewer.add_labels(labels, name="cells")
session = CorrectSession(viewer, layer, image, None)
do = session.correction
do.merge([1, 2])
layer.paint((12, 12), 30)
review = session.begin_review(drain(doubting(do)))
review.next()
review.accept()
do.split_by_line(np.array([[-1.0, 20.0], [8.0, 20.0]]))
do.editor.undo()
do.editor.undo()
do.editor.redo()
do.set_class([5], "T cell")
layer.undo()
layer.fill((20, 20), 0)
do.grow([5])
do.editor.apply_whole(drain(do.whole_edit("renumber", 0)))
do.editor.undo()
do.editor.apply_whole(drain(do.whole_edit("remove_small", 20)))
review.skip()
if sys.argv[3] == "folder vanishes":
    shutil.rmtree(Path(os.environ["NAPARI_CELLSEG_HOME"]))
    do.fill_holes([5])
    layer.paint((3, 3), 31)
    review.back()
np.save(out + ".npy", layer.data)
layer.features.to_pickle(out + ".pkl")
open(out + ".txt", "w").write(f"{review.queue.current} {review.queue.progress} {do.editor.undo_names}")
os.kill(os.getpid(), signal.SIGKILL)
"""


def opened() -> tuple[ViewerModel, object]:
    viewer = ViewerModel()
    data = np.arange(24 * 24, dtype=np.uint16).reshape(24, 24)
    return viewer, viewer.add_image(data, name="field")


def resumed_labels(found: FoundJournal) -> np.ndarray:
    """The labels that a journal leads to."""
    viewer, image = opened()
    resumed = resume(viewer, image, found)
    session = CorrectSession(viewer, resumed.layer, image, None, resumed)
    session.close()
    return resumed.layer.data


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill so hard")
@pytest.mark.parametrize("with_layer", [False, True])
@pytest.mark.parametrize("accident", ["none", "folder vanishes"])
def test_a_process_killed_in_a_review_loses_nothing(tmp_path: Path, with_layer: bool, accident: str) -> None:
    np.save(tmp_path / "labels.npy", grid())
    out = str(tmp_path / "after")
    child = subprocess.run(
        [sys.executable, "-c", WORK, str(tmp_path / "labels.npy"), out, accident], check=False
    )
    assert child.returncode == -signal.SIGKILL
    viewer, image = opened()
    if with_layer:
        viewer.add_labels(grid(), name="cells")
    (found,) = journals_of(image)
    resumed = resume(viewer, image, found)
    layer, restored = resumed.layer, resumed.restored
    assert len(viewer.layers) == 2
    assert not restored.words
    session = CorrectSession(viewer, layer, image, None, resumed)
    np.testing.assert_array_equal(layer.data, np.load(out + ".npy"))
    expected = pd.read_pickle(out + ".pkl")
    shown = layer.features
    for column in ("index", "class", "status", "origin"):
        assert shown[column].astype(str).tolist() == expected[column].astype(str).tolist()
    review = session.begin_review(shown.assign(reason=""), restored.review)
    names = session.correction.editor.undo_names
    assert f"{review.queue.current} {review.queue.progress} {names}" == Path(out + ".txt").read_text()
    assert not journals_of(image)
    for _ in names:
        session.correction.editor.undo()
    np.testing.assert_array_equal(layer.data, grid())
    assert set(layer.features["status"].iloc[1:10]) == {"predicted"}
    assert set(layer.features["class"]) == {""}
    for _ in names:
        session.correction.editor.redo()
    np.testing.assert_array_equal(layer.data, np.load(out + ".npy"))
    session.correction.delete([5])
    session.close()
    (found,) = journals_of(image)
    assert 5 not in resumed_labels(found)


def test_nothing_is_written_before_the_first_step(user_folder: Path) -> None:
    viewer, image = opened()
    session = CorrectSession(viewer, viewer.add_labels(grid()), image, None)
    session.close()
    assert not list(user_folder.rglob("*.journal"))


def test_a_full_disk_is_told_once_and_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    viewer, image = opened()
    layer = viewer.add_labels(grid())
    session = CorrectSession(viewer, layer, image, None)
    failed: list[Exception] = []
    session.fail = failed.append
    session.correction.delete([1])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("napari_cellseg.review.appending.os.write", full)
        session.correction.delete([2])
        session.correction.delete([3])
    assert len(failed) == 1
    assert isinstance(failed[0], JournalError)
    assert "full" in str(failed[0])
    session.correction.delete([4])
    session.close()
    (found,) = journals_of(image)
    np.testing.assert_array_equal(resumed_labels(found), layer.data)


@pytest.mark.parametrize(
    "shape, dtype", [((30, 24), np.int32), ((2, 24, 24), np.int32), ((24, 24), np.int64)]
)
def test_work_on_labels_of_another_kind_gets_a_journal_of_its_own(
    shape: tuple[int, ...], dtype: type
) -> None:
    viewer, image = opened()
    session = CorrectSession(viewer, viewer.add_labels(grid(), name="cells"), image, None)
    session.correction.delete([5])
    other = np.zeros(shape, dtype)
    other[..., -3:, -3:] = np.iinfo(dtype).max - 1
    session.layer.data = other
    session.layer.paint((0,) * len(shape), np.iinfo(dtype).max - 2)
    session.close()
    (later, _) = journals_of(image)
    np.testing.assert_array_equal(resumed_labels(later), session.layer.data)


def test_doubting_orders_all_objects() -> None:
    viewer, image = opened()
    session = CorrectSession(viewer, viewer.add_labels(grid()), image, None)
    rows = drain(doubting(session.correction))
    assert sorted(rows["index"]) == list(range(1, 10))
    session.close()


def test_what_is_done_while_doubting_runs_is_in_the_review() -> None:
    viewer, image = opened()
    session = CorrectSession(viewer, viewer.add_labels(grid()), image, None)
    job = doubting(session.correction)
    next(job)
    session.correction.delete([5])
    session.correction.set_status([6], Status.ACCEPTED)
    queue = session.begin_review(drain(job)).queue
    assert sorted(queue.order) == [1, 2, 3, 4, 6, 7, 8, 9]
    assert queue.status(6) == "accepted"
    session.close()


def test_a_review_ends_where_objects_were_accepted_in_naparis_table() -> None:
    viewer, image = opened()
    session = CorrectSession(viewer, viewer.add_labels(grid()), image, None)
    review = session.begin_review(drain(doubting(session.correction)))
    review.next()
    table = session.layer.features
    table.iloc[[1, 4], table.columns.get_loc("status")] = "accepted"
    shown = []
    while review.queue.fits(review.queue.current) and len(shown) < 9:
        shown.append(review.queue.current)
        review.accept()
    assert sorted(shown) == [1, 2, 3, 5, 6, 7, 8, 9]
    assert review.queue.progress == "9 of 9"
    session.close()
