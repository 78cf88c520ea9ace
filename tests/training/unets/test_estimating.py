"""What training U-Nets will take: patches are counted as they are cut, and steps are real."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torchvision")

import torch

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import OutOfMemoryError, TrainingError
from napari_cellseg.events import Progress
from napari_cellseg.images.simulation import simulate_brightfield
from napari_cellseg.models.networks.brightfield.network import BrightfieldUNet
from napari_cellseg.training.unets import estimating
from napari_cellseg.training.unets.estimating import Cost, Work, estimating_members
from napari_cellseg.training.unets.images import dataset_images
from napari_cellseg.training.unets.patches import PatchSource
from napari_cellseg.training.unets.recipe import UnetRecipe
from napari_cellseg.training.unets.training import estimate

pytestmark = pytest.mark.usefixtures("small_encoder")

SMALL = {"backbone": "mobilenet_v2", "widths": [16, 12, 8, 8, 8]}
MEMBERS = [
    {"network": "model-2", "loss": loss, "name": loss, "settings": SMALL}
    for loss in ("bce-dice", "focal-dice-boundary")
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images of different sizes, one to validate with."""
    made = Dataset.create(tmp_path_factory.mktemp("estimating") / "data", ("cell",))
    for shape, split in (((64, 130), "train"), ((200, 70), "train"), ((100, 100), "val")):
        scene = simulate_brightfield(shape, diameter=(16, 26), seed=1)
        made.add(scene.image, scene.labels, name=f"{shape}", split=split)
    return made.folder


def recipe(data: Path, **changes: Any) -> UnetRecipe:
    values = {"data": str(data), "model": str(data / "cells.onnx"), "members": MEMBERS, "epochs": 3}
    values |= {"batch": 2, "edge": 64, "device": "cpu", "threads": 1}
    return UnetRecipe.from_dict({**values, **changes})


def test_patches_are_counted_as_they_are_cut(data: Path) -> None:
    made = recipe(data)
    work = Work.of(Dataset.open(data).entries(), made)
    train, validation = dataset_images(Dataset.open(data))
    assert work.patches == 21 * len(PatchSource(train, edge=64))
    assert work.validated == len(PatchSource(validation, edge=64)) == 4
    assert work.scored == pytest.approx(100 * 100 / 64**2)
    pixels = sum(image.pixels.nbytes for image in train + validation)
    assert pixels < work.held < 8 * pixels
    assert Work.of(Dataset.open(data).entries(), recipe(data, patches=7)).patches == 7


def test_where_nothing_validates_a_fifth_is_held_out(data: Path) -> None:
    entries = [entry for entry in Dataset.open(data).entries() if entry.split == "train"]
    work = Work.of(entries, recipe(data, patches=None))
    assert (work.patches, work.validated) == (21 * 8, 3)
    with pytest.raises(TrainingError, match="no images to learn from"):
        Work.of([], recipe(data))


def test_each_kind_of_network_is_measured_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []

    def cost(made: UnetRecipe, member: Any, device: str) -> Cost:
        measured.append(member.name)
        return Cost(learning=0.5, looking=0.1, memory=10**9, at_once=2)

    monkeypatch.setattr(estimating, "_measure", cost)
    found = estimating_members(recipe(data, patches=10, pick=2), "cpu", lambda step: None)
    assert measured == ["bce-dice"]
    scored = 100 * 100 / 64**2 * 0.1 * 4 + estimating.LOADING + 2 * estimating.WRITING
    assert found.seconds == pytest.approx(3 * 2 * (10 * 0.5 + 4 * 0.1) + scored)
    assert 10**9 < found.memory < 1.01 * 10**9
    assert "2 steps of 2 patches" in found.words


def test_real_steps_are_measured(data: Path) -> None:
    told: list[Progress] = []
    found = estimate(recipe(data, members=MEMBERS[:1]).as_dict(), told.append)
    assert found.seconds > 0
    assert found.memory > 10**8
    assert found.device == "processor, 1 core"
    assert [step.detail for step in told] == ["loading PyTorch", "a few steps of bce-dice"]


def test_too_little_memory_is_measured_with_fewer_patches(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = BrightfieldUNet.forward

    def starving(self: BrightfieldUNet, image: torch.Tensor) -> torch.Tensor:
        if len(image) > 1:
            raise RuntimeError("CUDA out of memory.")
        return forward(self, image)

    made = recipe(data, batch=4)
    monkeypatch.setattr(BrightfieldUNet, "forward", starving)
    assert estimating._measure(made, made.members[0], "cpu").at_once == 1
    monkeypatch.setattr(BrightfieldUNet, "forward", lambda self, image: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(OutOfMemoryError, match="single patch of 64 pixels"):
        estimating_members(made, "cpu", lambda step: None)
