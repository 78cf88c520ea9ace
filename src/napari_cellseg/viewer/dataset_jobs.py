"""What takes a while in the Dataset dock, as jobs that know no widget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Labels

from napari_cellseg.datasets.intake import Added
from napari_cellseg.datasets.reading import read_sample
from napari_cellseg.datasets.record import Entry, read_record, record_path
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.datasets.store import Dataset, is_dataset
from napari_cellseg.events import Job, Progress
from napari_cellseg.review.status import Status
from napari_cellseg.viewer.dataset_corrected import corrected_sample
from napari_cellseg.viewer.dataset_layers import Opened
from napari_cellseg.viewer.dataset_rows import DatasetRow
from napari_cellseg.viewer.dataset_thumbnails import Picture, make_thumbnail


@dataclass(frozen=True, eq=False)
class Listed:
    """A dataset and what is listed of it.

    Attributes
    ----------
    dataset : Dataset
        The dataset.
    rows : list of DatasetRow
        One per image.
    """

    dataset: Dataset
    rows: list[DatasetRow]


@dataclass(frozen=True, eq=False)
class Loaded:
    """An image of a dataset that was read.

    Attributes
    ----------
    folder : Path
        The dataset.
    sample : Sample
        The image.
    pixels : ndarray
        Its pixels.
    """

    folder: Path
    sample: Sample
    pixels: Any


def opening(folder: Path) -> Job[Listed]:
    """Open a dataset; errors as in `Dataset.open`."""
    yield Progress("Opening the dataset", 0, 0, folder.name)
    return (yield from listing(Dataset.open(folder)))


def creating(folder: Path, classes: Sequence[str]) -> Job[Listed]:
    """Make a dataset, or open the one that is there; errors as in `Dataset.create` and `Dataset.open`."""
    if is_dataset(folder):
        return (yield from opening(folder))
    yield Progress("Making the dataset", 0, 0, folder.name)
    return (yield from listing(Dataset.create(folder, classes)))


def listing(dataset: Dataset) -> Job[Listed]:
    """List the images of a dataset, those that other programs changed too."""
    yield Progress("Listing the images", 0, 0)
    return Listed(dataset, [row_of(entry, dataset.folder) for entry in dataset.entries()])


def loading(dataset: Dataset, name: str) -> Job[Loaded]:
    """Read an image of a dataset with its labels."""
    yield Progress("Opening", 0, 0, name)
    sample = dataset.sample(name)
    return Loaded(dataset.folder, sample, sample.pixels())


def updating(dataset: Dataset, opened: Opened, layer: Labels) -> Job[tuple[Added, Sample]]:
    """Write a corrected image back; the labels are copied before the job begins.

    Parameters
    ----------
    dataset : Dataset
        Where to.
    opened : Opened
        What was corrected.
    layer : napari.layers.Labels
        Where it was corrected.
    """
    return _updating(dataset, opened.sample, np.array(layer.data), layer.features.copy())


def _updating(
    dataset: Dataset, before: Sample, labels: np.ndarray, rows: pd.DataFrame
) -> Job[tuple[Added, Sample]]:
    yield Progress("Updating", 0, 0, before.name)
    after = corrected_sample(before, labels, rows)
    return dataset.add_sample(after), after


def calling(stage: str, action: Callable[[], Any]) -> Job[Any]:
    """Something that is one step, as a job; returns what it returns.

    Parameters
    ----------
    stage : str
        What is being done, for the user.
    action : callable
        Does it.
    """
    yield Progress(stage, 0, 0)
    return action()


def row_of(entry: Entry, folder: Path) -> DatasetRow:
    """What is listed of an image. An object is reviewed where a person drew, changed or accepted it."""
    return DatasetRow(
        name=entry.name,
        split=entry.split,
        group=entry.origin.group,
        shape=(entry.shape[0], entry.shape[1]),
        objects=entry.objects,
        reviewed=entry.objects - entry.statuses.get(Status.PREDICTED.value, 0),
        classes=entry.classes,
        statuses=entry.statuses,
        twin_of=entry.twin_of,
        updated=entry.updated,
        folder=str(folder),
    )


def thumbnail_of(key: tuple[Any, ...]) -> Picture:
    """The thumbnail of a `DatasetRow.key`, read from the disk without the dataset being open.

    Raises
    ------
    DatasetError
        Where its files cannot be read.
    """
    folder, name = Path(key[0]), key[1]
    return make_thumbnail(read_sample(folder, read_record(folder / record_path(name))))
