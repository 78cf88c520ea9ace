"""The card of a YOLO network that was trained here."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.instances.prototypes import PrototypeDecoding
from napari_cellseg.models.card import NAME_PATTERN, DataSource, IntensityScaling, ModelCard, file_hash
from napari_cellseg.models.embedded import CONFIDENCE, FLOOR
from napari_cellseg.training.yolo.recipe import STRIDE, YoloRecipe
from napari_cellseg.training.yolo.tiles import Tiles

LICENCE = (
    "AGPL-3.0, as all that Ultralytics' package trains, unless you have another licence from Ultralytics"
)


def trained_card(
    recipe: YoloRecipe, dataset: Dataset, tiles: Tiles, weights: Path, facts: Mapping[str, Any]
) -> ModelCard:
    """Card of weights that were just trained, before they are scored.

    Parameters
    ----------
    recipe : YoloRecipe
        How.
    dataset : Dataset
        On what; its folder's name becomes that of the data.
    tiles : Tiles
        What was made of it.
    weights : Path
        The weights.
    facts : mapping
        ``parameters``, the count of weights; everything else goes into the card's recipe.
    """
    told = {key: value for key, value in facts.items() if key != "parameters"}
    low, high = dataset.settings.scaling
    today = datetime.now(UTC).date().isoformat()
    return ModelCard(
        name=model_name(Path(recipe.model).stem),
        version=today,
        **_words(recipe, dataset, tiles),
        kind="instance",
        backend="ultralytics",
        weights=Path(recipe.model).name,
        sha256=file_hash(weights),
        licence=LICENCE,
        channels=3,
        scaling=IntensityScaling(low_percentile=low, high_percentile=high),
        prototypes=PrototypeDecoding(),
        classes=tiles.classes,
        confidence=CONFIDENCE,
        confidence_floor=FLOOR,
        **_sizes(recipe, tiles),
        pixel_size=_pixel_size(dataset, tiles) if recipe.scale == "own" else None,
        parameters=int(facts["parameters"]),
        data=(_source(dataset, tiles),),
        recipe={**_without_paths(recipe), **told, "data_sha256": tiles.data},
        parent=None if recipe.from_scratch else file_hash(recipe.start),
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


def model_name(stem: str) -> str:
    """A name that a model may have, from that of its file."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:80].strip("._-")
    return name if re.fullmatch(NAME_PATTERN, name) else "yolo"


def _overlap(edge: int, diameter: float) -> int:
    """Overlap of tiles in which nearly every object lies whole, a quarter to half of a tile, pixels."""
    wanted = ceil(diameter / STRIDE) * STRIDE
    return min(max(wanted, edge // 4 // STRIDE * STRIDE), edge // 2 // STRIDE * STRIDE)


def _pixel_size(dataset: Dataset, tiles: Tiles) -> float | None:
    """Pixel size of the training images in µm, where it is known of all and the same but for a twentieth."""
    sizes = [e.origin.pixel_size for e in dataset.entries() if e.name in tiles.images["train"]]
    known = [size for size in sizes if size]
    if not known or len(known) < len(sizes) or max(known) > 1.05 * min(known):
        return None
    return round(median(known), 6)


def _source(dataset: Dataset, tiles: Tiles) -> DataSource:
    counts = {entry.name: entry.objects for entry in dataset.entries()}
    objects = {split: sum(counts.get(name, 0) for name in tiles.images[split]) for split in ("train", "val")}
    return DataSource(
        name=dataset.folder.name,
        title=f"Dataset '{dataset.folder.name}'",
        licence="not said in the dataset",
        citation="not said in the dataset",
        train_images=len(tiles.images["train"]),
        train_objects=objects["train"],
        validation_images=len(tiles.images["val"]),
        validation_objects=objects["val"],
    )


def _without_paths(recipe: YoloRecipe) -> dict[str, Any]:
    """The recipe with names instead of paths, which are nobody else's business."""
    values = recipe.as_dict()
    return values | {name: Path(values[name]).name for name in ("data", "model", "start")}
