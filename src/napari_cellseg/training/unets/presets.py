"""Recipes of U-Net training with a name: the paper's, and ones for smaller computers."""

from typing import Any

from napari_cellseg.models.networks.brightfield.config import BACKBONES
from napari_cellseg.training.runs.recipe import Preset, preset_values
from napari_cellseg.training.unets.loss_config import LOSSES
from napari_cellseg.training.unets.recipe import PAPER_MEMBERS, UnetRecipe

PAPER = (
    "Das, Roy, Zun: High-Throughput Low-Cost Segmentation of Brightfield Microscopy Live Cell Images, "
    "sections 3.4 to 3.6"
)


_MOBILE: dict[str, dict[str, Any]] = {
    "model-1": {"backbone": "mobilenet_v2", "widths": [96, 48, 32, 32, 16], "refinement": 1},
    "model-2": {"backbone": "mobilenet_v2", "widths": [96, 64, 48, 32, 16]},
    "model-3": {"backbone": "mobilenet_v2", "widths": [96, 64, 48, 32, 16], "pooled": False},
}
"""The paper's three decoders, narrower, on an encoder with a fiftieth of VGG16's arithmetic."""

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "brightfield",
            "Bright field, fourteen votes",
            "As in the paper: three networks, two losses, fourteen epochs vote; for a graphics card.",
            {"members": PAPER_MEMBERS},
            PAPER,
        ),
        Preset(
            "brightfield-cells",
            "Bright field, touching cells apart",
            "As in the paper, and each network also learns the distance to the cells' borders.",
            {"members": PAPER_MEMBERS, "distance": True},
        ),
        Preset(
            "brightfield-small",
            "Bright field, for computers without a graphics card",
            "The same three decoders on a small encoder, few patches per epoch; six of their epochs vote.",
            {
                "members": tuple(
                    {
                        "network": network,
                        "loss": loss,
                        "name": f"{network}-mobile_{loss}",
                        "settings": {**settings, "dropout": [0.1, 0.1]},
                    }
                    for network, settings in _MOBILE.items()
                    for loss in LOSSES
                ),
                "epochs": 12,
                "batch": 8,
                "edge": 128,
                "patches": 256,
                "rate": 1e-3,
                "decay_steps": 100,
                "distance": True,
                "pick": 6,
                "most": 2,
            },
        ),
        Preset(
            "brightfield-backbones",
            "Comparison of six encoders",
            "One network per encoder, as in the paper's table 1; the best epoch is the model.",
            {
                "members": tuple(f"unet-{backbone}/bce-dice" for backbone in BACKBONES),
                "decay_steps": 10_000,
                "pick": 1,
                "most": 1,
            },
            PAPER,
        ),
    )
}


def preset(name: str, **changes: Any) -> UnetRecipe:
    """A recipe by name.

    Parameters
    ----------
    name : str
        One of `PRESETS`.
    **changes
        `data` and `model`, and whatever is to differ.

    Raises
    ------
    OptionError
        Where there is no such preset, or a value is not what it must be.
    """
    return UnetRecipe.from_dict({**preset_values(PRESETS, name), **changes})
