"""Two files of one model on the same images: do they find the same objects, and how fast?"""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.batch.files import find_images
from napari_cellseg.datasets.picture import is_colour
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.datasets.store import Dataset, is_dataset
from napari_cellseg.errors import CellSegWarning, ImageError, OptionError
from napari_cellseg.evaluation.matching import match_labels
from napari_cellseg.events import Job, Progress
from napari_cellseg.images.axes import resolve_axes
from napari_cellseg.images.channels import Channel
from napari_cellseg.images.reading import read_image
from napari_cellseg.images.simulation import simulate_brightfield, simulate_fluorescence
from napari_cellseg.models.card import ExportComparison, Latency
from napari_cellseg.models.protocols import Model
from napari_cellseg.pipeline import segment
from napari_cellseg.training.shown import evenly

MOST_IMAGES = 20
"""Of more images as many are compared, spread evenly over all."""

LARGEST_EDGE = 2048
"""Of larger images this much of the middle is compared, pixels."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that is looked at when it is needed.

    Attributes
    ----------
    name : str
        What to call it.
    read : callable
        Gives its pixels, (Y, X) or (Y, X, C), and its axes.
    """

    name: str
    read: Callable[[], tuple[NDArray[Any], str]]


@dataclass(frozen=True, slots=True)
class Pictures:
    """Images to compare on.

    Attributes
    ----------
    title : str
        What they are, in words.
    pictures : tuple of Picture
        At least one.
    """

    title: str
    pictures: tuple[Picture, ...]


def find_pictures(images: str | Path | None = None) -> Pictures:
    """Images to compare on.

    Parameters
    ----------
    images : path, optional
        A dataset, of which the validation images are taken (where it has none, all); a folder of images, or
        one. None: a picture of stained tissue that comes with scikit-image, and simulated cells.

    Raises
    ------
    OptionError
        Where there is no image.
    ImageError, DatasetError
        Where there is no such folder, or it or the dataset cannot be read.
    """
    if images is None:
        return Pictures("stained tissue of scikit-image and simulated cells", _shipped())
    path = Path(images)
    if is_dataset(path):
        dataset = Dataset.open(path)
        names = [entry.name for entry in dataset.entries() if entry.split == "val"]
        title = f"validation images of the dataset '{path.resolve().name}'"
        if not names:
            names, title = list(dataset.names), f"images of the dataset '{path.resolve().name}'"
        if not names:
            raise OptionError(f"The dataset '{path}' has no images.")
        chosen = _spread(names)
        return Pictures(title, tuple(Picture(name, _OfDataset(dataset, name)) for name in chosen))
    if not path.exists():
        raise ImageError(f"There is no file or folder '{path}' to compare on.")
    files = _spread(find_images(path))
    return Pictures(f"images of '{path.resolve().name}'", tuple(Picture(f.name, _OfFile(f)) for f in files))


def comparing(
    models: Mapping[str, Model], pictures: Pictures, channel: Channel = None
) -> Job[ExportComparison]:
    """Segment the same images with a model and its exports.

    Parameters
    ----------
    models : mapping of str to Model
        By kind of file; the first is the source, and the last is compared with it.
    pictures : Pictures
        The images.
    channel : int, sequence of int, "mean" or "max", optional
        Which channel of those that have several, as `segment` takes it.

    Raises
    ------
    CellSegError
        Where an image cannot be read or a model fails.
    """
    tally = _Tally({kind: [] for kind in models})
    total = len(pictures.pictures) * len(models)
    for i, picture in enumerate(pictures.pictures):
        pixels, axes = picture.read()
        options = {"axes": axes, "channel": channel if "C" in axes else None}
        found = []
        for k, (kind, model) in enumerate(models.items()):
            yield Progress("Comparing", i * len(models) + k, total, f"{picture.name}, .{kind}")
            if i == 0:
                _labels(model, pixels, options)
            start = time.perf_counter()
            found.append(_labels(model, pixels, options))
            tally.seconds[kind].append(time.perf_counter() - start)
        tally.count(found[0], found[-1])
    yield Progress("Comparing", total, total)
    ious = np.concatenate(tally.ious)
    return ExportComparison(
        images=pictures.title,
        count=len(pictures.pictures),
        source_objects=tally.source,
        export_objects=tally.export,
        pairs=len(ious),
        mean_iou=float(ious.mean()) if len(ious) else None,
        worst_iou=float(ious.min()) if len(ious) else None,
        latencies=tuple(
            Latency(format=kind, device=models[kind].device, seconds=median(seconds))
            for kind, seconds in tally.seconds.items()
        ),
    )


@dataclass(slots=True)
class _Tally:
    """What was found so far."""

    seconds: dict[str, list[float]]
    ious: list[NDArray[np.float64]] = field(default_factory=list)
    source: int = 0
    export: int = 0

    def count(self, source: NDArray[np.int32], export: NDArray[np.int32]) -> None:
        matching = match_labels(export, source)
        self.ious.append(matching.iou)
        self.source += len(matching.iou) + len(matching.false_negatives)
        self.export += len(matching.iou) + len(matching.false_positives)


def _labels(model: Model, pixels: NDArray[Any], options: dict[str, Any]) -> NDArray[np.int32]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CellSegWarning)
        labels: NDArray[np.int32] = segment(pixels, model, **options).labels
    return labels


@dataclass(frozen=True, slots=True)
class _OfFile:
    """The middle of the first plane of an image file."""

    path: Path

    def __call__(self) -> tuple[NDArray[Any], str]:
        file = read_image(self.path)
        axes = resolve_axes(file.data.shape, file.data.dtype, file.axes)
        chosen = {axis: _middle(n) for axis, n in zip(axes, file.data.shape, strict=True) if axis in "YX"}
        place = tuple(chosen.get(axis, slice(None) if axis in "CS" else 0) for axis in axes)
        return np.asarray(file.data[place]), "".join(axis for axis in axes if axis in "YXCS")


@dataclass(frozen=True, slots=True)
class _OfDataset:
    """The middle of an image of a dataset."""

    dataset: Dataset
    name: str

    def __call__(self) -> tuple[NDArray[Any], str]:
        sample: Sample = self.dataset.sample(self.name)
        pixels = sample.pixels()
        middle = pixels[_middle(pixels.shape[0]), _middle(pixels.shape[1])]
        return middle, "YX" if middle.ndim == 2 else "YXS" if is_colour(middle) else "YXC"


def _middle(length: int) -> slice:
    start = max(0, (length - LARGEST_EDGE) // 2)
    return slice(start, min(length, start + LARGEST_EDGE))


def _spread(values: Sequence[Any]) -> list[Any]:
    """At most `MOST_IMAGES` of them, evenly."""
    return [values[i] for i in evenly(len(values), MOST_IMAGES)]


def _shipped() -> tuple[Picture, ...]:
    def tissue() -> tuple[NDArray[Any], str]:
        from skimage.data import immunohistochemistry

        return immunohistochemistry(), "YXS"

    return (
        Picture("tissue", tissue),
        Picture("simulated nuclei", lambda: (simulate_fluorescence(seed=1).image, "YX")),
        Picture("simulated cells", lambda: (simulate_brightfield(seed=1).image, "YX")),
    )
