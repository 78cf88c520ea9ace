"""Edits that make objects larger or smaller by a distance."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.errors import OptionError
from napari_cellseg.labels.crop import Changes, Plane, crop_objects, neighbouring_groups
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.pieces import touched_pieces


def grow(
    labels: Any, index: ObjectIndex, objects: Iterable[int], pixels: float = 1.0, *, plane: Plane = None
) -> Edit:
    """Grow objects into the background; what two of them reach goes to the nearer one.

    Parameters
    ----------
    labels : (…, Y, X) ndarray or zarr array of int
        The whole array; it is not changed.
    index : ObjectIndex
        Its objects.
    objects : iterable of int
        Labels that grow; other objects keep their pixels, and are not grown across.
    pixels : float
        How far, as straight distance between the centres of pixels.
    plane : tuple of int, optional
        Leading indices of the plane to stay in; None grows in all directions of the array.

    Raises
    ------
    LabelsError
        Where there is no such object.
    OptionError
        Where the distance is not positive.
    """
    _check_distance(pixels)
    changes = Changes(index)
    reach = int(np.ceil(pixels))
    for group in neighbouring_groups(index, list(dict.fromkeys(objects)), reach, plane):
        crop = crop_objects(labels, index, group, reach, plane)
        changes.add(crop, _grown(crop.labels, group, pixels))
    return changes.edit("grow")


def shrink(
    labels: Any, index: ObjectIndex, objects: Iterable[int], pixels: float = 1.0, *, plane: Plane = None
) -> Edit:
    """Take away the pixels of objects that lie within a distance of their border.

    The border of the array is none: an object that it cuts off shrinks from its other sides.

    Parameters
    ----------
    labels, index, objects, plane
        As in `grow`.
    pixels : float
        Pixels whose nearest pixel outside is at most this far away are taken away.

    Returns
    -------
    Edit
        Objects that vanish are in its `removed`.

    Raises
    ------
    LabelsError
        Where there is no such object.
    OptionError
        Where the distance is not positive.
    """
    _check_distance(pixels)
    changes = Changes(index)
    for label in objects:
        crop = crop_objects(labels, index, [label], 1, plane)
        mask = crop.labels == label
        if np.all(mask):
            continue
        depth = ndimage.distance_transform_edt(mask)
        changes.add(crop, np.where(mask & (depth <= pixels), 0, crop.labels))
    return changes.edit("shrink")


def _check_distance(pixels: float) -> None:
    if not 0 < pixels < np.inf:
        raise OptionError(f"The distance must be a positive number of pixels, not {pixels}.")


def _grown(labels: NDArray[Any], group: list[int], pixels: float) -> NDArray[Any]:
    inside = np.isin(labels, group)
    if not np.any(inside):
        return labels
    distance, nearest = ndimage.distance_transform_edt(~inside, return_indices=True)
    reached = (labels == 0) & (distance <= pixels)
    grown = np.where(reached, labels[tuple(nearest)], labels)
    for label in group:
        own = grown == label
        grown[own & ~touched_pieces(own, labels == label)] = 0
    return grown
