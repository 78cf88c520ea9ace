"""The card of a U-Net that was trained further here."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.models.card import ModelCard, model_name
from napari_cellseg.training.cards import author_name, data_source, learnt_from
from napari_cellseg.training.finetuning.recipe import FineTuneRecipe
from napari_cellseg.training.finetuning.start import Start
from napari_cellseg.training.unets.learning import Learnt

FURTHER, BEGUN = "; trained further on", " Its training began"
ALLOWED = (
    ", as the weights that it began with, as far as the licence of the images that it learnt from allows"
)
"""What titles, descriptions and licences say after those of the parent."""


def tuned_card(
    recipe: FineTuneRecipe,
    start: Start,
    dataset: Dataset,
    learnt: Learnt,
    sha256: str,
    facts: Mapping[str, Any],
) -> ModelCard:
    """Card of a network that was just trained further, before it is scored.

    It keeps of its parent how images are scaled, which sizes of objects the network knows, and how maps
    become objects; scores and calibration are left out, which were the parent's.

    Parameters
    ----------
    recipe : FineTuneRecipe
        How.
    start : Start
        From what.
    dataset : Dataset
        On what.
    learnt : Learnt
        What the dataset was like.
    sha256 : str
        Hash of the new weights.
    facts : mapping
        Goes into the card's recipe.
    """
    parent, today = start.card, datetime.now(UTC).date().isoformat()
    name, (_, low, high), known = dataset.folder.name, learnt.diameters, parent.diameter_range
    source = data_source(dataset, learnt.images, learnt.objects)
    update = {
        "name": model_name(Path(recipe.model).stem, f"{parent.name}-trained"),
        "version": today,
        "title": f"{_before(parent.title, FURTHER)}{FURTHER} {name}",
        "description": f"{_before(parent.description, BEGUN)}{BEGUN} with '{parent.name}', version "
        f"{parent.version}, and learnt from {len(learnt.images['train'])} corrected images of '{name}'.",
        "weights": Path(recipe.model).name,
        "sha256": sha256,
        "licence": f"{_before(parent.licence, ALLOWED)}{ALLOWED}",
        "diameter_range": (round(min(low, known[0]), 1), round(max(high, known[1]), 1)),
        "data": (*(data for data in parent.data if data.name != source.name), source),
        "scores": (),
        "calibration": (),
        "recipe": {**_without_paths(recipe, parent), **facts, "data_sha256": learnt.data},
        "parent": parent.sha256,
        "trained_on": learnt_from(learnt.pixels["train"], parent),
        "validated_on": tuple(learnt.pixels["val"]),
        "author": author_name(),
        "export": None,
        "created": today,
    }
    return ModelCard.model_validate(parent.model_copy(update=update).model_dump())


def _before(text: str, words: str) -> str:
    """What a text says before some words, which a model that was trained further again has already."""
    return text.partition(words)[0]


def _without_paths(recipe: FineTuneRecipe, parent: ModelCard) -> dict[str, Any]:
    """The recipe with names instead of paths, which are nobody else's business."""
    values = recipe.as_dict()
    return values | {name: Path(values[name]).name for name in ("data", "model")} | {"start": parent.name}
