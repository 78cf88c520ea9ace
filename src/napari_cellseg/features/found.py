"""Which objects there are in each plane of a label image, kept true edit by edit."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.features.objects import Objects, readable_labels

Place = tuple[int, ...]
"""Position of a plane along the outer axes; empty for a single one."""


class FoundObjects:
    """Boxes and areas of all objects of some planes, so that a plane is not searched again after an edit.

    Memory: 48 bytes for each object of a plane, 64 in a volume. The labels are not kept.
    """

    def __init__(self) -> None:
        self._planes: dict[Place, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = {}

    def __contains__(self, place: object) -> bool:
        """Whether the objects of a plane are known."""
        return place in self._planes

    def put(self, place: Place, objects: Objects) -> None:
        """Take in all objects of a plane."""
        self._planes[place] = objects.ids, objects.boxes, objects.areas

    def get(self, place: Place, labels: NDArray[Any], spacing: Sequence[float]) -> Objects:
        """All objects of a plane: searched for where they are not known.

        Parameters
        ----------
        place : tuple of int
            Which plane.
        labels : (Y, X) or (Z, Y, X) ndarray of int
            Its labels as they are now.
        spacing : sequence of float
            Size of a pixel along each axis.
        """
        if place not in self._planes:
            self.put(place, Objects.found_in(labels, spacing=spacing))
        ids, boxes, areas = self._planes[place]
        return Objects(readable_labels(labels), ids, boxes, areas, tuple(spacing))

    def follow(self, place: Place, labels: NDArray[Any], edited: Mapping[int, Sequence[int]]) -> None:
        """Take in an edit of a plane.

        Only the edited objects are looked for, inside of the boxes that they had and of what changed. A
        plane where that is more than the plane is forgotten.

        Parameters
        ----------
        place : tuple of int
            Which plane.
        labels : (Y, X) or (Z, Y, X) ndarray of int
            Its labels after the edit.
        edited : mapping of int to (2 * D,) sequence of int
            Labels of pixels before or after the edit, and the box of those pixels of each.
        """
        if place not in self._planes or not edited:
            return
        ids, boxes, areas = self._planes[place]
        touched = np.array(sorted(edited), np.int64)
        around = np.array([edited[label] for label in touched.tolist()], np.int64)
        rows = np.searchsorted(ids, touched).clip(max=max(len(ids) - 1, 0))
        known = np.flatnonzero(ids[rows] == touched) if len(ids) else np.zeros(0, np.int64)
        ndim, former = labels.ndim, boxes[rows[known]] if len(known) else boxes[:0]
        around[known, :ndim] = np.minimum(around[known, :ndim], former[:, :ndim])
        around[known, ndim:] = np.maximum(around[known, ndim:], former[:, ndim:])
        if np.prod(around[:, ndim:] - around[:, :ndim], axis=1).sum() > labels.size:
            del self._planes[place]
            return
        found = Objects.found_in(labels, only=touched, boxes=around)
        kept = ~np.isin(ids, touched)
        ids = np.concatenate([ids[kept], found.ids])
        order = np.argsort(ids, kind="stable")
        boxes, areas = (
            np.concatenate([old[kept], new])[order]
            for old, new in ((boxes, found.boxes), (areas, found.areas))
        )
        self._planes[place] = ids[order], boxes, areas
