"""Pieces of the decoders: attention gates, instance activation, and the stages made of them."""

import torch
from torch import Tensor, nn

from napari_cellseg.models.networks.brightfield.config import NormName


def norm_layer(name: NormName, width: int) -> nn.Module:
    """Batch norm, or instance norm with a learnt scale and shift."""
    return nn.BatchNorm2d(width) if name == "batch" else nn.InstanceNorm2d(width, affine=True)


def convolution(inputs: int, outputs: int, norm: NormName, kernel: int = 3) -> nn.Sequential:
    """Convolution that keeps the resolution, normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2),
        norm_layer(norm, outputs),
        nn.ReLU(inplace=True),
    )


class AttentionGate(nn.Module):
    """Additive attention gate: which of the encoder's features matter, given what the decoder knows.

    Parameters
    ----------
    features, context : int
        Channels of the encoder's features and of the decoder's.
    inner : int
        Channels in which the two are added.

    Notes
    -----
    ψ = σ(Conv1x1(ReLU(Conv1x1(x) + Conv1x1(g)))); the output is ψ·x, ψ of one channel
    (Oktay et al. 2018, Attention U-Net, arXiv:1804.03999).
    """

    def __init__(self, features: int, context: int, inner: int) -> None:
        super().__init__()
        self.features = nn.Conv2d(features, inner, 1)
        self.context = nn.Conv2d(context, inner, 1)
        self.attention = nn.Conv2d(inner, 1, 1)

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """Gated features, of the shape of `features`, (N, C, H, W); `context` has the same N, H and W."""
        return features * self.weights(features, context)

    def weights(self, features: Tensor, context: Tensor) -> Tensor:
        """The attention, (N, 1, H, W), between 0 and 1."""
        joined = torch.relu(self.features(features) + self.context(context))
        return torch.sigmoid(self.attention(joined))


class InstanceActivation(nn.Module):
    """Residual 1x1 convolution, normalisation and ReLU that recalibrates features; the shape is kept."""

    def __init__(self, width: int, norm: NormName = "batch") -> None:
        super().__init__()
        self.change = convolution(width, width, norm, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape, (N, C, H, W)."""
        return x + self.change(x)


def upsampling(inputs: int, width: int, kernel: int = 3) -> nn.ConvTranspose2d:
    """Transposed convolution to twice the resolution, by 3x3 or 2x2."""
    spare = kernel - 2
    return nn.ConvTranspose2d(inputs, width, kernel, stride=2, padding=spare, output_padding=spare)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with normalisation and ReLU; what the first gives is added to the second's."""

    def __init__(self, inputs: int, width: int, norm: NormName = "batch") -> None:
        super().__init__()
        self.first = convolution(inputs, width, norm)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), norm_layer(norm, width))

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, width, H, W)."""
        x = self.first(x)
        return torch.relu(x + self.second(x))


class PlainStage(nn.Module):
    """Transposed convolution, normalisation, ReLU, dropout; then the skip, where there is one."""

    def __init__(self, inputs: int, width: int, norm: NormName = "batch", dropout: float = 0.0) -> None:
        super().__init__()
        self.up = nn.Sequential(
            upsampling(inputs, width), norm_layer(norm, width), nn.ReLU(inplace=True), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """Features (N, width + channels of the skip, 2H, 2W)."""
        x = self.up(x)
        return x if skip is None else torch.cat([x, skip], dim=1)


class GatedStage(nn.Module):
    """Transposed convolution by 2x2, a gated skip where there is one, two convolutions, dropout."""

    kernel = 2

    def __init__(
        self, inputs: int, skip: int, width: int, norm: NormName = "batch", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.up = upsampling(inputs, width, self.kernel)
        self.gate = AttentionGate(skip, width, width) if skip else None
        self.body = self._body(width + skip, width, norm, dropout)

    def _body(self, inputs: int, width: int, norm: NormName, dropout: float) -> nn.Sequential:
        return nn.Sequential(
            convolution(inputs, width, norm), convolution(width, width, norm), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """Features (N, width, 2H, 2W)."""
        x = self.up(x)
        if self.gate is not None:
            x = torch.cat([x, self.gate(skip, x)], dim=1)
        return self.body(x)


class ResidualStage(GatedStage):
    """Transposed convolution by 3x3, a gated skip, a residual block, instance activation, spatial dropout."""

    kernel = 3

    def _body(self, inputs: int, width: int, norm: NormName, dropout: float) -> nn.Sequential:
        return nn.Sequential(
            ResidualBlock(inputs, width, norm), InstanceActivation(width, norm), nn.Dropout2d(dropout)
        )
