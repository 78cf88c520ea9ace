"""Which image to correct next: those in which a model is probably wrong, and that show something new."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.batch.files import find_images
from napari_cellseg.datasets.encoding import pixels_hash
from napari_cellseg.datasets.record import Entry
from napari_cellseg.datasets.sample import Pixels
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.datasets.twins import signature
from napari_cellseg.errors import CellSegError, CellSegWarning
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.images.channels import Channel
from napari_cellseg.images.planes import open_planes
from napari_cellseg.images.reading import PixelSize, read_image
from napari_cellseg.models.protocols import Model
from napari_cellseg.models.registry import load_model
from napari_cellseg.pipeline.job import segment
from napari_cellseg.pipeline.results import Segmentation
from napari_cellseg.training.image_order import Look, in_order
from napari_cellseg.training.image_statistics import describe_image

LOOKING, RANKING = "Looking at the dataset", "Ranking images"

PLANES = 3
"""Planes of a stack that are looked at, evenly spread."""

EDGE = 2048
"""Of larger images the middle is looked at, pixels."""

REFERENCES = 200
"""Images of the dataset that new ones are compared with, at most."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Known:
    """What a dataset has already.

    Attributes
    ----------
    descriptions : (R, K) ndarray of float64
        Numbers that describe its training images, see `describe_image`.
    pixels : frozenset of str
        Hashes of the pixels of all its images, and of the planes that they are parts of.
    places : frozenset of tuple
        File and position along its leading axes of all its images that are from a file.
    signatures : dict of str to str
        What near-duplicates are found by, by name.
    """

    descriptions: Values
    pixels: frozenset[str]
    places: frozenset[tuple[str, tuple[int, ...]]]
    signatures: dict[str, str]


def ranking(
    paths: str | Path | Iterable[str | Path],
    model: str | Path | Model = "nuclei",
    dataset: Dataset | str | Path | None = None,
    *,
    channel: Channel = None,
    device: str = "auto",
) -> Job[pd.DataFrame]:
    """Rank images by how much correcting them would teach.

    Parameters
    ----------
    paths : path or iterable of paths
        Image files, and folders whose images are taken. Of a stack a few planes are looked at, of a large
        image its middle.
    model : str, Path or Model
        The model that is to get better.
    dataset : Dataset or path, optional
        What was corrected so far: images unlike its training images come earlier, those that it has are last.
    channel : Channel
        What the model sees of several channels; the first unless given.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.

    Yields
    ------
    Progress
        Stage ``"Ranking images"`` counts files.

    Returns
    -------
    DataFrame
        A row per file, the one to correct next first; see `in_order`.

    Raises
    ------
    OptionError
        Where there are no images.
    ModelError, DeviceError
        Where the model cannot be used.
    DatasetError
        Where there is no dataset, or a file of it is damaged.
    """
    files = find_images(paths)
    yield Progress(RANKING, 0, len(files), "loading the model")
    loaded = load_model(model, device)
    known = None
    if dataset is not None:
        opened = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
        known = yield from knowing(opened)
    looks: list[Look] = []
    for done, path in enumerate(files):
        yield Progress(RANKING, done, len(files), path.name)
        looks.append(look_at_file(path, loaded, known, channel))
    yield Progress(RANKING, len(files), len(files))
    if known is None:
        return in_order(looks)
    return in_order(looks, known.descriptions, known.signatures)


def rank_images(
    paths: str | Path | Iterable[str | Path],
    model: str | Path | Model = "nuclei",
    dataset: Dataset | str | Path | None = None,
    *,
    channel: Channel = None,
    device: str = "auto",
    progress: Callable[[Progress], object] | None = None,
) -> pd.DataFrame:
    """`ranking`, run to its end; `progress` is called with every step."""
    return drain(ranking(paths, model, dataset, channel=channel, device=device), progress)


def knowing(dataset: Dataset) -> Job[Known]:
    """Look at the training images of a dataset, or at all where it has none; errors as in `sample`."""
    entries = dataset.entries()
    training = [entry for entry in entries if entry.split == "train"] or list(entries)
    step = -(-len(training) // REFERENCES) or 1
    chosen: Sequence[Entry] = training[::step]
    descriptions = []
    for done, entry in enumerate(chosen):
        yield Progress(LOOKING, done, len(chosen), entry.name)
        sample = dataset.sample(entry.name)
        areas = np.array([mask.area for mask in sample.annotation.masks()], float)
        pixels = sample.pixels()
        covered = float((sample.annotation.labels > 0).mean())
        descriptions.append(describe_image(pixels, _diameters(areas), covered))
    return Known(
        np.array(descriptions).reshape(len(chosen), -1),
        frozenset({h for e in entries for h in (e.pixels, e.origin.plane)} - {""}),
        frozenset(_place(e.origin.source, e.origin.position.values()) for e in entries if e.origin.source),
        {entry.name: entry.signature for entry in entries},
    )


def look_at_file(path: Path, model: Model, known: Known | None, channel: Channel = None) -> Look:
    """What a model finds in a file, and how sure it is; of several planes the one with the largest error.

    Whatever is wrong with the file is said by the `Look`.
    """
    try:
        file = read_image(path)
        planes = open_planes(file.data, axes=file.axes, channel=channel)
        count = len(planes)
        spread = {round((k + 0.5) * count / min(PLANES, count) - 0.5) for k in range(min(PLANES, count))}
        window = tuple(_middle(size) for size in planes.shape)
        looks = [
            _look(
                Place(path, plane, planes.index(plane), file.pixel_size),
                planes.read(plane, *window),
                model,
                known,
            )
            for plane in sorted(spread)
        ]
    except CellSegError as error:
        return Look(str(path), failure=str(error))
    except MemoryError:
        return Look(str(path), failure="There is too little memory for this image.")
    except Exception as error:  # one bad file, whatever is wrong with it, must not stop the others
        return Look(str(path), failure=f"{type(error).__name__}: {error}")
    return max(looks, key=lambda look: (not look.is_known, look.error))


@dataclass(frozen=True, slots=True)
class Place:
    """A plane of a file: its path, number, position along the leading axes, and size of its pixels."""

    path: Path
    plane: int
    index: tuple[int, ...]
    pixel_size: PixelSize | None


def _place(source: str | Path, position: Iterable[int]) -> tuple[str, tuple[int, ...]]:
    return str(Path(source).absolute()), tuple(position)


def _look(place: Place, pixels: Pixels, model: Model, known: Known | None) -> Look:
    shown = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    with catch_warnings():
        simplefilter("ignore", CellSegWarning)
        axes = "YX" if shown.ndim == 2 else "YXS"
        found = segment(shown, model, axes=axes, pixel_size=place.pixel_size)
    areas = np.bincount(np.asarray(found.labels).ravel())[1:].astype(float)
    covered = float(areas.sum()) / found.labels.size
    own = _place(place.path, place.index)
    return Look(
        str(place.path),
        place.plane,
        found.features["confidence"].to_numpy(float),
        found.candidates.instances.scores.astype(float),
        _disagreement(found),
        describe_image(shown, _diameters(areas[areas > 0]), covered),
        signature(shown),
        is_known=known is not None and (own in known.places or pixels_hash(shown) in known.pixels),
    )


def _disagreement(found: Segmentation) -> float:
    """Mean disagreement over the objects; NaN where the model has no members, or there are no objects."""
    if "disagreement" not in found.features:
        return np.nan
    values = found.features["disagreement"].to_numpy(float)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else np.nan


def _diameters(areas: Values) -> Values:
    return np.asarray(2 * np.sqrt(areas / np.pi))


def _middle(size: int) -> slice:
    start = max(0, (size - EDGE) // 2)
    return slice(start, min(size, start + EDGE))
