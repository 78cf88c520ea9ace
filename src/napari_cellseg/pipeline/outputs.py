"""Where labels are written: a numpy array, a zarr array, or a new zarr store."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError, OutputError

CHUNK = 1024
"""Largest edge of a chunk of a new zarr array, pixels."""


class LabelTarget:
    """A label array that is written window by window.

    Parameters
    ----------
    array : array-like of int32
        Anything that indexes like a numpy array, for reading and for writing.
    """

    def __init__(self, array: Any) -> None:
        self.array = array

    def read(self, index: tuple[int, ...], y: slice, x: slice) -> NDArray[np.int32]:
        """Labels of a window of a plane, a copy."""
        return np.array(self.array[(*index, y, x)], np.int32)

    def paint(self, index: tuple[int, ...], y: slice, x: slice, labels: NDArray[np.int32]) -> None:
        """Write the labels of a window that are not 0, and leave the other pixels as they are."""
        key: tuple[int | slice, ...] = (*index, y, x)
        if isinstance(self.array, np.ndarray):
            np.copyto(self.array[key], labels, where=labels > 0)
        else:
            self.array[key] = np.where(labels > 0, labels, self.read(index, y, x))

    def write(self, index: tuple[int, ...], y: slice, x: slice, labels: NDArray[np.int32]) -> None:
        """Write all labels of a window."""
        self.array[(*index, y, x)] = labels

    def bands(self) -> list[slice]:
        """Rows that are best read and written together, top to bottom."""
        chunks = getattr(self.array, "chunks", None)
        height = int(self.array.shape[-2])
        rows = int(chunks[-2]) if chunks and isinstance(chunks[-2], int) else CHUNK
        return [slice(y, min(y + rows, height)) for y in range(0, height, rows)]

    def clear(self, index: tuple[int, ...]) -> None:
        """Make a plane background."""
        for rows in self.bands():
            self.array[(*index, rows, slice(0, self.array.shape[-1]))] = 0


def open_labels(out: Any, shape: tuple[int, ...]) -> LabelTarget:
    """Array that labels are written into, all background.

    Parameters
    ----------
    out : array, str, Path or None
        A numpy or zarr array of int32, the path of a new zarr store (ends in ``.zarr``), or None for a new
        numpy array. What an array held before is erased.
    shape : tuple of int
        Shape of the labels.

    Raises
    ------
    OptionError
        Where the array has another shape or type, or cannot be written into.
    OutputError
        Where the zarr store exists already or cannot be made.
    """
    if out is None:
        return LabelTarget(np.zeros(shape, np.int32))
    if isinstance(out, str | os.PathLike):
        check_labels(out, shape)
        return LabelTarget(create_zarr(Path(out), shape, "int32"))
    check_labels(out, shape)
    target = LabelTarget(out)
    for index in np.ndindex(shape[:-2]):
        target.clear(index)
    return target


def check_labels(out: Any, shape: tuple[int, ...], image: Any = None) -> None:
    """Refuse an `out` that cannot take labels of this shape, without writing anything.

    Parameters
    ----------
    out : array, str, Path or None
        As in `open_labels`.
    shape : tuple of int
        Shape of the labels.
    image : array-like, optional
        The image that is segmented, which the labels must not overwrite.

    Raises
    ------
    OptionError, OutputError
        As `open_labels`.
    """
    if out is None:
        return
    if isinstance(out, str | os.PathLike):
        path = Path(out)
        if path.suffix != ".zarr":
            raise OptionError(f"out must be an array or a path that ends in .zarr, not '{path}'.")
        if path.exists():
            raise OutputError(f"'{path}' exists already; give another path or remove it first.")
        return
    if not all(hasattr(out, name) for name in ("shape", "dtype", "__setitem__", "__getitem__")):
        raise OptionError(f"out must be an array that can be written into, not {type(out).__name__}.")
    if tuple(out.shape) != shape or np.dtype(out.dtype) != np.int32:
        raise OptionError(f"out must be int32 of shape {shape}, not {out.dtype} of shape {tuple(out.shape)}.")
    if not _is_writable(out):
        raise OptionError(
            f"out must be an array that can be written into, but this {type(out).__name__} cannot."
        )
    if _is_same_memory(out, image):
        raise OptionError(
            "out must not be the image itself, which the labels would erase. Give another array."
        )


def _is_writable(out: Any) -> bool:
    if isinstance(out, np.ndarray):
        return bool(out.flags.writeable)
    return not hasattr(out, "dask") and not getattr(out, "read_only", False)


def _is_same_memory(out: Any, image: Any) -> bool:
    """Whether two arrays are kept in the same place; a list is a multiscale image."""
    for level in image if isinstance(image, list | tuple) else [image]:
        if isinstance(out, np.ndarray) and isinstance(level, np.ndarray) and np.shares_memory(out, level):
            return True
        place = getattr(out, "store_path", None)
        if place is not None and place == getattr(level, "store_path", None):
            return True
    return False


def create_zarr(path: Path, shape: tuple[int, ...], dtype: str) -> Any:
    """A new zarr array of zeros in a store of its own, in chunks of planes.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    import zarr

    chunks = (1,) * (len(shape) - 2) + tuple(min(n, CHUNK) for n in shape[-2:])
    try:
        return zarr.create_array(store=str(path), shape=shape, chunks=chunks, dtype=dtype, fill_value=0)
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {error.strerror or error}.") from error
