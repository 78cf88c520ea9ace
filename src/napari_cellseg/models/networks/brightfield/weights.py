"""ImageNet weights of the encoders: from a file, or as torchvision fetches them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_cellseg.errors import MissingDependencyError, ModelError
from napari_cellseg.models.networks.brightfield.config import BACKBONES, Backbone
from napari_cellseg.models.networks.brightfield.encoders import Encoder

_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")


def read_imagenet(path: Path) -> dict[str, Tensor]:
    """Tensors of a file of weights by name, without running anything that the file may hold.

    Parameters
    ----------
    path : Path
        ``.safetensors``, or anything that ``torch.load`` reads with ``weights_only=True``: a state dict, bare
        or under the key ``state_dict``.

    Raises
    ------
    ModelError
        Where the file cannot be read, or holds more than tensors.
    """
    try:
        state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    except OSError as error:
        raise ModelError(f"The weights '{path}' cannot be read: {error.strerror or error}.") from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"'{path}' does not hold tensors by name, as a file of weights does.")
    return dict(state)


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:
        raise ModelError(
            f"'{path}' is not a file of weights that can be read without running code from it "
            f"({str(error).splitlines()[0]})."
        ) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingDependencyError("Reading .safetensors", "safetensors", "train") from error
    try:
        return load_file(str(path))
    except SafetensorError as error:
        raise ModelError(f"'{path}' is not a whole .safetensors file ({error}).") from error


def download_imagenet(name: Backbone) -> dict[str, Tensor]:
    """Weights as torchvision fetches them, from its own cache where they are there; the hash is checked.

    Raises
    ------
    ModelError
        Where they cannot be fetched.
    """
    import torchvision

    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    try:
        return published.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"The ImageNet weights of {BACKBONES[name].title} cannot be fetched from {published.url} "
            f"({error}). Fetch the file on another computer and give its path instead."
        ) from error


def load_imagenet(encoder: Encoder, state: Mapping[str, Tensor], source: str) -> None:
    """Fill an encoder with the weights of torchvision's whole network; its head is left out.

    Parameters
    ----------
    encoder : Encoder
        Filled in place.
    state : mapping of str to Tensor
        Weights by torchvision's names, of any float type.
    source : str
        Where they come from, for the error's text.

    Raises
    ------
    ModelError
        Where tensors are missing or of another shape.
    """
    named = {_DENSE_LAYER.sub(r"\1\2.", name): value for name, value in state.items()}
    ours = encoder.stages.state_dict()
    # Files from before torch 0.4.1 do not count batches.
    needed = {n: t for n, t in encoder.library_names.items() if not n.endswith("num_batches_tracked")}
    wrong = [t for n, t in needed.items() if t not in named or named[t].shape != ours[n].shape]
    if wrong:
        raise ModelError(
            f"{source} does not hold the weights of {BACKBONES[encoder.name].title} as torchvision names "
            f"them: {len(wrong)} of {len(needed)} tensors are missing or of another shape, the first is "
            f"'{wrong[0]}'."
        )
    encoder.stages.load_state_dict({n: named[t] for n, t in needed.items()}, strict=False)
