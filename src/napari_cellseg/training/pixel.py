"""Training of a pixel model with PyTorch: losses, schedule, checkpoints, the run."""

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, max_pool2d, smooth_l1_loss

from napari_cellseg.events import Job, Progress
from napari_cellseg.models.networks.unet import UNet, UNetShape
from napari_cellseg.training.samples import CropSource
from napari_cellseg.training.targets import Targets


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a pixel model is trained.

    Attributes
    ----------
    steps : int
        Optimiser steps.
    restarts : tuple of int
        Steps at which the schedule of the learning rate starts anew. In each part it rises over `warmup`
        steps, stays, and falls linearly to 0 over the last `decay` share of the part.
    batch : int
        Crops per step.
    rate, weight_decay, clip : float
        Learning rate, weight decay of AdamW, largest norm of the gradient.
    last_rate : float, optional
        Learning rate from the last restart on; without a restart, of all steps.
    warmup : int
        Steps.
    decay : float
        Share of the steps, 0 to 1.
    ema : float
        Decay of the moving average of the weights; the average is what is exported.
    seed : int
        Of the first weights and of every crop.
    report : int
        Steps between two reports (an "epoch"), each followed by a checkpoint.
    shape : UNetShape
        Size of the network.
    compile : bool
        Whether to compile the network with ``torch.compile``.
    """

    steps: int = 8000
    restarts: tuple[int, ...] = ()
    batch: int = 8
    rate: float = 3e-3
    last_rate: float | None = None
    weight_decay: float = 0.02
    clip: float = 2.0
    warmup: int = 200
    decay: float = 0.5
    ema: float = 0.998
    seed: int = 0
    report: int = 200
    shape: UNetShape = field(default_factory=UNetShape)
    compile: bool = True


@dataclass(frozen=True, slots=True)
class EpochMetrics:
    """Metrics of the steps since the last report.

    Attributes
    ----------
    step, steps : int
        Finished and planned steps.
    losses : dict of str to float
        Means of ``total``, ``foreground``, ``distance`` and ``offsets``.
    rate : float
        Learning rate of the last step.
    seconds : float
        Wall time per step.
    """

    step: int
    steps: int
    losses: dict[str, float]
    rate: float
    seconds: float


LOSS_NAMES = ("total", "foreground", "distance", "offsets")


def map_losses(maps: Tensor, targets: Tensor) -> Tensor:
    """Losses of a batch, in the order of `LOSS_NAMES`, (4,).

    Parameters
    ----------
    maps : (N, 4, H, W) Tensor
        Output of `UNet`, the foreground as logits.
    targets : (N, 6, H, W) Tensor
        From `stack_targets`: foreground, distance, offset y and x, border, weight. Foreground of weight 0
        does not count; where small objects are, and two pixels around them, the foreground counts more.
    """
    foreground, border, weight = targets[:, :1], targets[:, 4:5], targets[:, 5:]
    small = max_pool2d(torch.relu(weight - 1), 5, stride=1, padding=2)
    seen = 1 - foreground * (weight <= 0).float()
    emphasis = seen * (1 + 3 * border + small)
    cross = binary_cross_entropy_with_logits(maps[:, :1], foreground, weight=emphasis)
    probability = torch.sigmoid(maps[:, :1]) * seen
    foreground = foreground * seen
    overlap = (probability * foreground).sum((1, 2, 3))
    dice = 1 - (2 * overlap + 50) / (probability.sum((1, 2, 3)) + foreground.sum((1, 2, 3)) + 50)
    distance = _inside_loss(maps[:, 1:2], targets[:, 1:2], weight)
    offsets = _inside_loss(maps[:, 2:4], targets[:, 2:4], weight * (1 + 2 * border))
    surface = cross + 0.5 * dice.mean()
    return torch.stack([surface + 0.5 * distance + 1.5 * offsets, surface, distance, offsets])


def _inside_loss(found: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Weighted smooth L1 loss over the objects' pixels."""
    loss = smooth_l1_loss(found, wanted, reduction="none", beta=0.05) * weight
    return loss.sum() / (weight.sum() + 1)


def stack_targets(targets: list[Targets]) -> Tensor:
    """Targets of several crops as one tensor (N, 6, H, W)."""
    return torch.from_numpy(
        np.stack([np.stack([t.foreground, t.distance, *t.offsets, t.border, t.weight]) for t in targets])
    )


def rate_at(step: int, steps: int, recipe: Recipe) -> float:
    """Learning rate of a step (counted from 0) of a run of so many steps."""
    bounds = [0, *recipe.restarts, steps]
    first = max(b for b in bounds[:-1] if b <= step)
    highest = recipe.rate if recipe.last_rate is None or first < bounds[-2] else recipe.last_rate
    step, steps = step - first, min([b for b in bounds if b > step], default=steps) - first
    rising = min(1.0, (step + 1) / max(1, recipe.warmup))
    falling = min(1.0, (steps - step) / max(1.0, recipe.decay * steps))
    return highest * rising * max(falling, 0.0)


class Average(nn.Module):
    """Exponential moving average of a network, batch-norm statistics included."""

    def __init__(self, network: UNet, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.network = UNet(network.shape)
        self.network.load_state_dict(network.state_dict())
        self.network.eval()

    @torch.no_grad()
    def update(self, network: UNet, step: int) -> None:
        """Move the average towards the network; faster in the first steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        ours, theirs = self.network.state_dict(), network.state_dict()
        floats = [k for k, v in ours.items() if v.is_floating_point()]
        torch._foreach_lerp_([ours[k] for k in floats], [theirs[k] for k in floats], 1 - decay)


def batches(source: CropSource, recipe: Recipe, first: int) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Endless batches from step `first` on, drawn two batches ahead in two threads."""
    with ThreadPoolExecutor(2) as pool:
        ahead = 2 * recipe.batch
        number = first * recipe.batch
        pending = [pool.submit(source.crop, number + i) for i in range(ahead)]
        while True:
            number += recipe.batch
            crops = [f.result() for f in pending[: recipe.batch]]
            pending = pending[recipe.batch :]
            pending += [
                pool.submit(source.crop, number + ahead - recipe.batch + i) for i in range(recipe.batch)
            ]
            images = torch.from_numpy(np.stack([c[0] for c in crops]))
            yield images.contiguous(memory_format=torch.channels_last), stack_targets([c[1] for c in crops])


class Run:
    """State of a training run: network, average, optimiser, finished steps.

    Parameters
    ----------
    recipe : Recipe
        How to train.
    source : CropSource
        Where crops come from.
    folder : Path
        Folder of the checkpoint, ``checkpoint.pt``.
    resume : bool
        Whether to go on from the checkpoint where there is one.
    minutes : float, optional
        Wall-clock budget of this call. The number of steps is then estimated from the pace so far, again at
        every report, so that the learning rate reaches 0 as the time ends; the checkpoint tells the steps.
    start : UNet, optional
        Trained network to start from, of the recipe's shape; it is copied.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: CropSource,
        folder: Path,
        *,
        resume: bool = False,
        minutes: float | None = None,
        start: UNet | None = None,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.source = source
        self.path = folder / "checkpoint.pt"
        self.step = 0
        self.steps = recipe.steps
        self.minutes = minutes
        self.network = UNet(recipe.shape).to(memory_format=torch.channels_last)
        if start is not None:
            self.network.load_state_dict(start.state_dict())
        self.average = Average(self.network, recipe.ema)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        plain = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed}, {"params": plain, "weight_decay": 0.0}],
            lr=recipe.rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        if resume and self.path.exists():
            self._restore()

    def training(self) -> Job[UNet]:
        """Train; yields `Progress` whose payload is an `EpochMetrics`, returns the averaged network."""
        losses = torch.compile(self._losses) if self.recipe.compile else self._losses
        start, started = self.step, time.monotonic()
        sums, since, began = torch.zeros(len(LOSS_NAMES)), 0, started
        for images, targets in batches(self.source, self.recipe, self.step):
            if self.step >= self.steps:
                break
            sums += self._advance(losses, images, targets)
            since += 1
            if self.step % self.recipe.report and self.step < self.steps:
                continue
            pace = (time.monotonic() - began) / since
            self._replan(self.step - start, time.monotonic() - started)
            self.save()
            yield self._progress(sums / since, pace)
            sums, since, began = torch.zeros(len(LOSS_NAMES)), 0, time.monotonic()
        return self.average.network

    def _losses(self, images: Tensor, targets: Tensor) -> Tensor:
        return map_losses(self.network(images), targets)

    def _advance(self, losses: Any, images: Tensor, targets: Tensor) -> Tensor:
        self.network.train()
        rate = rate_at(self.step, self.steps, self.recipe)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        values = losses(images, targets)
        self.optimiser.zero_grad(set_to_none=True)
        values[0].backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimiser.step()
        self.average.update(self.network, self.step)
        self.step += 1
        return values.detach()

    def _replan(self, finished: int, seconds: float) -> None:
        if self.minutes is not None and self.step < self.steps:
            left = max(0.0, 60 * self.minutes - seconds)
            self.steps = self.step + int(left * finished / seconds)

    def _progress(self, means: Tensor, pace: float) -> Progress:
        values = dict(zip(LOSS_NAMES, (float(v) for v in means), strict=True))
        rate = self.optimiser.param_groups[0]["lr"]
        metrics = EpochMetrics(self.step, self.steps, values, rate, pace)
        return Progress("Training", self.step, self.steps, f"loss {values['total']:.4f}", metrics)

    def save(self) -> None:
        """Write the checkpoint; a cut while writing leaves the last one whole."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "steps": self.steps,
            "recipe": asdict(self.recipe),
        }
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.path)

    def _restore(self) -> None:
        state = torch.load(self.path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]


def averaged_network(checkpoint: Path, shape: UNetShape | None = None) -> UNet:
    """The averaged network of a checkpoint that a `Run` wrote."""
    state = torch.load(checkpoint, weights_only=True)
    recipe = state["recipe"]["shape"]
    network = UNet(shape or UNetShape(**recipe))
    network.load_state_dict(state["average"])
    return network.eval()
