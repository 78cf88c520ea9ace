"""PyTorch on CUDA: models train, in half precision where the recipe says so, and go on where they stopped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.events import Progress, drain
from napari_cellseg.images.simulation import simulate_brightfield, simulate_fluorescence
from napari_cellseg.models.registry import find_model
from napari_cellseg.pipeline import segment
from napari_cellseg.training.runs.run import Epoch, RunFolder

pytestmark = pytest.mark.gpu


def make_dataset(folder: Path) -> Dataset:
    made = Dataset.create(folder, ("nucleus",))
    for number, split in enumerate(("train", "train", "val")):
        scene = simulate_fluorescence((160, 160), diameter=(18.0, 24.0), objects=20, seed=number)
        made.add(scene.image, scene.labels, name=f"field {number}", split=split, classes="nucleus")
    return made


def test_a_bundled_model_is_trained_further(torch_cuda: str, tmp_path: Path) -> None:
    from napari_cellseg.training.finetuning.presets import preset
    from napari_cellseg.training.finetuning.training import train

    data = make_dataset(tmp_path / "data")
    values: dict[str, Any] = {"data": str(tmp_path / "data"), "model": str(tmp_path / "mine.onnx")}
    recipe = preset("quick", **values, epochs=2, steps=4, device=torch_cuda)
    run, told = RunFolder(tmp_path / "run"), list[Progress]()
    run.begin(recipe)
    path = train(recipe.as_dict(), run, told.append, False)
    epochs = [p.payload for p in told if isinstance(p.payload, Epoch)]
    assert [e.number for e in epochs] == [1, 2]
    assert all(np.isfinite(list(e.losses.values())).all() for e in epochs)
    assert find_model(path).card.parent == find_model("nuclei").card.sha256
    image = data.sample("field 2").pixels()
    assert segment(image, path, device="cpu").labels.max() > 10


@pytest.mark.parametrize("mixed", [False, True], ids=["float32", "half precision"])
def test_a_brightfield_network_learns_and_goes_on(torch_cuda: str, tmp_path: Path, mixed: bool) -> None:
    pytest.importorskip("torchvision")
    from napari_cellseg.training.unets.images import TrainingImage
    from napari_cellseg.training.unets.member import MemberRun
    from napari_cellseg.training.unets.recipe import UnetRecipe

    scenes = [simulate_brightfield((128, 128), diameter=(16, 28), seed=i) for i in range(3)]
    images = [TrainingImage.from_arrays(f"field {i}", s.image, s.labels) for i, s in enumerate(scenes)]
    member = {"network": "model-2", "name": "one", "mixed": mixed}
    values = {"data": "data", "model": "cells.onnx", "members": [member], "epochs": 3, "batch": 4}
    values |= {"edge": 64, "patches": 8, "patience": 0, "pick": 1, "most": 1, "device": torch_cuda}
    recipe = UnetRecipe.from_dict(values)

    def run() -> MemberRun:
        return MemberRun(
            recipe, recipe.members[0], images[:2], images[2:], tmp_path / "member", device=torch_cuda
        )

    first = run()
    job = first.running(False)
    while len(first.epochs) < 2:
        next(job)
    job.close()
    second = run()
    drain(second.running(True), lambda _: None)
    losses = [epoch.losses["total"] for epoch in second.epochs]
    assert len(losses) == 3
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
