"""The models that are there: bundled, added by the user, offered by other packages, or a file."""

import difflib
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Literal, TypeAlias, cast

import numpy as np

from napari_cellseg.errors import CellSegError, CellSegWarning, ModelError
from napari_cellseg.folders import data_folder
from napari_cellseg.instances.instance import Instances
from napari_cellseg.models.card import ModelCard, card_text, file_hash, read_card
from napari_cellseg.models.devices import device_number, resolve_device
from napari_cellseg.models.embedded import embedded_card
from napari_cellseg.models.onnx import OnnxPixelModel
from napari_cellseg.models.protocols import InstanceModel, Model, PixelModel
from napari_cellseg.models.trust import check_trusted
from napari_cellseg.models.yolo import OnnxYoloModel

BACKEND_GROUP = "napari_cellseg.backends"
"""Entry points that run models, each a callable ``(card, weights, device) -> model`` named as in the card."""

MODEL_GROUP = "napari_cellseg.models"
"""Entry points that offer models: each a callable without arguments that returns paths of cards."""

WEIGHT_SUFFIXES = (".onnx", ".pt", ".pth", ".safetensors", ".engine", ".json")
"""What makes a text a file of a model rather than a name."""

PACKAGE_SUFFIXES = (".cellseg", ".zip")
"""Endings of models that are packed as one file, to be added before they are used."""

TRAINABLE_SUFFIX = ".safetensors"
"""Ending of the weights that training can go on from, beside a file that runs without torch."""

LARGEST_INPUT = 2**28
"""Values that a tile of a model may have, 1 GiB: a card that asks for more is no honest one."""

Origin: TypeAlias = Literal["bundled", "added", "entry point", "file"]
ORIGINS = {"bundled": "bundled", "added": "added", "entry point": "offered by another package"}
"""What a model is that has a name, in words."""
Backend: TypeAlias = Callable[[ModelCard, Path, str], Model]

_OPEN_MODELS = 4
_cache: "OrderedDict[tuple[str, str], Model]" = OrderedDict()
_lock = threading.RLock()


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that can be loaded.

    Attributes
    ----------
    card : ModelCard
        What it expects and where it comes from.
    path : Path
        Its weights file.
    origin : str
        ``"bundled"``, ``"added"`` (by the user), ``"entry point"`` (of another package), or ``"file"``.
    card_path : Path, optional
        The card's file; none where the card is inside the weights, or made up from what they say.
    """

    card: ModelCard
    path: Path
    origin: Origin
    card_path: Path | None = None

    @property
    def trainable(self) -> Path | None:
        """Weights that training can go on from: a .safetensors beside the weights, of the same stem."""
        found = self.path.with_suffix(TRAINABLE_SUFFIX)
        return found if found != self.path and found.is_file() else None


def bundled_folder() -> Path:
    """Folder of the models inside this package."""
    return Path(__file__).parent / "weights"


def added_folder() -> Path:
    """Folder of the models that the user added; not created."""
    return data_folder() / "models"


def list_models() -> list[ModelEntry]:
    """All models that have a name, bundled ones first, each name once.

    Warns
    -----
    CellSegWarning
        For each model that is left out because its card cannot be read or its name is taken.
    """
    entries: dict[str, ModelEntry] = {}
    for origin, path in _card_paths():
        try:
            entry = _entry_of_card(path, origin)
        except ModelError as error:
            warnings.warn(f"A model is left out: {error}", CellSegWarning, stacklevel=2)
            continue
        key = entry.card.name.casefold()
        if key in entries:
            warnings.warn(
                f"The model of '{path}' is left out: its name '{entry.card.name}' is taken by a model that "
                f"is {ORIGINS[entries[key].origin]}.",
                CellSegWarning,
                stacklevel=2,
            )
            continue
        entries[key] = entry
    return list(entries.values())


def find_model(model: str | Path) -> ModelEntry:
    """The model of a name, a weights file or a card.

    Parameters
    ----------
    model : str or Path
        A name of `list_models`, or a file: weights with a card beside them (``cells.onnx`` and
        ``cells.json``), an ONNX file with its card inside, or a card.

    Raises
    ------
    ModelError
        Where there is no such model, or its card is missing or not valid.
    """
    path = Path(model).expanduser()
    entries = list_models() if len(path.parts) <= 1 else []
    for entry in entries:
        if entry.card.name.casefold() == str(model).casefold():
            return entry
    if len(path.parts) > 1 or is_model_file(path):
        return entry_of_file(path)
    names = [entry.card.name for entry in entries]
    close = difflib.get_close_matches(str(model).casefold(), names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    known = ", ".join(f"'{name}'" for name in names) or "none"
    raise ModelError(f"There is no model '{model}'.{hint} Known models: {known}; a file's path works too.")


def is_model_file(path: Path) -> bool:
    """Whether weights or a card are meant rather than a model's name: by the ending, or as they are there."""
    return path.suffix.lower() in WEIGHT_SUFFIXES or path.is_file()


def entry_of_file(path: Path) -> ModelEntry:
    """The model of a weights file or a card; see `find_model`.

    Raises
    ------
    ModelError
        Where it is missing, or its card is missing or not valid.
    """
    if not path.is_file():
        raise ModelError(f"There is no model file '{path}'.")
    if path.suffix.lower() in PACKAGE_SUFFIXES:
        raise ModelError(f"'{path}' is a packed model. Add it to your models, then use it by its name.")
    if path.suffix.lower() == ".json":
        return _entry_of_card(path, "file")
    card_path = _card_beside(path)
    card = read_card(card_path) if card_path else _told_by(path, path.stat().st_mtime_ns)
    if card is None:
        raise ModelError(
            f"The weights '{path}' have no model card, so nobody knows what they expect. "
            f"Put the card beside them, as '{path.stem}.json'."
        )
    return ModelEntry(card, path, "file", card_path)


def load_model(model: str | Path | Model = "nuclei", device: str = "auto") -> Model:
    """A model, ready to run.

    Models stay open after their first use, so that the next call costs nothing.

    Parameters
    ----------
    model : str, Path, PixelModel or InstanceModel
        What `find_model` takes; or a model, which is returned as it is.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.

    Raises
    ------
    ModelError
        Where the model is unknown, its file is damaged, or it does not fit its card.
    DeviceError
        Where a CUDA device was asked for and cannot be used.
    OptionError
        Where `device` is none of the above.
    """
    if not isinstance(model, str | Path):
        if isinstance(model, PixelModel | InstanceModel):
            return model
        raise ModelError(
            f"model must be a name, a file, or an object with 'card', 'device' and 'predict_maps' or "
            f"'predict_instances', not {type(model).__name__}."
        )
    return open_model(find_model(model), device)


def open_model(entry: ModelEntry, device: str = "auto", *, keep: bool = True) -> Model:
    """The model of an entry, ready to run; see `load_model`. Unless it is kept it is opened anew."""
    device_number(device)
    if not keep:
        return _open(entry, device)
    on_cpu = entry.card.backend == "onnx" and resolve_device(device).name == "cpu"
    key = (card_text(entry.card) + str(entry.path), "cpu" if on_cpu else device)
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
        model = _open(entry, device)
        _cache[key] = model
        while len(_cache) > _OPEN_MODELS:
            _cache.popitem(last=False)
    return model


def check_model(model: Model) -> None:
    """Run a model once on an empty tile and compare what it returns with its card.

    Raises
    ------
    ModelError
        Where it fails or returns something else than promised.
    """
    card = model.card
    if card.channels * card.tile**2 > LARGEST_INPUT:
        raise ModelError(
            f"The card of model '{card.name}' asks for tiles of {card.tile:,} pixels and {card.channels:,} "
            f"channels, which no network takes at once."
        )
    tile = np.zeros((1, card.channels, card.tile, card.tile), np.float32)
    try:
        if isinstance(model, PixelModel):
            maps = model.predict_maps(tile)
            fits = maps.shape == (1, len(card.maps), card.tile, card.tile) and bool(np.isfinite(maps).all())
        else:
            found = model.predict_instances(tile)
            fits = len(found) == 1 and isinstance(found[0], Instances)
    except CellSegError:
        raise
    except Exception as error:  # other people's code
        raise ModelError(
            f"Model '{card.name}' fails on an empty tile: {error or type(error).__name__}."
        ) from error
    if not fits:
        raise ModelError(f"Model '{card.name}' returns something else than its card promises.")


def close_models() -> None:
    """Forget all open models, which gives their memory back once nobody uses them."""
    with _lock:
        _cache.clear()


def _open(entry: ModelEntry, device: str) -> Model:
    card = entry.card
    if card.backend == "onnx":
        if card.kind == "instance":
            return OnnxYoloModel(card, entry.path, device)
        return OnnxPixelModel(card, entry.path, device)
    if file_hash(entry.path) != card.sha256:
        raise ModelError(
            f"The weights '{entry.path}' are not those that the card of model '{card.name}' describes."
        )
    check_trusted(entry.path)
    backend = _find_backend(card)
    try:
        model = backend(card, entry.path, device)
    except CellSegError:
        raise
    except Exception as error:  # other people's code: whatever it raises, the user needs words
        reason = str(error) or type(error).__name__
        raise ModelError(f"The backend '{card.backend}' cannot open '{card.name}': {reason}.") from error
    if not isinstance(model, PixelModel if card.kind == "pixel" else InstanceModel):
        raise ModelError(
            f"The backend '{card.backend}' returned {type(model).__name__}, which is no {card.kind} model."
        )
    return model


def _find_backend(card: ModelCard) -> Backend:
    if card.backend == "ultralytics":
        from napari_cellseg.models.ultralytics import UltralyticsModel

        return UltralyticsModel
    known = {point.name: point for point in entry_points(group=BACKEND_GROUP)}
    if card.backend not in known:
        names = ", ".join(f"'{name}'" for name in sorted({"onnx", "ultralytics", *known}))
        raise ModelError(
            f"Model '{card.name}' needs the backend '{card.backend}', which is not installed. "
            f"Installed backends: {names}."
        )
    return cast(Backend, _load(known[card.backend]))


def _load(point: EntryPoint) -> Callable[..., object]:
    try:
        loaded: Callable[..., object] = point.load()
    except Exception as error:  # other people's code
        raise ModelError(f"'{point.value}' of another package cannot be imported: {error}.") from error
    return loaded


def _card_paths() -> Iterable[tuple[Origin, Path]]:
    for path in sorted(bundled_folder().glob("*.json")):
        yield "bundled", path
    for path in sorted(added_folder().glob("*.json")):
        yield "added", path
    for point in entry_points(group=MODEL_GROUP):
        try:
            offered = _load(point)()
            paths = [offered] if isinstance(offered, str | Path) else list(offered)  # type: ignore[call-overload]
        except Exception as error:  # other people's code must not hide our own models
            warnings.warn(
                f"The models of '{point.value}' are left out: {error}", CellSegWarning, stacklevel=3
            )
            continue
        for offered_path in paths:
            yield "entry point", Path(offered_path)


def _entry_of_card(path: Path, origin: Origin) -> ModelEntry:
    card = read_card(path)
    return ModelEntry(card, path.with_name(card.weights), origin, path)


def _card_beside(path: Path) -> Path | None:
    """Card's file of weights: ``cells.onnx.json``, or ``cells.json`` unless that is another file's."""
    own, shared = path.with_name(f"{path.name}.json"), path.with_suffix(".json")
    if own.is_file() or not shared.is_file():
        return own if own.is_file() else None
    named = read_card(shared).weights
    return None if named != path.name and path.with_name(named).is_file() else shared


@lru_cache(maxsize=16)
def _told_by(path: Path, changed: int) -> ModelCard | None:
    """Card of weights that have none beside them; None where they say nothing about themselves."""
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return embedded_card(path)
    if suffix in (".pt", ".engine"):
        from napari_cellseg.models.ultralytics import ultralytics_card

        return ultralytics_card(path)
    return None
