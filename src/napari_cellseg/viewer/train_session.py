"""A training from its start to the decision: train, watch, pause, go on later, compare, use. Knows no Qt."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from napari_cellseg.errors import TrainingError
from napari_cellseg.events import Job, Progress
from napari_cellseg.models.collection import add_model
from napari_cellseg.models.registry import ModelEntry, find_model
from napari_cellseg.outputs import replacing
from napari_cellseg.training.runs.control import Control
from napari_cellseg.training.runs.process import resuming, training
from napari_cellseg.training.runs.run import Epoch
from napari_cellseg.viewer.train_choices import TrainRequest
from napari_cellseg.viewer.train_pictures import PreviewPicture, run_pictures
from napari_cellseg.viewer.train_runs import TrainingRun, delete_run, read_run
from napari_cellseg.viewer.train_watch import MEMORY, TrainingWatch, read_metrics

INTERVAL = 0.1
"""Seconds between two steps that are shown, so that a fast training never floods the viewer."""


@dataclass(frozen=True, eq=False)
class Arrived:
    """An epoch with what the network finds after it; the payload of its `Progress`.

    Attributes
    ----------
    epoch : Epoch
        Losses and scores.
    pictures : list of PreviewPicture
        On a few images.
    problem : str
        Why there are none; empty where all is well.
    """

    epoch: Epoch
    pictures: list[PreviewPicture]
    problem: str = ""


class TrainSession:
    """What the Train dock shows of one training at a time.

    Attributes
    ----------
    watch : TrainingWatch
        Its epochs.
    pictures : list of PreviewPicture
        What the network found last.
    run : TrainingRun or None
        What is trained, or was trained last.
    problem : str
        Why pictures are missing.
    """

    def __init__(self) -> None:
        self.watch = TrainingWatch()
        self.pictures: list[PreviewPicture] = []
        self.run: TrainingRun | None = None
        self.problem = ""
        self._control = Control()

    def training(self, request: TrainRequest) -> Job[TrainingRun]:
        """Begin a training.

        Raises
        ------
        CellSegError
            As `napari_cellseg.training.families.Family.check` and
            `napari_cellseg.training.runs.process.training` do.
        """
        planned = getattr(request.recipe, "epochs", 0)
        self._begin(TrainingRun(request.name, request.model, str(request.recipe.data), 0, planned, False))
        return self._watched(lambda folder: _beginning(request, folder, self._control))

    def resuming(self, run: TrainingRun) -> Job[TrainingRun]:
        """Go on with a training; errors as in `napari_cellseg.training.runs.process.resuming`."""
        self._begin(run)
        for epoch in read_metrics(run.run.metrics, run.planned):
            self.watch.add(epoch)
        return self._watched(lambda folder: resuming(folder, self._control))

    def take(self, progress: Progress) -> bool:
        """Take in a step of the job, in the thread that shows it; whether there is something new to see."""
        found = progress.payload
        if isinstance(found, Arrived):
            self.watch.take(replace(progress, payload=found.epoch))
            self.pictures, self.problem = found.pictures or self.pictures, found.problem
            return True
        return self.watch.take(progress)

    @property
    def is_paused(self) -> bool:
        """Whether the training was asked to rest."""
        return self._control.paused

    def pause(self) -> None:
        """Let the training rest after its batch; it keeps its memory."""
        self._control.pause()

    def go_on(self) -> None:
        """Let it go on."""
        self._control.go_on()

    def _begin(self, run: TrainingRun) -> None:
        self.watch, self.pictures, self.problem = TrainingWatch(), [], ""
        self.run, self._control = run, Control()

    def _watched(self, start: Callable[[Path], Job[Path]]) -> Job[TrainingRun]:
        """The job, each epoch with its pictures, which are made in the job's thread."""
        begun = self.run
        job = start(begun.run.path)
        told, last = -INTERVAL, Progress("", 0, 0)
        try:
            while True:
                try:
                    step = next(job)
                except StopIteration as end:
                    return _finished(begun, end.value)
                if isinstance(step.payload, Epoch):
                    step = replace(step, payload=Arrived(step.payload, *run_pictures(begun.run)))
                elif time.monotonic() - told < INTERVAL and not _matters(step, last):
                    continue
                told, last = time.monotonic(), step
                yield step
        finally:
            job.close()


def _matters(step: Progress, last: Progress) -> bool:
    """Whether a step must be shown, however soon it comes after the last one."""
    return step.stage != last.stage or MEMORY in step.detail


def training_notes(run: TrainingRun) -> list[str]:
    """What the card of a trained model says about its training; errors as in `find_model`."""
    told = find_model(run.model).card.recipe.get("notes", ())
    return [str(note) for note in told]


def using(run: TrainingRun) -> Job[ModelEntry]:
    """Add a trained model to the user's models, after running it once; errors as in `add_model`."""
    yield Progress("Adding the model", 0, 0, run.name)
    entry = add_model(run.model, run.name)
    decide(run, is_used=True)
    return entry


def decide(run: TrainingRun, *, is_used: bool) -> None:
    """Note that somebody decided about a trained model, so that nobody is asked again.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    content = {"used": is_used, "when": datetime.now(UTC).isoformat(timespec="seconds")}
    with replacing(run.model.parent / "decision.json") as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")


def is_decided(run: TrainingRun) -> bool:
    """Whether somebody decided about a trained model."""
    return (run.model.parent / "decision.json").is_file()


def _beginning(request: TrainRequest, folder: Path, control: Control) -> Job[Path]:
    """Make sure that all is there, take away what is left of a training without an epoch, and train."""
    yield Progress("Starting", 0, 0, "looking at the dataset")
    request.point.family.check(request.recipe)
    left = read_run(request.model.parent)
    if left is not None and left.is_empty:
        delete_run(left)
    return (yield from training(request.recipe, folder, control))


def _finished(begun: TrainingRun, model: Path) -> TrainingRun:
    """The training as it is on the disk now."""
    found = read_run(begun.model.parent)
    if found is None or not found.is_done:
        raise TrainingError(f"The training ended, but its model '{model}' is not there.")
    return found
