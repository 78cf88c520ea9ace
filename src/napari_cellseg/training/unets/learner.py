"""A network that learns: its losses, its optimiser, in parts of a batch where memory is small."""

from typing import Any

import torch
from torch import Tensor

from napari_cellseg.models.networks.brightfield.network import BrightfieldUNet
from napari_cellseg.training.unets.loading import Batch
from napari_cellseg.training.unets.losses import ImageLosses, image_losses, joined_losses
from napari_cellseg.training.unets.pixel_scores import confusion
from napari_cellseg.training.unets.recipe import MemberRecipe, UnetRecipe


class Learner:
    """A network with what changes its weights.

    Parameters
    ----------
    recipe : UnetRecipe
        How everything is trained.
    member : MemberRecipe
        With which loss, and in which precision.
    network : BrightfieldUNet
        Moved to the device.
    device : torch.device
        CPU or GPU.

    Attributes
    ----------
    network : BrightfieldUNet
        The network.
    optimiser : torch.optim.Adam
        Changes its weights.
    scaler : torch.amp.GradScaler
        Keeps gradients of half precision in range; does nothing on the CPU.
    """

    def __init__(
        self, recipe: UnetRecipe, member: MemberRecipe, network: BrightfieldUNet, device: torch.device
    ) -> None:
        self._losses, self._device = member.losses, device
        self._mixed = member.mixed and device.type == "cuda"
        self.network = network.to(device, memory_format=torch.channels_last)
        self.optimiser = torch.optim.Adam(self.network.parameter_groups(), lr=recipe.rate)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self._mixed)

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def advance(self, batch: Batch, rate: float, at_once: int) -> tuple[ImageLosses, Tensor]:
        """Change the weights by a batch; its losses, and what was right in each patch.

        Parameters
        ----------
        batch : Batch
            The mean of its patches' losses is made smaller.
        rate : float
            Learning rate.
        at_once : int
            Patches that are computed at once; gradients of all parts are added up.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        found: list[ImageLosses] = []
        rows: list[Tensor] = []
        for part in batch.parts(at_once):
            losses, right = self.judge(part)
            self.scaler.scale(losses.total.sum() / len(batch)).backward()
            terms = {name: value.detach() for name, value in losses.terms.items()}
            found.append(ImageLosses(losses.total.detach(), terms))
            rows.append(right)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return joined_losses(found), torch.cat(rows)

    def judge(self, batch: Batch) -> tuple[ImageLosses, Tensor]:
        """Losses of patches, and what is right in each, see `confusion`."""
        images = self._tensor(batch.images).contiguous(memory_format=torch.channels_last)
        masks, counted = self._tensor(batch.masks), self._tensor(batch.weights)
        distances = None if batch.distances is None else self._tensor(batch.distances)
        with torch.autocast(self._device.type, torch.float16, enabled=self._mixed):
            maps = self.network(images).float()
        losses = image_losses(self._losses, maps, masks, distance=distances, counted=counted)
        return losses, confusion(torch.sigmoid(maps.detach()[:, :1]), masks, counted)

    def _tensor(self, values: Any) -> Tensor:
        return torch.from_numpy(values).to(self._device, non_blocking=True)
