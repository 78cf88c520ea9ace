"""The part of a label array that an edit looks at, and the changes made to such parts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.labels.blocks import Window, read_window
from napari_cellseg.labels.edit import Edit, edit_of_pixels
from napari_cellseg.labels.index import ObjectIndex

Plane = tuple[int, ...] | None
"""Leading indices of the plane (or volume) of a stack to stay in; None for the whole array."""


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A copy of some labels.

    Attributes
    ----------
    window : tuple of slice
        Where they are in the whole array.
    labels : ndarray
        The copy, without the axes that the plane fixes.
    """

    window: Window
    labels: NDArray[Any]

    @property
    def origin(self) -> NDArray[np.intp]:
        """First coordinate along each axis of `labels`."""
        starts = [part.start for part in self.window]
        return np.array(starts[len(starts) - self.labels.ndim :], np.intp)


def crop_window(labels: Any, window: Sequence[slice], plane: Plane = None) -> Crop:
    """Copy of a window; without those of its axes that the plane fixes.

    Parameters
    ----------
    labels : array-like
        The whole array.
    window : sequence of slice
        One slice for each axis that the plane leaves.
    plane : tuple of int, optional
        Leading indices.
    """
    fixed = tuple(slice(i, i + 1) for i in plane or ())
    full = (*fixed, *window)
    block = read_window(labels, full)
    return Crop(full, block.reshape(block.shape[len(fixed) :]))


def check_plane(shape: tuple[int, ...], plane: Plane) -> None:
    """Refuse a plane that the array does not have.

    Raises
    ------
    OptionError
        Where there are too many indices, or one is outside of the array.
    """
    if plane is None:
        return
    if len(plane) >= len(shape) or any(not 0 <= i < n for i, n in zip(plane, shape, strict=False)):
        raise OptionError(f"A plane must be leading indices inside of {shape}, not {plane}.")


def crop_objects(
    labels: Any, index: ObjectIndex, objects: Iterable[int], margin: int = 0, plane: Plane = None
) -> Crop:
    """Copy of the box that holds some objects; parameters as in `object_window`."""
    return crop_window(labels, object_window(index, objects, margin, plane), plane)


def object_window(index: ObjectIndex, objects: Iterable[int], margin: int = 0, plane: Plane = None) -> Window:
    """Box of some objects along the axes that the plane leaves, widened inside of the array.

    Parameters
    ----------
    index : ObjectIndex
        Where the objects are.
    objects : iterable of int
        At least one label.
    margin : int
        Pixels to add on every side.
    plane : tuple of int, optional
        Leading indices; the box is that of the whole objects, along the other axes.

    Raises
    ------
    LabelsError
        Where there is no such object.
    OptionError
        Where the array has no such plane.
    """
    check_plane(index.shape, plane)
    skip = len(plane or ())
    boxes = [index.boxes(label)[skip:] for label in objects]
    return tuple(
        slice(max(0, min(p.start for p in parts) - margin), min(n, max(p.stop for p in parts) + margin))
        for parts, n in zip(zip(*boxes, strict=True), index.shape[skip:], strict=True)
    )


def neighbouring_groups(
    index: ObjectIndex, objects: Sequence[int], margin: int, plane: Plane = None
) -> Iterator[list[int]]:
    """Objects in groups: boxes of different groups stay apart even when widened by the margin."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not objects:
        return
    windows = [object_window(index, [label], margin, plane) for label in objects]
    bounds = np.array([[(part.start, part.stop) for part in w] for w in windows])
    pairs = _meeting(bounds[..., 0], bounds[..., 1])
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(objects),) * 2)
    count, group = connected_components(links, directed=False)
    order = np.argsort(group, kind="stable")
    for members in np.split(order, np.searchsorted(group[order], np.arange(1, count))):
        yield [objects[i] for i in members]


def _meeting(low: NDArray[np.intp], high: NDArray[np.intp]) -> NDArray[np.intp]:
    """Pairs (P, 2) of boxes (N, D) that touch or overlap, found from the first axis on."""
    order = np.argsort(low[:, 0], kind="stable")
    low, high = low[order], high[order]
    ends = np.searchsorted(low[:, 0], high[:, 0], side="right")
    pairs = [np.zeros((0, 2), np.intp)]
    for i, end in enumerate(ends.tolist()):
        near = np.all((low[i + 1 : end] <= high[i]) & (low[i] <= high[i + 1 : end]), axis=1)
        others = order[i + 1 : end][near]
        pairs.append(np.stack([np.full(others.size, order[i]), others], axis=1))
    return np.concatenate(pairs)


class Changes:
    """Changed pixels, gathered crop by crop into one edit; where two crops disagree the first one holds."""

    def __init__(self, index: ObjectIndex) -> None:
        self._index = index
        self._flat: list[NDArray[np.intp]] = []
        self._before: list[NDArray[Any]] = []
        self._after: list[NDArray[Any]] = []

    def add(self, crop: Crop, after: NDArray[Any]) -> None:
        """Note the pixels of a crop that are different afterwards."""
        inside = np.flatnonzero(crop.labels != after)
        spot = np.unravel_index(inside, [part.stop - part.start for part in crop.window])
        places = tuple(i + part.start for i, part in zip(spot, crop.window, strict=True))
        self._flat.append(np.ravel_multi_index(places, self._index.shape).astype(np.intp))
        self._before.append(crop.labels.ravel()[inside])
        self._after.append(after.ravel()[inside])

    def edit(self, name: str, parents: Mapping[int, tuple[int, ...]] | None = None) -> Edit:
        """The edit; `parents` as in `edit_of_pixels`."""
        dtype = self._index.dtype
        flat = np.concatenate([np.zeros(0, np.intp), *self._flat])
        before, after = (np.concatenate([np.zeros(0, dtype), *p]) for p in (self._before, self._after))
        if len(self._flat) > 1:
            flat, first = np.unique(flat, return_index=True)
            before, after = before[first], after[first]
        indices = np.unravel_index(flat, self._index.shape)
        return edit_of_pixels(name, self._index, indices, before, after, parents)
