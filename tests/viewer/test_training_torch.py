"""The whole loop in the viewer: the bundled model, trained further for seconds. Needs torch, but no Qt."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("safetensors")

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import TrainingError
from napari_cellseg.events import Progress, drain
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models.registry import find_model
from napari_cellseg.pipeline import segment
from napari_cellseg.training.families import starting_points
from napari_cellseg.viewer.train_choices import TrainChoices, TrainRequest, make_train_request
from napari_cellseg.viewer.train_gate import comparing_with, old_models
from napari_cellseg.viewer.train_preview_layers import PreviewLayers
from napari_cellseg.viewer.train_runs import find_runs
from napari_cellseg.viewer.train_session import TrainSession, using

SHORT = {"epochs": 3, "steps": 2, "batch": 2, "edge": 96, "device": "cpu", "threads": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Corrected nuclei: three images to learn from, one to validate, three to test."""
    dataset = Dataset.create(tmp_path / "nuclei")
    for number, split in enumerate(["train"] * 3 + ["val"] + ["test"] * 3):
        scene = simulate_fluorescence((112, 128), objects=9, seed=number)
        dataset.add(scene.image, np.asarray(scene.labels), name=f"field {number}", split=split)
    return dataset.folder


def request(folder: Path, **changes: object) -> TrainRequest:
    choices = TrainChoices(str(folder), "cells:nuclei", "quick", "mine", {**SHORT, **changes})
    return make_train_request(choices, starting_points())


def test_train_cancel_resume_compare_and_use(folder: Path) -> None:
    session, viewer = TrainSession(), ViewerModel()
    previews = PreviewLayers(viewer)
    job = session.training(request(folder))
    for step in job:
        if session.take(step):
            break
    job.close()
    (run,) = find_runs()
    assert (run.epochs, run.planned, run.has_checkpoint) == (1, 3, True)

    again = TrainSession()

    def watch(step: Progress) -> None:
        if again.take(step) and viewer.layers:
            previews.follow(again.pictures)
        elif again.pictures and not viewer.layers:
            previews.show(again.pictures[0].preview)

    done = drain(again.resuming(run), watch)
    assert [epoch.number for epoch in again.watch.epochs()] == [1, 2, 3]
    assert "training" in {series.name for series in again.watch.losses()}
    assert again.watch.best() is not None
    assert [layer.name for layer in viewer.layers] == ["field 3 (preview)", "field 3 true", "field 3 found"]

    assert old_models(done)[0] == "nuclei"
    result = drain(comparing_with(done, "nuclei"))
    assert set(result.images["image"]) == {"field 4", "field 5", "field 6"}
    assert result.verdict in ("better", "worse", "not distinguishable")
    entry = drain(using(done))
    assert entry.trainable is not None
    assert find_model("mine").card.trained_on
    assert "cells:mine" in {point.key for point in starting_points()}
    scene = simulate_fluorescence((112, 128), objects=9, seed=20)
    assert segment(scene.image, "mine").labels.max() > 0


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_training_that_was_killed_goes_on_from_its_last_checkpoint(folder: Path) -> None:
    session = TrainSession()
    job = session.training(request(folder))
    for step in job:
        if session.take(step):
            break
    (process,) = workers()
    os.kill(process, signal.SIGKILL)
    with pytest.raises(TrainingError, match="ended by signal 9"):
        drain(job)
    (run,) = find_runs()
    assert run.has_checkpoint
    again = TrainSession()
    job = again.resuming(run)
    arrived = next(step for step in job if again.take(step))
    job.close()
    assert arrived.payload.epoch.number == run.epochs + 1


def workers() -> list[int]:
    """Processes that this one has started to train."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        parent = int(status.read_text().rpartition(")")[2].split()[1])
        if parent == os.getpid() and b"runs.worker" in status.with_name("cmdline").read_bytes():
            found.append(int(status.parent.name))
    return found
