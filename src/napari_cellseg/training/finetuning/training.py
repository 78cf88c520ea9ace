"""Training a U-Net further in the process of a run: learn, export, score, write."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_cellseg.datasets.sample import Split
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import TrainingError
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.models.card import CalibrationBin, ModelCard, Score, file_hash, write_card
from napari_cellseg.models.devices import cpu_threads
from napari_cellseg.models.networks.session import open_maps
from napari_cellseg.models.networks.unet import SAME, Deployed, UNet, load_weights, refill_onnx, save_weights
from napari_cellseg.models.onnx import OnnxPixelModel
from napari_cellseg.models.ultralytics import torch_device
from napari_cellseg.outputs import make_folder, replacing
from napari_cellseg.training.finetuning.cards import tuned_card
from napari_cellseg.training.finetuning.confidence import adapting
from napari_cellseg.training.finetuning.crops import ReviewedCrops, suited_augmentation
from napari_cellseg.training.finetuning.estimate import estimating_steps
from napari_cellseg.training.finetuning.images import Lesson, read_lesson
from napari_cellseg.training.finetuning.learner import Learner
from napari_cellseg.training.finetuning.memories import MEMORIES, Memories, memory_edge, remembering
from napari_cellseg.training.finetuning.recipe import FineTuneRecipe
from napari_cellseg.training.finetuning.start import Start, find_start
from napari_cellseg.training.finetuning.tuning import BEST_BY, Tuning
from napari_cellseg.training.finetuning.validation import Found, cut_patches
from napari_cellseg.training.runs.estimating import Estimate
from napari_cellseg.training.runs.previews import Preview, write_previews
from napari_cellseg.training.runs.run import Report, RunFolder
from napari_cellseg.training.unets.learning import keep_lesson
from napari_cellseg.training.yolo.scoring import Examination, calibration_bins, card_scores
from napari_cellseg.training.yolo.tiles import dataset_hashes
from napari_cellseg.training.yolo.training import card_path

LESSON, STATE, EXPORT, WEIGHTS, SCORING = (
    "images.json",
    "state.pt",
    "trained.onnx",
    "trained.safetensors",
    "scoring",
)
"""In the folder of a run: what it learns from, where it is, what it gives."""

SHOWN = 4
"""Images that are shown meanwhile, at most."""


def train(recipe: dict[str, Any], run: RunFolder, report: Report, resume: bool) -> Path:
    """Train a U-Net further; the function that `napari_cellseg.training.runs.worker` looks for.

    Parameters
    ----------
    recipe : dict
        Values of a `FineTuneRecipe`.
    run : RunFolder
        Gets ``checkpoints/state.pt`` and previews.
    report : callable
        Told every step.
    resume : bool
        Go on from the last whole epoch.

    Returns
    -------
    Path
        The network, `FineTuneRecipe.model`; its card and its trainable weights are beside it.

    Raises
    ------
    TrainingError
        Where something that the training needs is missing or has changed.
    DatasetError, DeviceError, ModelError, OptionError, OutputError
        As their texts say.
    """
    values = FineTuneRecipe.from_dict(recipe)
    return drain(FineTuning(values, run, _prepared(values)).running(resume), report)


def estimate(recipe: dict[str, Any], report: Report) -> Estimate:
    """Estimate time and memory of `train`; what `napari_cellseg.training.runs.worker` looks for.

    Raises
    ------
    DatasetError, DeviceError, ModelError, OptionError, OutOfMemoryError, TrainingError
        As their texts say.
    """
    values = FineTuneRecipe.from_dict(recipe)
    return estimating_steps(values, _prepared(values), report)


def _prepared(recipe: FineTuneRecipe) -> str:
    """Put as many cores to work as the recipe says; the device, as PyTorch calls it."""
    torch.set_num_threads(recipe.threads or cpu_threads() or os.cpu_count() or 1)
    return torch_device(recipe.device)


class FineTuning:
    """Training of a U-Net further, step by step.

    Parameters
    ----------
    recipe : FineTuneRecipe
        How.
    run : RunFolder
        Where to.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    """

    def __init__(self, recipe: FineTuneRecipe, run: RunFolder, device: str) -> None:
        self.recipe, self.run, self.device = recipe, run, device
        self.start = find_start(recipe.start)
        self.dataset = Dataset.open(recipe.data)

    def running(self, resume: bool) -> Job[Path]:
        """All of it; see `train`."""
        path = Path(self.recipe.model)
        make_folder(path.parent)
        yield Progress("Preparing", 0, 0, "reading the images")
        lesson = read_lesson(self.dataset, self.recipe, self.start.card)
        keep_lesson(lesson.learnt, self.run.path / LESSON, resume)
        tuning = yield from self._tuning(lesson)
        network = yield from tuning.running(resume)
        yield Progress("Exporting", 0, 0, "the network of the best epoch")
        card = self._export(network, tuning, lesson)
        card = yield from self._calibrate(card, tuning, lesson)
        scores, calibration = yield from self._score(card, lesson)
        card = card.model_copy(update={"scores": scores, "calibration": calibration})
        self._publish(ModelCard.model_validate(card.model_dump()), path)
        return path

    def _tuning(self, lesson: Lesson) -> Job[Tuning]:
        recipe = self.recipe
        network = load_weights(self.start.weights).eval()
        check_same(network, self.start)
        network = network.to(self.device)
        augmentation = suited_augmentation(self.start.card, lesson.learnt.diameters[0])
        crops = ReviewedCrops(lesson.images, recipe.edge, augmentation, seed=recipe.seed)
        memories: Memories | None = None
        if recipe.keep:
            memories = yield from remembering(network, MEMORIES, memory_edge(recipe.edge), recipe.seed)
        looked = lesson.validation or lesson.images[:SHOWN]
        patches = cut_patches(looked, self.start.card)
        state = self.run.checkpoints / STATE
        learner = Learner(recipe, network, memories)
        return Tuning(learner, self.start.card, crops, patches, bool(lesson.validation), state, self._show)

    def _show(self, found: Sequence[Found], epoch: int) -> None:
        """Let whoever watches see what was found."""
        previews = [_preview(one, epoch) for one in found[:SHOWN]]
        write_previews(self.run, previews)

    def _export(self, network: UNet, tuning: Tuning, lesson: Lesson) -> ModelCard:
        """Write the network into the run's folder, both files from the same rounded weights; its card."""
        weights, onnx = self.run.path / WEIGHTS, self.run.path / EXPORT
        save_weights(network, weights)
        difference = refill_onnx(load_weights(weights), self.start.onnx, onnx)
        facts = {
            "epochs_trained": len(tuning.epochs),
            "epoch": next((e.number for e in reversed(tuning.epochs) if e.is_best), 0),
            "best_by": BEST_BY if lesson.validation else "last",
            "before": {name: round(value, 4) for name, value in tuning.before.items()},
            "notes": [*lesson.learnt.notes, *tuning.notes],
            "export_difference": float(f"{difference:.2g}"),
            "torch": torch.__version__,
        }
        return tuned_card(self.recipe, self.start, self.dataset, lesson.learnt, file_hash(onnx), facts)

    def _calibrate(self, card: ModelCard, tuning: Tuning, lesson: Lesson) -> Job[ModelCard]:
        """The card with a confidence that fits; all corrected images help, those to learn from too."""
        model = OnnxPixelModel(card, self.run.path / EXPORT, self.recipe.device)
        patches = cut_patches([*lesson.images, *lesson.validation], card)
        remembered = [] if tuning.learner.memories is None else tuning.learner.memories.remembered()
        found = yield from adapting(model, self.start.decoder, patches, remembered, card.confidence)
        facts = dict(card.recipe)
        if remembered:
            facts["remembered"] = {"before": found.before, "kept": found.kept, "added": found.added}
        return card.model_copy(update={"decoder": found.decoder, "recipe": facts})

    def _score(
        self, card: ModelCard, lesson: Lesson
    ) -> Job[tuple[tuple[Score, ...], tuple[CalibrationBin, ...]]]:
        """Scores of whole images, segmented as users will; images that have changed since are left out."""
        now = dataset_hashes(self.dataset)
        splits: tuple[Split, ...] = ("val", "test")
        names: dict[str, list[str]] = {
            split: [n for n, known in lesson.learnt.images[split].items() if now[split].get(n) == known]
            for split in splits
        }
        folder = make_folder(self.run.path / SCORING)
        model = OnnxPixelModel(card, self.run.path / EXPORT, self.recipe.device)
        seen = Examination(model, self.dataset, names, self.recipe, folder)
        scores: list[Score] = []
        calibration: tuple[CalibrationBin, ...] = ()
        for split in splits:
            if names[split]:
                report = yield from seen.evaluating(split, None)
                scores += card_scores(report, split)
                calibration = calibration or calibration_bins(report)
        shutil.rmtree(folder, ignore_errors=True)  # Windows keeps what is still open
        return tuple(scores), calibration

    def _publish(self, card: ModelCard, path: Path) -> None:
        """Put network, weights and card where the user wants them, the card last."""
        for file, target in ((EXPORT, path), (WEIGHTS, path.with_suffix(".safetensors"))):
            with replacing(target) as temporary:  # a copy, as safetensors lets nobody else read its files
                shutil.copyfile(self.run.path / file, temporary)
                (self.run.path / file).unlink()
        write_card(card, card_path(path))


def check_same(network: UNet, start: Start) -> None:
    """Make sure that trainable weights are those of the network that users run.

    Raises
    ------
    TrainingError
        Where they are not.
    """
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        ours = Deployed(network).eval()(picture).numpy()
    if not np.allclose(ours, open_maps(start.onnx)(picture.numpy()), atol=SAME):
        raise TrainingError(
            f"The trainable weights '{start.weights}' are not those of the model '{start.onnx}' beside them, "
            f"so that its training cannot go on. Put the files there that belong together."
        )


def _preview(found: Found, epoch: int) -> Preview:
    picture = np.rint(found.patch.picture.clip(0, 1) * 255).astype(np.uint8)
    is_grey = bool((picture == picture[:1]).all())
    shown = picture[0] if is_grey else np.ascontiguousarray(picture.transpose(1, 2, 0))
    return Preview(found.patch.name, shown, found.patch.labels, found.labels, epoch)
