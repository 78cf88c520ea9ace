"""Jobs that change a whole label array: renumber, remove the small and the cut off, smooth all."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.events import Job, Progress
from napari_cellseg.labels.blocks import block_windows, label_runs, read_window
from napari_cellseg.labels.crop import Changes
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.shaping import add_smoothed
from napari_cellseg.labels.spacing import Spacing
from napari_cellseg.labels.whole_edit import CompressedRuns, Runs, WholeEdit, compress_edit

STEP_OBJECTS = 200
"""Objects between two reports of progress."""


def renumbering(labels: Any, index: ObjectIndex) -> Job[WholeEdit]:
    """Number the objects 1 to N in the order of their labels, as a job.

    Parameters
    ----------
    labels : (…, Y, X) ndarray or zarr array of int
        The whole array; it is not changed, and must not change until the job is done.
    index : ObjectIndex
        Its objects.

    Yields
    ------
    Progress
        One per block of the array.

    Returns
    -------
    WholeEdit
        To be applied by `apply_whole_edit`; its `parents` say which label became which.
    """
    old = index.labels()
    return (yield from _relabelling("renumber", labels, old, np.arange(1, len(old) + 1)))


def removing_small(labels: Any, index: ObjectIndex, min_area: int) -> Job[WholeEdit]:
    """Remove objects of fewer than `min_area` pixels, as a job; as `renumbering` else.

    Raises
    ------
    OptionError
        Where the area is negative.
    """
    if min_area < 0:
        raise OptionError(f"The smallest area must be 0 or more pixels, not {min_area}.")
    found, _, _, areas = index.extents()
    return (yield from _removing("remove small objects", labels, found[areas < min_area]))


def removing_border_touching(labels: Any, index: ObjectIndex) -> Job[WholeEdit]:
    """Remove objects that the border of the plane cuts off, as a job; as `renumbering` else.

    An object of a stack goes as a whole where it reaches the first or last row or column of any plane.
    """
    found, low, high, _ = index.extents()
    cut = np.any(low[:, -2:] == 0, axis=1) | np.any(high[:, -2:] == index.shape[-2:], axis=1)
    return (yield from _removing("remove objects at the border", labels, found[cut]))


def smoothing_all(
    labels: Any, index: ObjectIndex, radius: float = 2.0, *, leading: int = 0, spacing: Spacing = None
) -> Job[WholeEdit]:
    """Smooth the border of every object as `smooth` does, as a job; as `renumbering` else.

    Parameters
    ----------
    labels, index
        As in `renumbering`.
    radius, spacing
        As in `smooth`.
    leading : int
        How many leading axes set planes apart that are smoothed one by one, for example 1 for a time-lapse.

    Yields
    ------
    Progress
        One per 200 objects.

    Raises
    ------
    OptionError
        Where the radius is not positive, or the spacing does not fit the axes.
    """
    changes, objects = Changes(index), index.labels().tolist()
    for start in range(0, len(objects), STEP_OBJECTS):
        part = objects[start : start + STEP_OBJECTS]
        for label in part:
            for plane in _planes_of(index, label, leading):
                add_smoothed(changes, labels, index, [label], radius, spacing, plane)
        yield Progress("Smoothing", start + len(part), len(objects))
    return compress_edit(labels, changes.edit("smooth all"))


def _planes_of(index: ObjectIndex, label: int, leading: int) -> Iterator[tuple[int, ...]]:
    return product(*(range(part.start, part.stop) for part in index.boxes(label)[:leading]))


def _removing(name: str, labels: Any, objects: NDArray[Any]) -> Job[WholeEdit]:
    return (yield from _relabelling(name, labels, objects, np.zeros(len(objects), np.int64)))


def _relabelling(name: str, labels: Any, old: NDArray[Any], new: NDArray[Any]) -> Job[WholeEdit]:
    """Give labels, ascending, other labels; 0 removes them."""
    dtype = np.dtype(labels.dtype)
    old, new = old[old != new].astype(dtype), new[old != new].astype(dtype)
    windows = list(block_windows(labels)) if old.size else []
    blocks = []
    for done, window in enumerate(windows, 1):
        values, places = label_runs(read_window(labels, window))
        rank = np.minimum(np.searchsorted(old, values), old.size - 1)
        chosen = old[rank] == values
        places, row = places[chosen], window[-1].stop - window[-1].start
        if places.size:
            runs = Runs(
                places[:, 0] * row + places[:, 1],
                places[:, 2] - places[:, 1],
                values[chosen],
                new[rank[chosen]],
            )
            blocks.append(CompressedRuns.of(window, runs))
        yield Progress(name.capitalize(), done, len(windows))
    before, after = set(old.tolist()), set(new.tolist()) - {0}
    parents = {b: (a,) for a, b in zip(old.tolist(), new.tolist(), strict=True) if b}
    removed, added = tuple(sorted(before - after)), tuple(sorted(after - before))
    return WholeEdit(name, tuple(labels.shape), tuple(blocks), parents, removed, added)
