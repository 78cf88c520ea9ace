"""Corrected images of a dataset, in memory: to learn from, and to validate with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets import sample as annotated
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import TrainingError
from napari_cellseg.models.card import ModelCard
from napari_cellseg.training.cards import parent_notes, pixel_hashes
from napari_cellseg.training.finetuning.recipe import FineTuneRecipe
from napari_cellseg.training.samples import Sample, as_sample
from napari_cellseg.training.unets.learning import Learnt
from napari_cellseg.training.yolo.tiles import combined_hash, dataset_hashes, sample_planes

UNSEEN = -1
"""Label of pixels that nobody has reviewed: neither object nor background."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learnt.

    Attributes
    ----------
    images, validation : list of Sample
        To learn from, and to validate with; labels are `UNSEEN` where nobody has looked. There may be no
        images to validate with.
    learnt : Learnt
        What the dataset was like.
    """

    images: list[Sample]
    validation: list[Sample]
    learnt: Learnt


def read_lesson(dataset: Dataset, recipe: FineTuneRecipe, start: ModelCard) -> Lesson:
    """Images of a dataset to learn from and to validate with, by its splits.

    Raises
    ------
    TrainingError
        Where there are no objects to learn from.
    DatasetError
        Where a file of the dataset is damaged.
    """
    hashes = dataset_hashes(dataset)
    images, validation = (
        [_read(sample, dataset.folder.name, recipe) for sample in dataset.samples(split)]
        for split in ("train", "val")
    )
    objects = {"train": sum(map(_count, images)), "val": sum(map(_count, validation))}
    if not objects["train"]:
        raise TrainingError(
            f"The dataset '{dataset.folder}' has no objects to learn from: its split 'train' has none. Add "
            f"corrected images, or move some to 'train'."
        )
    pixels = pixel_hashes(dataset, hashes)
    notes = parent_notes(pixels, start)
    if len(dataset.classes) > len(start.classes):
        notes.append(f"The objects of all classes, {', '.join(dataset.classes)}, are taken for one.")
    if not objects["val"]:
        notes.append(
            "There are no objects to validate with, so that the last state was taken, and nobody knows how "
            "good it is on other images: give the dataset images for 'val'."
        )
        validation = []
    learnt = Learnt(
        classes=start.classes,
        images=hashes,
        objects=objects,
        diameters=_diameters(images),
        data=combined_hash(hashes, dataset.classes),
        pixels=pixels,
        notes=notes,
    )
    return Lesson(images, validation, learnt)


def _read(sample: annotated.Sample, source: str, recipe: FineTuneRecipe) -> Sample:
    pixels = sample.pixels()
    planes = sample_planes(sample, pixels, recipe.channel)
    height, width = planes.shape
    labels = sample.annotation.labels.copy()
    if sample.ignored is not None:
        labels[sample.ignored] = UNSEEN
    return as_sample(sample.name, source, planes.read(0, slice(0, height), slice(0, width)), labels)


def _count(sample: Sample) -> int:
    return int(np.count_nonzero(_areas(sample)))


def _areas(sample: Sample) -> NDArray[np.int64]:
    return np.bincount(sample.labels[sample.labels > 0])


def _diameters(images: Sequence[Sample]) -> tuple[float, float, float]:
    """Median, 5th and 95th percentile of the diameters of the objects, pixels."""
    areas = np.concatenate([_areas(image) for image in images])
    low, middle, high = np.percentile(2 * np.sqrt(areas[areas > 0] / np.pi), (5, 50, 95)).tolist()
    return middle, low, high
