"""Training a U-Net further: steps, looks at validation images, the best state, and one to go on from."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_cellseg.errors import OutOfMemoryError, TrainingError
from napari_cellseg.events import Job, Progress
from napari_cellseg.models.card import ModelCard
from napari_cellseg.models.networks.unet import Deployed, UNet
from napari_cellseg.outputs import replacing
from napari_cellseg.training.finetuning.crops import ReviewedCrops
from napari_cellseg.training.finetuning.memories import Memories, keeping_loss
from napari_cellseg.training.finetuning.recipe import FineTuneRecipe
from napari_cellseg.training.finetuning.validation import Found, Patch, looking, score
from napari_cellseg.training.memory import is_out_of_memory
from napari_cellseg.training.pixel import LOSS_NAMES, Average, Recipe, batches, map_losses, rate_at
from napari_cellseg.training.runs.run import Epoch
from napari_cellseg.training.unets.torch_maps import TorchMaps

STAGE = "Training"
BEST_BY = "AP50_95"
"""Score that picks the best epoch: it changes with every outline, so that few objects tell much."""

WARMUP, DECAY = 10, 0.6
"""Steps in which the rate rises, and the share of the steps in which it falls."""

AVERAGED = 0.97
"""Decay of the moving average of the weights, which is what is looked at and kept."""

Show = Callable[[Sequence[Found], int], object]
"""Takes what was found in the patches after an epoch."""


class Tuning:
    """Training of a network further.

    Batch norm keeps the statistics of the images that the network was first trained on: those of a few new
    ones would change what it sees in all others.

    Parameters
    ----------
    recipe : FineTuneRecipe
        How.
    network : UNet
        As it was before; on its device. It is changed.
    card : ModelCard
        How its maps are read.
    crops : ReviewedCrops
        What it learns from.
    memories : Memories, optional
        What it is not to forget.
    patches : sequence of Patch
        What the best epoch is picked by; none: the last epoch is the best.
    state : Path
        File for the state after each epoch.
    show : callable
        Told what was found after each epoch.

    Attributes
    ----------
    epochs : list of Epoch
        What each epoch brought.
    before : dict of str to float
        Scores before the first epoch; empty where there is nothing to validate with.
    notes : list of str
        What did not go as the recipe says, in sentences.
    """

    def __init__(
        self,
        recipe: FineTuneRecipe,
        network: UNet,
        card: ModelCard,
        crops: ReviewedCrops,
        memories: Memories | None,
        patches: Sequence[Patch],
        state: Path,
        show: Show,
    ) -> None:
        self.recipe, self.card, self.crops, self.memories = recipe, card, crops, memories
        self.patches, self.state, self.show = patches, state, show
        self.network = network.eval().to(memory_format=torch.channels_last)
        self.device = next(network.parameters()).device
        self.average = Average(network, AVERAGED).to(self.device)
        self.optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=0.0)
        self.batch, self.step = recipe.batch, 0
        self.epochs: list[Epoch] = []
        self.before: dict[str, float] = {}
        self.best: dict[str, Tensor] = {}
        self.notes: list[str] = []

    @property
    def is_done(self) -> bool:
        """Whether all epochs are trained, or the score has not risen for long enough."""
        patience, scores = self.recipe.patience, [epoch.score for epoch in self.epochs]
        if len(scores) >= self.recipe.epochs:
            return True
        if not patience or not scores or not self.patches:
            return False
        return len(scores) - (1 + scores.index(max(scores))) >= patience

    def running(self, resume: bool = False) -> Job[UNet]:
        """Train until it is done; every epoch's `Progress` has an `Epoch` as its payload.

        Parameters
        ----------
        resume : bool
            Go on from the last whole epoch.

        Returns
        -------
        UNet
            The averaged network of the best epoch, on the CPU.

        Raises
        ------
        TrainingError
            Where the loss is no longer a number.
        OutOfMemoryError
            Where even a single picture needs too much memory.
        """
        if resume and self.state.exists():
            self._restore()
        else:
            if self.patches:
                self.before = score((yield from self._look(0)))
            self._save()
        while not self.is_done:
            yield from self._epoch_in_memory()
        if len(self.epochs) < self.recipe.epochs:
            self.notes.append(
                f"Stopped after epoch {len(self.epochs)} of {self.recipe.epochs}: {self.recipe.patience} "
                f"epochs without a better score."
            )
        best = UNet(self.network.shape)
        best.load_state_dict(self.best)
        return best.eval()

    def _epoch_in_memory(self) -> Job[None]:
        """An epoch; where memory runs out, it is undone, and begins again with half as many at once."""
        ran_out = False
        try:
            yield from self._epoch()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if self.batch == 1:
                raise OutOfMemoryError(
                    f"The device '{self.device}' has too little memory for a single picture of "
                    f"{self.recipe.edge} pixels. Use smaller pictures, or the CPU."
                ) from error
            ran_out = True
        if ran_out:  # outside the handler, whose traceback holds on to the memory
            batch = self.batch // 2
            self._restore()
            self.batch = batch
            self.notes.append(
                f"The memory was too small: from epoch {len(self.epochs) + 1} on, {batch} pictures at once."
            )
            self._save()
            yield self._progress(f"the memory was too small, now {batch} pictures at once")

    def _epoch(self) -> Job[None]:
        began, number = time.monotonic(), len(self.epochs) + 1
        losses = yield from self._learn()
        if not all(math.isfinite(value) for value in losses.values()):
            raise TrainingError(
                f"The loss is no longer a number in epoch {number}: the rate of {self.recipe.rate:g} is too "
                f"high. Begin anew with a lower one."
            )
        metrics = score((yield from self._look(number))) if self.patches else {}
        value = metrics.get(BEST_BY, math.nan)
        is_best = not self.patches or all(value > epoch.score for epoch in self.epochs)
        if is_best:
            self.best = {name: v.cpu().clone() for name, v in self.average.network.state_dict().items()}
        rate, seconds = self.optimiser.param_groups[0]["lr"], time.monotonic() - began
        self.epochs.append(Epoch(number, self.recipe.epochs, losses, metrics, value, is_best, rate, seconds))
        self._save()
        said = f"AP50 {metrics['AP50']:.3f}" if metrics else f"loss {losses['total']:.3f}"
        yield self._progress(said, self.epochs[-1])

    def _learn(self) -> Job[dict[str, float]]:
        """All steps of an epoch; mean losses."""
        sums = torch.zeros(len(LOSS_NAMES) + 1)
        end = self.step + self.recipe.steps
        for number, (images, targets) in enumerate(self._batches(), 1):
            sums += self._advance(images, targets).cpu()
            if self.step == end:
                break
            yield self._progress(f"step {number} of {self.recipe.steps}")
        means = (sums / self.recipe.steps).tolist()
        names = (*LOSS_NAMES, "keeping") if self.memories is not None else LOSS_NAMES
        return dict(zip(names, means, strict=False))

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        return batches(self.crops, replace(self.schedule, batch=self.batch), self.step)

    @property
    def schedule(self) -> Recipe:
        """How the rate rises and falls."""
        steps = self.recipe.epochs * self.recipe.steps
        return Recipe(
            steps=steps, batch=self.batch, rate=self.recipe.rate, warmup=min(WARMUP, steps), decay=DECAY
        )

    def _advance(self, images: Tensor, targets: Tensor) -> Tensor:
        """Change the weights by a batch; its losses, (5,)."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, self.schedule.steps, self.schedule)
        losses = map_losses(self.network(self._shown(images)), targets.to(self.device))
        keeping = torch.zeros((), device=self.device)
        losses[0].backward()
        if self.memories is not None:
            pictures, before = self.memories.draw(self.batch, (self.recipe.seed, self.step))
            keeping = keeping_loss(self.network(self._shown(pictures)), before.to(self.device))
            (self.recipe.keep * keeping).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.schedule.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.average.update(self.network, self.step)
        self.step += 1
        return torch.cat([losses, keeping[None]]).detach()

    def _shown(self, images: Tensor) -> Tensor:
        return images.to(self.device).contiguous(memory_format=torch.channels_last)

    def _look(self, epoch: int) -> Job[list[Found]]:
        model = TorchMaps(self.card, Deployed(self.average.network).eval(), str(self.device))
        found = []
        looks = looking(model, self.patches)
        found = yield from _relabelled(looks, self._progress)
        self.show(found, epoch)
        return found

    def _progress(self, detail: str, epoch: Epoch | None = None) -> Progress:
        number = len(self.epochs) + (epoch is None)
        told = f"epoch {number} of {self.recipe.epochs}, {detail}"
        return Progress(STAGE, self.step, self.recipe.epochs * self.recipe.steps, told, epoch)

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
            "before": self.before,
            "step": self.step,
            "batch": self.batch,
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "notes": self.notes,
        }
        with replacing(self.state) as temporary, temporary.open("wb") as file:
            torch.save(state, file)

    def _restore(self) -> None:
        state: dict[str, Any] = torch.load(self.state, map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.best, self.before, self.notes = state["best"], state["before"], state["notes"]
        self.step, self.batch = state["step"], state["batch"]
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]


def _relabelled(job: Job[list[Found]], progress: Callable[[str], Progress]) -> Job[list[Found]]:
    """The same job, its steps told as part of the training."""
    while True:
        try:
            step = next(job)
        except StopIteration as stopped:
            found: list[Found] = stopped.value
            return found
        yield progress(f"looking at '{step.detail}'")
