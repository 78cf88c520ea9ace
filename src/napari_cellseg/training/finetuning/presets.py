"""Recipes with a name, for training a U-Net of this package further."""

from typing import Any

from napari_cellseg.training.finetuning.recipe import FineTuneRecipe
from napari_cellseg.training.runs.recipe import Preset, preset_values

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "quick",
            "Quick, a first impression",
            "One or two minutes on two processor cores: shows whether it goes the right way.",
            {"epochs": 6, "steps": 20},
        ),
        Preset(
            "balanced",
            "Balanced",
            "About five minutes on two processor cores, for one to ten corrected images.",
        ),
        Preset(
            "thorough",
            "Thorough, for many corrected images",
            "Half an hour on two processor cores, minutes on a graphics card; for dozens of images.",
            {"epochs": 40, "steps": 60, "patience": 8},
        ),
    )
}


def preset(name: str, **changes: Any) -> FineTuneRecipe:
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
    return FineTuneRecipe.from_dict({**preset_values(PRESETS, name), **changes})
