"""Trainings that were begun in the viewer: where they are, how far they came, which can go on."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellseg.errors import OptionError, TrainingError
from napari_cellseg.folders import data_folder
from napari_cellseg.models.card import model_name
from napari_cellseg.models.collection import check_name
from napari_cellseg.models.registry import list_models
from napari_cellseg.outputs import output_error
from napari_cellseg.training.runs.run import RunFolder, run_beside
from napari_cellseg.viewer.train_watch import read_metrics

FIRST_NAME = "my-model"


@dataclass(frozen=True)
class TrainingRun:
    """A training on the disk.

    Attributes
    ----------
    name : str
        Name of the model that it makes.
    model : Path
        The model's file, written at the end.
    data : str
        Folder of the dataset.
    epochs, planned : int
        Epochs that were done, and those that were planned; 0 where nobody knows.
    has_checkpoint : bool
        Whether it can go on from where it was.
    """

    name: str
    model: Path
    data: str
    epochs: int
    planned: int
    has_checkpoint: bool

    @property
    def run(self) -> RunFolder:
        """Its folder."""
        return run_beside(self.model)

    @property
    def is_done(self) -> bool:
        """Whether its model is there."""
        return self.model.is_file()

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it can be used: neither a model nor a checkpoint."""
        return not self.is_done and not self.has_checkpoint

    @property
    def words(self) -> str:
        """How far it came, in a sentence."""
        data = Path(self.data).name
        if self.is_done:
            return f"'{self.name}' is trained on '{data}' and waits for your decision."
        planned = f" of {self.planned}" if self.planned else ""
        state = f"after epoch {self.epochs}{planned}" if self.epochs else "before its first epoch was done"
        return f"The training of '{self.name}' on '{data}' was interrupted {state}."


def trainings_folder() -> Path:
    """Folder of the trainings of the viewer; not created."""
    return data_folder() / "trainings"


def model_path(name: str, suffix: str) -> Path:
    """The file that a training of a model writes; see `checked_model_name`."""
    return trainings_folder() / name / f"{name}{suffix}"


def find_runs() -> list[TrainingRun]:
    """All trainings that are done or can go on, the one that was touched last first."""
    folder = trainings_folder()
    if not folder.is_dir():
        return []
    found = [run for path in folder.iterdir() if (run := read_run(path)) is not None and not run.is_empty]
    return sorted(found, key=lambda run: _touched(run.run), reverse=True)


def read_run(folder: Path) -> TrainingRun | None:
    """The training in a folder of `trainings_folder`; None where there is none that can be read."""
    for recipe in folder.glob("*_training/recipe.json"):
        run = RunFolder(recipe.parent)
        try:
            _, values = run.read_recipe()
            epochs = read_metrics(run.metrics)
        except TrainingError:
            continue
        model, checkpoints = Path(str(values.get("model", ""))), run.checkpoints
        return TrainingRun(
            folder.name,
            model,
            str(values.get("data", "")),
            max((epoch.number for epoch in epochs), default=0),
            _whole(values.get("epochs")),
            checkpoints.is_dir() and any(checkpoints.iterdir()),
        )
    return None


def delete_run(run: TrainingRun) -> None:
    """Delete a training with all that it wrote.

    Raises
    ------
    OutputError
        Where that is not possible.
    """
    folder = trainings_folder() / run.name
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise output_error(folder, error) from error


def checked_model_name(name: str) -> str:
    """A name for a new model, if it may be one.

    Raises
    ------
    OptionError
        Where it may not, or is taken by a model or a training.
    """
    name = name.strip()
    if not name:
        raise OptionError("Give the new model a name.")
    check_name(name)
    if name.casefold() in {run.name.casefold() for run in find_runs()}:
        raise OptionError(f"There is a training of '{name}' already: go on with it, or choose another name.")
    return name


def free_model_name(stem: str = FIRST_NAME) -> str:
    """A name that no model and no training has: the stem, or the stem with a number from 2."""
    stem = model_name(stem, FIRST_NAME)
    taken = _names()
    base = re.sub(r"-\d+$", "", stem)[:70] if stem.casefold() in taken else stem[:70]
    number, name = 2, base
    while name.casefold() in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def _names() -> set[str]:
    """Names of models and trainings, in small letters; trainings of which nothing is left don't count."""
    runs = {run.name.casefold() for run in find_runs()}
    return runs | {entry.card.name.casefold() for entry in list_models()}


def _touched(run: RunFolder) -> float:
    times = [path.stat().st_mtime for path in (run.events, run.recipe) if path.is_file()]
    return max(times, default=0.0)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
