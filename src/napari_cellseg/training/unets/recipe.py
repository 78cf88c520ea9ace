"""How an ensemble of bright-field U-Nets is trained: values for forms, commands, run folder and card."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from napari_cellseg.models.networks.brightfield.config import (
    NETWORKS,
    STAGES,
    STRIDE,
    NetworkConfig,
    network_config,
)
from napari_cellseg.training.runs.recipe import JsonRecipe, absolute_path, check_model_file
from napari_cellseg.training.unets.augmentation import AugmentationConfig
from napari_cellseg.training.unets.loss_config import LOSSES, LossConfig
from napari_cellseg.training.unets.patches import EDGE, TargetConfig
from napari_cellseg.training.unets.sampling import SamplingConfig

Vote = Literal["mean", "majority"]
Pixels = Annotated[int, Field(ge=2 * STRIDE, le=4096, multiple_of=STRIDE)]

EMPHASIS = {"model-1": True, "model-2": True}
"""Networks that the paper trains with oversampling and mining of hard patches."""
MIXED = {"model-2": True, "model-3": True}
"""Networks that the paper trains with mixed precision."""


class MemberRecipe(BaseModel):
    """A network that is trained with a loss; every epoch of it is a candidate for the ensemble.

    In a recipe, ``"model-1/bce-dice"`` stands for a network and a loss as the paper trains them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    network: str = Field(description=f"One of {', '.join(NETWORKS)}.")
    loss: str = Field("bce-dice", description=f"One of {', '.join(LOSSES)}.")
    name: str = Field(
        "", max_length=80, description="Told apart by this in the results; network and loss unless given."
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="What differs from the published network, such as its backbone."
    )
    oversampling: bool = Field(False, description="Shows patches with rare classes, or objects, more often.")
    mining: bool = Field(False, description="Shows patches with a high loss in the last epoch more often.")
    mixed: bool = Field(False, description="Computes in half precision where that is safe; GPUs only.")

    @model_validator(mode="before")
    @classmethod
    def _as_in_the_paper(cls, values: Any) -> Any:
        if isinstance(values, str):
            network, slash, loss = values.partition("/")
            values = {"network": network, **({"loss": loss} if slash else {})}
        if not isinstance(values, dict):
            return values
        network, loss = str(values.get("network", "")), str(values.get("loss", "bce-dice"))
        emphasis = EMPHASIS.get(network, False)
        paper = {"oversampling": emphasis, "mining": emphasis, "mixed": MIXED.get(network, False)}
        return {**paper, **values, "name": values.get("name") or f"{network}_{loss}"}

    @model_validator(mode="after")
    def _known(self) -> "MemberRecipe":
        network_config(self.network, **self.settings)
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, not '{self.loss}'")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise ValueError(
                f"name must be letters, digits, '.', '_' and '-' after a letter or digit, not '{self.name}'"
            )
        return self

    def config(self, **changes: Any) -> NetworkConfig:
        """The network, with changes that all members share."""
        return network_config(self.network, **{**self.settings, **changes})

    @property
    def losses(self) -> LossConfig:
        """The loss."""
        return LOSSES[self.loss]


PAPER_MEMBERS = tuple(f"{network}/{loss}" for network in ("model-1", "model-2", "model-3") for loss in LOSSES)
"""The paper's six runs: three networks, two losses."""


class UnetRecipe(JsonRecipe):
    """How an ensemble of U-Nets is trained; every value is kept in the run's folder and in the card.

    Defaults are the paper's (Das, Roy, Zun: High-Throughput Low-Cost Segmentation of Brightfield Microscopy
    Live Cell Images) where it gives a value.

    Raises
    ------
    pydantic.ValidationError
        Where a value is not what it must be; `UnetRecipe.from_dict` raises an `OptionError` instead.
    """

    backend: ClassVar[str] = "napari_cellseg.training.unets.training"

    data: str = Field(description="Folder of the dataset with the corrected images.")
    model: str = Field(description="File to write, ending in .onnx; its card, .json, goes beside it.")
    members: tuple[MemberRecipe, ...] = Field(
        tuple(MemberRecipe.model_validate(name) for name in PAPER_MEMBERS),
        description="Networks that are trained one after the other, each with its loss.",
    )
    epochs: int = Field(45, ge=1, description="How often each network sees all training images, at most.")
    patience: int = Field(
        5,
        ge=0,
        description="A network stops after so many epochs without a better F1; 0: never.",
    )
    batch: int = Field(16, ge=1, description="Patches at once; less needs less memory.")
    edge: Pixels = Field(EDGE, description="Rows and columns of a patch, pixels.")
    patches: int | None = Field(
        None, ge=1, description="Patches of an epoch; all variants of every patch unless given."
    )
    rate: float = Field(1e-4, gt=0, lt=1, description="Learning rate of Adam at the start.")
    decay: float = Field(0.9, gt=0, le=1, description="Factor of the learning rate after `decay_steps`.")
    decay_steps: int = Field(
        9000, ge=1, description="Changes of the weights after which the rate is lowered."
    )
    imagenet: str | None = Field(
        None,
        description="What the encoders begin with: the folder of torchvision's files of ImageNet weights, "
        "one such file, or 'download'. Without it they learn from scratch, with the rest.",
    )
    fine_tune: int = Field(
        0,
        ge=0,
        le=STAGES,
        description="Stages of a pretrained encoder that learn, the deepest first; 0: none.",
    )
    distance: bool = Field(
        False, description="Also learns the distance to each cell's border, which separates touching cells."
    )
    separation: int = Field(
        0, ge=0, le=5, description="Pixels this near to another cell are learnt as background; 0: none."
    )
    border_weight: float = Field(
        1.0, ge=1, le=50, description="Weight of pixels where two cells nearly touch; others have 1."
    )
    augmentation: AugmentationConfig = Field(
        AugmentationConfig(), description="How patches are altered, and in how many variants of each."
    )
    channel: int | None = Field(
        None, ge=0, description="Channel to learn from, from 0, where images have neither one nor three."
    )
    pick: int = Field(
        14, ge=1, description="Networks in the ensemble: the best and most stable of all epochs."
    )
    most: int = Field(
        4, ge=1, description="Epochs of one network in the ensemble, at most, so that opinions differ."
    )
    vote: Vote = Field(
        "mean",
        description="mean: the mean of the networks' probabilities; majority: the share that says cell.",
    )
    precision: Literal["float32", "float16"] = Field(
        "float32",
        description="Numbers of the written model: float16 is half as large, and fast on a graphics card.",
    )
    keep_all: bool = Field(
        False, description="Keeps the weights of every epoch, rather than those that may still be picked."
    )
    seed: int = Field(0, ge=0, description="The same seed gives the same training on the same machine.")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N.")
    threads: int | None = Field(None, ge=1, le=1024, description="Processor cores; all where none is given.")

    @field_validator("data", "model", mode="before")
    @classmethod
    def _absolute(cls, value: Any) -> Any:
        return absolute_path(value)

    @field_validator("imagenet", mode="before")
    @classmethod
    def _absolute_weights(cls, value: Any) -> Any:
        return cls._absolute(value) if value not in (None, "", "download") else value or None

    @field_validator("model")
    @classmethod
    def _onnx_file(cls, value: str) -> str:
        return check_model_file(value, ".onnx")

    @model_validator(mode="after")
    def _consistent(self) -> "UnetRecipe":
        names = [member.name for member in self.members]
        if not names:
            raise ValueError("members must name at least one network")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"members must have distinct names, '{twice[0]}' is there twice")
        if self.fine_tune and self.imagenet is None:
            raise ValueError("fine_tune needs imagenet: encoders that learn from scratch learn as a whole")
        return self

    @property
    def targets(self) -> TargetConfig:
        """What the networks learn of a patch."""
        return TargetConfig(
            separation=self.separation, distance=self.distance, border_weight=self.border_weight
        )

    @property
    def most_of_each(self) -> int:
        """Epochs of one network in the ensemble, at most; more than `most` where there are few networks."""
        return max(self.most, -(-self.pick // len(self.members)))

    def config(self, member: MemberRecipe) -> NetworkConfig:
        """The network of a member."""
        return member.config(distance=self.distance, fine_tune=self.fine_tune)

    def sampling(self, member: MemberRecipe) -> SamplingConfig:
        """How patches are drawn for a member."""
        return SamplingConfig(oversampling=member.oversampling, mining=member.mining, patches=self.patches)
