"""One change of a label array: which pixels, and what becomes of the objects.

The changes themselves are made by `removing`, `merging`, `splitting`, `shaping`, `resizing` and `adding`;
each takes the labels with their `ObjectIndex`, reads the boxes of the objects and returns an `Edit`.
Whole images are changed by the jobs of `whole`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import LabelsError
from napari_cellseg.labels.blocks import Window
from napari_cellseg.labels.index import ObjectIndex

Indices = tuple[NDArray[np.intp], ...]
"""Coordinates of pixels in the whole array: one (N,) array per dimension."""


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """Pixels that change, and what becomes of the objects. Nothing is applied by making one.

    Attributes
    ----------
    name : str
        What was done, as the undo list shows it, for example ``"split"``.
    indices : tuple of (N,) ndarray of intp
        Coordinates of the pixels that change, in the whole array; each pixel once.
    before, after : (N,) ndarray
        Their labels before and after, in the dtype of the array.
    parents : mapping of int to tuple of int
        For labels that are new or inherit something: the labels that they come from, themselves included
        where they go on; empty for an object drawn anew.
    removed, added : tuple of int
        Labels that no pixel of the array has any more, and labels that none had before; ascending.
    """

    name: str
    indices: Indices
    before: NDArray[Any]
    after: NDArray[Any]
    parents: Mapping[int, tuple[int, ...]]
    removed: tuple[int, ...]
    added: tuple[int, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no pixel differs."""
        return self.before.size == 0

    @property
    def changed(self) -> tuple[int, ...]:
        """Labels that exist before and after, and whose pixels differ; ascending."""
        touched = {int(i) for i in np.union1d(self.before, self.after)} - {0}
        return tuple(sorted(touched.difference(self.removed, self.added)))

    @property
    def window(self) -> Window:
        """Smallest window of the array that holds every pixel that changes; empty slices where none does."""
        if self.is_empty:
            return tuple(slice(0, 0) for _ in self.indices)
        return tuple(slice(int(i.min()), int(i.max()) + 1) for i in self.indices)

    def indices_values(self) -> tuple[Indices, NDArray[Any]]:
        """Pixels that change, as indices into the whole array, and their new labels."""
        return self.indices, self.after

    def inverted(self, name: str | None = None) -> "Edit":
        """The edit that takes this one back."""
        children: dict[int, list[int]] = {}
        for label, origins in self.parents.items():
            for origin in origins:
                children.setdefault(origin, []).append(label)
        parents = {label: tuple(sorted(found)) for label, found in children.items()}
        parents |= {label: () for label in self.removed if label not in parents}
        return Edit(
            name or self.name, self.indices, self.after, self.before, parents, self.added, self.removed
        )


def edit_of_pixels(
    name: str,
    index: ObjectIndex,
    indices: Sequence[NDArray[Any]],
    before: NDArray[Any],
    after: NDArray[Any],
    parents: Mapping[int, tuple[int, ...]] | None = None,
) -> Edit:
    """An edit from the pixels that it touches.

    Parameters
    ----------
    name : str
        What is done.
    index : ObjectIndex
        Objects of the array as they are before the edit.
    indices : sequence of (N,) ndarray of int
        Coordinates in the whole array, each pixel at most once.
    before, after : (N,) ndarray
        Labels; pixels that stay the same are left out.
    parents : mapping, optional
        Where labels come from; a label that is new and not in it was drawn anew.
    """
    differ = before != after
    places = tuple(np.asarray(i, np.intp)[differ] for i in indices)
    before, after = before[differ], after[differ]
    balance: dict[int, int] = {}
    for values, sign in ((before, -1), (after, 1)):
        labels, counts = np.unique(values, return_counts=True)
        for label, count in zip(labels.tolist(), counts.tolist(), strict=True):
            balance[label] = balance.get(label, 0) + sign * count
    balance.pop(0, None)
    areas = {label: index.area(label) if label in index else 0 for label in balance}
    removed = tuple(sorted(i for i in balance if areas[i] and areas[i] + balance[i] == 0))
    added = tuple(sorted(i for i in balance if not areas[i] and balance[i]))
    known = dict.fromkeys(added, ()) | {int(i): tuple(p) for i, p in (parents or {}).items()}
    return Edit(name, places, before, after, known, removed, added)


def edit_of_window(
    name: str,
    index: ObjectIndex,
    window: Window,
    before: NDArray[Any],
    after: NDArray[Any],
    parents: Mapping[int, tuple[int, ...]] | None = None,
) -> Edit:
    """An edit from a window of the array, before and after; parameters as in `edit_of_pixels`."""
    differ = np.nonzero(before != after)
    indices = tuple(i + part.start for i, part in zip(differ, window, strict=True))
    return edit_of_pixels(name, index, indices, before[differ], after[differ], parents)


def edit_of_strokes(
    name: str,
    index: ObjectIndex,
    strokes: Iterable[tuple[Sequence[NDArray[Any]], NDArray[Any], Any]],
) -> Edit:
    """One edit from strokes of a brush in their order, which may cross each other.

    Parameters
    ----------
    name : str
        What is done.
    index : ObjectIndex
        Objects of the array as they were before the first stroke.
    strokes : iterable of (indices, before, after)
        Coordinates, the labels there before the stroke, and the label or labels painted.
    """
    parts = [
        (np.ravel_multi_index(tuple(np.asarray(i) for i in where), index.shape), old, new)
        for where, old, new in strokes
    ]
    if not parts:
        nothing = np.zeros(0, index.dtype)
        return edit_of_pixels(name, index, [np.zeros(0, np.intp)] * len(index.shape), nothing, nothing)
    flat = np.concatenate([np.ravel(p[0]) for p in parts])
    before, after = (
        np.concatenate([np.broadcast_to(np.ravel(np.asarray(p[k], index.dtype)), p[0].size) for p in parts])
        for k in (1, 2)
    )
    places, first = np.unique(flat, return_index=True)
    last = flat.size - 1 - np.unique(flat[::-1], return_index=True)[1]
    return edit_of_pixels(name, index, np.unravel_index(places, index.shape), before[first], after[last])


def apply_edit(labels: Any, edit: Edit) -> None:
    """Change labels in place.

    Parameters
    ----------
    labels : ndarray or zarr array of int
        The whole array.
    edit : Edit
        What to change.

    Raises
    ------
    LabelsError
        Where the array is read-only or lazy, or where its pixels are no longer what they were when the edit
        was made.
    """
    check_editable(labels)
    if edit.is_empty:
        return
    by_point = labels if isinstance(labels, np.ndarray) else labels.vindex
    if not np.array_equal(np.asarray(by_point[edit.indices]), edit.before):
        raise LabelsError(
            f"The labels have changed since the edit '{edit.name}' was made, so it was not applied. "
            f"Make the edit again."
        )
    by_point[edit.indices] = edit.after


def check_editable(labels: Any) -> None:
    """Refuse labels that cannot be changed in place.

    Raises
    ------
    LabelsError
        Where the labels are neither a writable numpy array nor a writable zarr array.
    """
    advice = "Copy the labels into memory to edit them."
    if isinstance(labels, np.ndarray):
        if not labels.flags.writeable:
            raise LabelsError(f"These labels are read-only. {advice}")
    elif not hasattr(labels, "vindex") or not hasattr(labels, "set_coordinate_selection"):
        kind = type(labels).__module__.partition(".")[0]
        raise LabelsError(f"Labels must be a numpy or zarr array to be edited, these are of {kind}. {advice}")
    elif getattr(labels, "read_only", False):
        raise LabelsError(f"This zarr array is open for reading only. {advice}")
