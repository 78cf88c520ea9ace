"""How long U-Nets will take to train and how much memory they need: a few real steps, measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil, prod
from warnings import catch_warnings, simplefilter

import numpy as np
import torch

from napari_cellseg.datasets.record import Entry
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import CellSegWarning, OutOfMemoryError, TrainingError
from napari_cellseg.events import Progress
from napari_cellseg.models.networks.brightfield.network import BrightfieldUNet, create_network
from napari_cellseg.training.measuring import device_words, peak_bytes, saved_bytes, timed
from napari_cellseg.training.memory import is_out_of_memory
from napari_cellseg.training.runs.estimating import Estimate
from napari_cellseg.training.runs.run import Report
from napari_cellseg.training.unets.images import VALIDATION, TrainingImage
from napari_cellseg.training.unets.learner import Learner
from napari_cellseg.training.unets.loading import Batch, training_batches
from napari_cellseg.training.unets.member import preparing_threads
from napari_cellseg.training.unets.patches import PatchSource, patch_starts
from napari_cellseg.training.unets.recipe import MemberRecipe, UnetRecipe
from napari_cellseg.training.unets.sampling import Sampler, SamplingConfig

MEASURED = 2
"""Steps that are measured, after one that is not: the first takes longer."""

PATIENCE = 5.0
"""Seconds that these steps may take, roughly, for each kind of network; a processor takes fewer patches."""

LOADING, WRITING = 20.0, 10.0
"""Seconds for reading images and choosing how objects are cut, and for every network in the written file."""

STAGE = "Estimating"


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do.

    Attributes
    ----------
    patches : int
        Patches of an epoch.
    validated : int
        Patches to validate with after each.
    scored : float
        Patches' worth of pixels that are scored in the end.
    held : int
        Bytes of the images in memory.
    """

    patches: int
    validated: int
    scored: float
    held: int

    @classmethod
    def of(cls, entries: Sequence[Entry], recipe: UnetRecipe) -> "Work":
        """What a dataset gives to do; images are held out where none are there to validate with.

        Raises
        ------
        TrainingError
            Where there is nothing to learn from.
        """
        sizes = {
            split: [(entry.shape[0], entry.shape[1]) for entry in entries if entry.split == split]
            for split in ("train", "val", "test")
        }
        if not sizes["train"]:
            raise TrainingError("The dataset has no images to learn from.")
        counts = {split: sum(_patches(size, recipe.edge) for size in sizes[split]) for split in sizes}
        if not sizes["val"]:
            counts["val"] = ceil(VALIDATION * counts["train"])
            counts["train"] = max(1, counts["train"] - counts["val"])
        scored = sum(prod(size) for split in ("val", "test") for size in sizes[split]) / recipe.edge**2
        held = sum(
            prod(entry.shape) * np.dtype(entry.dtype).itemsize + 5 * prod(entry.shape[:2])
            for entry in entries
            if entry.split != "test"
        )
        shown = recipe.patches or recipe.augmentation.variants * counts["train"]
        return cls(shown, counts["val"], scored, held)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network takes: seconds of a patch that it learns from and of one that it looks at, bytes at the
    peak, and how it was measured."""

    learning: float
    looking: float
    memory: int
    at_once: int


def estimating_members(recipe: UnetRecipe, device: str, report: Report) -> Estimate:
    """Take a few steps with each kind of network, and work out what all of them will need.

    Parameters
    ----------
    recipe : UnetRecipe
        What is to be trained.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    report : callable
        Told every step.

    Raises
    ------
    TrainingError
        Where there is nothing to learn from.
    OutOfMemoryError
        Where the device has too little memory for a single patch.
    """
    work = Work.of(Dataset.open(recipe.data).entries(), recipe)
    known: dict[str, Cost] = {}
    costs: list[Cost] = []
    for done, member in enumerate(recipe.members):
        kind = recipe.config(member).model_dump_json()
        if kind not in known:
            report(Progress(STAGE, done, len(recipe.members), f"a few steps of {member.name}"))
            known[kind] = _measure(recipe, member, device)
        costs.append(known[kind])
    epoch = sum(work.patches * cost.learning + work.validated * cost.looking for cost in costs)
    looking = float(np.mean([cost.looking for cost in costs]))
    scoring = work.scored * looking * (recipe.pick + len(costs)) + LOADING + WRITING * recipe.pick
    held = work.held if device == "cpu" else 0
    slowest = max(costs, key=lambda cost: cost.learning)
    words = (
        f"{MEASURED} steps of {slowest.at_once} patches with each kind of network; the slowest takes "
        f"{recipe.batch * slowest.learning:.2g} s for a batch of {recipe.batch}"
    )
    memory = max(cost.memory for cost in costs) + held
    return Estimate(recipe.epochs * epoch + scoring, memory, device_words(device), words)


def _patches(size: tuple[int, int], edge: int) -> int:
    return prod(len(patch_starts(length, edge)) for length in size)


def _measure(recipe: UnetRecipe, member: MemberRecipe, device: str) -> Cost:
    """What a kind of network takes; with fewer patches at once where memory is too small, as in training."""
    at_once = recipe.batch
    while True:
        try:
            return _steps(recipe, member, device, at_once)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if at_once == 1:
            raise OutOfMemoryError(
                f"The device '{device}' has too little memory for '{member.name}' and a single patch of "
                f"{recipe.edge} pixels. Use smaller patches, a smaller network, or the CPU."
            )
        at_once //= 2


def _steps(recipe: UnetRecipe, member: MemberRecipe, device: str, most: int) -> Cost:
    config = recipe.config(member)
    with catch_warnings():
        simplefilter("ignore", CellSegWarning)  # of learning from scratch, which the training itself tells
        network = create_network(config) if recipe.imagenet is None else BrightfieldUNet(config)
    learner = Learner(recipe, member, network, torch.device(device))
    learner.network.train()
    first = timed(lambda: _learn(learner, recipe, _batches(recipe, 1, 2)), device) / 2
    at_once = most
    if device == "cpu":
        at_once = max(1, min(most, int(PATIENCE / ((1 + MEASURED) * first))))
    batches = _batches(recipe, at_once, 1 + MEASURED)
    _learn(learner, recipe, islice(batches, 1))
    learning = timed(lambda: _learn(learner, recipe, batches), device) / (MEASURED * at_once)
    picture = torch.rand(1, 3, recipe.edge, recipe.edge, device=device)
    extra = saved_bytes(learner.network, picture) * (most - at_once)
    learner.network.eval()
    with torch.no_grad():
        looking = timed(lambda: learner.network(picture), device)
    return Cost(learning, looking, peak_bytes(device) + extra, at_once)


def _learn(learner: Learner, recipe: UnetRecipe, batches: Iterable[Batch]) -> None:
    for batch in batches:
        learner.advance(batch, recipe.rate, len(batch))


def _batches(recipe: UnetRecipe, size: int, count: int) -> Iterable[Batch]:
    """Random pictures with as many cells as fit, prepared as in training."""
    edge = 2 * recipe.edge
    pixels = np.random.default_rng(0).integers(0, 256, (edge, edge), np.uint8)
    y, x = np.mgrid[:edge, :edge] // 24
    labels = np.where((np.mgrid[:edge, :edge] % 24 > 2).all(0), 1 + y * (edge // 24 + 1) + x, 0)
    image = TrainingImage.from_arrays("random", pixels, labels)
    source = PatchSource([image], edge=recipe.edge, augmentation=recipe.augmentation)
    sampler = Sampler(source, SamplingConfig(oversampling=False, mining=False, patches=size * count))
    return training_batches(sampler, recipe.targets, size=size, workers=preparing_threads(recipe))
