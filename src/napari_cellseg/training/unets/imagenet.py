"""Which file of ImageNet weights an encoder begins with."""

from pathlib import Path

from napari_cellseg.errors import TrainingError
from napari_cellseg.models.networks.brightfield.config import BACKBONES, Backbone
from napari_cellseg.training.unets.recipe import UnetRecipe

SUFFIXES = (".pth", ".pt", ".safetensors")


def imagenet_weights(recipe: UnetRecipe) -> dict[Backbone, str | None]:
    """File of the weights of each encoder in a recipe, ``"download"``, or None for learning from scratch.

    In a folder, a file belongs to the encoder whose name it begins with, as torchvision names them:
    ``vgg16-397923af.pth``, ``inception_v3_google-0cc3c7bd.pth``.

    Raises
    ------
    TrainingError
        Where there is no such file, or one file is to serve several encoders.
    """
    wanted: list[Backbone] = sorted({recipe.config(member).backbone for member in recipe.members})
    given = recipe.imagenet
    if given is None or given == "download":
        return dict.fromkeys(wanted, given)
    path = Path(given)
    if path.is_dir():
        return {name: str(_in_folder(path, name)) for name in wanted}
    if not path.is_file():
        raise TrainingError(f"There are no ImageNet weights '{path}'.")
    if len(wanted) > 1:
        raise TrainingError(
            f"'{path}' holds the weights of one encoder, and the networks have {len(wanted)}: "
            f"{', '.join(wanted)}. Give the folder that holds a file for each."
        )
    return {wanted[0]: str(path)}


def _in_folder(folder: Path, name: Backbone) -> Path:
    found = [p for p in sorted(folder.iterdir()) if p.name.startswith(name) and p.suffix in SUFFIXES]
    if not found:
        raise TrainingError(
            f"'{folder}' holds no ImageNet weights of {BACKBONES[name].title}: there must be a file "
            f"whose name begins with '{name}', as torchvision's has it."
        )
    return found[0]
