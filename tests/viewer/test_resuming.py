"""Resumed work is as it was, back and forth; what is found again, and what is not offered any more."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Labels
from npe2 import PluginManager, PluginManifest

import napari_cellseg
from napari_cellseg.errors import JournalError, LabelsError, OutputError
from napari_cellseg.events import drain
from napari_cellseg.review.status import Status
from napari_cellseg.viewer import saving
from napari_cellseg.viewer.correct_session import CorrectSession
from napari_cellseg.viewer.resuming import journals_of, resume
from napari_cellseg.viewer.reviewing import doubting
from napari_cellseg.viewer.unfinished import unfinished_of
from napari_cellseg.viewer.writing import write_labels_layer

from .test_editing import grid


def field() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(np.arange(24 * 24, dtype=np.uint16).reshape(24, 24), name="field")
    return viewer


def begin(viewer: ViewerModel, data: np.ndarray | None = None) -> CorrectSession:
    layer = viewer.add_labels(grid() if data is None else data, name="cells")
    images = [image for image in viewer.layers if image.name == "field"]
    return CorrectSession(viewer, layer, images[0] if images else None, None)


def go_on(viewer: ViewerModel, anchor: object) -> CorrectSession:
    (found,) = journals_of(anchor)
    resumed = resume(viewer, anchor, found)
    return CorrectSession(viewer, resumed.layer, None, None, resumed)


ACTIONS = ("paint", "delete", "merge", "class", "accept", "undo", "undo", "redo", "renumber", "split")


def act(session: CorrectSession, action: str, seed: int) -> None:
    do, rng = session.correction, np.random.default_rng(seed)
    present = do.editor.ready().labels().tolist()
    chosen = [int(i) for i in rng.permutation(present)[:2]]
    if action == "paint":
        session.layer.paint(tuple(rng.integers(2, 22, 2)), int(rng.integers(0, 14)))
    elif action in ("undo", "redo"):
        getattr(do.editor, action)()
    elif action == "renumber":
        do.editor.apply_whole(drain(do.whole_edit("renumber", 0)))
    elif action == "split" and chosen:
        do.split_by_line(np.array([[-1.0, float(seed % 24)], [25.0, float(seed % 20)]]))
    elif action == "delete" and chosen:
        do.delete(chosen[:1])
    elif action == "merge" and len(chosen) > 1:
        do.merge(chosen)
    elif action == "class" and chosen:
        do.set_class(chosen, f"class {seed % 3}")
    elif action == "accept" and chosen:
        do.set_status(chosen, Status.ACCEPTED)


def state(session: CorrectSession) -> tuple[bytes, list[list[str]], tuple[str, ...], tuple[str, ...]]:
    rows = session.layer.features
    known = rows[rows["status"].astype(str) != ""]
    cells = [[str(v) for v in known[name]] for name in ("index", "class", "status", "origin")]
    editor = session.correction.editor
    return session.layer.data.tobytes(), cells, editor.undo_names, editor.redo_names


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 999)), min_size=1, max_size=20))
def test_resumed_work_is_as_it_was_back_and_forth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, actions: list[tuple[str, int]]
) -> None:
    monkeypatch.setenv("NAPARI_CELLSEG_HOME", str(tmp_path / os.urandom(8).hex()))
    viewer = field()
    session = begin(viewer)
    for action, seed in actions:
        try:
            act(session, action, seed)
        except LabelsError:
            continue
    if session.journaling.journal is None:
        return
    session.journaling.close()
    image = field().layers["field"]
    again = go_on(field(), image)
    assert state(again) == state(session)
    for move in ("undo", "redo"):
        while getattr(session.correction.editor, f"{move}_names"):
            if not getattr(again.correction.editor, f"{move}_names"):
                break
            getattr(session.correction.editor, move)()
            getattr(again.correction.editor, move)()
            assert state(again)[0] == state(session)[0]
    again.close()
    session.close()


def test_an_edit_of_the_whole_image_leaves_the_statuses_when_it_is_resumed() -> None:
    session = begin(field())
    session.correction.set_status([5], Status.ACCEPTED)
    smooth = session.correction.whole_edit("smooth_all", 0)
    assert session.correction.editor.apply_whole(drain(smooth))
    session.journaling.close()
    again = go_on(field(), field().layers["field"])
    assert state(again) == state(session)
    again.correction.editor.undo()
    session.correction.editor.undo()
    assert state(again) == state(session)
    again.close()
    session.close()


def test_labels_without_an_image_are_found_by_their_pixels() -> None:
    session = begin(ViewerModel())
    session.correction.delete([1])
    session.close()
    viewer = ViewerModel()
    layer = viewer.add_labels(grid(), name="cells")
    again = go_on(viewer, layer)
    assert again.layer is layer
    assert 1 not in layer.data
    again.close()
    other = viewer.add_labels(grid().T.copy()[::-1], name="cells")
    assert not journals_of(other)


def test_labels_of_a_file_are_found_by_its_path_even_after_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "mine.tif"
    tifffile.imwrite(path, grid())
    viewer = ViewerModel()
    layer = viewer.add_labels(grid(), name="mine", metadata={"path": str(path)})
    session = CorrectSession(viewer, layer, None, None)
    session.correction.delete([1])
    session.save(path)
    assert not journals_of(layer)
    session.correction.delete([2])
    session.close()
    viewer = ViewerModel()
    layer = viewer.add_labels(tifffile.imread(path), name="mine", metadata={"path": str(path)})
    again = go_on(viewer, layer)
    assert not {1, 2} & set(np.unique(layer.data))
    again.close()


def test_what_cannot_be_journaled_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(layer: object) -> None:
        raise JournalError("'field.tif' cannot be read: Input/output error.")

    monkeypatch.setattr("napari_cellseg.viewer.journaling.image_key", fail)
    session = begin(field())
    session.correction.delete([1])
    words = session.journaling.sentence
    assert words.startswith("⚠ This work is not journaled: save often. 'field.tif' cannot be read")
    session.close()


def napari_saved_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a save by napari's dialog."""
    application = SimpleNamespace(save_history=[str(folder)])
    monkeypatch.setattr(saving, "get_settings", lambda: SimpleNamespace(application=application))


def test_pixels_that_napari_saved_are_not_offered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    napari_saved_in(tmp_path, monkeypatch)
    for saves, offered in ((False, 1), (True, 0)):
        viewer = field()
        session = begin(viewer)
        session.correction.delete([1])
        if saves:
            tifffile.imwrite(tmp_path / "by_napari.tif", session.layer.data.astype(np.uint32))
        session.close()
        found = journals_of(viewer.layers["field"])
        assert len(found) == offered
        for journal in found:
            journal.path.unlink()


def test_a_review_that_napari_did_not_save_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    napari_saved_in(tmp_path, monkeypatch)
    viewer = field()
    session = begin(viewer)
    review = session.begin_review(drain(doubting(session.correction)))
    review.next()
    review.accept()
    review.accept()
    tifffile.imwrite(tmp_path / "by_napari.tif", session.layer.data)
    session.close()
    (found,) = journals_of(viewer.layers["field"])
    assert found.steps == 2
    assert found.words.endswith("; the labels are in 'by_napari.tif', classes and review are not")
    viewer.layers.remove("cells")
    again = go_on(viewer, viewer.layers["field"])
    assert again.layer.features["status"].tolist().count("accepted") == 2
    again.correction.delete([3])
    again.close()
    assert journals_of(viewer.layers["field"])[0].words.endswith("not saved since")


def test_our_writer_in_naparis_dialog_ends_the_journal(tmp_path: Path, user_folder: Path) -> None:
    manager = PluginManager.instance()
    if "napari-cellseg" not in manager:
        package = Path(napari_cellseg.__file__).parent
        manager.register(PluginManifest.from_file(package / "napari.yaml"))
    session = begin(field())
    session.correction.set_class([2], "T cell")
    assert len(list(user_folder.rglob("*.journal"))) == 1
    written = session.layer.save(str(tmp_path / "cells.tif"), plugin="napari-cellseg")
    assert [Path(p).name for p in written] == ["cells.tif", "cells_features.csv"]
    assert not list(user_folder.rglob("*.journal"))
    assert session.journaling.sentence.startswith("Saved in 'cells.tif' at")
    session.close()


def test_a_save_that_fails_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = begin(field())
    session.correction.delete([1])
    path = tmp_path / "cells.tif"
    session.save(path)
    before = path.read_bytes(), (tmp_path / "cells_features.csv").read_bytes()
    session.correction.delete([2])

    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pandas.DataFrame.to_csv", full)
        with pytest.raises(OutputError, match="the disk is full"):
            session.save(path)
    assert before == (path.read_bytes(), (tmp_path / "cells_features.csv").read_bytes())
    assert sorted(p.name for p in tmp_path.glob("[!u]*")) == ["cells.tif", "cells_features.csv"]
    assert "1 step is not saved yet" in session.journaling.sentence
    session.save(path)
    np.testing.assert_array_equal(tifffile.imread(path), session.layer.data)
    session.close()


def test_a_table_of_other_labels_makes_no_objects(tmp_path: Path) -> None:
    session = begin(field())
    session.correction.set_status([1, 2], Status.ACCEPTED)
    session.save(tmp_path / "cells.tif")
    session.close()
    data = np.where(grid() == 2, 0, grid())
    layer = Labels(data, metadata={"path": str(tmp_path / "cells.tif")})
    again = CorrectSession(ViewerModel(), layer, None, None)
    assert "cells_features.csv" in again.note
    assert layer.features["status"].astype(str).tolist()[:4] == ["", "accepted", "", "predicted"]
    again.close()


def test_the_writer_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Multiscale"):
        write_labels_layer(str(tmp_path / "a.tif"), [grid()], {"multiscale": True})
    with pytest.raises(OutputError, match="Renumber them"):
        write_labels_layer(str(tmp_path / "a.tif"), np.full((4, 4), 2**33), {})
    assert not list(tmp_path.glob("*.tif"))


def test_work_that_is_offered_is_marked_and_in_use_is_not_offered(user_folder: Path) -> None:
    viewer = field()
    session = begin(viewer)
    session.correction.delete([1])
    unfinished = unfinished_of(viewer)
    unfinished.look(viewer, anew=True)
    assert not unfinished.offers
    session.close()
    unfinished.look(viewer)
    assert not unfinished.offers
    unfinished.look(viewer, anew=True)
    (offer,) = unfinished.offers
    assert offer.found.path.with_suffix(".offered").exists()
    unfinished.delete(offer)
    assert not unfinished.offers
    assert not [p for p in user_folder.rglob("*") if p.is_file()]
