"""The card of an ensemble of U-Nets that was trained here."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.models.card import IntensityScaling, ModelCard, model_name
from napari_cellseg.models.networks.brightfield.config import STRIDE
from napari_cellseg.training.cards import (
    NO_HASH,
    author_name,
    common_pixel_size,
    data_source,
    learnt_from,
)
from napari_cellseg.training.unets.decoding import ChosenDecoding
from napari_cellseg.training.unets.learning import Learnt
from napari_cellseg.training.unets.recipe import UnetRecipe

SCRATCH = "Yours to choose, as far as the licence of the training images allows; no other weights are in it"
IMAGENET = (
    "Yours to choose, as far as the licence of the training images and that of the encoders' ImageNet "
    "weights allow: torchvision publishes these under BSD-3-Clause; the images that they were trained on "
    "are for non-commercial research and education"
)
FLOOR = 0.05


def ensemble_card(
    recipe: UnetRecipe,
    dataset: Dataset,
    learnt: Learnt,
    maps: Sequence[str],
    chosen: ChosenDecoding,
    facts: Mapping[str, Any],
) -> ModelCard:
    """Card of an ensemble, before it is written and scored.

    Parameters
    ----------
    recipe : UnetRecipe
        How it was trained.
    dataset : Dataset
        On what; its folder's name becomes that of the data.
    learnt : Learnt
        What the dataset was like.
    maps : sequence of str
        What it gives.
    chosen : ChosenDecoding
        How the maps become objects, and from which confidence on.
    facts : mapping
        ``parameters``, the count of weights, and ``votes``, how many networks vote; everything goes into the
        card's recipe.
    """
    middle, low, high = (max(1.0, round(size, 1)) for size in learnt.diameters)
    today, votes = datetime.now(UTC).date().isoformat(), int(facts["votes"])
    how = "the mean of their probabilities" if recipe.vote == "mean" else "their majority"
    told = f"{votes} networks look at every pixel, and {how} decides" if votes > 1 else "One network"
    return ModelCard(
        name=model_name(Path(recipe.model).stem, "unets"),
        version=today,
        title=f"Bright-field U-Nets trained on {dataset.folder.name}",
        description=f"{told}: finds {learnt.classes[0]} in images like those of '{dataset.folder.name}'.",
        kind="pixel",
        backend="onnx",
        weights=Path(recipe.model).name,
        sha256=NO_HASH,
        licence=SCRATCH if recipe.imagenet is None else IMAGENET,
        channels=3,
        scaling=IntensityScaling(
            low_percentile=dataset.settings.scaling[0], high_percentile=dataset.settings.scaling[1]
        ),
        maps=tuple(maps),
        decoder=chosen.decoding,
        classes=learnt.classes,
        confidence=chosen.confidence,
        confidence_floor=min(FLOOR, chosen.confidence),
        diameter=middle,
        diameter_range=(low, high),
        pixel_size=common_pixel_size(dataset, learnt.images["train"]),
        tile=2 * recipe.edge,
        tile_multiple=STRIDE,
        overlap=max(STRIDE, recipe.edge // 4 // STRIDE * STRIDE),
        max_diameter=max(2 * high, recipe.edge / 2),
        parameters=int(facts["parameters"]),
        data=(data_source(dataset, learnt.images, learnt.objects),),
        recipe={**_without_paths(recipe), **facts, "data_sha256": learnt.data},
        not_for=("Images that look unlike those it was trained on: score it on some of yours first.",),
        trained_on=learnt_from(learnt.pixels["train"]),
        validated_on=tuple(learnt.pixels["val"]),
        author=author_name(),
        created=today,
    )


def _without_paths(recipe: UnetRecipe) -> dict[str, Any]:
    """The recipe with names instead of paths, which are nobody else's business."""
    values = recipe.as_dict()
    paths = {name: Path(values[name]).name for name in ("data", "model", "imagenet") if values[name]}
    return values | paths
