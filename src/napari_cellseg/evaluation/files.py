"""Label images on the disk: which prediction belongs to which truth."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import CellSegWarning, OptionError
from napari_cellseg.images.reading import ImageFile, file_stem, is_folder, list_images, read_image

ENDINGS = (
    "_labels",
    "_label",
    "_cp_masks",
    "_masks",
    "_mask",
    "_gt",
    "_truth",
    "_prediction",
    "_predictions",
    "_pred",
)
"""Endings of file names that say what a file is rather than which image it is of."""

FEATURES = "_features.csv"
"""Ending of the table beside predicted labels that holds their confidences."""


@dataclass(frozen=True)
class LabelFile:
    """A label image on the disk that is read when it is asked for, and not kept.

    Attributes
    ----------
    path : Path
        The file.
    """

    path: Path

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the label image."""
        return tuple(int(n) for n in _read(self.path).data.shape)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return np.asarray(_read(self.path).data[index])


@dataclass(frozen=True)
class LabelFiles:
    """Predictions and truths by the name of their image, for `evaluate`.

    Attributes
    ----------
    predictions, truths : dict of str to LabelFile
        In the order of the names.
    confidences : dict of str to DataFrame, or None
        The tables beside the predictions, where every prediction has one with a confidence for each object.
    """

    predictions: Mapping[str, LabelFile]
    truths: Mapping[str, LabelFile]
    confidences: Mapping[str, pd.DataFrame] | None


def pair_label_files(prediction: str | Path, truth: str | Path) -> LabelFiles:
    """Find the predictions and truths of the same images.

    Parameters
    ----------
    prediction, truth : str or Path
        Two label images, or two folders of them. Files of two folders belong together by their names,
        without suffix and without one of `ENDINGS`: ``a_labels.tif`` and ``a_mask.png`` are both of ``a``.

    Raises
    ------
    OptionError
        If one is a file and the other a folder, a truth has no prediction, or two files are of one image.
        Predictions without a truth are named in a warning, and so is a table that is left out because it has
        no confidence for some object, as where one was drawn by hand.
    ImageError
        If there is no such file or folder.
    """
    prediction, truth = Path(prediction), Path(truth)
    if is_folder(prediction) != is_folder(truth):
        raise OptionError(
            f"'{prediction}' and '{truth}' must both be label images, or both be folders of them."
        )
    if not is_folder(truth):
        name = image_name(truth)
        found, wanted = {name: prediction}, {name: truth}
    else:
        found, wanted = _by_name(prediction), _by_name(truth)
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        raise OptionError(
            f"Every truth needs a prediction of the same name in '{prediction}'; {len(missing)} have none, "
            f"for example {missing[0]!r}."
            if missing
            else f"There are no label images in '{truth}'."
        )
    extra = [name for name in found if name not in wanted]
    if extra:
        text = f"{len(extra)} predictions have no truth and are left out, for example {extra[0]!r}."
        warnings.warn(text, CellSegWarning, stacklevel=2)
    predictions = {name: LabelFile(found[name]) for name in wanted}
    tables = {name: _features(file) for name, file in predictions.items()}
    known = {name: table for name, table in tables.items() if table is not None}
    return LabelFiles(
        predictions,
        {name: LabelFile(path) for name, path in wanted.items()},
        known if len(known) == len(tables) else None,
    )


def image_name(path: Path) -> str:
    """Name of the image that a label file is of."""
    stem = file_stem(path)
    for ending in ENDINGS:
        if stem.lower().endswith(ending) and len(stem) > len(ending):
            return stem[: -len(ending)]
    return stem


def _by_name(folder: Path) -> dict[str, Path]:
    """Label images of a folder; several of one image are one too many."""
    found: dict[str, Path] = {}
    for path in list_images(folder):
        name = image_name(path)
        if name in found:
            raise OptionError(
                f"Two files of '{folder}' are of the same image: '{found[name].name}' and '{path.name}'."
            )
        found[name] = path
    return found


def _read(path: Path) -> ImageFile:
    file = read_image(path)
    if file.axes is not None and "S" in file.axes:
        raise OptionError(f"'{path}' is a colour picture; a label image has one whole number per pixel.")
    return file


def _features(file: LabelFile) -> pd.DataFrame | None:
    """The table beside a prediction, if it holds a confidence for each object."""
    beside = file.path.with_name(image_name(file.path) + FEATURES)
    if not beside.is_file():
        return None
    table = pd.read_csv(beside)
    if not {"index", "confidence"} <= set(table.columns):
        return None
    confidence = pd.to_numeric(table["confidence"], errors="coerce")
    labels = np.unique(file[...])
    without = np.setdiff1d(labels[labels > 0], table["index"][confidence.between(0, 1)])
    if not len(without):
        return table
    text = (
        f"Confidences are left out: '{beside.name}' has none for {len(without):,} of the objects in "
        f"'{file.path.name}', for example {without[0]}."
    )
    warnings.warn(text, CellSegWarning, stacklevel=4)
    return None
