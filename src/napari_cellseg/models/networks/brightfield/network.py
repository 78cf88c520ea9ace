"""The bright-field U-Nets: an encoder that knows natural images, one of three decoders, one or two heads."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_cellseg.errors import CellSegWarning, ImageError
from napari_cellseg.models.networks.brightfield.blocks import convolution
from napari_cellseg.models.networks.brightfield.config import BACKBONES, STAGES, STRIDE, NetworkConfig
from napari_cellseg.models.networks.brightfield.decoder import Decoder
from napari_cellseg.models.networks.brightfield.encoders import Encoder
from napari_cellseg.models.networks.brightfield.weights import (
    download_imagenet,
    load_imagenet,
    read_imagenet,
)


class BrightfieldUNet(nn.Module):
    """U-Net for cells in bright field, after Das, Roy and Zun.

    Parameters
    ----------
    config : NetworkConfig
        Encoder, decoder, heads.

    Notes
    -----
    Input (N, 3, H, W), intensities from 0 to 1, H and W multiples of `STRIDE`; what the encoder's ImageNet
    weights expect is done inside. Output (N, K, H, W): logits of the foreground, then, with
    ``config.distance``, the distance to the cell's border as a share of the cell's largest, a plain number.

    `encode` and `decode` are the two halves of `forward`: networks with the same frozen encoder can share
    what it gives.

    The paper gives no widths of its decoders; the ones in `NETWORKS` bring its numbers of parameters, in
    millions and as Keras counts them, with the paper's in brackets: model-1 22.68 (22.7), of which 15.64
    learn (15.7); model-2 18.81 (18.8) and 4.10 (4.09); model-3 29.12 (28.85) and 14.40 (14.1).

    Source: S. Das, G. Roy, P. Zun, "High-Throughput Low-Cost Segmentation of Brightfield Microscopy Live Cell
    Images".
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.backbone, config.fine_tune)
        self.decoder = Decoder(config)
        last, norm = config.widths[-1], config.norms[-1]
        self.mask = nn.Conv2d(last, 1, 1)
        self.distance = (
            nn.Sequential(convolution(last, last, norm), nn.Conv2d(last, 1, 1)) if config.distance else None
        )
        for name, part in self.named_children():
            if name != "encoder":
                part.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Maps of shape (N, K, H, W).

        Raises
        ------
        ImageError
            Where the height or the width is not a multiple of `STRIDE`.
        """
        if not torch.compiler.is_compiling() and (image.shape[-2] % STRIDE or image.shape[-1] % STRIDE):
            height, width = image.shape[-2:]
            raise ImageError(
                f"Height and width must be multiples of {STRIDE}, these are {height} and {width}."
            )
        return self.decode(self.encode(image))

    def encode(self, image: Tensor) -> list[Tensor]:
        """Features of the encoder, the shallowest first."""
        return self.encoder(image)

    def decode(self, features: list[Tensor]) -> Tensor:
        """Maps of shape (N, K, H, W) from what `encode` gives."""
        x = self.decoder(features)
        mask = self.mask(x)
        return mask if self.distance is None else torch.cat([mask, self.distance(x)], dim=1)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters that learn, in two groups for ``torch.optim.Adam``: the decoder's kernels, and the rest.

        The first has the weight decay that adds the gradient of ``config.l2`` times the sum of squares. It is
        right for Adam, whose decay is part of the gradient, not for AdamW.
        """
        learning = [(n, p) for n, p in self.named_parameters() if p.requires_grad]
        kernels = [p for n, p in learning if p.ndim > 1 and not n.startswith("encoder.")]
        rest = [p for n, p in learning if p.ndim <= 1 or n.startswith("encoder.")]
        return [
            {"params": kernels, "weight_decay": 2 * self.config.l2},
            {"params": rest, "weight_decay": 0.0},
        ]


def _initialise(module: nn.Module) -> None:
    """Glorot's uniform weights, as in the paper's framework."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def create_network(config: NetworkConfig, imagenet: str | Path | None = None) -> BrightfieldUNet:
    """Network to be trained, with or without what its encoder learnt from ImageNet.

    Parameters
    ----------
    config : NetworkConfig
        What it looks like.
    imagenet : str or Path, optional
        File of the encoder's ImageNet weights, as torchvision publishes them (.pth, or .safetensors with the
        same names), or ``"download"`` to let torchvision fetch them. Without it the encoder's weights are
        random, and all its stages learn whatever `config` says; `config` of the network says so too.

    Raises
    ------
    ModelError
        Where the weights cannot be read, fetched, or are not those of this encoder.
    """
    title = BACKBONES[config.backbone].title
    if imagenet is None:
        if config.fine_tune < STAGES:
            warnings.warn(
                f"No ImageNet weights of {title} were given: its encoder starts from random weights and "
                f"learns with the rest, which takes more images and more time. Give the file of the weights "
                f"to start from a trained, frozen encoder.",
                CellSegWarning,
                stacklevel=2,
            )
        return BrightfieldUNet(config.model_copy(update={"fine_tune": STAGES}))
    network = BrightfieldUNet(config)
    if imagenet == "download":
        load_imagenet(network.encoder, download_imagenet(config.backbone), f"The download of {title}")
    else:
        load_imagenet(network.encoder, read_imagenet(Path(imagenet)), f"'{imagenet}'")
    return network


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """Numbers of a network.

    Attributes
    ----------
    total : int
        All parameters, and the running statistics of batch norm, which Keras counts too.
    trainable : int
        Those that learn.
    """

    total: int
    trainable: int


def count_parameters(network: nn.Module) -> ParameterCount:
    """Numbers of a network, counted as Keras does."""
    statistics = sum(
        b.numel() for n, b in network.named_buffers() if n.endswith(("running_mean", "running_var"))
    )
    return ParameterCount(
        sum(p.numel() for p in network.parameters()) + statistics,
        sum(p.numel() for p in network.parameters() if p.requires_grad),
    )
