"""A family of training that only copies a bundled model, in seconds and without torch."""

import os
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import Field

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models.registry import find_model
from napari_cellseg.training.families import Family, StartingPoint
from napari_cellseg.training.runs.recipe import JsonRecipe, Preset

BACKEND = """
import os, shutil, sys, time
from pathlib import Path
import numpy as np
from napari_cellseg.errors import ModelError
from napari_cellseg.events import Progress
from napari_cellseg.models.card import read_card, write_card
from napari_cellseg.models.registry import find_model
from napari_cellseg.training.runs.estimating import Estimate
from napari_cellseg.training.runs.previews import Preview, write_previews
from napari_cellseg.training.runs.run import Epoch

def picture(number, run):
    truth = np.zeros((40, 60), np.int32)
    truth[5:15, 5:15], truth[20:30, 30:45] = 1, 2
    found = np.roll(truth, -number, 1)
    image = np.full(truth.shape, 40, np.uint8)
    image[truth > 0] = 160
    return Preview("val 1", image, truth, found, number)

def train(recipe, run, report, resume):
    state = run.checkpoints / "last.txt"
    first = int(state.read_text()) + 1 if resume and state.exists() else 1
    total = recipe["epochs"]
    for number in range(first, total + 1):
        for batch in range(4):
            time.sleep(recipe["pace"] / 4)
            report(Progress("Training", 4 * (number - 1) + batch, 4 * total, f"pid {os.getpid()}"))
        if number == 2:
            report(Progress("Training", 4, 4 * total, "the memory was too small, now 2 pictures at once"))
        if recipe["fails"] == number and not resume:
            raise ModelError("The weights are damaged.")
        if recipe["hangs"] == number and not resume:
            while True:
                time.sleep(0.05)
                report(Progress("Training", 4 * number, 4 * total, f"pid {os.getpid()}"))
        score = 1 - 1 / (number + 1)
        losses = {"total": 2 / number}
        metrics = {"AP50": score, "F1": (1 + score) / 2, "val_total": 2.2 / number}
        epoch = Epoch(number, total, losses, metrics, score, True, 0.1, recipe["pace"])
        write_previews(run, [picture(number, run)])
        state.write_text(str(number))
        report(Progress("Training", 4 * number, 4 * total, f"epoch {number}", epoch))
    source, model = find_model(recipe["start"]), Path(recipe["model"])
    shutil.copyfile(source.path, model)
    changes = {"name": model.stem, "weights": model.name, "parent": source.card.name}
    changes |= {"recipe": {"notes": ["No epoch was better."]}}
    write_card(source.card.model_copy(update=changes), model.with_suffix(".json"))
    return model

def estimate(recipe, report):
    return Estimate(120.0, 300_000_000, "the processor", "2 steps")
"""


class TinyRecipe(JsonRecipe):
    """What the tiny family trains by."""

    backend: ClassVar[str] = "tiny_backend"

    data: str = Field(description="Folder of the dataset.")
    model: str = Field(description="File to write.")
    start: str = Field("nuclei", description="A model.")
    epochs: int = Field(3, ge=1, description="How often all images are seen.")
    batch: int = Field(4, ge=1, description="Pictures at once.")
    keep: float = Field(1.0, ge=0, description="How strongly it remembers.")
    pace: float = Field(0.2, description="Seconds of an epoch.")
    fails: int = Field(0, description="Epoch that fails.")
    hangs: int = Field(0, description="Epoch that never ends.")


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("quick", "Quick", "For the impatient.", {"epochs": 3}),
        Preset("failing", "Failing", "Fails in its second epoch.", {"fails": 2}),
        Preset("endless", "Endless", "Hangs in its third epoch.", {"epochs": 4, "hangs": 3}),
    )
}


def tiny_points() -> list[StartingPoint]:
    """The bundled nuclei model, trained by the tiny family."""
    family = Family(
        name="tiny",
        title="Tiny",
        task="Tiny training",
        hint="",
        suffix=".onnx",
        packages=("numpy",),
        extra="train",
        load=lambda: (TinyRecipe, PRESETS),
        check_start=lambda recipe: find_model(recipe.start),
        default="quick",
    )
    return [StartingPoint("tiny:nuclei", "nuclei", "The bundled model, further.", family, "nuclei")]


def offer_backend(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes find the tiny backend, which is written into a folder."""
    (folder / "tiny_backend.py").write_text(BACKEND, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, sys.path)]))


def make_dataset(folder: Path, images: int = 6) -> Dataset:
    """Simulated nuclei, all accepted: four images to learn from, the others held back."""
    dataset = Dataset.create(folder)
    for number in range(images):
        scene: Any = simulate_fluorescence((96, 112), objects=8, seed=number)
        split = "train" if number < images - 2 else "test"
        dataset.add(scene.image, np.asarray(scene.labels), name=f"field {number}", split=split)
    return dataset
