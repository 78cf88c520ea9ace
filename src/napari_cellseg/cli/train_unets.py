"""What the command that trains does where an ensemble of bright-field U-Nets is asked for."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cellseg.errors import MissingDependencyError, OptionError, TrainingError
from napari_cellseg.models.networks.brightfield.config import NETWORKS

if TYPE_CHECKING:
    from napari_cellseg.training.runs.run import RunFolder
    from napari_cellseg.training.unets.recipe import UnetRecipe

FAMILY = "brightfield"
"""Names of presets that train such an ensemble begin with this."""

PACKAGES = ("torch", "torchvision", "onnxscript", "safetensors")

RENAMED = {"imgsz": "edge"}
"""Options of the command that the recipe knows by another name."""


def is_unets(run: "RunFolder", resume: bool, *names: str | None) -> bool:
    """Whether bright-field U-Nets are trained, by preset and network or, where it goes on, the run."""
    if resume:
        return run.read_recipe()[0] == "napari_cellseg.training.unets.training"
    return any(n.startswith(FAMILY) or n.partition("/")[0] in NETWORKS for n in names if n is not None)


def check_unet_packages() -> None:
    """Make sure that all is installed.

    Raises
    ------
    MissingDependencyError
        Where something is not.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingDependencyError("Training bright-field U-Nets", package, "train")


def make_unet_recipe(
    dataset: Path | None,
    out: Path,
    preset: str | None,
    arch: str | None,
    weights: Path | None,
    changes: dict[str, Any],
) -> "UnetRecipe":
    """The recipe that the command line asks for.

    Parameters
    ----------
    dataset, out : Path
        What to train on, and the file to write.
    preset, arch : str, optional
        A preset under either name; `arch` may also be a network, with its loss behind a slash.
    weights : Path, optional
        ImageNet weights of the encoders.
    changes : dict
        Values of the other options.

    Raises
    ------
    OptionError
        Where the dataset is missing, or a value is not what it must be.
    """
    from napari_cellseg.training.unets.presets import PRESETS
    from napari_cellseg.training.unets.presets import preset as preset_recipe

    if dataset is None:
        raise OptionError("There must be a dataset to train on, or --resume.")
    values = {RENAMED.get(name, name): value for name, value in changes.items()}
    if arch is not None and arch not in PRESETS:
        values["members"] = [arch]
    elif arch is not None and preset is not None:
        raise OptionError(f"--preset and --arch both name a preset, '{preset}' and '{arch}': give one.")
    if weights is not None:
        values["imagenet"] = str(weights)
    name = preset or (arch if arch in PRESETS else None) or FAMILY
    return preset_recipe(name, **values, data=str(dataset), model=str(out))


def check_unet_start(recipe: "UnetRecipe") -> None:
    """Make sure that there is what a training begins with.

    Raises
    ------
    DatasetError, TrainingError
        Where the dataset or the ImageNet weights are missing.
    """
    from napari_cellseg.datasets.store import Dataset
    from napari_cellseg.training.unets.imagenet import imagenet_weights

    dataset = Dataset.open(recipe.data)
    if not int(dataset.counts().at["train", "images"]):
        raise TrainingError(f"The dataset '{dataset.folder}' has no images to learn from.")
    imagenet_weights(recipe)


def unet_preset_lines() -> Iterator[str]:
    """What there is to choose from, as lines of text."""
    from napari_cellseg.training.unets.presets import PRESETS

    for preset in PRESETS.values():
        members = ", ".join(preset_members(preset.values))
        values = [f"{n} {v}" for n, v in preset.values.items() if n != "members"]
        yield f"{preset.name}: {preset.title}"
        yield f"  {preset.help}"
        yield f"  members {members}{''.join(f', {value}' for value in values)}"
        yield f"  Source: {preset.source}"
    yield f"Bright-field networks: {', '.join(NETWORKS)}; a loss goes behind a slash, as in model-2/bce-dice"


def preset_members(values: dict[str, Any]) -> list[str]:
    """Names of the networks of a preset."""
    return [m if isinstance(m, str) else m["name"] for m in values.get("members", ())]
