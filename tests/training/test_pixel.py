"""Training with PyTorch: the loss falls, a run resumes, the export says the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from napari_cellseg.models.networks.unet import (
    Deployed,
    UNet,
    UNetShape,
    count_parameters,
    export_onnx,
    grown,
    load_weights,
    save_weights,
)
from napari_cellseg.training.augmentation import Augmentation
from napari_cellseg.training.pixel import Recipe, Run, averaged_network, map_losses, rate_at
from napari_cellseg.training.samples import CropSource, Sample

torch.set_num_threads(1)

TINY = UNetShape(widths=(8, 12, 16))
LARGER = UNetShape(widths=(8, 12, 16), deeper=(0, 1, 1), detail=4, compand=True)


def blobs(seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    labels = np.zeros((96, 96), np.int32)
    y, x = np.mgrid[:96, :96]
    for i in range(1, 13):
        cy, cx = rng.uniform(5, 91, 2)
        labels[(np.hypot(y - cy, x - cx) < rng.uniform(6, 9)) & (labels == 0)] = i
    image = 200 * (labels > 0) + rng.normal(100, 15, labels.shape)
    return Sample(f"blobs{seed}", "simulated", image.astype(np.uint16)[..., None], labels, "grey", 15.0)


def crops() -> CropSource:
    return CropSource([blobs(i) for i in range(4)], 64, Augmentation(), seed=1)


def recipe(steps: int) -> Recipe:
    return Recipe(steps=steps, batch=4, warmup=5, report=10, shape=TINY, compile=False, seed=3)


def test_the_loss_falls_and_the_run_reports(tmp_path: Path) -> None:
    events = list(Run(recipe(60), crops(), tmp_path).training())
    losses = [e.payload.losses["total"] for e in events]
    assert [e.done for e in events] == [10, 20, 30, 40, 50, 60]
    assert losses[-1] < 0.7 * losses[0]
    assert events[-1].total == 60


def test_a_run_resumes_where_it_stopped(tmp_path: Path) -> None:
    first = Run(recipe(20), crops(), tmp_path).training()
    next(first)
    first.close()
    resumed = Run(recipe(20), crops(), tmp_path, resume=True)
    assert resumed.step == 10
    assert [e.done for e in resumed.training()] == [20]
    straight = Run(recipe(20), crops(), tmp_path / "straight.pt")
    straight.path = tmp_path / "other.pt"
    list(straight.training())
    ours, theirs = averaged_network(tmp_path / "checkpoint.pt"), averaged_network(straight.path)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_a_run_starts_from_trained_weights(tmp_path: Path) -> None:
    torch.manual_seed(5)
    trained = UNet(TINY)
    run = Run(recipe(10), crops(), tmp_path, start=trained)
    for name, value in trained.state_dict().items():
        assert torch.equal(run.network.state_dict()[name], value)
        assert torch.equal(run.average.network.state_dict()[name], value)
    list(run.training())
    assert not torch.equal(run.network.head.weight, trained.head.weight)


def test_the_rate_rises_stays_and_falls() -> None:
    plan = Recipe(steps=100, warmup=10, decay=0.4, rate=1.0)
    rates = [rate_at(i, 100, plan) for i in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[30] == 1.0
    assert rates[99] == pytest.approx(0.025)
    assert rates[60:] == sorted(rates[60:], reverse=True)


def test_a_restart_raises_the_rate_again() -> None:
    plan = Recipe(steps=100, rate=1.0, warmup=10, decay=0.4, restarts=(50,))
    rates = [rate_at(i, 100, plan) for i in range(100)]
    assert rates[:50] == rates[50:]
    assert rates[49] == pytest.approx(0.05)
    lower = replace(plan, last_rate=0.5)
    assert [rate_at(i, 100, lower) for i in (49, 70)] == [rates[49], rates[70] / 2]


def test_crumbs_count_neither_as_foreground_nor_as_background() -> None:
    targets = torch.zeros(1, 6, 32, 32)
    targets[0, 0, 4:20, 4:20] = 1
    targets[0, 5, 4:20, 4:20] = 1
    maps = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    plain = map_losses(maps, targets)
    targets[0, 0, 28:30, 28:30] = 1
    changed = maps.clone()
    changed[:, :, 28:30, 28:30] = 9
    assert not torch.allclose(map_losses(changed, plain_targets(targets)), plain)
    torch.testing.assert_close(map_losses(changed, targets), map_losses(maps, targets))


def plain_targets(targets: torch.Tensor) -> torch.Tensor:
    """The same targets with the crumb as background."""
    changed = targets.clone()
    changed[0, 0, 28:30, 28:30] = 0
    return changed


def trained_a_little(shape: UNetShape) -> UNet:
    """Network with weights that are zero nowhere, and statistics of its batch norms."""
    torch.manual_seed(0)
    network = UNet(shape).train()
    for weights in network.parameters():
        torch.nn.init.normal_(weights, 0.0, 0.1)
    network(torch.rand(4, 3, 64, 64))
    return network.eval()


@pytest.mark.parametrize("shape", [TINY, LARGER], ids=["plain", "larger"])
def test_the_export_says_the_same_at_any_size(tmp_path: Path, shape: UNetShape) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    network = trained_a_little(shape)
    path = tmp_path / "tiny.onnx"
    assert export_onnx(network.eval(), path, edge=64) < 1e-4
    image = torch.rand(1, 3, 48, 80)
    with torch.no_grad():
        plain, deployed = network(image), Deployed(network).eval()(image)
    assert torch.allclose(torch.sigmoid(plain[:, 0]), deployed[:, 0], atol=1e-5)
    assert torch.allclose(plain[:, 1:], deployed[:, 1:], atol=1e-5)


@pytest.mark.parametrize("shape", [TINY, LARGER], ids=["plain", "larger"])
def test_weights_survive_the_disk(tmp_path: Path, shape: UNetShape) -> None:
    pytest.importorskip("safetensors")
    network = trained_a_little(shape)
    save_weights(network, tmp_path / "w.safetensors")
    again = load_weights(tmp_path / "w.safetensors").eval()
    assert again.shape == shape
    assert count_parameters(again) == count_parameters(network)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(network(image), again(image), atol=0.02)


def test_a_grown_network_gives_the_same_maps_and_learns_from_there(tmp_path: Path) -> None:
    network = trained_a_little(TINY)
    larger = grown(network, LARGER)
    image = torch.rand(1, 3, 32, 48) - 0.1
    with torch.no_grad():
        torch.testing.assert_close(larger.eval()(image), network(image))
    run = Run(replace(recipe(10), shape=LARGER), crops(), tmp_path, start=larger)
    list(run.training())
    refinement = run.network.refinement
    assert refinement is not None
    assert refinement.head.weight.abs().max() > 0
    assert run.network.deeper_encoders[1][0].second[1].weight.abs().max() > 0


def test_a_network_grows_into_its_own_widths_only() -> None:
    with pytest.raises(ValueError, match="cannot grow"):
        grown(UNet(TINY), UNetShape(widths=(8, 12, 20)))
    with pytest.raises(ValueError, match="cannot grow"):
        grown(UNet(LARGER), TINY)
    with pytest.raises(ValueError, match="no place for"):
        grown(UNet(LARGER), replace(LARGER, deeper=()))
