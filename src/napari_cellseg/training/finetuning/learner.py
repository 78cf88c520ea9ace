"""A network that learns: steps of the optimiser on new pictures and on those to remember."""

from typing import Any

import torch
from torch import Tensor, nn

from napari_cellseg.models.networks.unet import UNet
from napari_cellseg.training.finetuning.memories import Memories, keeping_loss
from napari_cellseg.training.finetuning.recipe import FineTuneRecipe
from napari_cellseg.training.pixel import LOSS_NAMES, Average, Recipe, map_losses, rate_at

WARMUP, DECAY = 10, 0.6
"""Steps in which the rate rises, and the share of the steps in which it falls."""

AVERAGED = 0.97
"""Decay of the moving average of the weights, which is what is looked at and kept."""

NAMES = (*LOSS_NAMES, "keeping")
"""What `Learner.advance` gives."""


class Learner:
    """A network in training, the moving average of its weights, and its optimiser.

    Batch norm keeps the statistics of the images that the network was first trained on: those of a few new
    ones would change what it sees in all others.

    Parameters
    ----------
    recipe : FineTuneRecipe
        How.
    network : UNet
        As it was before, on its device; it is changed.
    memories : Memories, optional
        What it is not to forget.

    Attributes
    ----------
    step : int
        Finished steps.
    at_once : int
        Pictures that are in memory at once; the batch stays the same, its gradients are added up.
    """

    def __init__(self, recipe: FineTuneRecipe, network: UNet, memories: Memories | None) -> None:
        self.recipe, self.memories = recipe, memories
        self.network = network.eval().to(memory_format=torch.channels_last)
        self.device = next(network.parameters()).device
        self.average = Average(network, AVERAGED).to(self.device)
        self.optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=0.0)
        self.step, self.at_once = 0, recipe.batch

    @property
    def schedule(self) -> Recipe:
        """How the rate rises and falls."""
        steps = self.recipe.epochs * self.recipe.steps
        warmup = min(WARMUP, steps)
        return Recipe(steps=steps, batch=self.recipe.batch, rate=self.recipe.rate, warmup=warmup, decay=DECAY)

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def advance(self, images: Tensor, targets: Tensor) -> Tensor:
        """Change the weights by a batch; its losses in the order of `NAMES`, (5,), on the CPU.

        Parameters
        ----------
        images : (N, 3, H, W) Tensor
            New pictures.
        targets : (N, 6, H, W) Tensor
            From `napari_cellseg.training.pixel.stack_targets`.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, self.schedule.steps, self.schedule)
        self.optimiser.zero_grad(set_to_none=True)
        losses = torch.zeros(len(NAMES))
        for part in self._parts(len(images)):
            share = (part.stop - part.start) / len(images)
            found = map_losses(self.network(self._shown(images[part])), targets[part].to(self.device))
            (share * found[0]).backward()
            losses[:-1] += share * found.detach().cpu()
        if self.memories is not None:
            losses[-1] = self._keep(self.memories)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.schedule.clip)
        self.optimiser.step()
        self.average.update(self.network, self.step)
        self.step += 1
        return losses

    def _keep(self, memories: Memories) -> float:
        """Add the gradients of what is to be remembered; the loss."""
        pictures, before = memories.draw(self.recipe.batch, (self.recipe.seed, self.step))
        loss = 0.0
        for part in self._parts(len(pictures)):
            share = (part.stop - part.start) / len(pictures)
            kept = keeping_loss(self.network(self._shown(pictures[part])), before[part].to(self.device))
            (self.recipe.keep * share * kept).backward()
            loss += share * float(kept.detach())
        return loss

    def _parts(self, count: int) -> list[slice]:
        starts = range(0, count, self.at_once)
        return [slice(start, min(count, start + self.at_once)) for start in starts]

    def _shown(self, images: Tensor) -> Tensor:
        return images.to(self.device).contiguous(memory_format=torch.channels_last)

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "at_once": self.at_once,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.at_once = state["step"], state["at_once"]
