"""How long training a U-Net further will take and how much memory it needs: a few real steps, measured."""

import numpy as np
import torch

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import OutOfMemoryError
from napari_cellseg.events import Progress
from napari_cellseg.models.networks.unet import load_weights
from napari_cellseg.training.finetuning.learner import Learner
from napari_cellseg.training.finetuning.memories import MEMORIES, Memories, memory_edge
from napari_cellseg.training.finetuning.recipe import STRIDE, FineTuneRecipe
from napari_cellseg.training.finetuning.start import find_start
from napari_cellseg.training.finetuning.validation import patch_edge
from napari_cellseg.training.measuring import device_words, peak_bytes, timed
from napari_cellseg.training.memory import is_out_of_memory
from napari_cellseg.training.runs.estimating import Estimate
from napari_cellseg.training.runs.run import Report

MEASURED = 3
"""Steps that are measured, after one that is not: the first takes longer."""

SEEN = 1.8
"""Pixels that the network sees of an image that is segmented, per pixel: its objects are measured first, and
tiles overlap."""

BESIDE = 20.0
"""Seconds for all else: loading, simulating pictures to remember, writing the model."""


def estimating_steps(recipe: FineTuneRecipe, device: str, report: Report) -> Estimate:
    """Take a few steps on random pictures, and work out what all of them will need.

    Parameters
    ----------
    recipe : FineTuneRecipe
        What is to be trained.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    report : callable
        Told every step.

    Raises
    ------
    OutOfMemoryError
        Where the device has too little memory for these steps.
    """
    try:
        return _measure(recipe, device, report)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"The device '{device}' has too little memory for {recipe.batch} pictures of {recipe.edge} "
            f"pixels at once. Training would take half as many, and be slower; or choose fewer, or smaller "
            f"ones."
        ) from error


def _measure(recipe: FineTuneRecipe, device: str, report: Report) -> Estimate:
    network = load_weights(find_start(recipe.start).weights).eval().to(device)
    edge, kept = recipe.edge, memory_edge(recipe.edge)
    memories = None
    if recipe.keep:
        memories = Memories(torch.rand(recipe.batch, 3, kept, kept), torch.rand(recipe.batch, 4, kept, kept))
    learner = Learner(recipe, network, memories)
    batch = torch.rand(recipe.batch, 3, edge, edge), torch.rand(recipe.batch, 6, edge, edge)

    def steps(count: int) -> None:
        for _ in range(count):
            learner.advance(*batch)

    report(Progress("Estimating", 0, MEASURED + 2, "the first step"))
    steps(1)
    report(Progress("Estimating", 1, MEASURED + 2, f"{MEASURED} steps"))
    step = timed(lambda: steps(MEASURED), device) / MEASURED
    report(Progress("Estimating", 1 + MEASURED, MEASURED + 2, "a look at an image"))
    looked = 16 * STRIDE
    picture = torch.rand(1, 3, looked, looked, device=device)
    with torch.no_grad():
        pixel = timed(lambda: learner.average.network(picture), device) / looked**2
    seconds = recipe.epochs * recipe.steps * step + pixel * _pixels(recipe) + BESIDE
    words = f"{MEASURED} steps of {recipe.batch} pictures, {step:.2g} s each"
    return Estimate(seconds, peak_bytes(device), device_words(device), words)


def _pixels(recipe: FineTuneRecipe) -> float:
    """Pixels that the network sees without learning: to remember, to validate, to score."""
    entries = Dataset.open(recipe.data).entries()
    sizes = {
        split: [int(np.prod(entry.shape[:2])) for entry in entries if entry.split == split]
        for split in ("val", "test")
    }
    validated = sum(min(patch_edge(len(sizes["val"])) ** 2, size) for size in sizes["val"])
    scored = SEEN * sum(size for split in sizes.values() for size in split)
    remembered = 2 * MEMORIES * memory_edge(recipe.edge) ** 2 if recipe.keep else 0
    return (recipe.epochs + 2) * validated + scored + remembered
