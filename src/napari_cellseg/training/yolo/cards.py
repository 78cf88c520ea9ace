"""The card of a YOLO network that was trained here."""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.instances.prototypes import PrototypeDecoding
from napari_cellseg.models.card import IntensityScaling, ModelCard, model_name
from napari_cellseg.models.embedded import CONFIDENCE, FLOOR
from napari_cellseg.training.cards import (
    NO_HASH,
    author_name,
    common_pixel_size,
    data_source,
    learnt_from,
)
from napari_cellseg.training.yolo.recipe import STRIDE, YoloRecipe
from napari_cellseg.training.yolo.tiles import Tiles

LICENCE = (
    "AGPL-3.0, as all that Ultralytics' package trains, unless you have another licence from Ultralytics"
)


def trained_card(
    recipe: YoloRecipe,
    dataset: Dataset,
    tiles: Tiles,
    facts: Mapping[str, Any],
    parent: ModelCard | None = None,
) -> ModelCard:
    """Card of weights, before they are in a file and scored.

    Parameters
    ----------
    recipe : YoloRecipe
        How.
    dataset : Dataset
        On what; its folder's name becomes that of the data.
    tiles : Tiles
        What was made of it.
    facts : mapping
        ``parameters``, the count of weights; everything else goes into the card's recipe.
    parent : ModelCard, optional
        Card of the weights that it began with.
    """
    told = {key: value for key, value in facts.items() if key != "parameters"}
    low, high = dataset.settings.scaling
    today = datetime.now(UTC).date().isoformat()
    return ModelCard(
        name=model_name(Path(recipe.model).stem, "yolo"),
        version=today,
        **_words(recipe, dataset, tiles),
        kind="instance",
        backend="ultralytics",
        weights=Path(recipe.model).name,
        sha256=NO_HASH,
        licence=LICENCE,
        channels=3,
        scaling=IntensityScaling(low_percentile=low, high_percentile=high),
        prototypes=PrototypeDecoding(),
        classes=tiles.classes,
        confidence=CONFIDENCE,
        confidence_floor=FLOOR,
        **_sizes(recipe, tiles),
        pixel_size=common_pixel_size(dataset, tiles.images["train"]) if recipe.scale == "own" else None,
        parameters=int(facts["parameters"]),
        data=(data_source(dataset, tiles.images, _objects(dataset, tiles)),),
        recipe={**_without_paths(recipe), **told, "data_sha256": tiles.data},
        parent=None if parent is None else parent.sha256,
        trained_on=learnt_from(tiles.pixels.get("train", ()), parent),
        validated_on=tuple(tiles.pixels.get("val", ())),
        author=author_name(),
        created=today,
    )


def _words(recipe: YoloRecipe, dataset: Dataset, tiles: Tiles) -> dict[str, Any]:
    """What a card says in sentences."""
    data = dataset.folder.name
    network = recipe.start if recipe.from_scratch else f"{Path(recipe.start).name}, trained further"
    return {
        "title": f"YOLO segmentation trained on {data}",
        "description": f"{network}: finds {', '.join(tiles.classes)} in images like those of '{data}'.",
        "not_for": ("Images that look unlike those it was trained on: score it on some of yours first.",),
    }


def _sizes(recipe: YoloRecipe, tiles: Tiles) -> dict[str, Any]:
    """Sizes of objects and tiles, in network pixels but for ``default_diameter``."""
    middle, low, high = (max(1.0, round(size * tiles.scale, 1)) for size in tiles.diameters)
    return {
        "diameter": middle,
        "diameter_range": (low, high),
        "default_diameter": None if recipe.scale == "own" else round(tiles.diameters[0], 1),
        "tile": recipe.imgsz,
        "tile_multiple": STRIDE,
        "overlap": _overlap(recipe.imgsz, high),
        "max_diameter": max(high, recipe.imgsz / 2),
    }


def _overlap(edge: int, diameter: float) -> int:
    """Overlap of tiles in which nearly every object lies whole, a quarter to half of a tile, pixels."""
    wanted = ceil(diameter / STRIDE) * STRIDE
    return min(max(wanted, edge // 4 // STRIDE * STRIDE), edge // 2 // STRIDE * STRIDE)


def _objects(dataset: Dataset, tiles: Tiles) -> dict[str, int]:
    """Objects of the images to learn from and to validate with."""
    counts = {entry.name: entry.objects for entry in dataset.entries()}
    return {split: sum(counts.get(name, 0) for name in tiles.images[split]) for split in ("train", "val")}


def _without_paths(recipe: YoloRecipe) -> dict[str, Any]:
    """The recipe with names instead of paths, which are nobody else's business."""
    values = recipe.as_dict()
    return values | {name: Path(values[name]).name for name in ("data", "model", "start")}
