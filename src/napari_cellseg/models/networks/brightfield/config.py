"""What a bright-field U-Net looks like: settings, the published networks, the encoders; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_cellseg.errors import OptionError

STRIDE = 32
"""Height and width of the input must be multiples of this."""

STAGES = 5
"""Stages of every encoder, each with features of half the resolution of the stage before."""

Backbone = Literal["densenet121", "inception_v3", "vgg16", "mobilenet_v2", "resnet50", "efficientnet_b0"]
DecoderKind = Literal["plain", "gated", "residual"]
NormName = Literal["batch", "instance"]
Rate = Annotated[float, Field(ge=0, lt=1)]
Width = Annotated[int, Field(ge=1)]

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True, slots=True)
class BackboneInfo:
    """What is known of an encoder before it is built.

    Attributes
    ----------
    title : str
        Its usual name.
    channels : tuple of 5 int
        Channels of the features of each stage, from the shallowest.
    first_stride : int
        Stride of the shallowest features: 1, the image's resolution, or 2.
    mean, std : tuple of 3 float
        What its ImageNet weights expect to be subtracted from, and divided out of, intensities from 0 to 1.
    """

    title: str
    channels: tuple[int, int, int, int, int]
    first_stride: Literal[1, 2] = 2
    mean: tuple[float, float, float] = _IMAGENET[0]
    std: tuple[float, float, float] = _IMAGENET[1]


BACKBONES: Mapping[Backbone, BackboneInfo] = MappingProxyType(
    {
        "densenet121": BackboneInfo("DenseNet-121", (64, 256, 512, 1024, 1024)),
        "inception_v3": BackboneInfo("Inception v3", (64, 192, 288, 768, 2048), 2, *_HALF),
        "vgg16": BackboneInfo("VGG16", (64, 128, 256, 512, 512), 1),
        "mobilenet_v2": BackboneInfo("MobileNetV2", (96, 24, 32, 96, 1280)),
        "resnet50": BackboneInfo("ResNet-50", (64, 256, 512, 1024, 2048)),
        "efficientnet_b0": BackboneInfo("EfficientNet-B0", (96, 24, 240, 112, 1280)),
    }
)
"""The encoders."""


class NetworkConfig(BaseModel):
    """Settings of a `BrightfieldUNet`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    backbone: Backbone = Field(description="The encoder.")
    decoder: DecoderKind = Field(
        description="'plain': transposed convolutions and skips; 'gated': attention gates on the skips and "
        "two convolutions; 'residual': gates, a residual block and an instance-activation module."
    )
    widths: tuple[Width, ...] = Field(description="Channels of the decoder's stages, the deepest first.")
    pooled: bool = Field(
        False, description="Whether the decoder sees the encoder's features after their max-pooling; VGG16."
    )
    refinement: int = Field(0, ge=0, description="3x3 convolutions between a plain decoder and its output.")
    dropout: tuple[Rate, Rate] = Field(
        (0.0, 0.0),
        description="Rate of dropout in the deepest and in the shallowest stage; between, even steps.",
    )
    norm: NormName | tuple[NormName, ...] = Field(
        "batch", description="Normalisation of the decoder: of all stages, or of each, the deepest first."
    )
    l2: float = Field(
        0.0, ge=0, description="Weight of the sum of squares of the decoder's kernels in the loss."
    )
    fine_tune: int = Field(
        0,
        ge=0,
        le=STAGES,
        description="Stages of the encoder that learn, counted from the deepest; 0 freezes it.",
    )
    distance: bool = Field(
        False,
        description="Whether a second head gives the distance to the cell's border, so that touching "
        "cells can be told apart.",
    )

    @model_validator(mode="after")
    def _fitting(self) -> "NetworkConfig":
        if self.pooled and self.backbone != "vgg16":
            raise ValueError(f"pooled features are those of 'vgg16', not of '{self.backbone}'")
        if len(self.widths) != self.stages:
            raise ValueError(f"widths must be {self.stages} numbers for this decoder, not {len(self.widths)}")
        if self.refinement and self.decoder != "plain":
            raise ValueError(f"refinement belongs to a 'plain' decoder, not to a '{self.decoder}' one")
        if not isinstance(self.norm, str) and len(self.norm) != self.stages:
            raise ValueError(f"norm must be one name or {self.stages}, not {len(self.norm)}")
        return self

    @property
    def stages(self) -> int:
        """Stages of the decoder: one per skip, and one more where the features start at half resolution."""
        return STAGES - 1 + (self.decoder == "plain" or self.first_stride == 2)

    @property
    def first_stride(self) -> int:
        """Stride of the shallowest features that the decoder sees."""
        return BACKBONES[self.backbone].first_stride * (2 if self.pooled else 1)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the channels of the output are, in order."""
        return ("foreground", "distance") if self.distance else ("foreground",)

    @property
    def norms(self) -> tuple[NormName, ...]:
        """Normalisation of each stage of the decoder, the deepest first."""
        return (self.norm,) * self.stages if isinstance(self.norm, str) else self.norm


def _compared(backbone: Backbone, widths: tuple[int, ...] = ()) -> NetworkConfig:
    """U-Net of the comparison of encoders: each stage gives as many channels as the skip it meets."""
    widths = widths or (*reversed(BACKBONES[backbone].channels[:-1]), 64)
    return NetworkConfig(backbone=backbone, decoder="plain", widths=widths, dropout=(0.25, 0.5), l2=1e-4)


_DENSE_WIDTHS = (1024, 256, 128, 64, 64)

NETWORKS: Mapping[str, NetworkConfig] = MappingProxyType(
    {
        "model-1": _compared("densenet121", _DENSE_WIDTHS).model_copy(update={"refinement": 2}),
        "model-2": NetworkConfig(
            backbone="vgg16", decoder="gated", widths=(256, 128, 64, 32), dropout=(0.1, 0.1)
        ),
        "model-3": NetworkConfig(
            backbone="vgg16",
            decoder="residual",
            widths=(512, 256, 128, 64, 32),
            pooled=True,
            dropout=(0.4, 0.2),
        ),
        "unet-densenet121": _compared("densenet121", _DENSE_WIDTHS),
        "unet-inception_v3": _compared("inception_v3"),
        "unet-vgg16": _compared("vgg16"),
        "unet-mobilenet_v2": _compared("mobilenet_v2"),
        "unet-resnet50": _compared("resnet50"),
        "unet-efficientnet_b0": _compared("efficientnet_b0"),
    }
)
"""The published networks by name: the three members of the ensemble, and the comparison of encoders."""


def network_config(name: str, **changes: Any) -> NetworkConfig:
    """Settings of a published network, with changes.

    Parameters
    ----------
    name : str
        A key of `NETWORKS`.
    **changes
        Fields of `NetworkConfig`.

    Raises
    ------
    OptionError
        For a name that is not known, or a change that is not allowed.
    """
    if name not in NETWORKS:
        raise OptionError(f"The network must be one of {', '.join(NETWORKS)}, not '{name}'.")
    try:
        return NetworkConfig.model_validate({**NETWORKS[name].model_dump(), **changes})
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            where = ".".join(str(part) for part in problem["loc"])
            message = problem["msg"].removeprefix("Value error, ")
            problems.append(f"{where}: {message}" if where else message)
        raise OptionError(f"These settings do not make a '{name}': {'; '.join(problems)}.") from error
