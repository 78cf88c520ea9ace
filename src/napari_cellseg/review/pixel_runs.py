"""Pixels that change, as runs of one old and one new label along the array's memory order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.whole_edit import WholeEdit

_BATCH = 2**22
"""Pixels that are changed at once where the array is not in memory, about."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelRuns:
    """Pixels that change from one label to another.

    Attributes
    ----------
    shape : tuple of int
        Shape of the whole label array.
    starts : (N,) ndarray of int64
        First pixel of each run, counted through the array in C order; rising.
    lengths : (N,) ndarray of int64
        Pixels of each run.
    before, after : (N,) ndarray of int
        Label of all its pixels before and after.
    """

    shape: tuple[int, ...]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    before: NDArray[Any]
    after: NDArray[Any]

    @classmethod
    def of_edit(cls, edit: Edit, shape: tuple[int, ...]) -> "PixelRuns":
        """The pixels of an edit of an array of this shape."""
        return cls.of_pixels(edit.indices, edit.before, edit.after, shape)

    @classmethod
    def of_whole_edit(cls, edit: WholeEdit) -> "PixelRuns":
        """The pixels of an edit of the whole array."""
        nothing = np.zeros(0, np.int64)
        parts = [(nothing, nothing, nothing, nothing)]
        for block in edit.blocks:
            runs = block.runs()
            first = np.ravel_multi_index([part.start for part in block.window], edit.shape)
            labels = (runs.after, runs.before) if edit.backwards else (runs.before, runs.after)
            parts.append((runs.starts + first, runs.lengths, *labels))
        return cls(edit.shape, *(np.concatenate(column) for column in zip(*parts, strict=True)))

    @classmethod
    def of_pixels(
        cls,
        indices: Sequence[NDArray[Any]],
        before: NDArray[Any],
        after: NDArray[Any],
        shape: tuple[int, ...],
    ) -> "PixelRuns":
        """The runs of single pixels.

        Parameters
        ----------
        indices : sequence of (M,) ndarray of int
            Coordinates in the whole array, one array per dimension, each pixel once.
        before, after : (M,) ndarray of int
            Their labels.
        shape : tuple of int
            Shape of the whole array.
        """
        if not len(before):
            nothing = np.zeros(0, np.int64)
            return cls(shape, nothing, nothing, before, after)
        flat = np.ravel_multi_index(tuple(np.asarray(i, np.intp) for i in indices), shape)
        order = np.argsort(flat, kind="stable")
        flat, before, after = flat[order], before[order], after[order]
        breaks = (np.diff(flat) != 1) | (before[1:] != before[:-1]) | (after[1:] != after[:-1])
        first = np.concatenate([[0], np.flatnonzero(breaks) + 1])
        lengths = np.diff(first, append=len(flat))
        return cls(shape, flat[first].astype(np.int64), lengths, before[first], after[first])

    def __len__(self) -> int:
        return len(self.starts)

    def indices(self) -> tuple[NDArray[np.intp], ...]:
        """Coordinates of every pixel in the whole array, one (M,) array per dimension."""
        offsets = np.cumsum(self.lengths) - self.lengths
        flat = np.arange(int(self.lengths.sum())) + np.repeat(self.starts - offsets, self.lengths)
        return tuple(np.unravel_index(flat, self.shape)) if len(flat) else (flat,) * len(self.shape)

    def apply(self, labels: Any) -> int:
        """Give the pixels their new labels, whatever they hold.

        Parameters
        ----------
        labels : ndarray or writable zarr array
            The whole array, changed in place.

        Returns
        -------
        int
            Pixels that did not hold the label expected before.
        """
        if isinstance(labels, np.ndarray) and labels.flags.c_contiguous:
            flat = labels.reshape(-1)
            before, after = self.before.astype(flat.dtype), self.after.astype(flat.dtype)
            return int(_assign(flat, self.starts, self.lengths, before, after))
        ends = np.cumsum(self.lengths)
        cuts = np.searchsorted(ends, np.arange(_BATCH, ends[-1] if len(ends) else 0, _BATCH))
        parts = pairwise([0, *np.unique(cuts[cuts > 0]).tolist(), len(self)])
        return sum(self._part(slice(*part))._apply_in_window(labels) for part in parts)

    def _part(self, runs: slice) -> "PixelRuns":
        return PixelRuns(
            self.shape, self.starts[runs], self.lengths[runs], self.before[runs], self.after[runs]
        )

    def _apply_in_window(self, labels: Any) -> int:
        if not len(self):
            return 0
        indices = self.indices()
        window = tuple(slice(int(i.min()), int(i.max()) + 1) for i in indices)
        inside = tuple(i - part.start for i, part in zip(indices, window, strict=True))
        block = np.array(labels[window])
        unexpected = int(np.count_nonzero(block[inside] != np.repeat(self.before, self.lengths)))
        block[inside] = np.repeat(self.after, self.lengths)
        labels[window] = block
        return unexpected

    def to_bytes(self) -> tuple[dict[str, Any], bytes]:
        """What JSON is to hold, and the numbers in as few bytes as they need."""
        ends = self.starts + self.lengths
        palette, codes = np.unique(np.concatenate([self.before, self.after]), return_inverse=True)
        columns = {
            "gaps": self.starts - np.concatenate([[0], ends[:-1]])[: len(self)],
            "lengths": self.lengths,
            "before": codes[: len(self)],
            "after": codes[len(self) :],
            "palette": palette,
        }
        small = {name: _smallest(column) for name, column in columns.items()}
        head = {name: [column.dtype.str, column.size] for name, column in small.items()}
        return head, b"".join(column.tobytes() for column in small.values())

    @classmethod
    def from_bytes(
        cls, head: dict[str, Any], content: bytes, shape: tuple[int, ...], dtype: str
    ) -> "PixelRuns":
        """What `to_bytes` gave."""
        columns, at = {}, 0
        for name, (kind, size) in head.items():
            columns[name] = np.frombuffer(content, kind, size, at)
            at += columns[name].nbytes
        lengths = columns["lengths"].astype(np.int64)
        ends = np.cumsum(columns["gaps"].astype(np.int64) + lengths)
        palette = columns["palette"].astype(dtype)
        return cls(shape, ends - lengths, lengths, palette[columns["before"]], palette[columns["after"]])


@njit(cache=True, nogil=True)
def _assign(flat: Any, starts: Any, lengths: Any, before: Any, after: Any) -> int:
    unexpected = 0
    for i in range(starts.size):
        for at in range(starts[i], starts[i] + lengths[i]):
            unexpected += flat[at] != before[i]
            flat[at] = after[i]
    return unexpected


def _smallest(column: NDArray[Any]) -> NDArray[Any]:
    """The same integers in the smallest dtype that holds them."""
    low, high = (int(column.min()), int(column.max())) if column.size else (0, 0)
    dtype = np.result_type(np.min_scalar_type(low), np.min_scalar_type(high))
    return column.astype(dtype if dtype.kind in "iu" else column.dtype)
