"""Edits of an object's outline: holes filled, border smoothed."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.errors import OptionError
from napari_cellseg.labels.crop import Changes, Plane, crop_objects
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.pieces import connected_pieces
from napari_cellseg.labels.spacing import Spacing, pixel_lengths


def fill_holes(
    labels: Any,
    index: ObjectIndex,
    objects: Iterable[int],
    *,
    max_area: int | None = None,
    plane: Plane = None,
) -> Edit:
    """Give the background that an object encloses to it; other objects in a hole stay.

    Parameters
    ----------
    labels : (…, Y, X) ndarray or zarr array of int
        The whole array; it is not changed.
    index : ObjectIndex
        Its objects.
    objects : iterable of int
        Labels whose holes are filled; the smaller object fills first where one lies in another's hole.
    max_area : int, optional
        Larger holes, in pixels, stay.
    plane : tuple of int, optional
        Leading indices of the plane to stay in; None fills the cavities of a volume.

    Raises
    ------
    LabelsError
        Where there is no such object.
    """
    changes = Changes(index)
    for label in sorted(objects, key=index.area):
        crop = crop_objects(labels, index, [label], plane=plane)
        mask = crop.labels == label
        holes = ndimage.binary_fill_holes(mask) & ~mask
        if max_area is not None:
            pieces, areas = connected_pieces(holes)
            holes &= np.concatenate([[False], areas <= max_area])[pieces]
        changes.add(crop, np.where(holes & (crop.labels == 0), label, crop.labels))
    return changes.edit("fill holes")


def smooth(
    labels: Any,
    index: ObjectIndex,
    objects: Iterable[int],
    radius: float = 2.0,
    *,
    spacing: Spacing = None,
    plane: Plane = None,
) -> Edit:
    """Smooth the border of objects; where two of them touch, it stays as it is.

    Parameters
    ----------
    labels, index, objects, plane
        As in `fill_holes`.
    radius : float
        Standard deviation, in pixels of the last axis, of the Gaussian that smooths the mask.
    spacing : sequence of float, optional
        Length of a pixel along each axis that the plane leaves, in any unit; equal ones by default.

    Returns
    -------
    Edit
        An object too small for the radius is left as it is.

    Raises
    ------
    LabelsError
        Where there is no such object.
    OptionError
        Where the radius is not positive, or the spacing does not fit the axes.
    """
    changes = Changes(index)
    add_smoothed(changes, labels, index, objects, radius, spacing, plane)
    return changes.edit("smooth")


def add_smoothed(
    changes: Changes,
    labels: Any,
    index: ObjectIndex,
    objects: Iterable[int],
    radius: float,
    spacing: Spacing = None,
    plane: Plane = None,
) -> None:
    """Note what smoothing changes; parameters and errors as in `smooth`."""
    if not 0 < radius < np.inf:
        raise OptionError(f"The radius of smoothing must be positive, not {radius}.")
    sigmas = radius / pixel_lengths(spacing, len(index.shape) - len(plane or ()))
    for label in objects:
        crop = crop_objects(labels, index, [label], int(np.ceil(3 * sigmas.max())) + 1, plane)
        changes.add(crop, _smoothed(crop.labels, label, sigmas))


def _smoothed(labels: NDArray[Any], label: int, sigmas: NDArray[np.float64]) -> NDArray[Any]:
    """Labels in which one object has a smooth border; others keep their pixels.

    A pixel that is free or the object's own becomes the object's where this has more Gaussian weight around
    it than the background has.
    """
    own, free = labels == label, labels == 0
    weight, background = (
        ndimage.gaussian_filter(mask.astype(np.float32), sigmas, mode="nearest", truncate=3.0)
        for mask in (own, free)
    )
    result = (own | free) & (weight >= background) & (weight > 0)
    if not np.any(result):
        return labels
    return np.where(result, label, np.where(own, 0, labels))
