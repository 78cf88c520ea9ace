"""Where every object of a label array is, kept up to date edit by edit."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import LabelsError
from napari_cellseg.labels.blocks import Window, block_windows, label_runs, read_window

if TYPE_CHECKING:
    from napari_cellseg.labels.edit import Edit

WIDE = 1 << 18
"""Pixels of a box from which on an object's former box is remembered, to find it again when it shrinks."""

Extents = tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Labels (N,), first and last-plus-one coordinates (N, D), and pixels (N,)."""


class ObjectIndex:
    """Boxes and areas of all objects of one label array.

    It keeps a reference to the array: `update` looks there for the new box of an object that lost pixels.
    Make one with `build`.
    """

    def __init__(self, labels: Any, extents: Extents, reserved: int = 0) -> None:
        values, lows, highs, areas = extents
        self._labels = labels
        self._rows = {label: row for row, label in enumerate(values.tolist())}
        self._boxes = np.stack([lows, highs], axis=1)
        self._areas = areas
        self._free: list[int] = []
        self._former: dict[int, list[NDArray[np.int64]]] = {}
        self._next = max(int(values.max(initial=0)), reserved) + 1

    @classmethod
    def build(cls, labels: Any, *, reserved: int = 0) -> "ObjectIndex":
        """Index of an array, from one pass over it.

        Parameters
        ----------
        labels : (…, Y, X) array-like of int
            numpy, zarr or dask; 0 is background. Read block by block.
        reserved : int
            Labels up to this one are promised to others, so that `next_label` is larger.

        Raises
        ------
        LabelsError
            Where the labels are not integers, or have no dimension.
        """
        if labels.ndim == 0 or np.dtype(labels.dtype).kind not in "iu":
            raise LabelsError(
                f"Labels must be an array of integers, these are {labels.dtype} of {labels.ndim} dimensions."
            )
        parts = [_block_extents(read_window(labels, w), w) for w in block_windows(labels)]
        return cls(labels, _join_extents(parts, labels.ndim, np.dtype(labels.dtype)), reserved)

    def __contains__(self, label: object) -> bool:
        return label in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def array(self) -> Any:
        """The label array."""
        return self._labels

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the label array."""
        return tuple(int(n) for n in self._labels.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Integer type of the label array, in the machine's byte order."""
        dtype: np.dtype[Any] = np.dtype(self._labels.dtype).newbyteorder("=")
        return dtype

    @property
    def largest(self) -> int:
        """Largest label in use; 0 where there is none."""
        return max(self._rows, default=0)

    @property
    def next_label(self) -> int:
        """A label that is free, and was so ever since the index was built.

        Raises
        ------
        LabelsError
            Where the dtype of the array holds no larger label.
        """
        return self.next_labels(1)[0]

    def next_labels(self, count: int) -> list[int]:
        """That many free labels, ascending; errors as in `next_label`."""
        limit = np.iinfo(self.dtype).max
        if self._next + count - 1 > limit:
            raise LabelsError(
                f"Labels of type {self.dtype} go up to {limit:,} and none is left for a new object. "
                f"Renumber the labels, or convert them to int32."
            )
        return list(range(self._next, self._next + count))

    def labels(self) -> NDArray[np.int64]:
        """All labels, ascending."""
        return np.sort(np.fromiter(self._rows, np.int64, len(self._rows)))

    def extents(self) -> Extents:
        """Labels (N,) ascending, first and last-plus-one coordinates (N, D), pixels (N,)."""
        labels = self.labels()
        rows = np.fromiter((self._rows[i] for i in labels.tolist()), np.intp, len(labels))
        return labels, self._boxes[rows, 0], self._boxes[rows, 1], self._areas[rows]

    def area(self, label: int) -> int:
        """Pixels of an object.

        Raises
        ------
        LabelsError
            Where there is no such object.
        """
        return int(self._areas[self._row(label)])

    def boxes(self, label: int) -> Window:
        """Smallest window that holds an object; errors as in `area`."""
        low, high = self._boxes[self._row(label)].tolist()
        return tuple(slice(a, b) for a, b in zip(low, high, strict=True))

    def _row(self, label: int) -> int:
        row = self._rows.get(int(label))
        if row is None:
            raise LabelsError(f"There is no object {label} in these labels.")
        return row

    def update(self, edit: "Edit") -> None:
        """Take in an edit that was applied to the array.

        An object that lost pixels on its box's border is looked up in the box that it had before it became
        wide, or else in its whole box; nothing else is read.

        Raises
        ------
        LabelsError
            Where the array is not what the index and the edit say it is: the index is to be built anew then.
        """
        if edit.is_empty:
            return
        places = np.stack(edit.indices, axis=1)
        gained = _extents(edit.after, places, places + 1, np.ones(len(places), np.int64))
        lost = _extents(edit.before, places, places + 1, np.ones(len(places), np.int64))
        for label, low, high, area in zip(gained[0].tolist(), *gained[1:], strict=True):
            if label != 0:
                self._gain(label, low, high, int(area))
        for label, low, high, area in zip(lost[0].tolist(), *lost[1:], strict=True):
            if label != 0:
                self._lose(label, low, high, int(area))

    def _gain(self, label: int, low: NDArray[Any], high: NDArray[Any], area: int) -> None:
        row = self._rows.get(label)
        if row is None:
            row = self._rows[label] = self._new_row()
            self._boxes[row], self._areas[row] = (low, high), area
            self._next = max(self._next, label + 1)
            return
        box = self._boxes[row]
        wider = np.stack([np.minimum(box[0], low), np.maximum(box[1], high)])
        if np.prod(wider[1] - wider[0]) > max(WIDE, 2 * np.prod(box[1] - box[0])):
            self._former[label] = [*self._former.get(label, ())[-9:], box.copy()]
        self._boxes[row] = wider
        self._areas[row] += area

    def _lose(self, label: int, low: NDArray[Any], high: NDArray[Any], area: int) -> None:
        row = self._row(label)
        self._areas[row] -= area
        if self._areas[row] == 0:
            self._free.append(self._rows.pop(label))
            self._former.pop(label, None)
            return
        box = self._boxes[row]
        if np.any(low == box[0]) or np.any(high == box[1]):
            self._shrink(label, row)

    def _shrink(self, label: int, row: int) -> None:
        former = self._former.get(label, [])
        for k in reversed(range(len(former))):
            if self._fit(label, row, former[k]):
                del former[k:]
                return
        if not self._fit(label, row, self._boxes[row].copy()):
            raise LabelsError(
                f"Object {label} was changed by others; the index of the labels is out of date."
            )

    def _fit(self, label: int, row: int, box: NDArray[np.int64]) -> bool:
        """Give an object the smallest box inside of another one; False where not all of it is in there."""
        mask = np.asarray(self._labels[tuple(slice(int(a), int(b)) for a, b in box.T)]) == label
        if np.count_nonzero(mask) != self._areas[row]:
            return False
        for axis in range(mask.ndim):
            inside = np.flatnonzero(mask.any(axis=tuple(k for k in range(mask.ndim) if k != axis)))
            self._boxes[row, :, axis] = box[0, axis] + inside[0], box[0, axis] + inside[-1] + 1
        return True

    def _new_row(self) -> int:
        if self._free:
            return self._free.pop()
        row = len(self._rows)
        if row == len(self._areas):
            more = max(16, row)
            self._boxes = np.concatenate([self._boxes, np.zeros((more, *self._boxes.shape[1:]), np.int64)])
            self._areas = np.concatenate([self._areas, np.zeros(more, np.int64)])
        return row


def _extents(
    values: NDArray[Any], lows: NDArray[np.int64], highs: NDArray[np.int64], areas: NDArray[np.int64]
) -> Extents:
    """Extents of equal labels joined; labels ascending."""
    if values.size == 0:
        return values, lows, highs, areas
    order = np.argsort(values, kind="stable")
    values = values[order]
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    return (
        values[starts],
        np.minimum.reduceat(lows[order], starts, axis=0),
        np.maximum.reduceat(highs[order], starts, axis=0),
        np.add.reduceat(areas[order], starts),
    )


def _block_extents(block: NDArray[Any], window: Window) -> Extents:
    values, places = label_runs(block)
    leading = np.unravel_index(places[:, 0], block.shape[:-1]) if block.ndim > 1 else ()
    offset = np.array([part.start for part in window], np.int64)
    lows = np.stack([*leading, places[:, 1]], axis=1).astype(np.int64) + offset
    highs = lows + 1
    highs[:, -1] = places[:, 2] + offset[-1]
    return _extents(values, lows, highs, places[:, 2] - places[:, 1])


def _join_extents(parts: list[Extents], ndim: int, dtype: np.dtype[Any]) -> Extents:
    if not parts:
        empty = np.zeros((0, ndim), np.int64)
        return np.zeros(0, dtype), empty, empty, np.zeros(0, np.int64)
    values, lows, highs, areas = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _extents(values, lows, highs, areas)
