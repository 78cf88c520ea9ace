"""Losses of the bright-field U-Nets: each as plain numpy says, on any mask, with any precision."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("torch")

import torch
from torch import Tensor

from napari_cellseg.training.unets.loss_config import LOSSES, LossConfig
from napari_cellseg.training.unets.losses import (
    boundary_loss,
    dice_loss,
    distance_loss,
    focal_loss,
    image_losses,
    weighted_cross_entropy,
)

torch.set_num_threads(1)

Array = NDArray[np.float64]


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def average(values: Array, counted: Array) -> float:
    return float(np.average(values, weights=counted)) if counted.any() else 0.0


def plain_cross_entropy(x: Array, y: Array, counted: Array) -> float:
    p = logistic(x)
    return average(np.where(y == 1, -10 * np.log(p), -np.log(1 - p)), counted)


def plain_focal(x: Array, y: Array, counted: Array) -> float:
    p = logistic(x)
    cells, background = -0.25 * (1 - p) ** 2 * np.log(p), -0.75 * p**2 * np.log(1 - p)
    return average(np.where(y == 1, cells, background), counted)


def plain_dice(x: Array, y: Array, counted: Array) -> float:
    p = logistic(x)
    overlap, sizes = np.sum(counted * p * y), np.sum(counted * (p + y))
    return float(1 - (2 * overlap + 1) / (sizes + 1))


def plain_edges(image: Array) -> Array:
    padded = np.pad(image, 1, mode="edge")
    height, width = image.shape
    shifted = [padded[dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)]
    return (sum(shifted) - 9 * image) / 8


def plain_boundary(x: Array, y: Array, counted: Array) -> float:
    difference = np.abs(plain_edges(logistic(x)) - plain_edges(y))
    least = [counted[max(0, r - 1) : r + 2, max(0, c - 1) : c + 2].min() for r, c in np.ndindex(*y.shape)]
    return average(difference.ravel(), np.array(least))


def plain_distance(found: Array, wanted: Array, cells: Array, counted: Array) -> float:
    d = np.abs(found - wanted)
    return average(np.where(d < 0.05, d * d / 0.1, d - 0.025), cells * counted)


PLAIN = {
    "cross_entropy": (weighted_cross_entropy, plain_cross_entropy),
    "focal": (focal_loss, plain_focal),
    "dice": (dice_loss, plain_dice),
    "boundary": (boundary_loss, plain_boundary),
}

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def batch(seed: int, share: float = 0.4, counted: float = 0.7) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, a target and how much pixels count, (3, 1, 12, 9); at counted=1 all alike."""
    rng = np.random.default_rng(seed)
    shape = (3, 1, 12, 9)
    weights = (rng.random(shape) < counted) * np.where(counted == 1, 1, rng.choice([0.5, 1, 3], shape))
    arrays = (rng.normal(0, 3, shape), rng.random(shape) < share, weights)
    return tuple(torch.from_numpy(a.astype(np.float32)) for a in arrays)


def arrays(*tensors: Tensor) -> list[Array]:
    return [t.double().numpy()[:, 0] for t in tensors]


@pytest.mark.parametrize("term", PLAIN)
@given(seed=st.integers(0, 10**6), share=st.sampled_from([0, 0.1, 1]), counted=st.sampled_from([0, 0.95, 1]))
@settings(deadline=None, max_examples=30)
def test_a_term_is_what_numpy_says(term: str, seed: int, share: float, counted: float) -> None:
    loss, plain = PLAIN[term]
    logits, target, seen = batch(seed, share, counted)
    expected = [plain(*image) for image in zip(*arrays(logits, target, seen), strict=True)]
    assert loss(logits, target, seen).tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    if counted == 1:
        assert loss(logits, target).tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(seed=st.integers(0, 10**6), share=st.sampled_from([0, 0.4, 1]))
@settings(deadline=None, max_examples=30)
def test_the_distance_counts_in_cells(seed: int, share: float) -> None:
    logits, cells, seen = batch(seed, share)
    found, wanted = logits / 10, torch.rand_like(logits)
    images = zip(*arrays(found, wanted, cells, seen), strict=True)
    expected = [plain_distance(*image) for image in images]
    assert distance_loss(found, wanted, cells, seen).tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_the_two_losses_are_the_papers_sums() -> None:
    logits, target, seen = batch(4)
    plain = {
        name: [p(*i) for i in zip(*arrays(logits, target, seen), strict=True)]
        for name, (_, p) in PLAIN.items()
    }
    first = image_losses(LOSSES["bce-dice"], logits, target, counted=seen)
    assert first.total.tolist() == pytest.approx(
        np.add(plain["cross_entropy"], plain["dice"]).tolist(), rel=1e-4
    )
    second = image_losses(LOSSES["focal-dice-boundary"], logits, target, counted=seen)
    combined = (
        0.3 * np.array(plain["focal"]) + 0.6 * np.array(plain["dice"]) + 0.1 * np.array(plain["boundary"])
    )
    assert second.total.tolist() == pytest.approx(combined.tolist(), rel=1e-4)
    assert list(second.terms) == ["focal", "dice", "boundary"]


@pytest.mark.parametrize("name", LOSSES)
def test_the_distance_head_adds_its_loss(name: str) -> None:
    logits, target, seen = batch(5)
    found, wanted = torch.rand_like(logits), torch.rand_like(logits)
    maps = torch.cat([logits, found], dim=1)
    config = LOSSES[name].model_copy(update={"distance": 0.5})
    both = image_losses(config, maps, target, distance=wanted, counted=seen)
    mask = image_losses(config, logits, target, counted=seen)
    added = 0.5 * distance_loss(found, wanted, target, seen)
    assert torch.allclose(both.total, mask.total + added)
    with pytest.raises(ValueError, match="2 maps"):
        image_losses(config, maps, target)


@pytest.mark.parametrize("name", LOSSES)
def test_ignored_pixels_change_nothing(name: str) -> None:
    logits, target, seen = batch(6, counted=0.9)
    other = torch.where(seen > 0, logits, -5 * logits)
    changed = torch.where(seen > 0, target, 1 - target)
    config = LOSSES[name]
    before = image_losses(config, logits, target, counted=seen).total
    assert torch.allclose(image_losses(config, other, changed, counted=seen).total, before, atol=1e-6)
    logits.requires_grad_()
    image_losses(config, logits, target, counted=seen).total.mean().backward()
    assert logits.grad is not None
    assert not logits.grad[seen == 0].any()
    assert logits.grad[seen > 0].any()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("counted", [0.0, 1.0])
@pytest.mark.parametrize("size", [0.0, 1.0, 60.0, 3e4])
def test_gradients_are_finite(name: str, share: float, counted: float, size: float) -> None:
    logits, target, seen = batch(7, share, counted)
    maps = (size * torch.cat([logits, logits], dim=1)).requires_grad_()
    losses = image_losses(LOSSES[name], maps, target, distance=torch.rand_like(target), counted=seen)
    losses.total.mean().backward()
    assert torch.isfinite(losses.total).all()
    assert maps.grad is not None
    assert torch.isfinite(maps.grad).all()
    if not counted:
        assert not losses.total.any()
        assert not maps.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_maps_lose_nothing(name: str, dtype: torch.dtype) -> None:
    """Sums over an image overflow float16 at 65,504; the losses add up in float32."""
    logits = torch.full((1, 1, 512, 512), 20.0, dtype=dtype).requires_grad_()
    target = torch.ones(1, 1, 512, 512)
    target[..., :100] = 0
    with torch.autocast("cpu", dtype=dtype):
        half = image_losses(LOSSES[name], logits, target).total
    full = image_losses(LOSSES[name], logits.detach().float(), target).total
    assert half.dtype == torch.float32
    assert half.tolist() == pytest.approx(full.tolist(), rel=1e-5)
    half.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_better_masks_cost_less(name: str) -> None:
    _, target, _ = batch(8)
    worse, better = (image_losses(LOSSES[name], k * (2 * target - 1), target).total.mean() for k in (1, 3))
    assert better < worse


def test_settings_survive_json() -> None:
    for config in LOSSES.values():
        assert LossConfig.model_validate_json(config.model_dump_json()) == config
