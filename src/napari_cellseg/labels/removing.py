"""Edits that take pixels away: objects deleted, small pieces dropped."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from napari_cellseg.labels.crop import Changes, Plane, crop_objects
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.pieces import largest_piece


def delete(labels: Any, index: ObjectIndex, objects: Iterable[int], *, plane: Plane = None) -> Edit:
    """Turn objects into background.

    Parameters
    ----------
    labels : (…, Y, X) ndarray or zarr array of int
        The whole array; it is not changed.
    index : ObjectIndex
        Its objects.
    objects : iterable of int
        Labels to delete.
    plane : tuple of int, optional
        Leading indices of the plane in which the objects are deleted; None for everywhere.

    Raises
    ------
    LabelsError
        Where there is no such object.
    """
    changes = Changes(index)
    for label in objects:
        crop = crop_objects(labels, index, [label], plane=plane)
        changes.add(crop, np.where(crop.labels == label, 0, crop.labels))
    return changes.edit("delete")


def keep_largest_piece(
    labels: Any, index: ObjectIndex, objects: Iterable[int], *, plane: Plane = None
) -> Edit:
    """Leave of each object only its largest connected piece; parameters as in `delete`."""
    changes = Changes(index)
    for label in objects:
        crop = crop_objects(labels, index, [label], plane=plane)
        mask = crop.labels == label
        changes.add(crop, np.where(mask & ~largest_piece(mask), 0, crop.labels))
    return changes.edit("keep largest piece")
