"""What a network in training finds in a few of its validation images."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_cellseg.instances.mask_decoding import MaskDecoding, decode_mask
from napari_cellseg.models.networks.brightfield.config import STRIDE
from napari_cellseg.models.networks.brightfield.network import BrightfieldUNet
from napari_cellseg.models.networks.ensemble import Ensemble
from napari_cellseg.training.runs.previews import Preview
from napari_cellseg.training.shown import LARGEST, MOST, evenly, shown_window
from napari_cellseg.training.unets.decoding import Maps, decodings
from napari_cellseg.training.unets.images import TrainingImage

PROMINENCE = 0.2
"""How clearly touching objects must stand out, before what suits the networks best is known."""


class Previewer:
    """Shows networks the same parts of a few validation images.

    Parameters
    ----------
    validation : sequence of TrainingImage
        At most `MOST` of them are shown.
    edge : int
        Edge of the patches that networks learn from; twice as much is shown, so that memory is enough.
    distance : bool
        Whether networks give the distance to the border.
    area : float
        Area of a small object, pixels.
    """

    def __init__(
        self, validation: Sequence[TrainingImage], edge: int, *, distance: bool, area: float
    ) -> None:
        self._images = [validation[i] for i in evenly(len(validation), MOST)]
        self._windows = [shown_window(image.labels, min(LARGEST, 2 * edge)) for image in self._images]
        self._distance = distance
        self._decoding: MaskDecoding = replace(
            next(decodings(distance, area)),
            separation="map" if distance else "shape",
            prominence=PROMINENCE,
        )

    def look(self, network: BrightfieldUNet, device: str, epoch: int, name: str) -> list[Preview]:
        """What a network finds; it is put into evaluation mode.

        Parameters
        ----------
        network : BrightfieldUNet
            On the device.
        device : str
            ``"cpu"`` or ``"cuda:N"``.
        epoch : int
            After which it is shown, the first is 1.
        name : str
            Its name.
        """
        alone = Ensemble([network], distance=self._distance)
        found = []
        for image, window in zip(self._images, self._windows, strict=True):
            pixels = image.scaled(window)
            maps = maps_of(alone, pixels, device)
            if image.ignored is not None:
                maps[:, image.ignored[window]] = 0
            labels = decode_mask(maps, self._decoding).labels
            shown = np.rint(pixels * 255).astype(np.uint8)
            found.append(Preview(image.name, shown, image.labels[window], labels, epoch, name))
        return found


def maps_of(model: nn.Module, pixels: NDArray[np.float32], device: str) -> Maps:
    """Maps of an image, (K, h, w), of any size.

    Parameters
    ----------
    model : Module
        From (1, 3, H, W), where H and W are multiples of `STRIDE`, to (1, K, H, W); on the device.
    pixels : (h, w) or (h, w, 3) ndarray of float32
        0 to 1; reflected at its lower and right border where it must be larger.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    """
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    height, width = pixels.shape[:2]
    padded = np.pad(colour, ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0)), "symmetric")
    tile = torch.from_numpy(np.ascontiguousarray(padded.transpose(2, 0, 1)[None])).to(device)
    with torch.inference_mode():
        maps: Maps = model(tile)[0].float().cpu().numpy()
    return np.ascontiguousarray(maps[:, :height, :width])
