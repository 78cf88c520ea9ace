"""What a training learns from: objects are counted where somebody has looked, whatever their labels."""

from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import TrainingError
from napari_cellseg.training.unets.learning import read_lesson
from napari_cellseg.training.unets.recipe import UnetRecipe

FIRST, SECOND = 7, 2_000_000_000


def dataset(folder: Path, ignored: np.ndarray | None = None) -> Dataset:
    """Two images with two objects each; of that to validate with some pixels were not reviewed."""
    made = Dataset.create(folder, ("cell",))
    labels = np.zeros((64, 64), np.int32)
    labels[4:14, 4:14], labels[40:60, 30:50] = FIRST, SECOND
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    made.add(pixels, labels, name="one", split="train", classes="cell")
    made.add(pixels[::-1], labels, name="other", split="val", classes="cell", ignored=ignored)
    return made


def recipe(folder: Path) -> UnetRecipe:
    return UnetRecipe.from_dict({"data": str(folder), "model": str(folder / "cells.onnx")})


def test_objects_are_counted_and_measured(tmp_path: Path) -> None:
    ignored = np.zeros((64, 64), bool)
    ignored[:20, :20] = True
    learnt = read_lesson(dataset(tmp_path / "data", ignored), recipe(tmp_path / "data")).learnt
    assert learnt.objects == {"train": 2, "val": 1}
    low, high = 2 * np.sqrt(100 / np.pi), 2 * np.sqrt(400 / np.pi)
    assert learnt.diameters == pytest.approx(
        ((low + high) / 2, low + 0.05 * (high - low), high - 0.05 * (high - low))
    )
    assert learnt.small_area == pytest.approx(np.pi / 4 * learnt.diameters[1] ** 2)


def test_objects_that_nobody_has_reviewed_pick_no_epoch(tmp_path: Path) -> None:
    made = dataset(tmp_path / "data", np.ones((64, 64), bool))
    with pytest.raises(TrainingError, match="no objects to pick the best epochs by"):
        read_lesson(made, recipe(tmp_path / "data"))
