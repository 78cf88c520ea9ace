"""Training of a YOLO network in the process of a run: prepare, train, score, write."""

import gc
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Any

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import ModelError, TrainingError
from napari_cellseg.events import Progress, drain
from napari_cellseg.models.card import ModelCard, file_hash, read_card, write_card
from napari_cellseg.models.devices import cpu_threads
from napari_cellseg.models.registry import find_model
from napari_cellseg.models.trust import check_trusted, trust_file
from napari_cellseg.models.ultralytics import UltralyticsModel, torch_device
from napari_cellseg.models.ultralytics_import import import_ultralytics
from napari_cellseg.outputs import make_folder, output_errors, replacing
from napari_cellseg.training.cards import parent_notes
from napari_cellseg.training.memory import is_out_of_memory
from napari_cellseg.training.runs.estimating import Estimate
from napari_cellseg.training.runs.run import Report, RunFolder
from napari_cellseg.training.yolo.cards import trained_card
from napari_cellseg.training.yolo.estimating import estimating_steps
from napari_cellseg.training.yolo.notes import Notes
from napari_cellseg.training.yolo.previewing import Previewer
from napari_cellseg.training.yolo.recipe import YoloRecipe, architectures
from napari_cellseg.training.yolo.scoring import scoring
from napari_cellseg.training.yolo.tiles import Tiles, making_tiles, read_tiles

if TYPE_CHECKING:
    from napari_cellseg.training.yolo.trainer import Setting

WORK = "ultralytics"
"""Folder of a run for what ultralytics itself writes, its settings among them."""

TILES, SCORING, WEIGHTS, TRAINED = "tiles", "scoring", "trained.pt", "trained.json"
PARENT, NOTES = "parent.json", "notes.json"
LEAST_ULTRALYTICS = (8, 4, 190)
"""Its trainer has changed often; with this version it was tested."""

LAST = "last.pt"
"""Checkpoint after the last whole epoch."""


@dataclass(frozen=True, slots=True)
class Material:
    """A recipe, the dataset, the pictures that were made of it, and the card of the weights to begin with."""

    recipe: YoloRecipe
    dataset: Dataset
    tiles: Tiles
    parent: ModelCard | None


def train(recipe: dict[str, Any], run: RunFolder, report: Report, resume: bool) -> Path:
    """Train a YOLO network; the function that `napari_cellseg.training.runs.worker` looks for.

    Parameters
    ----------
    recipe : dict
        Values of a `YoloRecipe`.
    run : RunFolder
        Gets pictures (``tiles``), ``checkpoints/last.pt`` and ``checkpoints/best.pt``.
    report : callable
        Told every step.
    resume : bool
        Go on from the last checkpoint; a training that had come to its end is only scored again.

    Returns
    -------
    Path
        The weights, `YoloRecipe.model`; their card is beside them, and this user trusts them.

    Raises
    ------
    TrainingError
        Where something that the training needs is missing.
    UntrustedFileError
        Where it is to begin with weights that the user has not trusted.
    DatasetError, DeviceError, MissingDependencyError, OptionError, OutputError
        As their texts say.
    """
    values = YoloRecipe.from_dict(recipe)
    is_known = resume and (run.path / PARENT).exists()
    if not is_known:
        check_start(values)
    _check_target(Path(values.model))
    _prepare_ultralytics(values, run, report)
    parent = read_card(run.path / PARENT) if is_known else _parent(values, run)
    dataset = Dataset.open(values.data)
    tiles = _tiles(dataset, values, run, report, resume)
    material = Material(values, dataset, tiles, parent)
    facts = _fit(material, run, report, resume)
    card = _scored_card(material, run, facts, report)
    _publish(run.path / WEIGHTS, card, Path(values.model))
    _tidy(run)
    return Path(values.model)


def estimate(recipe: dict[str, Any], report: Report) -> Estimate:
    """Estimate time and memory of such a training; see `napari_cellseg.training.runs.estimating.estimating`.

    Raises
    ------
    TrainingError
        Where there is nothing to learn from or to validate with, or something that is needed is missing.
    UntrustedFileError
        Where it is to begin with weights that the user has not trusted.
    OutOfMemoryError, DatasetError, DeviceError, MissingDependencyError, OptionError, OutputError
        As their texts say.
    """
    values = YoloRecipe.from_dict(recipe)
    check_start(values)
    with TemporaryDirectory(prefix="cellseg-steps-", ignore_cleanup_errors=True) as folder:
        run = RunFolder(Path(folder))
        _prepare_ultralytics(values, run, report)
        return estimating_steps(values, run, torch_device(values.device), report)


def check_start(recipe: YoloRecipe) -> None:
    """Make sure that the weights to begin with are there and trusted.

    Raises
    ------
    TrainingError
        Where there is no such file.
    UntrustedFileError
        Where the user has not said that it may be opened.
    """
    if recipe.from_scratch:
        return
    path = Path(recipe.start)
    if not path.is_file():
        scratch = (
            f", or begin with '{path.stem}', which learns from scratch"
            if path.stem in architectures()
            else ""
        )
        raise TrainingError(
            f"There are no weights '{path}', and nothing is downloaded here. Get '{path.name}' on a computer "
            f"with internet access and put it there{scratch}."
        )
    check_trusted(path)


def _parent(recipe: YoloRecipe, run: RunFolder) -> ModelCard | None:
    """Card of the weights to begin with, kept in the run's folder: the model may go where they are."""
    if recipe.from_scratch:
        return None
    try:
        card = find_model(recipe.start).card
    except ModelError as error:
        raise TrainingError(str(error)) from error
    card = card.model_copy(update={"sha256": file_hash(recipe.start)})
    write_card(card, run.path / PARENT)
    return card


def _check_target(model: Path) -> None:
    """Make sure, before hours are spent, that the model can be written."""
    folder = make_folder(model.parent)
    with output_errors(model), TemporaryFile(dir=folder):
        pass


def _prepare_ultralytics(recipe: YoloRecipe, run: RunFolder, report: Report) -> None:
    """Import it so that all it writes lands in the run's folder, and with all cores at work."""
    report(Progress("Starting", 0, 0, "loading PyTorch and ultralytics"))
    os.environ["YOLO_CONFIG_DIR"] = str(make_folder(run.path / WORK))
    found = str(import_ultralytics().__version__)
    if tuple(map(int, re.findall(r"\d+", found)[:3])) < LEAST_ULTRALYTICS:
        raise TrainingError(
            f"Training needs ultralytics {'.'.join(map(str, LEAST_ULTRALYTICS))} or newer, {found} is "
            f"installed. Update it with: pip install --upgrade ultralytics"
        )
    import torch
    from ultralytics.utils import LOGGING_NAME, set_logging

    set_logging(LOGGING_NAME, verbose=True)  # into the run's log; bars of progress stay off
    torch.set_num_threads(recipe.threads or cpu_threads() or os.cpu_count() or 1)


def _tiles(dataset: Dataset, recipe: YoloRecipe, run: RunFolder, report: Report, resume: bool) -> Tiles:
    """Pictures to learn from; a training that goes on keeps its own, whatever became of the dataset."""
    known = read_tiles(run.path / TILES) if resume and (run.checkpoints / LAST).exists() else None
    return known or drain(making_tiles(dataset, recipe, run.path / TILES), report)


def _fit(given: Material, run: RunFolder, report: Report, resume: bool) -> dict[str, Any]:
    """Train, unless that is done already, and write the weights of the best epoch; facts about them."""
    from napari_cellseg.training.yolo.checkpoints import finished_epochs, write_weights

    path = run.path / TRAINED
    if resume and path.exists():
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return facts
    notes = Notes(run.path / NOTES)
    resume = resume and (run.checkpoints / LAST).exists()
    if not resume or finished_epochs(run.checkpoints / LAST) < given.recipe.epochs:
        _remove_halves(run)
        report(Progress("Training", 0, 0, "building the network"))
        _train(given, run, report, notes, resume)
    facts = write_weights(run, run.path / WEIGHTS)
    facts["notes"] = notes.texts
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=2, ensure_ascii=False), encoding="utf-8")
    return facts


def _train(given: Material, run: RunFolder, report: Report, notes: Notes, resume: bool) -> None:
    """Train to the last epoch; with half the batch, from the last checkpoint, where memory runs out."""
    from napari_cellseg.training.yolo.trainer import Setting, memory_note, size_notes

    for note in size_notes(given.recipe, given.tiles):
        notes.add(note)
    device, shown = torch_device(given.recipe.device), Previewer(given.recipe, given.dataset, given.tiles)
    number = device.removeprefix("cuda:")
    setting = Setting(given.recipe, given.tiles, run, report, number, notes, shown)
    used = train_in_memory(setting, resume)
    while used is not None:
        if used == 1:
            raise TrainingError(
                f"The device '{device}' has too little memory for a single picture of "
                f"{given.recipe.imgsz} pixels. Choose smaller pictures or a smaller network, or close what "
                f"else uses the memory."
            )
        notes.add(memory_note(used // 2))
        report(Progress("Training", 0, 0, notes.texts[-1]))
        used = train_in_memory(setting, (run.checkpoints / LAST).exists(), used // 2)


def train_in_memory(setting: "Setting", resume: bool, batch: int | None = None) -> int | None:
    """Train to the last epoch; None, or the pictures at once for which memory was too small.

    Ultralytics itself halves them in the first epoch where a GPU runs out of memory, but neither later, nor
    in the memory of a computer.
    """
    import torch

    from napari_cellseg.training.yolo.trainer import YoloTrainer

    trainer = YoloTrainer(setting, resume, batch)
    try:
        trainer.train()
        return None
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        used = int(trainer.batch_size)
    del trainer
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return used


def _remove_halves(run: RunFolder) -> None:
    """Remove what a training that was ended while it wrote a checkpoint has left of it."""
    for path in run.checkpoints.glob(".*.partial.pt"):
        with output_errors(path):
            path.unlink()


def _scored_card(given: Material, run: RunFolder, facts: dict[str, Any], report: Report) -> ModelCard:
    """Card of the weights in the run's folder, with scores of whole images."""
    weights, recipe, tiles, parent = run.path / WEIGHTS, given.recipe, given.tiles, given.parent
    trust_file(weights)
    notes = [*facts["notes"], *([] if parent is None else parent_notes(tiles.pixels, parent))]
    card = trained_card(recipe, given.dataset, tiles, {**facts, "notes": notes}, parent)
    model = UltralyticsModel(card, weights, recipe.device)
    found = drain(scoring(model, given.dataset, tiles, recipe, run.path / SCORING), report)
    update = {
        "sha256": file_hash(weights),
        "confidence": found.confidence,
        "confidence_floor": min(card.confidence_floor, found.confidence),
        "scores": found.scores,
        "calibration": found.calibration,
    }
    return ModelCard.model_validate(card.model_copy(update=update).model_dump())


def _publish(weights: Path, card: ModelCard, path: Path) -> None:
    """Put weights and card where the user wants them, the card last."""
    with replacing(path) as temporary:
        shutil.copyfile(weights, temporary)
    write_card(card, card_path(path))


def card_path(weights: Path) -> Path:
    """Where the card goes: ``cells.json``, or ``cells.pt.json`` where that one is another file's."""
    shared, own = weights.with_suffix(".json"), weights.with_name(f"{weights.name}.json")
    if own.exists():
        return own
    return own if shared.exists() and not _describes(shared, weights.name) else shared


def _describes(path: Path, weights: str) -> bool:
    try:
        return read_card(path).weights == weights
    except ModelError:
        return False


def _tidy(run: RunFolder) -> None:
    """Remove the pictures, which only training needs."""
    for kind in ("images", "labels"):
        folder = run.path / TILES / kind
        if folder.exists():
            with output_errors(folder):
                shutil.rmtree(folder)
