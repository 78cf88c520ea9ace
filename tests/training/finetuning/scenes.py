"""Corrected images that the bundled models do not know, small, so that trainings take seconds."""

from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.training.finetuning.presets import preset
from napari_cellseg.training.finetuning.recipe import FineTuneRecipe

SPLITS = ("train", "train", "val")


def make_dataset(folder: Path, splits: tuple[str, ...] = SPLITS, edge: int = 96) -> Dataset:
    """Simulated nuclei, dark on bright, with their truth."""
    made = Dataset.create(folder, ("nucleus",))
    for number, split in enumerate(splits):
        scene = simulate_fluorescence((edge, edge), diameter=(18.0, 24.0), objects=9, seed=number)
        dark = (scene.image.max() - scene.image).astype(np.uint16)
        made.add(dark, scene.labels, name=f"field {number}", split=split, classes="nucleus")
    return made


def recipe(folder: Path, **changes: Any) -> FineTuneRecipe:
    """A training of seconds."""
    values = {"data": str(folder / "data"), "model": str(folder / "out" / "my nuclei.onnx")}
    values |= {"epochs": 2, "steps": 2, "batch": 2, "edge": 64, "device": "cpu", "threads": 1}
    return preset("balanced", **{**values, **changes})
