"""The edit that makes one object of several."""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.errors import OptionError
from napari_cellseg.labels.crop import Changes, Plane, crop_objects, crop_window, object_window
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.index import ObjectIndex


def merge(
    labels: Any, index: ObjectIndex, objects: Iterable[int], *, bridge: int = 1, plane: Plane = None
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
        Gaps of background between two of them, up to this many pixels wide, are filled; 0 for none.
    plane : tuple of int, optional
        Leading indices of the plane in which they are merged; None for everywhere.

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
            _bridge(labels, index, pair, bridge, keep, plane, changes)
    return changes.edit("merge", {keep: tuple(chosen)})


def _bridge(
    labels: Any,
    index: ObjectIndex,
    pair: tuple[int, ...],
    width: int,
    keep: int,
    plane: Plane,
    changes: Changes,
) -> None:
    """Fill the gap between two objects where it is narrow; only the place where their boxes meet is read."""
    first, second = (object_window(index, [label], width + 1, plane) for label in pair)
    meeting = tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True)
    )
    if any(part.start >= part.stop for part in meeting):
        return
    crop = crop_window(labels, meeting, plane)
    masks = [crop.labels == label for label in pair]
    if all(mask.any() for mask in masks):
        gap = (crop.labels == 0) & (_steps(masks[0]) + _steps(masks[1]) <= width + 1)
        changes.add(crop, np.where(gap, keep, crop.labels))


def _steps(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Steps, diagonal ones included, from each pixel to the nearest of a mask."""
    distance: NDArray[np.int32] = ndimage.distance_transform_cdt(~mask, metric="chessboard")
    return distance
