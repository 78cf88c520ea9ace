"""Training of an ensemble of U-Nets in the process of a run: train each, pick, export, score, compare."""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.models.card import ModelCard, file_hash, write_card
from napari_cellseg.models.devices import cpu_threads
from napari_cellseg.models.networks.brightfield.network import BrightfieldUNet
from napari_cellseg.models.networks.ensemble import Ensemble, export_ensemble
from napari_cellseg.models.onnx import OnnxPixelModel
from napari_cellseg.models.ultralytics import torch_device
from napari_cellseg.outputs import make_folder, replacing
from napari_cellseg.training.runs.estimating import Estimate
from napari_cellseg.training.runs.previews import write_previews
from napari_cellseg.training.runs.run import Epoch, Report, RunFolder
from napari_cellseg.training.shown import evenly
from napari_cellseg.training.unets.cards import ensemble_card
from napari_cellseg.training.unets.comparison import Images, scores_of, write_comparison
from napari_cellseg.training.unets.decoding import ChosenDecoding, choosing_decoding
from napari_cellseg.training.unets.estimating import estimating_members
from napari_cellseg.training.unets.imagenet import imagenet_weights
from napari_cellseg.training.unets.learning import Lesson, keep_lesson, read_lesson
from napari_cellseg.training.unets.member import MemberRun
from napari_cellseg.training.unets.patches import PatchSource
from napari_cellseg.training.unets.previewing import Previewer, maps_of
from napari_cellseg.training.unets.recipe import MemberRecipe, UnetRecipe
from napari_cellseg.training.unets.selection import Candidate, candidates, pick, ranked
from napari_cellseg.training.unets.torch_maps import TorchMaps
from napari_cellseg.training.unets.weights import MemberFiles
from napari_cellseg.training.yolo.training import card_path

LESSON, CANDIDATES, COMPARISON, EXPORT, SCORING = (
    "images.json",
    "candidates.csv",
    "comparison.csv",
    "trained.onnx",
    "scoring",
)
"""In the folder of a run: what it learns from, all epochs, members beside the ensemble."""

TUNED = 200
"""Validation patches, at most, that the decoding is chosen on."""


def train(recipe: dict[str, Any], run: RunFolder, report: Report, resume: bool) -> Path:
    """Train an ensemble; the function that `napari_cellseg.training.runs.worker` looks for.

    Parameters
    ----------
    recipe : dict
        Values of a `UnetRecipe`.
    run : RunFolder
        Gets a folder of ``checkpoints`` per network, ``candidates.csv`` with every epoch, how good and stable
        it is and whether it votes, and ``comparison.csv`` with the scores of every network by itself beside
        those of the ensemble.
    report : callable
        Told every step.
    resume : bool
        Go on from the last whole epoch; networks that are done are left as they are.

    Returns
    -------
    Path
        The ensemble, `UnetRecipe.model`; its card is beside it.

    Raises
    ------
    TrainingError
        Where something that the training needs is missing or has changed.
    DatasetError, DeviceError, MissingDependencyError, ModelError, OptionError, OutputError
        As their texts say.
    """
    values = UnetRecipe.from_dict(recipe)
    torch.set_num_threads(values.threads or cpu_threads() or os.cpu_count() or 1)
    return drain(Ensembling(values, run, torch_device(values.device)).running(resume), report)


def estimate(recipe: dict[str, Any], report: Report) -> Estimate:
    """Estimate time and memory of such a training; see `napari_cellseg.training.runs.estimating.estimating`.

    Raises
    ------
    TrainingError
        Where there is nothing to learn from.
    OutOfMemoryError, DatasetError, DeviceError, MissingDependencyError, ModelError, OptionError
        As their texts say.
    """
    values = UnetRecipe.from_dict(recipe)
    report(Progress("Estimating", 0, 0, "loading PyTorch"))
    torch.set_num_threads(values.threads or cpu_threads() or os.cpu_count() or 1)
    return estimating_members(values, torch_device(values.device), report)


@dataclass(frozen=True, slots=True)
class Trained:
    """A network whose training is done.

    Attributes
    ----------
    recipe : MemberRecipe
        Which.
    files : MemberFiles
        Its weights.
    epochs : list of Epoch
        What each epoch brought.
    notes : list of str
        What did not go as the recipe says.
    """

    recipe: MemberRecipe
    files: MemberFiles
    epochs: list[Epoch]
    notes: list[str]

    @property
    def candidates(self) -> list[Candidate]:
        """All its epochs."""
        return candidates(self.recipe.name, [epoch.score for epoch in self.epochs])


class Ensembling:
    """Training of an ensemble, step by step.

    Parameters
    ----------
    recipe : UnetRecipe
        How.
    run : RunFolder
        Where to.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    """

    def __init__(self, recipe: UnetRecipe, run: RunFolder, device: str) -> None:
        self.recipe, self.run, self.device = recipe, run, device
        self.dataset = Dataset.open(recipe.data)

    def running(self, resume: bool) -> Job[Path]:
        """All of it; see `train`."""
        recipe, path = self.recipe, Path(self.recipe.model)
        begun = resume and all(self._files(member).has_begun for member in recipe.members)
        imagenet = {} if begun else imagenet_weights(recipe)
        make_folder(path.parent)
        yield Progress("Preparing", 0, 0, "reading the images")
        lesson = read_lesson(self.dataset, recipe)
        keep_lesson(lesson.learnt, self.run.path / LESSON, resume)
        trained: list[Trained] = []
        for member in recipe.members:
            file = imagenet.get(recipe.config(member).backbone)
            trained.append((yield from self._member(member, lesson, file, trained, resume)))
        picked = self._pick(trained)
        card = yield from self._export(trained, picked, lesson)
        card = yield from self._score(card, trained, picked, lesson)
        self._publish(card, path)
        return path

    def _files(self, member: MemberRecipe) -> MemberFiles:
        return MemberFiles(self.run.checkpoints / member.name)

    def _member(
        self,
        member: MemberRecipe,
        lesson: Lesson,
        imagenet: str | None,
        before: Sequence[Trained],
        resume: bool,
    ) -> Job[Trained]:
        """Train a network; its steps and epochs are counted on from those of the networks before it."""
        recipe, count = self.recipe, len(self.recipe.members)
        index, best = len(before), max((e.score for t in before for e in t.epochs), default=-1.0)
        run = MemberRun(
            recipe,
            member,
            lesson.images,
            lesson.validation,
            self._files(member).folder,
            imagenet=imagenet,
            device=self.device,
        )
        shown = Previewer(
            lesson.validation, recipe.edge, distance=recipe.distance, area=lesson.learnt.small_area
        )
        for step in run.running(resume):
            epoch = step.payload
            if isinstance(epoch, Epoch):
                number, is_best = index * recipe.epochs + epoch.number, epoch.score > best
                best = max(best, epoch.score)
                planned = count * recipe.epochs
                epoch = replace(epoch, number=number, planned=planned, is_best=is_best, network=member.name)
                write_previews(self.run, shown.look(run.network, self.device, number, member.name))
            done, total = index * step.total + step.done, count * step.total
            detail = f"{member.name} ({index + 1} of {count}), {step.detail}"
            yield Progress(step.stage, done, total, detail, epoch)
        return Trained(member, run.files, run.epochs, run.notes)

    def _pick(self, trained: Sequence[Trained]) -> list[Candidate]:
        """The epochs that vote; a table of all."""
        every = [candidate for network in trained for candidate in network.candidates]
        picked = pick(every, self.recipe.pick, self.recipe.most_of_each)
        rows = [
            {
                "member": c.member,
                "epoch": c.epoch,
                "F1": c.score,
                "spread": c.spread,
                "merit": c.merit,
                "votes": c in picked,
            }
            for c in ranked(every)
        ]
        with replacing(self.run.path / CANDIDATES) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False)
        return picked

    def _export(
        self, trained: Sequence[Trained], picked: Sequence[Candidate], lesson: Lesson
    ) -> Job[ModelCard]:
        """Write the ensemble as one ONNX file into the run's folder; its card, before it is scored."""
        files = {network.recipe.name: network.files for network in trained}
        yield Progress("Exporting", 0, 2, f"{len(picked)} networks")
        ensemble = self._ensemble(files[c.member].network(c.epoch) for c in picked)
        path = self.run.path / EXPORT
        difference = export_ensemble(ensemble, path, precision=self.recipe.precision)
        yield Progress("Exporting", 1, 2, "how objects are told apart")
        chosen = yield from self._decoding(ensemble, lesson)
        facts = {
            "parameters": ensemble.parameter_count,
            "votes": len(picked),
            "voting": [{"member": c.member, "epoch": c.epoch, "F1": round(c.score, 4)} for c in picked],
            "epochs_trained": {t.recipe.name: len(t.epochs) for t in trained},
            "notes": [*lesson.learnt.notes, *_distinct(trained)],
            "export_difference": float(f"{difference:.2g}"),
            "torch": torch.__version__,
        }
        card = ensemble_card(self.recipe, self.dataset, lesson.learnt, ensemble.maps, chosen, facts)
        return card.model_copy(update={"sha256": file_hash(path)})

    def _ensemble(self, networks: Iterable[BrightfieldUNet]) -> Ensemble:
        return Ensemble(list(networks), self.recipe.vote, distance=self.recipe.distance)

    def _decoding(self, ensemble: Ensemble, lesson: Lesson) -> Job[ChosenDecoding]:
        source = PatchSource(lesson.validation, edge=self.recipe.edge)
        chosen = evenly(len(source), TUNED)
        model = ensemble.to(self.device).eval()
        maps, labels = [], []
        for done, index in enumerate(chosen):
            yield Progress("Tuning", done, len(chosen), "looking at validation patches")
            patch = source.plain(index)
            found = maps_of(model, patch.image, self.device)
            found[:, patch.ignored] = 0
            maps.append(found)
            labels.append(np.where(patch.ignored, np.int32(0), patch.labels))
        small = lesson.learnt.small_area
        return (yield from choosing_decoding(maps, labels, distance=self.recipe.distance, area=small))

    def _score(
        self, card: ModelCard, trained: Sequence[Trained], picked: Sequence[Candidate], lesson: Lesson
    ) -> Job[ModelCard]:
        """The card with the scores of the ensemble; a table of it and its members, each at its best."""
        folder = make_folder(self.run.path / SCORING)
        images = Images.unchanged(self.dataset, lesson.learnt, self.recipe, folder)
        ensemble = OnnxPixelModel(card, self.run.path / EXPORT, self.recipe.device)
        reports = yield from images.examining(ensemble)
        rows: list[Any] = [({"model": "ensemble", "epoch": "", "votes": len(picked)}, reports)]
        for network in trained:
            best = ranked(network.candidates)[0]
            alone = self._ensemble([network.files.network(best.epoch)])
            own = card.model_copy(update={"maps": alone.maps})
            model = TorchMaps(own, alone.to(self.device).eval(), self.device)
            known = {"model": best.member, "epoch": best.epoch, "votes": 1}
            rows.append((known, (yield from images.examining(model))))
        write_comparison(rows, self.run.path / COMPARISON)
        shutil.rmtree(folder, ignore_errors=True)  # Windows keeps what is still open
        scores, calibration = scores_of(reports)
        return ModelCard.model_validate(
            card.model_copy(update={"scores": scores, "calibration": calibration}).model_dump()
        )

    def _publish(self, card: ModelCard, path: Path) -> None:
        """Put weights and card where the user wants them, the card last."""
        with replacing(path) as temporary:
            shutil.move(self.run.path / EXPORT, temporary)
        write_card(card, card_path(path))


def _distinct(trained: Sequence[Trained]) -> list[str]:
    """Notes on the networks, each once, with the networks that it is about."""
    about: dict[str, list[str]] = {}
    for network in trained:
        for note in network.notes:
            about.setdefault(note, []).append(network.recipe.name)
    return [f"{', '.join(names)}: {note}" for note, names in about.items()]
