"""A training from its start to the use of its model, without Qt and with a backend that only copies."""

import os
import signal
import sys
from pathlib import Path

import pytest

from napari_cellseg.errors import OptionError, TrainingError
from napari_cellseg.events import Progress, drain
from napari_cellseg.models.registry import find_model
from napari_cellseg.viewer.recent_datasets import recent_datasets, remember_dataset
from napari_cellseg.viewer.train_choices import (
    TrainChoices,
    TrainRequest,
    load_train_choices,
    make_train_request,
    request_sentence,
    save_train_choices,
)
from napari_cellseg.viewer.train_dataset import DatasetLook, looking_at
from napari_cellseg.viewer.train_gate import comparing_with, image_table, old_models
from napari_cellseg.viewer.train_runs import checked_model_name, delete_run, find_runs, free_model_name
from napari_cellseg.viewer.train_session import TrainSession, decide, is_decided, training_notes, using

from ..tiny_training import make_dataset, offer_backend, tiny_points  # noqa: TID252


@pytest.fixture(autouse=True)
def backend(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    offer_backend(tmp_path_factory.mktemp("backend"), monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "my data").folder


def request(folder: Path, name: str = "mine", preset: str = "quick", **changes: object) -> TrainRequest:
    choices = TrainChoices(str(folder), "tiny:nuclei", preset, name, changes)
    return make_train_request(choices, tiny_points())


def test_train_watch_compare_and_use(folder: Path) -> None:
    session = TrainSession()
    seen: list[tuple[int, int]] = []

    def watch(step: Progress) -> None:
        if session.take(step):
            seen.append((len(session.watch.epochs()), session.pictures[0].preview.epoch))

    run = drain(session.training(request(folder)), watch)
    assert seen == [(1, 1), (2, 2), (3, 3)]
    assert run.is_done
    assert session.watch.best().number == 3
    assert session.watch.score_name() == "AP50"
    assert [s.name for s in session.watch.losses()] == ["training", "validation"]
    assert session.watch.line() == "Epoch 3 of 3, loss 0.667, AP50 0.750."
    assert session.watch.notices == ["the memory was too small, now 2 pictures at once"]
    assert training_notes(run) == ["No epoch was better."]
    assert [found.name for found in find_runs()] == ["mine"]
    assert old_models(run)[0] == "nuclei"
    result = drain(comparing_with(run, "nuclei"))
    assert result.verdict in ("not distinguishable", "cannot be told")
    assert list(image_table(result)["image"]) == ["field 4", "field 5"]
    entry = drain(using(run))
    assert find_model("mine").card == entry.card
    assert is_decided(run)


def test_a_cancelled_training_goes_on_where_it_was(folder: Path) -> None:
    session = TrainSession()
    job = session.training(request(folder, preset="endless"))
    for step in job:
        if session.take(step) and len(session.watch.epochs()) == 2:
            break
    job.close()
    (run,) = find_runs()
    assert (run.epochs, run.planned, run.has_checkpoint, run.is_done) == (2, 4, True, False)
    assert run.words == "The training of 'mine' on 'my data' was interrupted after epoch 2 of 4."
    with pytest.raises(OptionError, match="training of 'mine' already"):
        request(folder)
    later = TrainSession()
    done = drain(later.resuming(run), later.take)
    assert done.is_done
    assert [epoch.number for epoch in later.watch.epochs()] == [1, 2, 3, 4]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_a_killed_training_is_reported_and_goes_on(folder: Path) -> None:
    session = TrainSession()
    job = session.training(request(folder, preset="endless"))
    for step in job:
        session.take(step)
        if len(session.watch.epochs()) == 2 and step.detail.startswith("pid"):
            os.kill(int(step.detail.split()[1]), signal.SIGKILL)
            break
    with pytest.raises(TrainingError, match=r"ended by signal 9\. Its last checkpoint is kept"):
        drain(job)
    (run,) = find_runs()
    assert drain(TrainSession().resuming(run)).is_done


def test_pause_and_go_on(folder: Path) -> None:
    session = TrainSession()
    stages = []
    for step in session.training(request(folder, epochs=4)):
        session.take(step)
        stages.append(step.stage)
        if len(session.watch.epochs()) == 1 and "Paused" not in stages:
            session.pause()
            assert session.is_paused
        if step.stage == "Paused":
            assert session.watch.seconds_left() is None
            session.go_on()
    assert "Paused" in stages
    assert len(session.watch.epochs()) == 4
    assert not session.is_paused


def test_a_training_that_fails_at_once_leaves_its_name_free(folder: Path) -> None:
    session = TrainSession()
    with pytest.raises(TrainingError, match="The weights are damaged"):
        drain(session.training(request(folder, fails=1)))
    assert not find_runs()
    assert drain(session.training(request(folder))).is_done


def test_the_dataset_is_counted_before_it_is_checked(folder: Path) -> None:
    steps: list[Progress] = []
    look = drain(looking_at(folder), steps.append)
    first = next(step.payload for step in steps if isinstance(step.payload, DatasetLook))
    assert first.images == {"train": 4, "val": 0, "test": 2}
    assert first.check == ""
    assert not look.problem
    assert "train 4 images" in look.words
    assert look.check
    told = request_sentence(request(folder, epochs=7), look)
    assert "Learns from 4 images with" in told
    assert "at most 7 epochs, into the new model 'mine'; 'nuclei' stays" in told


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    empty = make_dataset(tmp_path / "empty", images=0)
    look = drain(looking_at(empty.folder))
    assert "No image is in the split 'train'" in look.problem
    only = drain(looking_at(make_dataset(tmp_path / "test only", images=2).folder))
    assert "No image is in the split 'train'" in only.problem
    with pytest.raises(OptionError, match="Choose a dataset"):
        make_train_request(TrainChoices(), tiny_points())
    with pytest.raises(OptionError, match="what to start from"):
        make_train_request(TrainChoices("x", "gone"), tiny_points())


def test_names_are_free_and_allowed(folder: Path) -> None:
    assert free_model_name("nuclei-mine") == "nuclei-mine"
    assert free_model_name("nuclei") == "nuclei-2"
    run = drain(TrainSession().training(request(folder, name="cells.2", epochs=1)))
    assert free_model_name("cells.2") == "cells.2-2"
    for name, why in (
        ("", "Give the new model a name"),
        ("a/b", "must be 1 to 80"),
        ("Nuclei", "is taken"),
    ):
        with pytest.raises(OptionError, match=why):
            checked_model_name(name)
    decide(run, is_used=False)
    assert is_decided(run)
    delete_run(run)
    assert checked_model_name("cells.2") == "cells.2"


def test_choices_are_remembered(folder: Path, tmp_path: Path) -> None:
    assert load_train_choices() == TrainChoices()
    remember_dataset(tmp_path / "gone")
    assert recent_datasets() == []
    save_train_choices(TrainChoices(str(folder), "tiny:nuclei", "quick", "mine"))
    assert load_train_choices() == TrainChoices(str(folder), "tiny:nuclei", "quick")


def test_the_time_left_shrinks(folder: Path) -> None:
    session = TrainSession()
    left = []
    for step in session.training(request(folder, epochs=3)):
        if session.take(step):
            left.append(session.watch.seconds_left())
    assert left[-1] == 0
    assert left == sorted(left, reverse=True)
