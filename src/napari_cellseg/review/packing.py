"""A whole label array as compressed runs: small enough to keep one for each undo step."""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import JournalError
from napari_cellseg.events import Job, Progress, drain

SLAB_PIXELS = 2**24
"""Pixels that are packed at once; a slab has at least one index of the first axis."""
_LEVEL = 1
_COUNT = struct.Struct("<I")


@dataclass(frozen=True, slots=True, eq=False)
class PackedLabels:
    """A label array, run by run.

    Attributes
    ----------
    shape : tuple of int
        Shape of the array.
    dtype : str
        Its dtype, as numpy writes it.
    slabs : tuple of bytes
        Its slabs along the first axis, each compressed by itself.
    """

    shape: tuple[int, ...]
    dtype: str
    slabs: tuple[bytes, ...]

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return sum(map(len, self.slabs))

    def unpack(self) -> NDArray[Any]:
        """The labels, as a new array."""
        labels = np.empty(self.shape, self.dtype)
        self.unpack_into(labels)
        return labels

    def unpack_into(self, labels: Any) -> None:
        """Write the labels into an array (numpy or writable zarr) of the same shape, slab by slab.

        Raises
        ------
        JournalError
            Where the array has another shape.
        """
        if tuple(labels.shape) != self.shape:
            raise JournalError(f"These labels have the shape {self.shape}, not {tuple(labels.shape)}.")
        for rows, slab in zip(_slabs(self.shape), self.slabs, strict=True):
            count = rows.stop - rows.start
            labels[rows] = _unpacked(slab, np.dtype(self.dtype)).reshape(count, *self.shape[1:])

    def to_bytes(self) -> bytes:
        """All of it, for a file."""
        head = {"shape": self.shape, "dtype": self.dtype, "slabs": [len(s) for s in self.slabs]}
        text = json.dumps(head).encode()
        return b"".join((_COUNT.pack(len(text)), text, *self.slabs))

    @classmethod
    def from_bytes(cls, content: bytes) -> "PackedLabels":
        """What `to_bytes` gave."""
        start = _COUNT.size + _COUNT.unpack_from(content)[0]
        head = json.loads(content[_COUNT.size : start])
        ends = list(accumulate(head["slabs"], initial=start))
        slabs = tuple(content[a:b] for a, b in zip(ends, ends[1:], strict=False))
        return cls(tuple(head["shape"]), head["dtype"], slabs)


def packing(labels: Any) -> Job[PackedLabels]:
    """Pack a label array, as a job.

    Parameters
    ----------
    labels : (…, Y, X) array of int
        numpy, zarr or dask; read slab by slab.

    Yields
    ------
    Progress
        One per slab.

    Returns
    -------
    PackedLabels
        Its size follows the outlines of the objects, not the pixels.
    """
    shape, dtype = tuple(labels.shape), np.dtype(labels.dtype)
    slabs: list[bytes] = []
    places = list(_slabs(shape))
    for number, rows in enumerate(places):
        slabs.append(_packed(np.ascontiguousarray(labels[rows]).reshape(-1)))
        yield Progress("Keeping the labels", number + 1, len(places))
    return PackedLabels(shape, dtype.str, tuple(slabs))


def pack_labels(labels: Any) -> PackedLabels:
    """Pack a label array; see `packing`."""
    return drain(packing(labels))


def _slabs(shape: tuple[int, ...]) -> Iterator[slice]:
    step = max(1, SLAB_PIXELS // max(1, prod(shape[1:])))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def _packed(flat: NDArray[Any]) -> bytes:
    """Lengths (uint32) and values of the runs of a flat array, compressed."""
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)[: flat.size]
    lengths = np.diff(ends, prepend=0).astype(np.uint32)
    packer = zlib.compressobj(_LEVEL)
    values = flat[ends - 1]
    parts = [packer.compress(_COUNT.pack(len(ends))), packer.compress(lengths.tobytes())]
    return b"".join((*parts, packer.compress(values.tobytes()), packer.flush()))


def _unpacked(slab: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    content = zlib.decompress(slab)
    count = _COUNT.unpack_from(content)[0]
    lengths = np.frombuffer(content, np.uint32, count, _COUNT.size)
    values = np.frombuffer(content, dtype, count, _COUNT.size + lengths.nbytes)
    return np.repeat(values, lengths)
