"""Networks in memory that segment like any other pixel model."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from napari_cellseg.errors import OutOfMemoryError
from napari_cellseg.models.card import ModelCard
from napari_cellseg.models.protocols import Tiles
from napari_cellseg.training.memory import is_out_of_memory


@dataclass(frozen=True, slots=True)
class TorchMaps:
    """A pixel model that PyTorch runs.

    Attributes
    ----------
    card : ModelCard
        What it expects and gives.
    network : nn.Module
        From images (N, 3, H, W) to maps (N, K, H, W), the foreground as a probability; on the device.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    """

    card: ModelCard
    network: nn.Module
    device: str = "cpu"

    def predict_maps(self, tiles: Tiles) -> Tiles:
        """Maps of a batch of tiles, see `napari_cellseg.models.protocols.PixelModel`.

        Raises
        ------
        OutOfMemoryError
            Where the device has too little memory for these tiles.
        """
        images = torch.from_numpy(np.ascontiguousarray(tiles, np.float32)).to(self.device)
        try:
            with torch.inference_mode():
                maps: Tiles = self.network(images).float().cpu().numpy()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            n, _, height, width = tiles.shape
            raise OutOfMemoryError(
                f"The device '{self.device}' has too little memory for {n} tile(s) of {height} x {width} "
                f"pixels. Use smaller tiles or the CPU."
            ) from error
        return maps
