"""The edit that makes one object of several."""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.labels.crop import Changes, Crop, Plane, crop_objects, crop_window, object_window
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.index import ObjectIndex

OPPOSITE = -0.7
"""Cosine of the angle from which on two directions are opposite sides: 135° and a bit for rounding."""


def merge(
    labels: Any,
    index: ObjectIndex,
    objects: Iterable[int],
    *,
    bridge: int = 1,
    plane: Plane = None,
    through_planes: bool = False,
) -> Edit:
    """Make one object of several; it keeps their smallest label.

    Parameters
    ----------
    labels : (…, Y, X) ndarray or zarr array of int
        The whole array; it is not changed.
    index : ObjectIndex
        Its objects.
    objects : iterable of int
        Two or more labels.
    bridge : int
        Gaps of background between two of them, up to this many pixels wide, are filled; 0 for none. A pixel
        is in a gap where one lies on one side of it and the other on the other side.
    plane : tuple of int, optional
        Leading indices of the plane in which they are merged; None for everywhere.
    through_planes : bool
        Whether gaps between the planes of a volume are filled too; else only those within a plane.

    Raises
    ------
    LabelsError
        Where there is no such object.
    OptionError
        Where fewer than two are given.
    """
    chosen = sorted({int(i) for i in objects})
    if len(chosen) < 2:
        raise OptionError(f"Merging needs two or more objects, not {len(chosen)}.")
    keep = chosen[0]
    changes = Changes(index)
    for label in chosen[1:]:
        crop = crop_objects(labels, index, [label], plane=plane)
        changes.add(crop, np.where(crop.labels == label, keep, crop.labels))
    if bridge > 0:
        for pair in combinations(chosen, 2):
            meeting = _meeting(labels, index, pair, bridge, plane)
            if meeting is not None:
                gaps = _gaps(meeting.labels, pair, bridge, through_planes)
                changes.add(meeting, np.where(gaps, keep, meeting.labels))
    return changes.edit("merge", {keep: tuple(chosen)})


def _meeting(labels: Any, index: ObjectIndex, pair: tuple[int, ...], width: int, plane: Plane) -> Crop | None:
    """The place where the boxes of two objects meet, and nothing else is read; None where they don't."""
    first, second = (object_window(index, [label], width + 1, plane) for label in pair)
    window = tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True)
    )
    return None if any(part.start >= part.stop for part in window) else crop_window(labels, window, plane)


def _gaps(labels: NDArray[Any], pair: tuple[int, ...], width: int, through_planes: bool) -> NDArray[np.bool_]:
    """Background between two objects where they are at most so many pixels apart, as a mask."""
    gaps = np.zeros(labels.shape, np.bool_)
    for place in np.ndindex(() if through_planes else labels.shape[:-2]):
        plane = labels[place]
        if all(np.any(plane == label) for label in pair):
            gaps[place] = (plane == 0) & _between(plane == pair[0], plane == pair[1], width)
    return gaps


def _between(first: NDArray[np.bool_], second: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Pixels with the masks on opposite sides, `width` pixels apart at most."""
    offsets = np.indices((2 * width + 1,) * first.ndim).reshape(first.ndim, -1).T - width
    steps = np.abs(offsets).max(axis=1)
    offsets, steps = offsets[steps > 0], steps[steps > 0]
    lengths = np.linalg.norm(offsets, axis=1)
    padded = [np.pad(mask, width) for mask in (first, second)]
    result = np.zeros(first.shape, np.bool_)
    for way, count in zip(offsets, steps, strict=True):
        across = offsets @ way <= OPPOSITE * lengths * np.linalg.norm(way)
        opposite = offsets[across & (steps + count <= width + 1)]
        beyond = np.zeros(first.shape, np.bool_)
        for back in opposite:
            beyond |= _shifted(padded[1], back, width)
        result |= beyond & _shifted(padded[0], way, width)
    return result


def _shifted(padded: NDArray[np.bool_], way: NDArray[np.intp], width: int) -> NDArray[np.bool_]:
    """What lies an offset away from each pixel, without the padding."""
    window = tuple(slice(width + d, n - width + d) for d, n in zip(way.tolist(), padded.shape, strict=True))
    return padded[window]
