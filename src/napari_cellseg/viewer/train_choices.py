"""What the user chose to train, as one value that is shown, remembered, checked and run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_cellseg.errors import OptionError
from napari_cellseg.events import duration
from napari_cellseg.folders import settings_folder
from napari_cellseg.training.families import Family, StartingPoint, make_recipe
from napari_cellseg.training.runs.estimating import Estimate
from napari_cellseg.training.runs.recipe import JsonRecipe
from napari_cellseg.viewer.dataset_rows import counted
from napari_cellseg.viewer.recent_datasets import (
    keep_settings,
    kept_settings,
    recent_datasets,
    remember_dataset,
)
from napari_cellseg.viewer.train_dataset import DatasetLook
from napari_cellseg.viewer.train_runs import checked_model_name, model_path


@dataclass(frozen=True)
class TrainChoices:
    """All that the form of the Train dock says.

    Attributes
    ----------
    data : str
        Folder of the dataset; empty where none is chosen.
    point, preset : str
        Key of the starting point, and name of the preset.
    name : str
        What the new model will be called.
    changes : dict
        Values of the recipe that differ from the preset.
    """

    data: str = ""
    point: str = ""
    preset: str = ""
    name: str = ""
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainRequest:
    """A training that can be started.

    Attributes
    ----------
    name : str
        Name of the new model.
    point : StartingPoint
        What it begins with.
    recipe : JsonRecipe
        How.
    model : Path
        The file that it writes.
    """

    name: str
    point: StartingPoint
    recipe: JsonRecipe
    model: Path


def make_train_request(choices: TrainChoices, points: Sequence[StartingPoint]) -> TrainRequest:
    """What to train, from what the user chose.

    Raises
    ------
    OptionError
        Where something is missing or does not fit; in words.
    """
    if not choices.data:
        raise OptionError("Choose a dataset: what you corrected and added in the CellSeg dataset dock.")
    point = next((point for point in points if point.key == choices.point), None)
    if point is None:
        raise OptionError("Choose what to start from.")
    name = checked_model_name(choices.name)
    model = model_path(name, point.family.suffix)
    recipe = make_recipe(point, choices.preset or None, choices.data, model, choices.changes)
    return TrainRequest(name, point, recipe, model)


def request_sentence(request: TrainRequest, look: DatasetLook) -> str:
    """What will happen, in words."""
    images, objects = counted(look.images["train"], "image"), counted(look.objects["train"], "object")
    epochs = getattr(request.recipe, "epochs", None)
    parts = [f"Learns from {images} with {objects}"]
    if epochs:
        parts.append(f"in at most {counted(epochs, 'epoch')}")
    start = f"; '{request.point.title}' stays as it is" if request.point.start else ""
    return f"{' '.join(parts)}, into the new model '{request.name}'{start}."


def estimate_sentence(estimate: Estimate) -> str:
    """Time and memory, in words."""
    time, memory = duration(estimate.seconds), rough_memory(estimate.memory)
    return f"At most about {time}, {memory} of memory, on {estimate.device}."


def rough_memory(size: int) -> str:
    """Bytes as people say them; empty sizes are unknown."""
    if size <= 0:
        return "an unknown amount"
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{max(1, round(size / 1e6))} MB"


def default_preset(family: Family) -> str:
    """Preset that a family is offered with at first; empty for the recipe's own values."""
    return family.default or next(iter(family.presets), "")


def settings_file() -> Path:
    """Where the choices of the Train dock are kept."""
    return settings_folder() / "train.json"


def load_train_choices() -> TrainChoices:
    """Dataset, starting point and preset of the last session."""
    stored, recent = kept_settings(settings_file()), recent_datasets()
    return TrainChoices(
        data=recent[0] if recent else "", point=_text(stored, "point"), preset=_text(stored, "preset")
    )


def save_train_choices(choices: TrainChoices) -> None:
    """Keep starting point and preset for the next session, and the dataset as the last one.

    Raises
    ------
    OutputError
        Where the settings cannot be written.
    """
    remember_dataset(choices.data)
    keep_settings(settings_file(), {"point": choices.point, "preset": choices.preset})


def _text(stored: dict[str, Any], name: str) -> str:
    value = stored.get(name, "")
    return value if isinstance(value, str) else ""
