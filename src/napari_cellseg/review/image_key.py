"""What an image is known by again: its path, its size, its time, and a hash of its ends."""

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import JournalError

END_BYTES = 2**20
"""Bytes at the start and at the end of a file that are hashed."""
_METADATA = ("zarr.json", ".zattrs", ".zarray", ".zgroup", ".zmetadata")


@dataclass(frozen=True, slots=True)
class ImageKey:
    """An image, so that it is recognised after a crash.

    Attributes
    ----------
    path : str
        Absolute path; of an image without a file its name.
    size : int
        Bytes.
    modified : int
        Time of the last change in nanoseconds; 0 without a file.
    digest : str
        SHA-256 of the first and the last MiB.
    """

    path: str
    size: int
    modified: int
    digest: str

    @property
    def words(self) -> str:
        """Name of the image for the user."""
        return Path(self.path).name

    def identifier(self) -> str:
        """Twelve letters that stand for all of it."""
        return hashlib.sha256(repr(asdict(self)).encode()).hexdigest()[:12]


def file_key(path: str | Path) -> ImageKey:
    """Key of an image file, or of a zarr folder, which is known by its metadata files.

    Raises
    ------
    JournalError
        Where the file cannot be read.
    """
    path = Path(path).resolve()
    files = [path / name for name in _METADATA if (path / name).is_file()] if path.is_dir() else [path]
    digest, size, modified = hashlib.sha256(), 0, 0
    try:
        for file in files:
            found = file.stat()
            size, modified = size + found.st_size, max(modified, found.st_mtime_ns)
            digest.update(_ends(file, found.st_size))
    except OSError as error:
        raise JournalError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    return ImageKey(str(path), size, modified, digest.hexdigest())


def labels_key(path: str | Path) -> ImageKey:
    """Key of labels that are corrected without an image: the path alone, because saving changes the file."""
    return ImageKey(str(Path(path).resolve()), 0, 0, "labels")


def array_key(array: Any, name: str) -> ImageKey:
    """Key of an image that has no file, by its name and pixels.

    Parameters
    ----------
    array : array-like
        Only its first and last MiB, about, are read.
    name : str
        What the user knows it by.
    """
    shape, dtype = tuple(array.shape), np.dtype(array.dtype)
    digest = hashlib.sha256(repr((shape, dtype.str)).encode())
    for at_end in (False, True):
        digest.update(_end(array, shape, dtype, at_end).tobytes())
    return ImageKey(name, int(np.prod(shape)) * dtype.itemsize, 0, digest.hexdigest())


def _ends(file: Path, size: int) -> bytes:
    with file.open("rb") as opened:
        head = opened.read(END_BYTES)
        opened.seek(max(END_BYTES, size - END_BYTES), os.SEEK_SET)
        return head + opened.read(END_BYTES)


def _end(array: Any, shape: tuple[int, ...], dtype: np.dtype[Any], at_end: bool) -> NDArray[Any]:
    """About a MiB of an array from its first or last corner, whole rows of its trailing axes."""
    budget = max(1, END_BYTES // dtype.itemsize)
    window = []
    for axis, length in enumerate(shape):
        inner = int(np.prod(shape[axis + 1 :], dtype=np.int64))
        count = min(length, max(1, -(-budget // max(1, inner))))
        window.append(slice(length - count, length) if at_end else slice(0, count))
    return np.asarray(array[tuple(window)])
