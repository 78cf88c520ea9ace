"""A change of a whole label array, kept as compressed runs of pixels."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.errors import LabelsError
from napari_cellseg.labels.blocks import Window, block_windows, read_window
from napari_cellseg.labels.edit import Edit, check_editable


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of pixels of one window that change from one label to another.

    Attributes
    ----------
    starts, lengths : (R,) ndarray of int64
        First pixel in memory order of the window, and pixels of each run; ascending, disjoint.
    before, after : (R,) ndarray
        Labels.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    before: NDArray[Any]
    after: NDArray[Any]


@dataclass(frozen=True, slots=True)
class CompressedRuns:
    """Runs of a window, compressed.

    Attributes
    ----------
    window : tuple of slice
        In the whole array.
    count : int
        Number of runs.
    dtype : str
        Of the labels.
    content : bytes
        Gaps before the runs, lengths, labels before and after, each in whole, by zlib.
    """

    window: Window
    count: int
    dtype: str
    content: bytes

    @classmethod
    def of(cls, window: Window, runs: Runs) -> "CompressedRuns":
        """Compress runs."""
        ends = runs.starts + runs.lengths
        gaps = runs.starts - np.concatenate([[0], ends])[: ends.size]
        dtype = runs.before.dtype.newbyteorder("=")
        labels = (runs.before.astype(dtype, copy=False), runs.after.astype(dtype, copy=False))
        columns = (gaps.astype(np.uint32), runs.lengths.astype(np.uint32), *labels)
        content = zlib.compress(b"".join(column.tobytes() for column in columns), 1)
        return cls(window, ends.size, dtype.str, content)

    def runs(self) -> Runs:
        """The runs."""
        content, dtype = zlib.decompress(self.content), np.dtype(self.dtype)
        gaps = np.frombuffer(content, np.uint32, self.count).astype(np.int64)
        lengths = np.frombuffer(content, np.uint32, self.count, 4 * self.count).astype(np.int64)
        before = np.frombuffer(content, dtype, self.count, 8 * self.count)
        after = np.frombuffer(content, dtype, self.count, (8 + dtype.itemsize) * self.count)
        return Runs(np.cumsum(gaps + lengths) - lengths, lengths, before, after)


@dataclass(frozen=True, slots=True, eq=False)
class WholeEdit:
    """What becomes of a whole array, small enough to be kept for undo. Nothing is applied by making one.

    Attributes
    ----------
    name : str
        What was done, as the undo list shows it.
    shape : tuple of int
        Shape of the array.
    blocks : tuple of CompressedRuns
        Windows in which pixels change.
    parents : mapping of int to tuple of int
        As of an `Edit`.
    removed, added : tuple of int
        As of an `Edit`.
    backwards : bool
        Whether the runs are to be read from after to before.
    """

    name: str
    shape: tuple[int, ...]
    blocks: tuple[CompressedRuns, ...]
    parents: Mapping[int, tuple[int, ...]]
    removed: tuple[int, ...]
    added: tuple[int, ...]
    backwards: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no pixel differs."""
        return not self.blocks

    @property
    def nbytes(self) -> int:
        """Bytes that the runs take."""
        return sum(len(block.content) for block in self.blocks)

    def inverted(self) -> "WholeEdit":
        """The edit that takes this one back."""
        parents = {origin: (label,) for label, origins in self.parents.items() for origin in origins}
        return WholeEdit(
            self.name,
            self.shape,
            self.blocks,
            parents | {i: () for i in self.removed if i not in parents},
            self.added,
            self.removed,
            not self.backwards,
        )


def apply_whole_edit(labels: Any, edit: WholeEdit) -> None:
    """Change labels in place, block by block, all or nothing.

    Parameters
    ----------
    labels : ndarray or zarr array of int
        The whole array; an `ObjectIndex` of it is to be built anew afterwards.
    edit : WholeEdit
        What to change.

    Raises
    ------
    LabelsError
        Where the array is read-only, lazy, or no longer what it was when the edit was made.
    """
    check_editable(labels)
    changed: list[CompressedRuns] = []
    for block in edit.blocks:
        if not _rewrite(labels, block, edit.backwards):
            for done in changed:
                _rewrite(labels, done, not edit.backwards)
            raise LabelsError(
                f"The labels have changed since '{edit.name}' was prepared, so it was not applied. "
                f"Run it again."
            )
        changed.append(block)


def compress_edit(labels: Any, edit: Edit) -> WholeEdit:
    """An edit of many pixels as compressed runs, which take less room; nothing is applied.

    Parameters
    ----------
    labels : ndarray or zarr array of int
        The whole array; only its shape and its chunks matter.
    edit : Edit
        The edit.
    """
    shape = tuple(int(n) for n in labels.shape)
    flat = np.ravel_multi_index(edit.indices, shape)
    order = np.argsort(flat)
    flat, before, after = flat[order], edit.before[order], edit.after[order]
    blocks, offset = [], 0
    for window in block_windows(labels):
        size = int(np.prod([part.stop - part.start for part in window]))
        first, last = np.searchsorted(flat, [offset, offset + size])
        if last > first:
            inside = slice(int(first), int(last))
            runs = _runs_of(flat[inside] - offset, before[inside], after[inside])
            blocks.append(CompressedRuns.of(window, runs))
        offset += size
    return WholeEdit(edit.name, shape, tuple(blocks), edit.parents, edit.removed, edit.added)


def _runs_of(flat: NDArray[Any], before: NDArray[Any], after: NDArray[Any]) -> Runs:
    breaks = (np.diff(flat) != 1) | (np.diff(before) != 0) | (np.diff(after) != 0)
    starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    lengths = np.diff(np.concatenate([starts, [flat.size]]))
    return Runs(flat[starts], lengths, before[starts], after[starts])


def _rewrite(labels: Any, block: CompressedRuns, backwards: bool) -> bool:
    """Rewrite one window; False, and nothing done, where it does not hold what it should."""
    runs = block.runs()
    old, new = (runs.after, runs.before) if backwards else (runs.before, runs.after)
    pixels = read_window(labels, block.window)
    if not _swap(pixels.reshape(-1), runs.starts, runs.lengths, old, new):
        return False
    labels[block.window] = pixels
    return True


@njit(cache=True, nogil=True)
def _swap(flat: Any, starts: Any, lengths: Any, old: Any, new: Any) -> bool:
    for i in range(starts.size):
        for at in range(starts[i], starts[i] + lengths[i]):
            if flat[at] != old[i]:
                return False
            flat[at] = new[i]
    return True
