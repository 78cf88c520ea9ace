"""What the command that trains can begin with, and which of it the options ask for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellseg.errors import OptionError
from napari_cellseg.training.families import (
    FAMILIES,
    Family,
    make_recipe,
    missing,
    starting_point,
    starting_points,
)
from napari_cellseg.training.runs.recipe import JsonRecipe


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says of a training: the options that decide what is trained.

    Attributes
    ----------
    dataset : Path or None
        What to train on.
    out : Path
        The file to write.
    model : str or None
        ``--from``: a model that is trained further.
    preset, arch : str or None
        A preset; a network that learns from scratch, or a preset too.
    weights : Path or None
        Weights to begin with, of the kind that the family knows.
    """

    dataset: Path | None
    out: Path
    model: str | None = None
    preset: str | None = None
    arch: str | None = None
    weights: Path | None = None


def asked_recipe(asked: Asked, changes: dict[str, Any]) -> tuple[Family, JsonRecipe]:
    """The family and the recipe that the command line asks for.

    Raises
    ------
    OptionError
        Where the dataset is missing, options exclude each other, or a value is not what it must be.
    ModelError
        Where there is no such model.
    """
    if asked.dataset is None:
        raise OptionError("There must be a dataset to train on, or --resume.")
    if asked.model is not None:
        if asked.arch is not None or asked.weights is not None:
            raise OptionError(
                "--from says what is trained further: there can be neither --arch nor --weights beside it."
            )
        point = starting_point(asked.model)
        return point.family, make_recipe(point, asked.preset, asked.dataset, asked.out, changes)
    family = _family(asked)
    preset, network = _preset_and_network(family, asked)
    values = {"data": str(asked.dataset), "model": str(asked.out), **changes}
    if asked.weights is not None:
        if network and family.weights in family.begin(network):
            raise OptionError(
                "There can be --arch, to learn from scratch, or --weights, to train further, not both."
            )
        values[family.weights] = str(asked.weights)
    elif not family.networks():
        raise OptionError(
            f"What is '{asked.out.name}' to begin with? Add --from nuclei, or another model that --presets "
            f"names, or --arch brightfield; for a YOLO network, model must be a file ending in .pt."
        )
    return family, family.make(preset, network, values)


def _family(asked: Asked) -> Family:
    """The family that knows the network; else the preset, the weights, and the file to write decide."""
    families = list(FAMILIES.values())
    left = [f for f in families if asked.arch is not None and _knows(f, asked.arch)]
    left = left or [f for f in families if asked.arch is None or f.networks()]
    for fitting in (
        [f for f in left if asked.preset in f.presets],
        [f for f in left if asked.weights is not None and f.suffix == asked.weights.suffix.lower()],
        [f for f in left if f.suffix == asked.out.suffix.lower()],
    ):
        left = [f for f in left if f in fitting] or left
    return left[0]


def _knows(family: Family, network: str) -> bool:
    networks = family.networks()
    return bool(networks) and (network.partition("/")[0] in networks or network in family.presets)


def _preset_and_network(family: Family, asked: Asked) -> tuple[str | None, str]:
    arch = asked.arch
    if arch is None or arch not in family.presets:
        return asked.preset, arch or ""
    if asked.preset is not None:
        raise OptionError(f"--preset and --arch both name a preset, '{asked.preset}' and '{arch}': give one.")
    return arch, ""


def choice_lines() -> Iterator[str]:
    """What there is to choose from, as lines of text: each family with its presets, models and networks."""
    points = starting_points()
    for family in FAMILIES.values():
        yield f"{family.title} ({family.suffix})"
        for preset in family.presets.values():
            yield f"  {preset.name}: {preset.title}"
            yield f"    {preset.help}"
            values = ", ".join(f"{name} {_in_words(value)}" for name, value in preset.values.items())
            yield from [f"    {values}"] if values else []
            yield f"    Source: {preset.source}"
        networks = family.networks()
        models = [p.title for p in points if p.family is family and p.start not in ("", *networks)]
        if models:
            yield f"  Models: {', '.join(models)}"
        if networks:
            yield f"  Networks: {', '.join(networks)}"
        yield f"  {family.hint}"
        error = missing(family)
        yield from [] if error is None else [f"  {error}"]


def _in_words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(v["name"] if isinstance(v, dict) else str(v) for v in value)
    return str(value)
