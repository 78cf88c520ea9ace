"""From an encoder's features back to the image's resolution."""

import numpy as np
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from napari_cellseg.models.networks.brightfield.blocks import (
    GatedStage,
    PlainStage,
    ResidualStage,
    convolution,
)
from napari_cellseg.models.networks.brightfield.config import BACKBONES, STAGES, NetworkConfig


class Decoder(nn.Module):
    """Stages that double the resolution and take in a skip each, and what leads to full resolution.

    Parameters
    ----------
    config : NetworkConfig
        Which stages, how wide.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        *skips, bridge = BACKBONES[config.backbone].channels
        skips.reverse()
        plain = config.decoder == "plain"
        given = [width + skip * plain for width, skip in zip(config.widths, skips, strict=False)]
        rates = dropout_rates(config)
        self.pooled = config.pooled
        self.stages = nn.ModuleList(
            [
                _stage(config, i, inputs, skip, rates[i])
                for i, (inputs, skip) in enumerate(zip([bridge, *given[:-1]], skips, strict=True))
            ]
        )
        self.refinement = nn.Sequential(
            *[convolution(given[-1], given[-1], config.norms[-1]) for _ in range(config.refinement)]
        )
        self.full: nn.Module | None = None
        if config.first_stride == 2:
            self.full = _stage(config, STAGES - 1, given[-1], 0, 0.0 if plain else rates[-1])
        elif plain:
            self.full = convolution(given[-1], config.widths[-1], config.norms[-1])

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features (N, last of the widths, H, W) from the encoder's, the shallowest first."""
        if self.pooled:
            features = [max_pool2d(f, 2) for f in features]
        *skips, x = features
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            x = stage(x, skip)
        x = self.refinement(x)
        return x if self.full is None else self.full(x)


def _stage(config: NetworkConfig, number: int, inputs: int, skip: int, rate: float) -> nn.Module:
    width, norm = config.widths[number], config.norms[number]
    if config.decoder == "plain":
        return PlainStage(inputs, width, norm, rate)
    kind = GatedStage if config.decoder == "gated" else ResidualStage
    return kind(inputs, skip, width, norm, rate)


def dropout_rates(config: NetworkConfig) -> list[float]:
    """Rate of dropout of every stage that has one, the deepest first.

    The last stage of a plain decoder, which only brings full resolution, has none.
    """
    count = STAGES - 1 if config.decoder == "plain" else config.stages
    return [float(rate) for rate in np.linspace(*config.dropout, count)]
