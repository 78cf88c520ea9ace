"""Edits that make objects larger or smaller by a distance."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.errors import OptionError
from napari_cellseg.labels.blocks import Window
from napari_cellseg.labels.crop import Changes, Crop, Plane, crop_objects, neighbouring_groups, object_window
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.pieces import touched_pieces
from napari_cellseg.labels.spacing import Spacing, pixel_lengths


def grow(
    labels: Any,
    index: ObjectIndex,
    objects: Iterable[int],
    pixels: float = 1.0,
    *,
    spacing: Spacing = None,
    plane: Plane = None,
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
        How far, as straight distance between the centres of pixels, in pixels of the last axis.
    spacing : sequence of float, optional
        Length of a pixel along each axis that the plane leaves, in any unit; equal ones by default.
    plane : tuple of int, optional
        Leading indices of the plane to stay in; None grows in all directions of the array.

    Raises
    ------
    LabelsError
        Where there is no such object.
    OptionError
        Where the distance is not positive, or the spacing does not fit the axes.
    """
    lengths = _checked(pixels, index, spacing, plane)
    changes = Changes(index)
    reach = int(np.ceil(pixels / lengths.min()))
    for group in neighbouring_groups(index, list(dict.fromkeys(objects)), reach, plane):
        crop = crop_objects(labels, index, group, reach, plane)
        grown = _nearest(crop.labels, group, pixels, lengths)
        for label in group:
            _keep_attached(grown, crop, label, object_window(index, [label], reach, plane))
        changes.add(crop, grown)
    return changes.edit("grow")


def shrink(
    labels: Any,
    index: ObjectIndex,
    objects: Iterable[int],
    pixels: float = 1.0,
    *,
    spacing: Spacing = None,
    plane: Plane = None,
) -> Edit:
    """Take away the pixels of objects that lie within a distance of their border.

    The border of the array is none: an object that it cuts off shrinks from its other sides.

    Parameters
    ----------
    labels, index, objects, spacing, plane
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
        Where the distance is not positive, or the spacing does not fit the axes.
    """
    lengths = _checked(pixels, index, spacing, plane)
    changes = Changes(index)
    for label in objects:
        crop = crop_objects(labels, index, [label], 1, plane)
        mask = crop.labels == label
        if np.all(mask):
            continue
        depth = ndimage.distance_transform_edt(mask, sampling=lengths)
        changes.add(crop, np.where(mask & (depth <= pixels), 0, crop.labels))
    return changes.edit("shrink")


def _checked(pixels: float, index: ObjectIndex, spacing: Spacing, plane: Plane) -> NDArray[np.float64]:
    if not 0 < pixels < np.inf:
        raise OptionError(f"The distance must be a positive number of pixels, not {pixels}.")
    return pixel_lengths(spacing, len(index.shape) - len(plane or ()))


def _nearest(
    labels: NDArray[Any], group: list[int], pixels: float, lengths: NDArray[np.float64]
) -> NDArray[Any]:
    """Labels in which the background within reach of a group belongs to its nearest object."""
    inside = np.isin(labels, group)
    if not np.any(inside):
        return labels.copy()
    distance, nearest = ndimage.distance_transform_edt(~inside, sampling=lengths, return_indices=True)
    return np.where((labels == 0) & (distance <= pixels), labels[tuple(nearest)], labels)


def _keep_attached(grown: NDArray[Any], crop: Crop, label: int, window: Window) -> None:
    """Take back what an object gained apart from itself, beyond a neighbour."""
    inner = tuple(
        slice(part.start - int(o), part.stop - int(o)) for part, o in zip(window, crop.origin, strict=True)
    )
    own = grown[inner] == label
    grown[inner][own & ~touched_pieces(own, crop.labels[inner] == label)] = 0
