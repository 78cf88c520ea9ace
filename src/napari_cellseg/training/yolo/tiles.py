"""The pictures and polygons that a YOLO network learns from, cut from the images of a dataset."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.encoding import write_png
from napari_cellseg.datasets.formats.yolo import polygon_lines
from napari_cellseg.datasets.picture import is_colour
from napari_cellseg.datasets.sample import Pixels, Sample, Split
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import TrainingError
from napari_cellseg.evaluation.classes import BACKGROUND
from napari_cellseg.events import Job, Progress
from napari_cellseg.images.channels import Channel
from napari_cellseg.images.planes import Planes, open_planes
from napari_cellseg.images.scaling import intensity_range, scale_intensity
from napari_cellseg.outputs import make_folder, output_errors, replacing
from napari_cellseg.training.cards import pixel_hashes
from napari_cellseg.training.yolo.recipe import YoloRecipe

PADDING = 114
"""Grey around images that are smaller than a tile, as `segment` and ultralytics have it."""

VISIBLE = 0.25
"""An object that a tile shows a smaller share of is left out of it."""

LEARNT: tuple[Split, ...] = ("train", "val")
"""Splits that tiles are made of; test images stay unseen."""

CONTENT = "tiles.json"
ONE_CLASS = "cell"
"""Name of the class where all are taken for one."""

STAGE = "Preparing"


@dataclass(frozen=True, slots=True)
class Tiles:
    """A folder of pictures with their polygons, as ultralytics reads them.

    Attributes
    ----------
    folder : Path
        Holds ``images/train``, ``labels/train``, ``images/val`` and ``labels/val``.
    classes : tuple of str
        Names in the order of their numbers.
    images : dict of str to dict of str to str
        Images of each split of the dataset, test too: hash of what each of them holds, by name.
    tiles, objects : dict of str to int
        Pictures, and polygons in them, of each split that they are made of.
    diameters : tuple of float
        Median, 5th and 95th percentile of the diameters (of circles of the objects' areas) of the training
        images' objects, pixels of the images.
    scale : float
        Median of how many pixels of a picture a pixel of an image has become.
    data : str
        Hash of the dataset: names, splits, pixels and objects.
    pixels : dict of str to list of str
        Hashes of the pixels of the images of each split; empty of tiles that older versions made.
    """

    folder: Path
    classes: tuple[str, ...]
    images: dict[str, dict[str, str]]
    tiles: dict[str, int]
    objects: dict[str, int]
    diameters: tuple[float, float, float]
    scale: float
    data: str
    pixels: dict[str, list[str]] = field(default_factory=dict)

    def pictures(self, split: Split) -> Path:
        """Folder of the pictures of a split."""
        return self.folder / "images" / split


@dataclass(slots=True)
class _Tally:
    tiles: dict[str, int]
    objects: dict[str, int]
    diameters: list[NDArray[np.float64]]
    scales: list[float]


def read_tiles(folder: Path) -> Tiles | None:
    """Tiles that `making_tiles` made, None where there are none or they are not complete."""
    try:
        content = json.loads((folder / CONTENT).read_text(encoding="utf-8"))
        classes, diameters = tuple(content.pop("classes")), tuple(content.pop("diameters"))
        return Tiles(folder=folder, classes=classes, diameters=diameters, **content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def dataset_hashes(dataset: Dataset) -> dict[str, dict[str, str]]:
    """Images of each split: hash of the pixels and objects of each, by name."""
    hashes: dict[str, dict[str, str]] = {"train": {}, "val": {}, "test": {}}
    for name in dataset.names:
        record = dataset.record(name)
        files = sorted(record.files.values())
        hashes[record.split][name] = hashlib.sha256("\n".join(files).encode()).hexdigest()
    return hashes


def unchanged_images(dataset: Dataset, tiles: Tiles) -> dict[str, list[str]]:
    """Images that have been in their split all the time, with the same pixels and objects, by split."""
    now = dataset_hashes(dataset)
    return {
        split: [name for name, known in images.items() if now[split].get(name) == known]
        for split, images in tiles.images.items()
    }


def combined_hash(images: dict[str, dict[str, str]], classes: tuple[str, ...]) -> str:
    """Hash of a dataset, from those of its images."""
    content = json.dumps([images, classes], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def making_tiles(dataset: Dataset, recipe: YoloRecipe, folder: Path) -> Job[Tiles]:
    """Cut the training and validation images of a dataset into pictures that ultralytics trains on.

    Intensities are scaled by the percentiles of the whole image, as `segment` does; what nobody has reviewed
    is filled with background. With ``scale="own"`` an image becomes overlapping tiles of `imgsz` pixels, and
    what is smaller is padded; with ``"fit"`` it stays whole, and ultralytics resizes it.

    Parameters
    ----------
    dataset : Dataset
        With images in ``train`` and ``val``.
    recipe : YoloRecipe
        Its `scale`, `imgsz`, `channel` and `single_class` matter.
    folder : Path
        Where to write; what was there is replaced, unless it holds just these tiles.

    Raises
    ------
    TrainingError
        Where there are no images or no objects to learn from or to validate on.
    DatasetError
        Where a file of the dataset is damaged.
    OutputError
        Where the folder cannot be written.
    """
    check_splits(dataset)
    if not recipe.single_class:
        check_classes(dataset)
    yield Progress(STAGE, 0, 0, "looking at the dataset")
    classes = (ONE_CLASS,) if recipe.single_class else dataset.classes
    images = dataset_hashes(dataset)
    data = combined_hash(images, dataset.classes)
    known = read_tiles(folder)
    if known is not None and known.data == data:
        return known
    _empty(folder)
    tally = _Tally(dict.fromkeys(LEARNT, 0), dict.fromkeys(LEARNT, 0), [], [])
    names = [(split, name) for split in LEARNT for name in images[split]]
    for done, (split, name) in enumerate(names):
        yield Progress(STAGE, done, len(names), name)
        _write_tiles(dataset, dataset.sample(name), split, recipe, folder, tally)
    if not tally.diameters:
        raise TrainingError(f"The images for training in '{dataset.folder}' hold no objects to learn from.")
    low, middle, high = np.percentile(np.concatenate(tally.diameters), (5, 50, 95)).tolist()
    scale = float(np.median(tally.scales))
    diameters, pixels = (middle, low, high), pixel_hashes(dataset, images)
    tiles = Tiles(folder, classes, images, tally.tiles, tally.objects, diameters, scale, data, pixels)
    with replacing(folder / CONTENT) as temporary:
        content = {key: value for key, value in asdict(tiles).items() if key != "folder"}
        temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return tiles


def _empty(folder: Path) -> None:
    with output_errors(folder):
        if folder.exists():
            shutil.rmtree(folder)
    for kind in ("images", "labels"):
        for split in LEARNT:
            make_folder(folder / kind / split)


def check_splits(dataset: Dataset) -> None:
    """Make sure that there is something to learn from and something to validate on.

    Raises
    ------
    TrainingError
        Where there is not.
    """
    counts = dataset.counts()
    for split, purpose in (("train", "to learn from"), ("val", "to pick the best epoch by")):
        for what in ("images", "objects"):
            if not int(counts.at[split, what]):
                raise TrainingError(
                    f"The dataset '{dataset.folder}' has no {what} {purpose}: its split '{split}' has none. "
                    f"Split it anew, or move images with objects to '{split}'."
                )


def check_classes(dataset: Dataset) -> None:
    """Make sure that no class has the name that stands for no object at all, where there are several.

    Raises
    ------
    TrainingError
        Where one has.
    """
    if len(dataset.classes) > 1 and BACKGROUND in dataset.classes:
        raise TrainingError(
            f"The dataset '{dataset.folder}' has a class '{BACKGROUND}', which is what is no object. Rename "
            f"the class, or take all classes for one."
        )


def sample_planes(sample: Sample, pixels: Pixels, channel: Channel) -> Planes:
    """The pixels of a sample, (Y, X[, C]), as `segment` opens them with `sample_axes`."""
    axes, chosen = sample_axes(pixels, channel)
    return open_planes(pixels, axes=axes, channel=chosen)


def sample_axes(pixels: Pixels, channel: Channel) -> tuple[str, Channel]:
    """Axes and channel of the pixels of a sample: a plane has no channel to choose, others have the first."""
    if pixels.ndim == 2:
        return "YX", None
    if is_colour(pixels):
        return "YXS", channel
    return "YXC", 0 if channel is None else channel


def _write_tiles(
    dataset: Dataset, sample: Sample, split: Split, recipe: YoloRecipe, folder: Path, tally: _Tally
) -> None:
    shown = eight_bit(sample, recipe.channel, dataset.settings.scaling)
    annotation = _one_class(sample.annotation) if recipe.single_class else sample.annotation
    classes = (ONE_CLASS,) if recipe.single_class else dataset.classes
    areas = {mask.index: mask.area for mask in annotation.masks()}
    if split == "train" and areas:
        tally.diameters.append(2 * np.sqrt(np.array(list(areas.values())) / np.pi))
        tally.scales.append(1.0 if recipe.scale == "own" else recipe.imgsz / max(annotation.shape))
    edge = recipe.imgsz if recipe.scale == "own" else None
    for picture, part in cut_tiles(shown, annotation, areas, edge):
        name = f"{sum(tally.tiles.values()):06d}"
        lines = "".join(f"{line}\n" for line in polygon_lines(part, classes))
        with output_errors(folder):
            write_png(folder / "images" / split / f"{name}.png", picture)
            (folder / "labels" / split / f"{name}.txt").write_text(lines, encoding="utf-8")
        tally.tiles[split] += 1
        tally.objects[split] += len(part)


def eight_bit(sample: Sample, channel: Channel, percentiles: tuple[float, float]) -> NDArray[np.uint8]:
    """A sample as a network sees it, (Y, X) or (Y, X, 3): scaled as `segment` scales it, in 8 bits."""
    pixels = sample.pixels()
    limits = intensity_range(sample_planes(sample, pixels, channel).sample(0), *percentiles)
    planes = sample_planes(sample, sample.training_pixels(pixels), channel)
    height, width = planes.shape
    scaled = scale_intensity(planes.read(0, slice(0, height), slice(0, width)), limits)
    shown: NDArray[np.uint8] = np.rint(scaled.clip(0, 1) * 255).astype(np.uint8)
    return shown[..., 0] if shown.shape[2] == 1 else shown


def cut_tiles(
    shown: NDArray[np.uint8], annotation: Annotation, areas: dict[int, int], edge: int | None
) -> Iterator[tuple[NDArray[np.uint8], Annotation]]:
    """Tiles of a picture with what they show of its objects.

    Parameters
    ----------
    shown : (Y, X) or (Y, X, 3) ndarray of uint8
        The picture.
    annotation : Annotation
        Its objects.
    areas : dict of int to int
        Pixels of each whole object.
    edge : int or None
        Height and width of a tile, pixels; None leaves the picture whole.

    Yields
    ------
    tuple of ndarray and Annotation
        Tile, padded where the picture is smaller, and its objects; those that it shows less than `VISIBLE`
        of are left out.
    """
    if edge is None:
        yield shown, annotation
        return
    overlap = edge // 8
    for y in tile_starts(annotation.shape[0], edge, overlap):
        for x in tile_starts(annotation.shape[1], edge, overlap):
            window = shown[y : y + edge, x : x + edge]
            tile = np.full((edge, edge, *shown.shape[2:]), PADDING, np.uint8)
            tile[: window.shape[0], : window.shape[1]] = window
            part = annotation.crop((y, x, y + window.shape[0], x + window.shape[1]))
            kept = [mask for mask in part.masks() if mask.area >= VISIBLE * areas[mask.index]]
            yield tile, Annotation.from_masks((edge, edge), kept, part.objects)


def tile_starts(length: int, edge: int, overlap: int) -> tuple[int, ...]:
    """First pixels of as few tiles as cover an axis, evenly spread, that share at least `overlap` pixels."""
    if length <= edge:
        return (0,)
    count = -(-(length - overlap) // (edge - overlap))
    return tuple(round(k * (length - edge) / (count - 1)) for k in range(count))


def _one_class(annotation: Annotation) -> Annotation:
    objects = annotation.objects.assign(**{"class": ONE_CLASS})
    return Annotation(annotation.labels, objects, annotation.covered)
