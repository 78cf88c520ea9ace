"""Edits that add an object: a drawn region, a candidate of a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import LabelsError, OptionError
from napari_cellseg.labels.crop import Changes, Plane, check_plane, crop_window
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.pieces import largest_piece


def add_region(
    labels: Any,
    index: ObjectIndex,
    mask: NDArray[np.bool_],
    origin: Sequence[int],
    *,
    label: int | None = None,
    overwrite: bool = False,
    plane: Plane = None,
) -> Edit:
    """Make a region an object, or part of one.

    Parameters
    ----------
    labels : (…, Y, X) ndarray or zarr array of int
        The whole array; it is not changed.
    index : ObjectIndex
        Its objects.
    mask : ndarray of bool
        The region, cropped; with the axes that the plane leaves. What lies outside of the array is left out.
    origin : sequence of int
        Coordinates of its first pixel along those axes.
    label : int, optional
        Label that the region gets; None for a new one.
    overwrite : bool
        Whether it takes pixels from other objects too.
    plane : tuple of int, optional
        Leading indices of the plane that the region lies in.

    Returns
    -------
    Edit
        Empty where no pixel is free.

    Raises
    ------
    LabelsError
        Where no label is left, or the one given does not fit the dtype of the labels.
    OptionError
        Where the mask does not have the axes of the plane.
    """
    return _added(labels, index, mask, origin, label, overwrite, plane, whole=False)


def add_instance(
    labels: Any,
    index: ObjectIndex,
    mask: NDArray[np.bool_],
    origin: Sequence[int],
    *,
    label: int | None = None,
    plane: Plane = None,
) -> Edit:
    """Make an object of what a model found: the largest connected piece that other objects leave of it.

    Parameters as in `add_region`; the same errors.
    """
    return _added(labels, index, mask, origin, label, False, plane, whole=True)


def _added(
    labels: Any,
    index: ObjectIndex,
    mask: NDArray[np.bool_],
    origin: Sequence[int],
    label: int | None,
    overwrite: bool,
    plane: Plane,
    whole: bool,
) -> Edit:
    check_plane(index.shape, plane)
    shape = index.shape[len(plane or ()) :]
    if mask.ndim != len(shape) or len(origin) != len(shape):
        raise OptionError(
            f"A region needs {len(shape)} axes here; its mask has {mask.ndim}, its origin {len(origin)}."
        )
    chosen = index.next_label if label is None else _fitting(label, index)
    window = tuple(
        slice(min(max(0, o), n), max(min(max(0, o), n), min(n, o + m)))
        for o, m, n in zip((int(o) for o in origin), mask.shape, shape, strict=True)
    )
    crop = crop_window(labels, window, plane)
    inner = tuple(
        slice(part.start - int(o), part.stop - int(o)) for part, o in zip(window, origin, strict=True)
    )
    wanted = np.asarray(mask, np.bool_)[inner]
    region = wanted if overwrite else wanted & np.isin(crop.labels, [0, chosen])
    changes = Changes(index)
    if np.any(region):
        changes.add(crop, np.where(largest_piece(region) if whole else region, chosen, crop.labels))
    return changes.edit("add")


def _fitting(label: int, index: ObjectIndex) -> int:
    if not 0 < label <= np.iinfo(index.dtype).max:
        raise LabelsError(f"An object's label must be 1 to {np.iinfo(index.dtype).max:,}, not {label}.")
    return int(label)
