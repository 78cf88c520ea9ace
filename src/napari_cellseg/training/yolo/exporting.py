"""Export of YOLO weights to ONNX and TensorRT, with a card, and a comparison of both on images."""

import importlib
import importlib.util
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

from napari_cellseg.datasets.store import is_dataset
from napari_cellseg.errors import (
    CellSegError,
    CellSegWarning,
    MissingDependencyError,
    ModelError,
    OptionError,
    OutputError,
)
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.models.card import ExportComparison, ExportRecord, ModelCard, file_hash, write_card
from napari_cellseg.models.devices import first_line
from napari_cellseg.models.protocols import Model
from napari_cellseg.models.registry import ModelEntry, find_model
from napari_cellseg.models.trust import check_trusted
from napari_cellseg.models.ultralytics import (
    MOST_OBJECTS,
    UltralyticsModel,
    check_engine_support,
    torch_device,
)
from napari_cellseg.models.ultralytics_import import import_ultralytics
from napari_cellseg.models.yolo import OnnxYoloModel
from napari_cellseg.outputs import make_folder, output_errors, replacing
from napari_cellseg.training.runs.run import run_beside
from napari_cellseg.training.yolo.comparing import comparing, find_pictures
from napari_cellseg.training.yolo.onnx_files import embed_card, halve_precision

FORMATS: dict[str, Literal["onnx", "engine"]] = {"onnx": "onnx", "engine": "engine", "tensorrt": "engine"}
"""Formats by all their names."""

SMALLEST, LARGEST = 64, 4096
"""Edges that an export may be made for, pixels."""

STAGE = "Exporting"
_STEPS = 2

_ENVIRONMENT = {"ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS": "true"}
"""What keeps ultralytics from looking for packages to install."""


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported model.

    Attributes
    ----------
    path, card_path : Path
        The file, and its card beside it.
    card : ModelCard
        What is known of it; `card.export` says how it was made and how it compares with its source.
    """

    path: Path
    card_path: Path
    card: ModelCard


def exporting(
    model: str | Path,
    format: str = "onnx",
    *,
    half: bool = False,
    dynamic: bool = False,
    size: int | None = None,
    out: str | Path | None = None,
    images: str | Path | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> Job[Exported]:
    """Export YOLO weights to a file that runs without ultralytics, or faster.

    Of weights with two heads (YOLO26) the usual one is exported, not the end-to-end one, because this one
    gives a fixed number of objects at most. Source and export are then compared with `segment` on the
    same images and tiles. The files are written at the end, both or, after an error or a cancel, none.

    Parameters
    ----------
    model : str or Path
        Weights of a YOLO segmentation network (``.pt``), which must be trusted, or the name of such a model.
    format : {"onnx", "engine", "tensorrt"}
        ``"tensorrt"`` is another name of ``"engine"``. An engine runs only on the kind of GPU, and with the
        version of TensorRT, that it was built with.
    half : bool
        Compute with 16-bit floats: half the size, meant for GPUs.
    dynamic : bool
        Let an ONNX file take tiles of any size; an engine has a fixed one.
    size : int, optional
        Edge of the tiles, pixels. None: the source's.
    out : path, optional
        File to write. None: beside the source, under its name; of a model that was added, in the current
        folder.
    images : path, optional
        Images to compare on: a dataset, a folder of images, or one. None: the dataset that the source was
        trained on, if it and the run's folder are still there, else images that come with the dependencies.
    device : str
        What the comparison runs on, and an engine is built on: ``"auto"``, ``"cpu"``, ``"cuda"`` or
        ``"cuda:N"``.
    overwrite : bool
        Replace the file if it is there.

    Yields
    ------
    Progress
        Stages ``"Exporting"`` and ``"Comparing"``.

    Returns
    -------
    Exported

    Raises
    ------
    ModelError
        Where the model is no YOLO weights, or ultralytics cannot export it.
    UntrustedFileError
        Where the weights are not trusted.
    MissingDependencyError
        Where ultralytics, onnx, onnxslim or TensorRT is not installed.
    DeviceError
        Where the device cannot be used, or an engine is asked for and there is no GPU.
    OptionError
        Where an argument is not allowed.
    OutputError
        Where the file is there already, or cannot be written.

    Warns
    -----
    CellSegWarning
        Where the source finds nothing in the images, so that the comparison says nothing.
    """
    plan = _planned(find_model(model), format, half, dynamic, size, out, device, overwrite)
    pictures = find_pictures(_images(images, plan.source.path))
    yield Progress(STAGE, 0, _STEPS, f"{plan.source.path.name} to {plan.out.name}")
    make_folder(plan.out.parent)
    with (
        output_errors(plan.out),
        tempfile.TemporaryDirectory(prefix=".exporting-", dir=plan.out.parent) as folder,
    ):
        file = _run_ultralytics(plan, Path(folder))
        yield Progress(STAGE, 1, _STEPS, "comparing with the source")
        card = _finished(plan, file, _card(plan))
        models = _models(plan, file, card)
        comparison = yield from comparing(models, pictures, plan.source.card.recipe.get("channel"))
        card = _finished(plan, file, _card(plan, comparison))
        exported = _moved(file, plan.out, card)
    if not comparison.source_objects:
        warnings.warn(
            f"The source finds nothing in the {comparison.images}, so that the comparison says nothing: "
            f"give images of your own.",
            CellSegWarning,
            stacklevel=2,
        )
    yield Progress(STAGE, _STEPS, _STEPS, str(plan.out))
    return exported


def export(model: str | Path, format: str = "onnx", **options: Any) -> Exported:
    """`exporting`, run to its end."""
    return drain(exporting(model, format, **options))


@dataclass(frozen=True, slots=True)
class _Plan:
    """An export that may be carried out."""

    source: ModelEntry
    format: Literal["onnx", "engine"]
    half: bool
    dynamic: bool
    size: int
    out: Path
    device: str


def _planned(
    source: ModelEntry,
    format: str,
    half: bool,
    dynamic: bool,
    size: int | None,
    out: str | Path | None,
    device: str,
    overwrite: bool,
) -> _Plan:
    kind = FORMATS.get(format)
    if kind is None:
        raise OptionError(f"format must be one of {', '.join(FORMATS)}, not {format!r}.")
    if source.card.backend != "ultralytics" or source.path.suffix.lower() != ".pt":
        raise ModelError(
            f"Only weights of YOLO networks (.pt) can be exported; '{source.path.name}' of the model "
            f"'{source.card.name}' is {_what_it_is(source)}."
        )
    if dynamic and kind == "engine":
        raise OptionError("An engine has a fixed size; dynamic is for ONNX.")
    target = _beside(source, kind) if out is None else Path(out).expanduser()
    if target.suffix.lower() != f".{kind}":
        raise OptionError(f"The file to write must end in .{kind}, not '{target.name}'.")
    if target.exists() and not overwrite:
        raise OutputError(f"'{target}' is there already; overwrite it, or choose another file.")
    edge = _checked_size(source.card.tile if size is None else size, source.card.tile_multiple)
    check_trusted(source.path)
    if file_hash(source.path) != source.card.sha256:
        raise ModelError(f"'{source.path}' is not what the card of the model '{source.card.name}' describes.")
    _check_packages(kind, half, device)
    torch_device(device)
    return _Plan(source, kind, half, dynamic, edge, target, device)


def _beside(source: ModelEntry, kind: str) -> Path:
    """Beside a file; of a model with a name in the current folder, because its own is not the user's."""
    if source.origin == "file":
        return source.path.with_suffix(f".{kind}")
    return Path(f"{source.card.name}.{kind}")


def _what_it_is(source: ModelEntry) -> str:
    kinds = {".onnx": "ONNX already", ".engine": "an engine of TensorRT already"}
    return kinds.get(source.path.suffix.lower(), f"run by {source.card.backend}")


def _checked_size(size: Any, multiple: int) -> int:
    whole = isinstance(size, Integral) and not isinstance(size, bool)
    if not whole or size % multiple or not SMALLEST <= size <= LARGEST:
        raise OptionError(
            f"size must be a multiple of {multiple} pixels from {SMALLEST} to {LARGEST}, not {size!r}."
        )
    return int(size)


def _check_packages(kind: str, half: bool, device: str) -> None:
    import_ultralytics()
    for package in ("onnx", "onnxslim"):
        if importlib.util.find_spec(package) is None:
            raise MissingDependencyError("Exporting a YOLO network", package, "yolo")
    if kind == "engine":
        check_engine_support(device)
        is_typed = int(_version("tensorrt").split(".")[0]) >= 11
        if half and is_typed and importlib.util.find_spec("modelopt") is None:
            wanted = "nvidia-modelopt[onnx]"
            raise MissingDependencyError("Half precision in TensorRT 11", "modelopt", "", wanted=wanted)


def _version(package: str) -> str:
    return str(importlib.import_module(package).__version__)


def _images(images: str | Path | None, model: Path) -> str | Path | None:
    """The images that were asked for, or the dataset that a model was trained on, if both are still there."""
    run = run_beside(model)
    if images is not None or not run.recipe.is_file():
        return images
    known = run.read_recipe()[1].get("data")
    return known if isinstance(known, str) and is_dataset(known) else None


def _run_ultralytics(plan: _Plan, folder: Path) -> Path:
    """The exported file, in the folder."""
    ultralytics = import_ultralytics()
    from ultralytics.utils import DEFAULT_CFG_DICT

    copy = shutil.copyfile(plan.source.path, folder / f"{plan.out.stem}.pt")
    check_trusted(copy)
    options = {
        "format": plan.format,
        "imgsz": plan.size,
        "dynamic": plan.dynamic,
        "device": "cpu" if plan.format == "onnx" else torch_device(plan.device).removeprefix("cuda:"),
        "simplify": True,
        "max_det": MOST_OBJECTS,
        "verbose": False,
    }
    if "end2end" in DEFAULT_CFG_DICT:  # else the usual head is what it exports by itself
        options["end2end"] = False
    if plan.format == "engine" and plan.half:
        options |= {"quantize": 16} if "quantize" in DEFAULT_CFG_DICT else {"half": True}
    try:
        with _undisturbed():
            file = Path(ultralytics.YOLO(str(copy), task="segment").export(**options))
            if plan.format == "onnx" and plan.half:
                halve_precision(file)
    except (CellSegError, OSError):
        raise
    except Exception as error:  # whatever other people's code raises
        raise ModelError(
            f"'{plan.source.path}' cannot be exported to {plan.format} ({first_line(error)})."
        ) from error
    return file


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep ultralytics from installing packages and hiding GPUs, and torch from warning of its tracing."""
    before = {name: os.environ.get(name) for name in (*_ENVIRONMENT, "CUDA_VISIBLE_DEVICES")}
    os.environ.update(_ENVIRONMENT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _card(plan: _Plan, comparison: ExportComparison | None = None) -> ModelCard:
    """Card of an export whose hash is not known yet."""
    source = plan.source.card
    share = plan.size / source.tile
    overlap = min(int(source.overlap * share), plan.size // 2)
    packages = ("ultralytics", "torch", "onnx", *(("tensorrt",) if plan.format == "engine" else ()))
    made = ExportRecord(
        format=plan.format,
        precision="fp16" if plan.half else "fp32",
        source=plan.source.path.name,
        source_sha256=source.sha256,
        made_with=", ".join(f"{package} {_version(package)}" for package in packages),
        gpu=_gpu(torch_device(plan.device)) if plan.format == "engine" else None,
        comparison=comparison,
    )
    changed = {
        "backend": "onnx" if plan.format == "onnx" else "ultralytics",
        "weights": plan.out.name,
        "tile": plan.size,
        "fixed_tile": not plan.dynamic,
        "overlap": overlap // source.tile_multiple * source.tile_multiple,
        "max_diameter": source.max_diameter * share,
        "export": made,
    }
    return ModelCard.model_validate({**source.model_dump(), **changed})


def _gpu(device: str) -> str:
    import torch

    return str(torch.cuda.get_device_name(device))


def _finished(plan: _Plan, file: Path, card: ModelCard) -> ModelCard:
    """The card with the hash of the file, which gets the card inside where it can hold one."""
    if plan.format == "onnx":
        embed_card(file, card)
    return card.model_copy(update={"sha256": file_hash(file)})


def _moved(file: Path, out: Path, card: ModelCard) -> Exported:
    """The finished file in its place, with its card beside it."""
    card_path = out.with_name(f"{out.name}.json")
    with replacing(out) as temporary:
        shutil.move(file, temporary)
    write_card(card, card_path)
    return Exported(out, card_path, card)


def _models(plan: _Plan, file: Path, card: ModelCard) -> dict[str, Model]:
    """Source and export, ready to run with the same tiles, and the ONNX file on the way to an engine."""
    same = {name: getattr(card, name) for name in ("tile", "fixed_tile", "overlap", "max_diameter")}
    source = plan.source.card.model_copy(update=same)
    models: dict[str, Model] = {"pt": UltralyticsModel(source, plan.source.path, plan.device)}
    between = file.with_suffix(".onnx")
    if between.is_file():
        known = {"backend": "onnx", "weights": between.name, "sha256": file_hash(between)}
        models["onnx"] = OnnxYoloModel(card.model_copy(update=known), between, plan.device)
    if plan.format == "engine":
        models["engine"] = UltralyticsModel(card, file, plan.device)
    return models
