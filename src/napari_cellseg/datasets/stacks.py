"""Images and labels of any dimensions as samples, one per plane."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import Annotation, object_table, with_texts
from napari_cellseg.datasets.encoding import pixels_hash
from napari_cellseg.datasets.sample import Origin, Pixels, Region, Sample, Split
from napari_cellseg.datasets.splitting import is_place
from napari_cellseg.errors import DatasetError
from napari_cellseg.images.axes import resolve_axes
from napari_cellseg.images.reading import file_stem

_DIGITS = {"t": 3, "z": 2}


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller says about an image and its labels, for all planes.

    Attributes
    ----------
    name : str
        Name of the sample; planes get ``_t003_z01`` behind it.
    origin : Origin
        Where it comes from.
    split : {"train", "val", "test"}, optional
        Where it goes.
    region : tuple of int, optional
        ``y0, x0, y1, x1``: the part of each plane to keep.
    status : str
        Review status of objects that have none.
    classes : str, or mapping of int to str
        Class of objects that have none, or of each label.
    """

    name: str
    origin: Origin
    split: Split | None = None
    region: Region | None = None
    status: str = "accepted"
    classes: str | Mapping[int, str] = "cell"


@dataclass(frozen=True, slots=True)
class Stack:
    """An image with the axes that number its planes first, then Y and X, then channels if any.

    Attributes
    ----------
    image : array-like
        In its own order of axes; read plane by plane.
    axes : str
        One letter per dimension.
    channels : tuple of int
        Channels that are kept; empty: it has none.
    """

    image: Any
    axes: str
    channels: tuple[int, ...]

    @property
    def outer(self) -> str:
        """Letters of the axes that number the planes."""
        return "".join(a for a in self.axes if a in "TZ")

    @property
    def outer_shape(self) -> tuple[int, ...]:
        """Their lengths."""
        return tuple(int(self.image.shape[self.axes.index(a)]) for a in self.outer)

    def __len__(self) -> int:
        return prod(self.outer_shape)

    def read(self, index: Sequence[int], region: Region | None) -> Pixels:
        """Pixels of a plane, (Y, X) or (Y, X, C), a copy."""
        at: dict[str, Any] = dict(zip(self.outer, index, strict=True))
        at["Y"], at["X"] = _window(region)
        plane = np.asarray(self.image[tuple(at.get(a, slice(None)) for a in self.axes)])
        kept = [a for a in self.axes if a not in self.outer]
        plane = plane.transpose([kept.index(a) for a in "YXCS" if a in kept])
        if not self.channels:
            return np.array(plane)
        plane = plane.reshape(*plane.shape[:2], -1)[..., list(self.channels)]
        return np.ascontiguousarray(plane[..., 0] if len(self.channels) == 1 else plane)


def open_stack(image: Any, labels: Any, axes: str | None, channels: int | Sequence[int] | None) -> Stack:
    """See an image as planes that fit its labels.

    Raises
    ------
    DatasetError
        Where they don't fit, or a channel is not there.
    AxesError
        Where the axes don't fit the image.
    """
    image = image if hasattr(image, "shape") else np.asarray(image)
    shape = tuple(int(n) for n in image.shape)
    letters = _fitting_axes(shape, image.dtype, tuple(labels.shape)) if axes is None else axes
    letters = resolve_axes(shape, image.dtype, letters)
    sizes = dict(zip(letters, shape, strict=True))
    stack = Stack(image, letters, _kept_channels(sizes, np.dtype(image.dtype), channels))
    wanted = (*stack.outer_shape, sizes["Y"], sizes["X"])
    if tuple(labels.shape) != wanted:
        raise DatasetError(
            f"Labels must have the shape of the image without its channels, {wanted}, not "
            f"{tuple(labels.shape)}; the image has shape {shape} and axes '{letters}'."
        )
    return stack


def plane_samples(
    stack: Stack, labels: Any, told: Told, objects: pd.DataFrame | None, ignored: NDArray[np.bool_] | None
) -> Iterator[Sample]:
    """A sample per plane.

    Parameters
    ----------
    stack : Stack
        The image.
    labels : (…, Y, X) array-like of int
        Its labels.
    told : Told
        What holds for all planes.
    objects : DataFrame, optional
        Rows by ``index``; where labels are numbered anew in each plane, with the columns ``t`` and ``z``.
    ignored : (…, Y, X) or (Y, X) ndarray of bool, optional
        Pixels that nobody has reviewed.

    Raises
    ------
    DatasetError
        Where labels, table or ignored pixels don't fit.
    """
    _check_region(told.region, labels.shape[-2:])
    outer = stack.outer.lower()
    lengths = {a: n for a, n in zip(outer, stack.outer_shape, strict=True) if n > 1}
    for index in np.ndindex(*stack.outer_shape):
        window = _window(told.region)
        at = dict(zip(outer, (int(i) for i in index), strict=True))
        position = {letter: at[letter] for letter in lengths}
        plane = np.asarray(labels[(*index, *window)])
        annotation = _annotation(plane, _rows_of_plane(objects, position), told)
        yield Sample(
            plane_name(told.name, position, lengths),
            annotation,
            lambda index=index: stack.read(index, told.region),  # type: ignore[misc]
            _origin_of_plane(told, position, lambda index=index: stack.read(index, None)),  # type: ignore[misc]
            told.split,
            _ignored_of_plane(ignored, index, window, annotation.shape),
        )


def _window(region: Region | None) -> tuple[slice, slice]:
    if region is None:
        return slice(None), slice(None)
    return slice(region[0], region[2]), slice(region[1], region[3])


def _check_region(region: Region | None, shape: tuple[int, ...]) -> None:
    if region is None:
        return
    y0, x0, y1, x1 = region
    if not (0 <= y0 < y1 <= shape[0] and 0 <= x0 < x1 <= shape[1]):
        raise DatasetError(
            f"A region must be y0, x0, y1, x1 within the image of {shape[0]} × {shape[1]} pixels, "
            f"got {tuple(region)}."
        )


def _fitting_axes(shape: tuple[int, ...], dtype: Any, labels: tuple[int, ...]) -> str | None:
    """Axes of an image that has labels of this shape; None where there is nothing to tell."""
    outer = {2: "", 3: "Z", 4: "TZ"}.get(len(labels))
    if outer is None or len(shape) not in (len(labels), len(labels) + 1):
        return None
    if shape == labels:
        return f"{outer}YX"
    if shape[:-1] == labels:
        return f"{outer}YX{'S' if dtype == np.uint8 and shape[-1] in (3, 4) else 'C'}"
    for place in range(len(outer) + 1):
        if shape[:place] + shape[place + 1 :] == labels:
            return f"{outer[:place]}C{outer[place:]}YX"
    return None


def _kept_channels(
    sizes: dict[str, int], dtype: np.dtype[Any], wanted: int | Sequence[int] | None
) -> tuple[int, ...]:
    if "C" not in sizes and "S" not in sizes:
        if wanted not in (None, 0):
            raise DatasetError(f"channels={wanted!r} was given, but the image has no channel axis.")
        return ()
    samples = sizes.get("S", 1)
    count = sizes.get("C", 1) * samples
    if wanted is None:
        alpha = sizes.get("C", 1) == 1 and samples in (2, 4) and dtype == np.uint8
        return tuple(range(count - 1 if alpha else count))
    chosen = (wanted,) if isinstance(wanted, int) else tuple(int(c) for c in wanted)
    if not chosen or any(not 0 <= c < count for c in chosen):
        raise DatasetError(f"channels must be between 0 and {count - 1}, got {list(chosen)}.")
    return chosen


def _annotation(plane: NDArray[Any], rows: pd.DataFrame | None, told: Told) -> Annotation:
    bare = Annotation.from_labels(plane)
    index = bare.objects["index"].tolist()
    names = told.classes if isinstance(told.classes, str) else [told.classes.get(i, "cell") for i in index]
    table = object_table(index, classes=names, status=told.status)
    if rows is None:
        return Annotation(bare.labels, table)
    missing = {c: table.set_index("index")[c] for c in table if c != "index"}
    rows = with_texts(rows[rows["index"].isin(index)]).set_index("index")
    known = rows.reindex(index)
    if "class" in known:
        known["class"] = known["class"].replace("", None)
    for column, default in missing.items():
        known[column] = known[column].where(known[column].notna(), default) if column in known else default
    return Annotation.from_labels(bare.labels, known.reset_index(names="index"))


def _rows_of_plane(objects: pd.DataFrame | None, position: Mapping[str, int]) -> pd.DataFrame | None:
    if objects is None:
        return None
    if "index" not in objects:
        raise DatasetError("A table of objects needs a column 'index' with the label of each row.")
    if len(objects) and pd.api.types.is_string_dtype(objects["index"]):
        raise DatasetError("The column 'index' of a table of objects must hold numbers, not texts.")
    rows = objects
    if rows["index"].duplicated().any():
        for letter, place in position.items():
            if letter in rows:
                rows = rows[rows[letter] == place]
    if rows["index"].duplicated().any():
        raise DatasetError("A table of objects needs one row per object; some labels have several.")
    return rows


def _ignored_of_plane(
    ignored: NDArray[np.bool_] | None, index: Sequence[int], window: Any, shape: tuple[int, int]
) -> NDArray[np.bool_] | None:
    if ignored is None:
        return None
    mask: NDArray[np.bool_] = np.asarray(ignored, bool)
    mask = mask[(*index, *window)] if mask.ndim > 2 else mask[window]
    if mask.shape != shape:
        raise DatasetError(f"Ignored pixels must have the shape of the labels, {shape}, not {mask.shape}.")
    return mask


def _origin_of_plane(told: Told, position: dict[str, int], read: Callable[[], Pixels]) -> Origin:
    origin = told.origin
    group = origin.group or (told.name if position else "")
    known = origin.plane or told.region is None or is_place(origin.source)
    plane = origin.plane if known else pixels_hash(read())
    return replace(origin, group=group, position=position, region=told.region, plane=plane)


def plane_name(name: str, position: Mapping[str, int], lengths: Mapping[str, int]) -> str:
    """Name of one plane: ``"cells_t003_z01"``; the name itself where the image has one plane."""
    digits = {axis: max(_DIGITS[axis], len(str(length - 1))) for axis, length in lengths.items()}
    return "_".join([name, *(f"{axis}{place:0{digits[axis]}}" for axis, place in position.items())])


def name_of_source(source: str) -> str:
    """A name for the image of a file or layer; empty where there is none."""
    return file_stem(Path(source)) if source else ""
