"""Settings of the losses of the bright-field U-Nets, without torch."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Weight = Annotated[float, Field(ge=0)]


class LossConfig(BaseModel):
    """Settings of a loss: a weighted sum of terms.

    The paper's first loss is the sum of Dice and of weighted cross-entropy, its second 0.3 focal + 0.6 Dice
    + 0.1 boundary.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Literal["bce-dice", "focal-dice-boundary"] = Field(
        description="Name, by which runs are told apart."
    )
    cross_entropy: Weight = Field(0.0, description="Weight of the weighted cross-entropy.")
    focal: Weight = Field(0.0, description="Weight of the focal loss.")
    dice: Weight = Field(0.0, description="Weight of the Dice loss.")
    boundary: Weight = Field(0.0, description="Weight of the boundary loss.")
    distance: Weight = Field(
        1.0, description="Weight of the distance head's loss, where there is such a head."
    )
    foreground_weight: float = Field(
        10.0, gt=0, description="What a pixel of a cell counts in the cross-entropy; the background counts 1."
    )
    alpha: float = Field(
        0.25, ge=0, le=1, description="Weight of cells in the focal loss; background 1 - it."
    )
    gamma: float = Field(2.0, ge=0, description="How much less the focal loss counts pixels that are right.")
    smooth: float = Field(1.0, gt=0, description="Added to both sides of Dice's fraction, in pixels.")


LOSSES: Mapping[str, LossConfig] = MappingProxyType(
    {
        "bce-dice": LossConfig(name="bce-dice", cross_entropy=1.0, dice=1.0),
        "focal-dice-boundary": LossConfig(name="focal-dice-boundary", focal=0.3, dice=0.6, boundary=0.1),
    }
)
"""The paper's two losses by name."""
