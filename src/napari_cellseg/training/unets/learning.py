"""What an ensemble learns from: the images of a dataset, and what they were like when its training began."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import CellSegWarning, TrainingError
from napari_cellseg.outputs import replacing
from napari_cellseg.training.cards import pixel_hashes
from napari_cellseg.training.unets.images import TrainingImage, dataset_images
from napari_cellseg.training.unets.recipe import UnetRecipe
from napari_cellseg.training.yolo.tiles import combined_hash, dataset_hashes

ONE_CLASS = "cell"
"""Name of the objects where the dataset has several classes: a mask does not tell them apart."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a dataset was like when a training began.

    Attributes
    ----------
    classes : tuple of str
        The one class of the objects.
    images : dict of str to dict of str to str
        Images to learn from (``train``), to validate with (``val``) and to score on at last (``test``): hash
        of what each of them holds, by name.
    objects : dict of str to int
        Objects to learn from and to validate with.
    diameters : tuple of float
        Median, 5th and 95th percentile of the diameters (of circles of the objects' areas) of the objects to
        learn from, pixels.
    data : str
        Hash of the dataset: names, splits, pixels and objects.
    pixels : dict of str to list of str
        Hashes of the pixels of the images, by what they are for.
    notes : list of str
        What is not as the dataset says, in sentences.
    """

    classes: tuple[str, ...]
    images: dict[str, dict[str, str]]
    objects: dict[str, int]
    diameters: tuple[float, float, float]
    data: str
    pixels: dict[str, list[str]]
    notes: list[str]

    @property
    def small_area(self) -> float:
        """Area of a small object, pixels."""
        return float(np.pi / 4 * self.diameters[1] ** 2)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Images in memory, and what is known of them.

    Attributes
    ----------
    images, validation : list of TrainingImage
        To learn from, and to validate with.
    learnt : Learnt
        What the dataset was like.
    """

    images: list[TrainingImage]
    validation: list[TrainingImage]
    learnt: Learnt


def read_lesson(dataset: Dataset, recipe: UnetRecipe) -> Lesson:
    """Images of a dataset to learn from and to validate with.

    Raises
    ------
    TrainingError
        Where there are no images or no objects to learn from or to validate with, or a channel must be
        chosen.
    DatasetError
        Where a file of the dataset is damaged.
    """
    hashes = dataset_hashes(dataset)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", CellSegWarning)
        images, validation = dataset_images(
            dataset, channel=recipe.channel, percentiles=dataset.settings.scaling, seed=recipe.seed
        )
    every = hashes["train"] | hashes["val"]
    used = {
        "train": {image.name: every[image.name] for image in images},
        "val": {image.name: every[image.name] for image in validation},
        "test": hashes["test"],
    }
    objects = {"train": sum(map(_count, images)), "val": sum(map(_count, validation))}
    for split, purpose in (("train", "to learn from"), ("val", "to pick the best epochs by")):
        if not objects[split]:
            raise TrainingError(f"The dataset '{dataset.folder}' has no objects {purpose}.")
    if any(image.is_colour and image.pixels.dtype != np.uint8 for image in [*images, *validation]):
        raise TrainingError(
            "Images have three channels of more than 8 bits: choose one of them to learn from."
        )
    learnt = Learnt(
        dataset.classes if len(dataset.classes) == 1 else (ONE_CLASS,),
        used,
        objects,
        _diameters(images),
        combined_hash(hashes, dataset.classes),
        pixel_hashes(dataset, used),
        [str(w.message) for w in told if issubclass(w.category, CellSegWarning)],
    )
    return Lesson(images, validation, learnt)


def keep_lesson(learnt: Learnt, path: Path, resume: bool) -> None:
    """Note what a training learns from; make sure that one that goes on learns from the same.

    Parameters
    ----------
    learnt : Learnt
        What the dataset is like now.
    path : Path
        File for the note.
    resume : bool
        Whether the training goes on.

    Raises
    ------
    TrainingError
        Where the images to learn from or to validate with have changed.
    OutputError
        Where the file cannot be written.
    """
    if resume and path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))["images"]
        if any(known[split] != learnt.images[split] for split in ("train", "val")):
            raise TrainingError(
                "The images of the dataset have changed since this training began, so that it cannot go on. "
                "Train anew with the dataset as it is now."
            )
        return
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(asdict(learnt), indent=2, ensure_ascii=False), encoding="utf-8")


def _count(image: TrainingImage) -> int:
    """Objects of which somebody has reviewed at least a pixel."""
    seen = image.labels if image.ignored is None else image.labels[~image.ignored]
    return len(_areas(seen))


def _areas(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Pixels of each label, however large the labels are."""
    return np.unique(labels[labels > 0], return_counts=True)[1]


def _diameters(images: Sequence[TrainingImage]) -> tuple[float, float, float]:
    areas = np.concatenate([_areas(image.labels) for image in images])
    low, middle, high = np.percentile(2 * np.sqrt(areas / np.pi), (5, 50, 95)).tolist()
    return middle, low, high
