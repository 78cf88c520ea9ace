"""A training run: its folder, what it tells while it lasts, and where it is found again afterwards."""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from napari_cellseg.errors import TrainingError
from napari_cellseg.events import Progress
from napari_cellseg.outputs import make_folder, replacing

Report: TypeAlias = Callable[[Progress], object]
"""Tells whoever waits for a run how far it is; called inside the process that trains."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch of training brought; the payload of its `Progress`.

    Attributes
    ----------
    number, planned : int
        Finished and planned epochs; the first is 1.
    losses : dict of str to float
        Mean training losses, by name; ``total`` among them.
    metrics : dict of str to float
        Validation metrics by name, and validation losses as ``val_NAME``; empty where nothing was validated.
    score : float
        The metric that picks the best epoch; higher is better, NaN where nothing was validated.
    is_best : bool
        Whether no earlier epoch has a better score.
    rate : float
        Learning rate of the last step.
    seconds : float
        Wall time of the epoch with its validation.
    network : str
        Name of the network, where a run trains several.
    """

    number: int
    planned: int
    losses: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    score: float = float("nan")
    is_best: bool = False
    rate: float = float("nan")
    seconds: float = 0.0
    network: str = ""


class Recipe(Protocol):
    """How something is trained: values that JSON holds, and the backend that understands them."""

    @property
    def backend(self) -> str:
        """Dotted name of the module whose function ``train`` trains by such a recipe."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """All values, as JSON holds them."""
        ...


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a run.

    Attributes
    ----------
    path : Path
        The folder. A backend puts its checkpoints into `checkpoints`.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """``recipe.json``: the backend's module and the recipe."""
        return self.path / "recipe.json"

    @property
    def events(self) -> Path:
        """``events.jsonl``: a line per step, written by the process that trains."""
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        """``log.txt``: all that the process printed."""
        return self.path / "log.txt"

    @property
    def metrics(self) -> Path:
        """``metrics.csv``: a row per epoch."""
        return self.path / "metrics.csv"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def previews(self) -> Path:
        """Folder of what the network found last in a few images."""
        return self.path / "previews"

    @property
    def tensorboard(self) -> Path:
        """Folder of the epochs as events of TensorBoard, where tensorboardX is installed."""
        return self.path / "tensorboard"

    def begin(self, recipe: Recipe) -> None:
        """Write the recipe of a new run.

        Raises
        ------
        TrainingError
            Where the folder holds a run already.
        OutputError
            Where it cannot be written.
        """
        if self.recipe.exists():
            raise TrainingError(
                f"'{self.path}' holds a training run already: resume it, or choose another folder."
            )
        make_folder(self.checkpoints)
        content = {"backend": recipe.backend, "recipe": recipe.as_dict()}
        with replacing(self.recipe) as temporary:
            temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")

    def read_recipe(self) -> tuple[str, dict[str, Any]]:
        """Module of the backend, and the recipe.

        Raises
        ------
        TrainingError
            Where there is no run, or its recipe is damaged.
        """
        try:
            content = json.loads(self.recipe.read_text(encoding="utf-8"))
            return str(content["backend"]), dict(content["recipe"])
        except OSError as error:
            raise TrainingError(f"There is no training run in '{self.path}'.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"The training run's '{self.recipe}' is damaged ({error}).") from error


def run_beside(model: str | Path) -> RunFolder:
    """Run that trains a model where no other folder is asked for: ``cells_training`` beside ``cells.pt``."""
    path = Path(model)
    return RunFolder(path.with_name(f"{path.stem}_training"))


def write_event(progress: Progress) -> str:
    """A step as a line of JSON; of payloads only an `Epoch` is kept."""
    content: dict[str, Any] = {
        "stage": progress.stage,
        "done": progress.done,
        "total": progress.total,
        "detail": progress.detail,
    }
    if isinstance(progress.payload, Epoch):
        content["epoch"] = asdict(progress.payload)
    return json.dumps(content, ensure_ascii=False)


def read_event(content: Mapping[str, Any]) -> Progress:
    """The step that `write_event` wrote."""
    epoch = content.get("epoch")
    payload = None if epoch is None else Epoch(**epoch)
    return Progress(content["stage"], content["done"], content["total"], content["detail"], payload)


def append_metrics(path: Path, epoch: Epoch) -> None:
    """Add an epoch to a table of epochs; its columns are those of the first row.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """
    row: dict[str, float | str] = {"epoch": epoch.number}
    row |= {"network": epoch.network} if epoch.network else {}
    row |= {"seconds": round(epoch.seconds, 3), "rate": epoch.rate}
    row |= {f"loss_{name}": value for name, value in epoch.losses.items()}
    row |= epoch.metrics | {"score": epoch.score}
    columns, rows = list(row), []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [kept for kept in reader if int(kept["epoch"]) < epoch.number]
            columns += [name for name in reader.fieldnames or () if name not in columns]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows([*rows, row])
