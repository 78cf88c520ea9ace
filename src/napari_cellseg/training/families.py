"""What can be trained: the families of training, what each begins with, and one way to ask for any of them.

Nothing of a family is imported before it is used, so that all can be listed without torch or ultralytics.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from napari_cellseg.errors import MissingDependencyError, TrainingError
from napari_cellseg.models.registry import ModelEntry, list_models
from napari_cellseg.training.runs.recipe import JsonRecipe, Preset, preset_values

Load: TypeAlias = Callable[[], tuple[type[JsonRecipe], Mapping[str, Preset]]]


def _begin_with(start: str) -> Mapping[str, Any]:
    return {"start": start}


@dataclass(frozen=True, slots=True)
class Family:
    """A way to train, with its own recipe and backend.

    Attributes
    ----------
    name : str
        What it is called in code, settings and commands.
    title, task, hint : str
        The same for users, as a job, and how a command asks for it.
    suffix : str
        Ending of the models that it writes.
    packages, extra : tuple of str, str
        What must be installed, and the extra of this package that brings it.
    weights : str
        Value of the recipe that names a file or folder of weights to begin with.
    begin : callable
        Values of the recipe that say what a training begins with.
    default : str
        Preset where none is asked for; empty for the recipe's own defaults.
    renamed : mapping of str to str
        What other families call a value of its recipe.
    load : callable
        Gives the class of its recipes and its presets.
    check_start : callable
        Raises where what a recipe begins with is not there.
    networks : callable
        Names of the networks that learn from scratch; none where there is always a model to begin with.
    """

    name: str
    title: str
    task: str
    hint: str
    suffix: str
    packages: tuple[str, ...]
    extra: str
    load: Load
    check_start: Callable[[Any], object]
    networks: Callable[[], tuple[str, ...]] = tuple
    weights: str = "start"
    begin: Callable[[str], Mapping[str, Any]] = _begin_with
    default: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def recipe(self) -> type[JsonRecipe]:
        """Class of its recipes; its fields say what can be changed."""
        return self.load()[0]

    @property
    def presets(self) -> Mapping[str, Preset]:
        """Its recipes with a name."""
        return self.load()[1]

    def make(self, preset: str | None, start: str, values: Mapping[str, Any]) -> JsonRecipe:
        """A recipe.

        Parameters
        ----------
        preset : str, optional
            One of `presets`; the default one unless given.
        start : str
            What to begin with; empty for what preset or recipe say.
        values : mapping
            `data` and `model`, and whatever differs from the preset.

        Raises
        ------
        OptionError
            Where there is no such preset, or a value is unknown or not what it must be.
        """
        name = preset or self.default
        known = preset_values(self.presets, name) if name else {}
        begin = self.begin(start) if start else {}
        given = {self.renamed.get(key, key): value for key, value in values.items()}
        return self.recipe.from_dict({**known, **begin, **given})

    def check(self, recipe: Any) -> None:
        """Make sure, before hours are spent, that all is there that a training by a recipe needs.

        Raises
        ------
        MissingDependencyError
            Where a package is not installed.
        DatasetError, ModelError, TrainingError
            Where there is nothing to learn from, or to begin with.
        """
        from napari_cellseg.datasets.store import Dataset

        error = missing(self)
        if error is not None:
            raise error
        dataset = Dataset.open(recipe.data)
        if not int(dataset.counts().at["train", "images"]):
            raise TrainingError(f"The dataset '{dataset.folder}' has no images to learn from.")
        self.check_start(recipe)


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """Something that a training can begin with.

    Attributes
    ----------
    key : str
        Tells it from all others; stays the same from one session to the next.
    title, help : str
        What it is called, and what to expect of it, in a sentence or two.
    family : Family
        How it is trained.
    start : str
        What its family's recipe calls it; empty where the preset says what is trained.
    """

    key: str
    title: str
    help: str
    family: Family
    start: str


def _load_cells() -> tuple[type[JsonRecipe], Mapping[str, Preset]]:
    from napari_cellseg.training.finetuning.presets import PRESETS
    from napari_cellseg.training.finetuning.recipe import FineTuneRecipe

    return FineTuneRecipe, PRESETS


def _load_yolo() -> tuple[type[JsonRecipe], Mapping[str, Preset]]:
    from napari_cellseg.training.yolo.recipe import PRESETS, YoloRecipe

    return YoloRecipe, PRESETS


def _load_unets() -> tuple[type[JsonRecipe], Mapping[str, Preset]]:
    from napari_cellseg.training.unets.presets import PRESETS
    from napari_cellseg.training.unets.recipe import UnetRecipe

    return UnetRecipe, PRESETS


def _check_cells(recipe: Any) -> None:
    from napari_cellseg.training.finetuning.start import find_start

    find_start(recipe.start)


def _check_yolo(recipe: Any) -> None:
    from napari_cellseg.training.yolo.training import check_start

    check_start(recipe)


def _check_unets(recipe: Any) -> None:
    from napari_cellseg.training.unets.imagenet import imagenet_weights

    imagenet_weights(recipe)


def _yolo_networks() -> tuple[str, ...]:
    from napari_cellseg.training.yolo.recipe import architectures

    return architectures()


def _begin_with_network(network: str) -> Mapping[str, Any]:
    return {"members": [network]}


def _unet_networks() -> tuple[str, ...]:
    from napari_cellseg.models.networks.brightfield.config import NETWORKS

    return tuple(NETWORKS)


CELLS = Family(
    name="cells",
    title="Models of this package, trained further",
    task="Training a model further",
    hint="--from MODEL: a name, or a file with its trainable weights (.safetensors) beside it.",
    suffix=".onnx",
    packages=("torch", "onnxscript", "safetensors"),
    extra="train",
    load=_load_cells,
    check_start=_check_cells,
    default="balanced",
    renamed={"imgsz": "edge"},
)

YOLO = Family(
    name="yolo",
    title="YOLO segmentation networks",
    task="Training a YOLO network",
    hint="--arch NETWORK learns from scratch, --from FILE.pt or --weights FILE.pt trains weights further.",
    suffix=".pt",
    packages=("ultralytics",),
    extra="yolo",
    load=_load_yolo,
    check_start=_check_yolo,
    networks=_yolo_networks,
)

UNETS = Family(
    name="unets",
    title="Ensembles of bright-field U-Nets",
    task="Training bright-field U-Nets",
    hint="--arch PRESET, or --arch NETWORK with its loss behind a slash, as in model-2/bce-dice.",
    suffix=".onnx",
    packages=("torch", "torchvision", "onnxscript", "safetensors"),
    extra="train",
    load=_load_unets,
    check_start=_check_unets,
    networks=_unet_networks,
    weights="imagenet",
    begin=_begin_with_network,
    default="brightfield",
    renamed={"imgsz": "edge"},
)

FAMILIES: Mapping[str, Family] = {family.name: family for family in (CELLS, YOLO, UNETS)}
"""The families by name, those first that need least of images and machine."""


def missing(family: Family) -> MissingDependencyError | None:
    """What must be installed before a family can be trained, in words; None where all is there."""
    for package in family.packages:
        if importlib.util.find_spec(package) is None:
            return MissingDependencyError(family.task, package, family.extra)
    return None


def family_of(backend: str) -> Family:
    """The family whose recipes a backend trains by, such as that of a run to be resumed.

    Raises
    ------
    TrainingError
        Where there is none.
    """
    for family in FAMILIES.values():
        if family.recipe.backend == backend:
            return family
    raise TrainingError(f"This training was begun by '{backend}', which is not known here.")


def starting_points() -> list[StartingPoint]:
    """All that a training can begin with, models before networks that know nothing yet.

    Warns
    -----
    CellSegWarning
        For each model that is left out because its card cannot be read.
    """
    models = [_model_point(entry, entry.card.name) for entry in list_models() if not _why_not(entry)]
    return [*models, *(_network_point(YOLO, name) for name in YOLO.networks()), _network_point(UNETS, "")]


def starting_point(start: str | Path) -> StartingPoint:
    """The starting point of a model's name, a file of weights, or a network's name.

    Parameters
    ----------
    start : str or Path
        A name of `list_models`, a file (``.pt``, ``.onnx``, its card or its trainable weights), the name of
        a network that learns from scratch, or the key of a starting point.

    Raises
    ------
    ModelError
        Where there is no such model.
    TrainingError
        Where it cannot be trained further.
    """
    from napari_cellseg.training.finetuning.start import find_trainable

    text = str(start)
    for point in starting_points():
        if text in (point.key, point.start):
            return point
    for family in FAMILIES.values():
        if text.partition("/")[0] in family.networks():
            return _network_point(family, text)
    path = Path(text).expanduser()
    if path.suffix.lower() == YOLO.suffix:
        return _yolo_point(path, path.name)
    entry = find_trainable(text)
    reason = _why_not(entry)
    if reason:
        raise TrainingError(reason)
    return _model_point(entry, text)


def make_recipe(
    point: StartingPoint,
    preset: str | None,
    data: str | Path,
    model: str | Path,
    changes: Mapping[str, Any] | None = None,
) -> JsonRecipe:
    """The recipe of a training.

    Parameters
    ----------
    point : StartingPoint
        What to begin with.
    preset : str, optional
        One of the presets of its family; the family's default unless given.
    data, model : path
        Folder of the dataset, and the file to write.
    changes : mapping, optional
        Values that differ from the preset.

    Raises
    ------
    OptionError
        Where there is no such preset, or a value is unknown or not what it must be.
    """
    return point.family.make(preset, point.start, {"data": str(data), "model": str(model), **(changes or {})})


def _why_not(entry: ModelEntry) -> str:
    from napari_cellseg.training.finetuning.start import why_not

    return "" if _is_yolo(entry) else why_not(entry)


def _is_yolo(entry: ModelEntry) -> bool:
    return entry.card.backend == "ultralytics" and entry.path.suffix.lower() == YOLO.suffix


def _model_point(entry: ModelEntry, start: str) -> StartingPoint:
    card = entry.card
    if _is_yolo(entry):
        return _yolo_point(entry.path, card.name)
    words = f"{card.title}. It is trained further and stays as it is; few corrected images suffice."
    return StartingPoint(f"{CELLS.name}:{start}", card.name, words, CELLS, start)


def _yolo_point(path: Path, title: str) -> StartingPoint:
    words = "Weights of a YOLO network, trained further on your images."
    return StartingPoint(f"{YOLO.name}:{path}", title, words, YOLO, str(path))


def _network_point(family: Family, network: str) -> StartingPoint:
    words = "Learns from nothing but your images: give it hundreds of objects, and a graphics card."
    title = f"{network}, from scratch" if network else family.title
    return StartingPoint(f"{family.name}:{network}", title, words, family, network)
