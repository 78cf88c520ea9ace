"""The annotated objects of one plane: a label image, a row per object, and the masks that overlap."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_cellseg.errors import DatasetError
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.review.status import PERSON, TEXT_COLUMNS, Status

Bits = NDArray[np.bool_]

OBJECT_COLUMNS = ("index", "class", "status", "confidence", "origin")
"""Columns that every table of objects has; others may follow."""
LARGEST_LABEL = int(np.iinfo(np.int32).max)


@dataclass(frozen=True, slots=True, eq=False)
class ObjectMask:
    """All pixels of one object, cropped to its box.

    Attributes
    ----------
    index : int
        Its label.
    top, left : int
        Row and column of the plane that ``pixels[0, 0]`` shows.
    pixels : (h, w) ndarray of bool
        Holes and several pieces are fine; may be empty, (0, 0).
    """

    index: int
    top: int
    left: int
    pixels: Bits

    @property
    def box(self) -> tuple[int, int, int, int]:
        """``y0, x0, y1, x1`` in pixels of the plane, half-open."""
        return (self.top, self.left, self.top + self.pixels.shape[0], self.left + self.pixels.shape[1])

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.pixels))

    @property
    def window(self) -> tuple[slice, slice]:
        """Where its box lies in the plane."""
        y0, x0, y1, x1 = self.box
        return slice(y0, y1), slice(x0, x1)

    def trimmed(self) -> "ObjectMask":
        """The same object in the smallest box that holds it."""
        edges = (self.pixels[:1], self.pixels[-1:], self.pixels[:, :1], self.pixels[:, -1:])
        if all(edge.any() for edge in edges):
            return self
        rows, columns = np.flatnonzero(self.pixels.any(1)), np.flatnonzero(self.pixels.any(0))
        if rows.size == 0:
            return ObjectMask(self.index, self.top, self.left, np.zeros((0, 0), bool))
        y, x = int(rows[0]), int(columns[0])
        inner = self.pixels[y : rows[-1] + 1, x : columns[-1] + 1]
        return ObjectMask(self.index, self.top + y, self.left + x, inner)


def object_table(
    index: ArrayLike,
    *,
    classes: str | Sequence[str] = "cell",
    status: str | Sequence[str] = Status.ACCEPTED.value,
    confidence: float | ArrayLike = np.nan,
    origin: str | Sequence[str] = PERSON,
) -> pd.DataFrame:
    """Table of objects with `OBJECT_COLUMNS`: labels (N,), and a value for all of them or (N,) values."""
    labels = np.asarray(index, np.int64).ravel()
    texts = {"class": classes, "status": status, "origin": origin}
    columns: dict[str, Any] = {
        name: np.array([value] * len(labels) if isinstance(value, str) else list(value), object)
        for name, value in texts.items()
    }
    columns["confidence"] = np.broadcast_to(np.asarray(confidence, np.float64), labels.shape).copy()
    table = pd.DataFrame({"index": labels, **{name: columns[name] for name in OBJECT_COLUMNS[1:]}})
    return table.astype(dict.fromkeys(texts, "str"))


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """What is annotated in one plane; objects may overlap.

    `labels` shows every pixel's topmost object. Where objects overlap, the smaller one is on top (the
    lower label, where both are as large), so that a small object in a large one survives flattening.
    Objects that lost pixels to others that way have their whole mask in `covered`.

    Attributes
    ----------
    labels : (Y, X) ndarray of int32
        0 is background. Labels need not be consecutive.
    objects : DataFrame
        A row per object, ascending ``index``, with `OBJECT_COLUMNS`.
    covered : dict of int to ObjectMask
        Whole masks of the objects that `labels` shows only in part, or not at all.
    """

    labels: NDArray[np.int32]
    objects: pd.DataFrame
    covered: Mapping[int, ObjectMask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = [name for name in OBJECT_COLUMNS if name not in self.objects]
        if self.labels.ndim != 2 or self.labels.dtype != np.int32 or missing:
            raise DatasetError(
                f"An annotation needs a (Y, X) int32 label image and the columns "
                f"{', '.join(OBJECT_COLUMNS)}; {self.labels.dtype} of shape {self.labels.shape} was given"
                f"{' without ' + ', '.join(missing) if missing else ''}."
            )

    @classmethod
    def from_labels(cls, labels: ArrayLike, objects: pd.DataFrame | None = None) -> "Annotation":
        """Annotation of a label image.

        Parameters
        ----------
        labels : (Y, X) array-like of int
            0 is background.
        objects : DataFrame, optional
            Rows by ``index``; rows without pixels are left out, labels without a row and missing
            columns get the defaults of `object_table`.

        Raises
        ------
        DatasetError
            Where the labels are not 2-D integers, negative, or above 2**31 - 1.
        """
        plane = _as_labels(labels)
        present = ObjectIndex.build(plane).labels()
        return cls(plane, _completed(objects, present))

    @classmethod
    def from_masks(
        cls, shape: tuple[int, int], masks: Iterable[ObjectMask], objects: pd.DataFrame | None = None
    ) -> "Annotation":
        """Annotation of masks that may overlap.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns of the plane.
        masks : iterable of ObjectMask
            Distinct labels above 0; parts outside the plane are cut off, objects without pixels left out.
        objects : DataFrame, optional
            As in `from_labels`.

        Raises
        ------
        DatasetError
            Where a label is used twice or is not between 1 and 2**31 - 1.
        """
        inside = [m for m in (_cut(mask, shape).trimmed() for mask in masks) if m.pixels.size]
        index = [m.index for m in inside]
        if len(set(index)) < len(index) or any(not 0 < i <= LARGEST_LABEL for i in index):
            raise DatasetError(f"Labels must be distinct and between 1 and {LARGEST_LABEL:,}.")
        labels = np.zeros(shape, np.int32)
        areas = {m.index: m.area for m in inside}
        for mask in sorted(inside, key=lambda m: (-areas[m.index], -m.index)):
            labels[mask.window][mask.pixels] = mask.index
        covered = {m.index: m for m in inside if bool((labels[m.window][m.pixels] != m.index).any())}
        present = np.sort(np.array(index, np.int64))
        return cls(labels, _completed(objects, present), covered)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the plane."""
        return int(self.labels.shape[0]), int(self.labels.shape[1])

    def __len__(self) -> int:
        return len(self.objects)

    def masks(self, only: Iterable[int] | None = None) -> Iterator[ObjectMask]:
        """Whole masks of the objects, in the order of the table.

        Parameters
        ----------
        only : iterable of int, optional
            Labels; all, where none is given.
        """
        index = ObjectIndex.build(self.labels)
        labels, lows, highs, _ = index.extents()
        places = {int(label): row for row, label in enumerate(labels)}
        wanted = None if only is None else set(only)
        for label in self.objects["index"].tolist():
            if wanted is not None and label not in wanted:
                continue
            if label in self.covered:
                yield self.covered[label]
                continue
            (y0, x0), (y1, x1) = lows[places[label]].tolist(), highs[places[label]].tolist()
            yield ObjectMask(label, y0, x0, self.labels[y0:y1, x0:x1] == label)

    def take(self, labels: Iterable[int]) -> "Annotation":
        """Only these objects, with their labels; what they covered of the others is not brought back."""
        kept = set(labels)
        objects = self.objects[self.objects["index"].isin(kept)].reset_index(drop=True)
        if self.covered:
            return Annotation.from_masks(self.shape, self.masks(kept), objects)
        plane = np.where(np.isin(self.labels, np.array(sorted(kept), np.int32)), self.labels, 0)
        return Annotation(plane.astype(np.int32), objects)

    def crop(self, region: tuple[int, int, int, int]) -> "Annotation":
        """The part of the plane within ``y0, x0, y1, x1``; objects keep what is inside of it."""
        y0, x0, y1, x1 = region
        if self.covered:
            moved = (ObjectMask(m.index, m.top - y0, m.left - x0, m.pixels) for m in self.masks())
            return Annotation.from_masks((y1 - y0, x1 - x0), moved, self.objects)
        return Annotation.from_labels(self.labels[y0:y1, x0:x1].copy(), self.objects)

    def class_names(self) -> list[str]:
        """Classes of the objects, sorted."""
        return sorted(set(self.objects["class"].tolist()))


def _as_labels(labels: ArrayLike) -> NDArray[np.int32]:
    plane = np.asarray(labels)
    if plane.ndim != 2 or plane.dtype.kind not in "iub":
        raise DatasetError(
            f"Labels must be a 2-D image of integers, not {plane.dtype} of shape {plane.shape}."
        )
    low, high = (int(plane.min()), int(plane.max())) if plane.size else (0, 0)
    if low < 0 or high > LARGEST_LABEL:
        raise DatasetError(f"Labels must be between 0 and {LARGEST_LABEL:,}, these are {low:,} to {high:,}.")
    return np.ascontiguousarray(plane, np.int32)


def _completed(objects: pd.DataFrame | None, present: NDArray[np.int64]) -> pd.DataFrame:
    """A row for each object that is present, in ascending order."""
    defaults = object_table(present)
    if objects is None:
        return defaults
    if "index" not in objects or objects["index"].duplicated().any():
        raise DatasetError("A table of objects needs a column 'index' with one row per object.")
    known = with_texts(objects).set_index("index")
    extra = [name for name in known.columns if name not in OBJECT_COLUMNS]
    rows = defaults.set_index("index")
    for name in OBJECT_COLUMNS[1:]:
        if name in known:
            given = known[name].reindex(rows.index)
            rows[name] = given.where(given.notna(), rows[name]).astype(rows[name].dtype)
    for name in extra:
        rows[name] = known[name].reindex(rows.index)
    return rows.reset_index()


def with_texts(objects: pd.DataFrame) -> pd.DataFrame:
    """The same rows with texts as class, status and origin, whatever type they had; None is missing.

    Numbers become texts before rows are added, which would make floats of them.
    """
    columns: dict[str, Any] = {}
    for name in TEXT_COLUMNS:
        if name in objects:
            given = objects[name].astype(object)
            texts = [value if isinstance(value, str) else str(value) for value in given]
            columns[name] = pd.Series(texts, objects.index, object).where(given.notna(), None)
    return objects.assign(**columns)


def _cut(mask: ObjectMask, shape: tuple[int, int]) -> ObjectMask:
    """The part of a mask that lies in the plane."""
    y0, x0, y1, x1 = mask.box
    top, left = max(0, y0), max(0, x0)
    bottom, right = max(top, min(shape[0], y1)), max(left, min(shape[1], x1))
    if (top, left, bottom, right) == mask.box:
        return mask
    pixels = mask.pixels[top - y0 : bottom - y0, left - x0 : right - x0]
    return ObjectMask(mask.index, top, left, pixels)
