"""Training in a process of its own, with a backend that only counts."""

import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from napari_cellseg.errors import TrainingError
from napari_cellseg.events import Progress, drain
from napari_cellseg.training.runs.control import Control
from napari_cellseg.training.runs.estimating import Estimate, estimating
from napari_cellseg.training.runs.process import resuming, training
from napari_cellseg.training.runs.run import Epoch, RunFolder

COUNTING = """
import os, sys, time
from napari_cellseg.errors import ModelError
from napari_cellseg.events import Progress
from napari_cellseg.training.runs.run import Epoch

def train(recipe, run, report, resume):
    state = run.checkpoints / "last.txt"
    first = int(state.read_text()) + 1 if resume and state.exists() else 1
    print("trained by", os.getpid(), "ä")
    for number in range(first, recipe["epochs"] + 1):
        if recipe["fails"] == number:
            raise ModelError("The weights are damaged.")
        if recipe["hangs"] == number:
            report(Progress("Training", number, recipe["epochs"], f"pid {os.getpid()}"))
            time.sleep(600)
        time.sleep(0.3)
        state.write_text(str(number))
        losses, metrics = {"total": 1 / number}, {"AP50": number / 10}
        epoch = Epoch(number, recipe["epochs"], losses, metrics, number / 10, True, 0.1, 0.5)
        report(Progress("Training", number, recipe["epochs"], f"epoch {number}", epoch))
    model = run.path / "model.onnx"
    model.write_bytes(b"weights")
    return model

def estimate(recipe, report):
    from napari_cellseg.training.runs.estimating import Estimate
    if recipe["fails"]:
        raise ModelError("The weights are damaged.")
    report(Progress("Estimating", 1, 1))
    return Estimate(recipe["epochs"] * 0.3, 2**20, "this processor", "nothing but counting")
"""


@dataclass(frozen=True)
class Counting:
    epochs: int = 3
    fails: int = 0
    hangs: int = 0
    backend: str = "counting_backend"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@pytest.fixture(autouse=True)
def backend(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("backend")
    (folder / "counting_backend.py").write_text(COUNTING, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, sys.path)]))


def _change(run: Path, **values: int) -> None:
    path = RunFolder(run).recipe
    content = json.loads(path.read_text())
    content["recipe"] |= values
    path.write_text(json.dumps(content))


def test_epochs_arrive_and_the_model_is_returned(tmp_path: Path) -> None:
    steps: list[Progress] = []
    model = drain(training(Counting(), tmp_path / "run"), steps.append)
    assert model.read_bytes() == b"weights"
    epochs = [p.payload for p in steps if isinstance(p.payload, Epoch)]
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert epochs[1] == Epoch(2, 3, {"total": 0.5}, {"AP50": 0.2}, 0.2, True, 0.1, 0.5)
    table = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert table[0] == "epoch,seconds,rate,loss_total,AP50,score"
    assert [row.split(",")[0] for row in table[1:]] == ["1", "2", "3"]
    log = (tmp_path / "run" / "log.txt").read_text(encoding="utf-8")
    assert "trained by" in log
    assert "ä" in log
    assert str(os.getpid()) not in log.split()


def test_closing_the_job_ends_the_process_and_resuming_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    job = training(Counting(epochs=4, hangs=3), run)
    step = next(p for p in job if p.detail.startswith("pid"))
    pid = int(step.detail.split()[1])
    job.close()
    assert not _is_alive(pid)
    assert (run / "checkpoints" / "last.txt").read_text() == "2"
    _change(run, hangs=0)
    steps: list[Progress] = []
    drain(resuming(run), steps.append)
    assert [p.payload.number for p in steps if isinstance(p.payload, Epoch)] == [3, 4]
    rows = (run / "metrics.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["1", "2", "3", "4"]


def test_an_error_of_the_training_is_told_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"^The weights are damaged\. Its last checkpoint is kept"):
        drain(training(Counting(fails=2), tmp_path / "run"))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_a_process_that_is_killed_is_reported_with_what_is_left(tmp_path: Path) -> None:
    job = training(Counting(hangs=2), tmp_path / "run")
    step = next(p for p in job if p.detail.startswith("pid"))
    os.kill(int(step.detail.split()[1]), signal.SIGKILL)
    with pytest.raises(TrainingError, match=r"ended by signal 9\. Its last checkpoint is kept: resume it"):
        drain(job)


def test_a_folder_with_a_run_is_not_written_over(tmp_path: Path) -> None:
    drain(training(Counting(), tmp_path))
    with pytest.raises(TrainingError, match="holds a training run already"):
        drain(training(Counting(), tmp_path))


def test_resuming_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no training run"):
        drain(resuming(tmp_path))
    RunFolder(tmp_path).recipe.write_text("{")
    with pytest.raises(TrainingError, match="is damaged"):
        drain(resuming(tmp_path))


def test_an_unknown_backend_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="'no_such_module' cannot train"):
        drain(training(Counting(backend="no_such_module"), tmp_path))


def test_a_paused_training_rests_between_two_batches_and_goes_on(tmp_path: Path) -> None:
    control = Control()
    job = training(Counting(epochs=4), tmp_path, control)
    next(p for p in job if isinstance(p.payload, Epoch))
    control.pause()
    assert control.paused
    assert next(p for p in job if p.stage == "Paused").payload is None
    reached = (tmp_path / "checkpoints" / "last.txt").read_text()
    heartbeats = [next(job) for _ in range(6)]
    assert {p.stage for p in heartbeats} == {"Paused"}
    assert (tmp_path / "checkpoints" / "last.txt").read_text() == reached
    control.go_on()
    steps: list[Progress] = []
    assert drain(job, steps.append).is_file()
    assert [p.payload.number for p in steps if isinstance(p.payload, Epoch)][-1] == 4


def test_a_paused_training_can_be_closed(tmp_path: Path) -> None:
    control = Control()
    job = training(Counting(epochs=50), tmp_path, control)
    next(p for p in job if isinstance(p.payload, Epoch))
    control.pause()
    next(p for p in job if p.stage == "Paused")
    job.close()
    reached = (tmp_path / "checkpoints" / "last.txt").read_text()
    time.sleep(0.5)
    assert (tmp_path / "checkpoints" / "last.txt").read_text() == reached


def test_an_estimate_comes_from_the_backend_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    steps: list[Progress] = []
    found = drain(estimating(Counting(epochs=5)), steps.append)
    assert found == Estimate(1.5, 2**20, "this processor", "nothing but counting")
    assert "Estimating" in [p.stage for p in steps]
    assert list(tmp_path.iterdir()) == []


def test_an_estimate_that_fails_is_told_without_a_folder_that_is_gone() -> None:
    with pytest.raises(TrainingError, match=r"^The weights are damaged\.$"):
        drain(estimating(Counting(fails=1)))
    with pytest.raises(TrainingError, match="'json' cannot estimate"):
        drain(estimating(Counting(backend="json")))


def _is_alive(pid: int) -> bool:
    for _ in range(20):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True
