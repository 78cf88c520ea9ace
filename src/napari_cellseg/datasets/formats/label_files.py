"""Label images on the disk, with their images and saved tables: a sample per plane."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.datasets.annotation import LARGEST_LABEL, OBJECT_COLUMNS
from napari_cellseg.datasets.formats import cellpose_seg
from napari_cellseg.datasets.formats.format import Notes
from napari_cellseg.datasets.formats.runs import LARGEST_PLANE
from napari_cellseg.datasets.sample import Origin, Pixels, Sample, Split
from napari_cellseg.datasets.stacks import Told, open_stack, plane_samples
from napari_cellseg.errors import CellSegError, DatasetError
from napari_cellseg.evaluation.files import image_name
from napari_cellseg.images.axes import resolve_axes
from napari_cellseg.images.metadata import PixelSize
from napari_cellseg.images.reading import ImageFile, read_image
from napari_cellseg.review.saved_labels import read_table
from napari_cellseg.review.status import PERSON, Status, model_origin

PROVENANCE = "_provenance.json"
"""Ending of the file beside predicted labels that says which model made them."""
_LOSSY = (".jpg", ".jpeg")
_SQUARE = np.ones((3, 3), bool)


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """A label image on the disk and the image that it is of.

    Attributes
    ----------
    name : str
        What its samples are called.
    labels : Path
        Any file that `read_image` reads, or Cellpose's ``_seg.npy``.
    image : Path
        Any file that `read_image` reads.
    split : {"train", "val", "test"}, optional
        As in `Sample`.
    """

    name: str
    labels: Path
    image: Path
    split: Split | None = None


def read_labelled(
    file: LabelledImage, notes: Notes, told: Told | None = None, axes: str | None = None
) -> Iterator[Sample]:
    """Samples of an image and its label image, one per plane.

    Class, status, confidence and origin of the objects come from the table beside the labels
    (`napari_cellseg.review.saved_labels.read_table`), where there is one. Without one, a file with a single
    value above 0 is a mask: each of its connected pieces becomes an object, which a note says.

    Parameters
    ----------
    file : LabelledImage
        Where both are.
    notes : list of str
        What a user should know is appended.
    told : Told, optional
        What is known beforehand: origin, region, and the class and status of objects of which no table tells
        them. Name and split are those of the file; source and pixel size are those of its image, unless told.
    axes : str, optional
        A letter of ``"TZCYXS"`` per dimension of the image; what the files say unless given.

    Raises
    ------
    DatasetError
        Where a file cannot be read, is no label image, or the two do not fit.
    """
    opened, labels = _opened(file.image), _opened_labels(file.labels)
    image, letters = _squeezed(opened, axes)
    if letters is None and labels.axes is not None and image.shape == labels.shape:
        letters = labels.axes
    try:
        stack = open_stack(image, labels, letters, None)
    except CellSegError as error:
        raise DatasetError(f"'{file.image}' and its labels '{file.labels.name}': {error}") from error
    rows = None if file.labels.name.endswith(cellpose_seg.ENDING) else saved_rows(file.labels, notes)
    if rows is None and _is_mask(labels):
        labels = replace(labels, is_mask=True)
        notes.append(
            f"'{file.labels.name}' has a single value above 0: it is taken as a mask, and its connected "
            "pieces (also across corners) as objects."
        )
    known = told or Told(file.name, Origin())
    origin = replace(
        known.origin,
        source=known.origin.source or str(file.image),
        pixel_size=known.origin.pixel_size or _edge(opened.pixel_size),
    )
    known = replace(known, name=file.name, origin=origin, split=file.split)
    with _in_words(file.labels):
        for sample in plane_samples(stack, labels, known, rows, None):
            yield replace(sample, read_pixels=_careful(sample.pixels, file.image))


@dataclass(frozen=True, slots=True)
class _Labels:
    """A label image, (T, Z, Y, X) or less, read plane by plane as whole numbers."""

    path: Path
    data: Any
    axes: str | None
    is_mask: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.data.shape)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        plane = _whole_numbers(np.asarray(self.data[index]), self.path)
        if not self.is_mask:
            return plane
        pieces: NDArray[np.int32]
        pieces, _ = ndimage.label(plane, _SQUARE, np.int32)
        return pieces

    def planes(self) -> Iterator[NDArray[Any]]:
        for index in np.ndindex(self.shape[:-2]):
            yield self[index]


def _opened(path: Path) -> ImageFile:
    with _in_words(path):
        return read_image(path)


def _opened_labels(path: Path) -> _Labels:
    if path.name.endswith(cellpose_seg.ENDING):
        return _Labels(path, cellpose_seg.read_masks(path), None)
    file = _opened(path)
    data, axes = _squeezed(file, None)
    if data.dtype.kind not in "iubf" or (
        axes is not None and axes not in ("YX", "ZYX", "TYX", "TZYX", "ZTYX")
    ):
        raise DatasetError(f"'{path}' has colours or channels; a label image has one whole number per pixel.")
    return _Labels(path, data, axes)


def _squeezed(file: ImageFile, axes: str | None) -> tuple[Any, str | None]:
    """Pixels without axes of one plane or channel, and their letters; None where these were guessed."""
    data, shape = file.data, tuple(int(n) for n in file.data.shape)
    with _in_words(file.path):
        letters = resolve_axes(shape, data.dtype, axes or file.axes)
    if shape[letters.index("Y")] * shape[letters.index("X")] > LARGEST_PLANE:
        raise DatasetError(
            f"'{file.path}' has more than {LARGEST_PLANE:,} pixels in a plane. Cut it into parts."
        )
    single = [a in "TZC" and n == 1 for a, n in zip(letters, shape, strict=True)]
    if any(single):
        lazy = data if isinstance(data, np.ndarray) else da.asarray(data)
        data = lazy[tuple(0 if one else slice(None) for one in single)]
    guessed = axes is None and (file.axes is None or bool(file.metadata.assumed_axes))
    return data, None if guessed else "".join(a for a, one in zip(letters, single, strict=True) if not one)


def _careful(read: Callable[[], Pixels], path: Path) -> Callable[[], Pixels]:
    def pixels() -> Pixels:
        with _in_words(path):
            return read()

    return pixels


def _whole_numbers(plane: NDArray[Any], path: Path) -> NDArray[Any]:
    if path.suffix.lower() in _LOSSY:
        mask: NDArray[np.bool_] = plane > np.iinfo(plane.dtype).max // 2
        return mask
    if plane.dtype.kind != "f":
        return plane
    whole: NDArray[np.floating] = np.nan_to_num(np.rint(plane), nan=-1.0, posinf=-1.0, neginf=-1.0)
    if bool((whole != plane).any()) or float(np.abs(whole).max(initial=0)) > LARGEST_LABEL:
        raise DatasetError(f"'{path}' holds fractions; a label image has whole numbers.")
    labels: NDArray[np.int64] = whole.astype(np.int64)
    return labels


def _is_mask(labels: _Labels) -> bool:
    """Whether all planes together have one value above 0, in several pieces somewhere."""
    value, several = 0, False
    for plane in labels.planes():
        inside = plane[plane != 0]
        if inside.size == 0:
            continue
        low, high = int(inside.min()), int(inside.max())
        if low != high or value not in (0, low):
            return False
        value = low
        several = several or int(ndimage.label(plane, _SQUARE)[1]) > 1
    return several


def saved_rows(labels: Path, notes: Notes) -> pd.DataFrame | None:
    """`OBJECT_COLUMNS` of the table beside a label image, as far as it has them; None where there is none.

    Where it says how sure a model was and nothing of a review, its objects are *predicted*; a note says so.

    Raises
    ------
    DatasetError
        Where it cannot be read.
    """
    with _in_words(labels):
        table = read_table(labels)
    return None if table is None else _object_rows(table, labels, notes)


def _object_rows(table: pd.DataFrame, labels: Path, notes: Notes) -> pd.DataFrame:
    rows = pd.DataFrame({"index": table["index"].astype(np.int64)})
    if "class" in table:
        rows["class"] = table["class"].where(table["class"].astype(bool))
    confidence = pd.to_numeric(table["confidence"], errors="coerce") if "confidence" in table else None
    if confidence is not None:
        rows["confidence"] = confidence.astype(np.float64)
    predicted = confidence is not None and bool(confidence.notna().any())
    if "status" in table:
        known = table["status"].isin([s.value for s in Status])
        rows["status"] = table["status"].where(known, Status.PREDICTED.value)
    elif predicted:
        rows["status"] = Status.PREDICTED.value
        notes.append(f"The objects of '{labels.name}' were predicted, and nobody has reviewed them.")
    if "origin" in table:
        rows["origin"] = table["origin"].where(table["origin"].astype(bool), PERSON)
    elif predicted:
        rows["origin"] = _model_of(labels)
    return rows[[name for name in OBJECT_COLUMNS if name in rows]]


def _model_of(labels: Path) -> str:
    """Origin of predicted objects, from the provenance beside their labels."""
    path = labels.with_name(image_name(labels) + PROVENANCE)
    if not path.is_file():
        return "model"
    try:
        model = json.loads(path.read_text(encoding="utf-8"))["model"]
        return model_origin(str(model["name"]), str(model["version"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(f"'{path}' does not name the model of '{labels.name}' ({error}).") from error


def _edge(size: PixelSize | None) -> float | None:
    """Edge of a pixel in µm; None where it is unknown or oblong."""
    if size is None or abs(size.y - size.x) > 0.01 * size.y:
        return None
    return size.y


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """What reading a file raises becomes a `DatasetError`."""
    try:
        yield
    except DatasetError as error:
        raise error if str(path) in str(error) else DatasetError(f"'{path}': {error}") from error
    except CellSegError as error:
        raise DatasetError(str(error)) from error
    except MemoryError as error:
        raise DatasetError(f"'{path}' takes more memory than there is.") from error
    except Exception as error:  # lazy pixels raise whatever their library does
        reason = " ".join(str(error).split())[:200]
        raise DatasetError(f"'{path}' cannot be read ({type(error).__name__}: {reason}).") from error
