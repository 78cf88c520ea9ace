"""Training of one network: it learns, goes on bit by bit, keeps what may be picked, in little memory too."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torchvision")

import torch

from napari_cellseg.errors import OutOfMemoryError, TrainingError
from napari_cellseg.events import Progress, drain
from napari_cellseg.images.simulation import simulate_brightfield
from napari_cellseg.models.networks.brightfield.network import BrightfieldUNet
from napari_cellseg.training.runs.run import Epoch
from napari_cellseg.training.unets.images import TrainingImage
from napari_cellseg.training.unets.member import MemberRun, member_seed
from napari_cellseg.training.unets.recipe import UnetRecipe

torch.set_num_threads(1)
pytestmark = pytest.mark.usefixtures("small_encoder")

TINY = {
    "network": "model-2",
    "name": "tiny",
    "settings": {"backbone": "mobilenet_v2", "widths": [16, 12, 8, 8, 8]},
}


def field(seed: int) -> TrainingImage:
    scene = simulate_brightfield((64, 64), diameter=(16, 28), seed=seed)
    return TrainingImage.from_arrays(f"field {seed}", scene.image, scene.labels)


IMAGES, VALIDATION = [field(1), field(2)], [field(3)]


def recipe(**changes: Any) -> UnetRecipe:
    values = {"data": "data", "model": "cells.onnx", "members": [TINY], "epochs": 2, "batch": 2}
    values |= {"edge": 64, "patches": 4, "rate": 0.003, "patience": 0, "pick": 2, "most": 1}
    return UnetRecipe.from_dict({**values, **changes})


def member(folder: Path, **changes: Any) -> MemberRun:
    made = recipe(**changes)
    return MemberRun(made, made.members[0], IMAGES, VALIDATION, folder)


def epochs(run: MemberRun, resume: bool = False) -> list[Progress]:
    told: list[Progress] = []
    drain(run.running(resume), told.append)
    return told


def stop_after(run: MemberRun, count: int) -> None:
    """Train, and be cancelled in the middle of the epoch after so many."""
    job = run.running()
    while not (len(run.epochs) == count and next(job).detail.endswith("batch 2 of 2")):
        if len(run.epochs) < count:
            next(job)
    job.close()


def content(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, small_encoder: None
) -> tuple[MemberRun, list[Progress], Path]:
    """A network that was trained for three epochs without a break, with distances and mining."""
    folder = tmp_path_factory.mktemp("trained")
    run = member(folder, epochs=3, distance=True, keep_all=True)
    return run, epochs(run), folder


def test_the_loss_falls(tmp_path: Path) -> None:
    run = member(tmp_path, epochs=8, patches=8)
    drain(run.running())
    totals = [epoch.losses["total"] for epoch in run.epochs]
    assert totals[-1] < 0.9 * totals[0]


def test_every_epoch_is_told(trained: tuple[MemberRun, list[Progress], Path]) -> None:
    run, told, _ = trained
    found = [step.payload for step in told if isinstance(step.payload, Epoch)]
    assert found == run.epochs
    assert [(epoch.number, epoch.planned) for epoch in found] == [(1, 3), (2, 3), (3, 3)]
    for epoch in found:
        terms = {name: value for name, value in epoch.losses.items() if name != "total"}
        assert set(terms) == {"cross_entropy", "dice", "distance"}
        assert epoch.losses["total"] == pytest.approx(sum(terms.values()), rel=1e-5)
        assert {"F1", "IoU", "Dice", "recall", "accuracy", "train_F1"} <= set(epoch.metrics)
        assert {"val_total", "val_distance"} <= set(epoch.metrics)
        assert epoch.score == epoch.metrics["F1"]
        assert epoch.metrics["IoU"] == pytest.approx(epoch.score / (2 - epoch.score))
    assert [step.done for step in told] == sorted(step.done for step in told)
    assert told[-1].done == told[-1].total == 6
    assert "epoch 2 of 3, batch 1 of 2" in [step.detail for step in told]


def test_a_resumed_training_is_the_uninterrupted_one(
    trained: tuple[MemberRun, list[Progress], Path], tmp_path: Path
) -> None:
    whole, _, folder = trained
    stop_after(member(tmp_path, epochs=3, distance=True, keep_all=True), 1)
    assert (tmp_path / "state.pt").exists()
    resumed = member(tmp_path, epochs=3, distance=True, keep_all=True)
    epochs(resumed, resume=True)
    for epoch in (1, 2, 3):
        name = f"epoch_{epoch:04d}.safetensors"
        assert content(tmp_path, name) == content(folder, name)
    for one, other in zip(resumed.epochs, whole.epochs, strict=True):
        assert (one.losses, one.metrics, one.rate) == (other.losses, other.metrics, other.rate)


def test_a_finished_training_is_left_as_it_is(trained: tuple[MemberRun, list[Progress], Path]) -> None:
    whole, _, folder = trained
    assert not (folder / "state.pt").exists()
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = member(folder, epochs=3, distance=True, keep_all=True)
    assert epochs(again, resume=True) == []
    assert again.epochs == whole.epochs
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_candidate_is_the_network_after_its_epoch(
    trained: tuple[MemberRun, list[Progress], Path],
) -> None:
    run, _, _ = trained
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        found = run.files.network(3)(image)
        expected = run.network.eval()(image.contiguous(memory_format=torch.channels_last))
        before = run.files.network(2)(image)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (before - expected).abs().max() > 1e-3


def test_only_what_may_be_picked_is_kept(tmp_path: Path) -> None:
    run = member(tmp_path, epochs=4, pick=1)
    drain(run.running())
    kept = [path.name for path in sorted(tmp_path.glob("epoch_*"))]
    assert len(kept) == 1
    assert run.files.read_history()["kept"] == [int(kept[0][6:10])]


def test_it_stops_where_nothing_gets_better(tmp_path: Path) -> None:
    run = member(tmp_path, epochs=9, rate=1e-12, patience=1, patches=2)
    drain(run.running())
    best = max(range(len(run.epochs)), key=lambda i: run.epochs[i].score)
    assert len(run.epochs) == best + 2 < 9
    assert "Stopped after epoch" in run.notes[-1]


def test_without_imagenet_weights_the_encoder_learns_and_that_is_noted(
    trained: tuple[MemberRun, list[Progress], Path],
) -> None:
    run, _, _ = trained
    assert any("ImageNet" in note for note in run.notes)
    assert any("Mixed precision" in note for note in run.notes)
    assert run.network.config.fine_tune == 5


def starving(self: BrightfieldUNet, image: torch.Tensor) -> torch.Tensor:
    """A network on a device that has memory for a single patch."""
    if len(image) > 1:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
    return FORWARD(self, image)


FORWARD = BrightfieldUNet.forward


def test_too_little_memory_halves_what_is_computed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BrightfieldUNet, "forward", starving)
    run = member(tmp_path)
    job = run.running()
    told = [next(job).detail for _ in range(8)]
    assert any("now 1 patches at once" in detail for detail in told)
    assert any("from epoch 1 on, 1 patches at once" in note for note in run.notes)
    assert (run.at_once, run.step, len(run.epochs)) == (1, 2, 1)  # as many steps as with the whole batch
    job.close()
    again = member(tmp_path)
    monkeypatch.setattr(BrightfieldUNet, "forward", FORWARD)
    assert [step.payload.number for step in epochs(again, resume=True) if step.payload is not None] == [2]
    assert (again.at_once, again.step) == (1, 4)
    assert sum("memory" in note for note in again.notes) == 1


def test_a_device_without_memory_for_a_single_patch_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BrightfieldUNet, "forward", lambda self, image: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(OutOfMemoryError, match="single patch of 64 pixels"):
        epochs(member(tmp_path, epochs=1))


def test_small_parts_of_a_batch_change_weights_as_the_whole_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_chance(self: BrightfieldUNet, mode: bool = True) -> BrightfieldUNet:
        torch.nn.Module.train(self, False)  # neither dropout nor the statistics of a batch
        return self

    monkeypatch.setattr(BrightfieldUNet, "train", without_chance)
    whole, parts = (member(tmp_path / name, batch=3, distance=True) for name in ("whole", "parts"))
    parts.at_once = 2
    for run in (whole, parts):
        epochs(run)
    for one, other in zip(whole.epochs, parts.epochs, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-3)
        assert one.metrics == pytest.approx(other.metrics, rel=1e-2)


def test_time_that_a_training_is_kept_waiting_is_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    run = member(tmp_path, epochs=1)
    for step in run.running():
        passed[0] += 100
        if "validating" in step.detail:
            monkeypatch.setattr(run, "_memory", lambda: passed.__setitem__(0, passed[0] + 7) or {})
    assert run.epochs[0].seconds == 7


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        BrightfieldUNet,
        "forward",
        lambda self, image: self.mask.bias.view(1, 1, 1, 1) * np.nan * image[:, :1],
    )
    with pytest.raises(TrainingError, match="no longer a number"):
        epochs(member(tmp_path))


def test_a_network_is_the_same_whichever_others_there_are() -> None:
    assert member_seed(0, "a") != member_seed(0, "b") != member_seed(1, "b")
