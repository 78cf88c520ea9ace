"""What a network could do before its training went on: pictures, and the maps that it gave of them."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from napari_cellseg.events import Job, Progress
from napari_cellseg.models.networks.unet import UNet
from napari_cellseg.training.augmentation import Augmentation
from napari_cellseg.training.finetuning.confidence import Remembered
from napari_cellseg.training.finetuning.remembering import remembered_images
from napari_cellseg.training.samples import CropSource

MEMORIES, EDGE = 160, 128
"""Pictures that are remembered, and their edge, pixels, at most."""

CHUNK = 4
"""Pictures that are looked at at once."""


class Memories:
    """Pictures with the maps that the network gave of them at first.

    Attributes
    ----------
    pictures : (N, 3, H, W) Tensor
        What it saw.
    maps : (N, 4, H, W) Tensor
        What it gave, the foreground as logits.
    """

    def __init__(self, pictures: Tensor, maps: Tensor) -> None:
        self.pictures, self.maps = pictures, maps

    def draw(self, size: int, seed: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Some pictures and their maps; the same for the same seed."""
        chosen = np.random.default_rng(seed).choice(len(self.pictures), min(size, len(self.pictures)), False)
        return self.pictures[chosen], self.maps[chosen]

    def remembered(self) -> list[Remembered]:
        """All of them, the foreground a probability."""
        maps = torch.cat([torch.sigmoid(self.maps[:, :1]), self.maps[:, 1:]], dim=1).numpy()
        return [Remembered(picture, map_) for picture, map_ in zip(self.pictures.numpy(), maps, strict=True)]


def memory_edge(edge: int) -> int:
    """Edge of the pictures to remember, beside new ones of an edge, pixels."""
    return min(edge, EDGE)


def remembering(network: UNet, count: int, edge: int, seed: int) -> Job[Memories]:
    """Show pictures of many kinds to a network, and keep what it gives.

    Parameters
    ----------
    network : UNet
        As it was before; in evaluation mode, on its device.
    count, edge : int
        How many pictures, and their height and width, pixels.
    seed : int
        Of the pictures.
    """
    yield Progress("Preparing", 0, count, "pictures to remember")
    source = CropSource(remembered_images(seed), edge, Augmentation(), empty=0.05, seed=seed)
    device = next(network.parameters()).device
    pictures, maps = [], []
    for first in range(0, count, CHUNK):
        yield Progress("Preparing", first, count, "pictures to remember")
        numbers = range(first, min(count, first + CHUNK))
        crops = np.stack([source.raw_crop(number)[0].transpose(2, 0, 1) for number in numbers])
        shown = torch.from_numpy(np.ascontiguousarray(crops))
        with torch.no_grad():
            maps.append(network(shown.to(device)).cpu())
        pictures.append(shown)
    return Memories(torch.cat(pictures), torch.cat(maps))


def keeping_loss(maps: Tensor, before: Tensor) -> Tensor:
    """How far maps are from what they were: 0 where nothing has changed.

    Parameters
    ----------
    maps, before : (N, 4, H, W) Tensor
        Output of `UNet` now and before; the losses weigh as in `napari_cellseg.training.pixel.map_losses`.
    """
    inside = torch.sigmoid(before[:, :1])
    surface = binary_cross_entropy_with_logits(maps[:, :1], inside)
    least = binary_cross_entropy_with_logits(before[:, :1], inside)
    weights = torch.tensor([0.5, 1.5, 1.5], device=maps.device)[:, None, None]
    far = smooth_l1_loss(maps[:, 1:], before[:, 1:], reduction="none", beta=0.05)
    return surface - least + (far * weights * inside).sum() / (inside.sum() + 1)
