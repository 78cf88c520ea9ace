"""A bright-field U-Net as ONNX."""

from pathlib import Path

import torch
from torch import Tensor, nn

from napari_cellseg.models.networks.brightfield.config import STRIDE
from napari_cellseg.models.networks.brightfield.network import BrightfieldUNet
from napari_cellseg.models.networks.exporting import export_graph


class Deployed(nn.Module):
    """A trained network as it is exported: intensities are cut to those of training, the foreground is a
    probability."""

    def __init__(self, network: BrightfieldUNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Maps of shape (N, K, H, W), the foreground between 0 and 1."""
        maps = self.network(image.clamp(0, 1))
        return torch.cat([torch.sigmoid(maps[:, :1]), maps[:, 1:]], dim=1)


def export_onnx(network: BrightfieldUNet, path: Path, *, opset: int = 18, edge: int = 64) -> float:
    """Write a network as ONNX with dynamic batch, height and width.

    Parameters
    ----------
    network : BrightfieldUNet
        Trained network; it is exported in evaluation mode and left in the mode that it was in.
    path : Path
        File to write. Input ``image`` (N, 3, H, W), intensities from 0 to 1; output ``maps`` (N, K, H, W),
        the foreground as a probability; both float32, H and W multiples of `STRIDE`.
    opset : int
        ONNX operator set.
    edge : int
        Height, in pixels, of the image that is traced.

    Returns
    -------
    float
        Largest absolute difference between PyTorch and ONNX Runtime, on an image of another size.
    """
    training = network.training
    try:
        return export_graph(
            Deployed(network).eval(),
            path,
            channels=3,
            stride=STRIDE,
            edge=edge,
            opset=opset,
            free_sizes=False,
        )
    finally:
        network.train(training)
