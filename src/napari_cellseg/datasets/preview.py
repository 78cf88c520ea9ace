"""What will be added of a plane, counted fast enough to be said while a person works on it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.datasets.sample import Region
from napari_cellseg.datasets.selection import Bits, box_of
from napari_cellseg.errors import DatasetError
from napari_cellseg.review.status import Status

_DENSE = 2**24
"""Labels up to this are counted by their number; above it they are sorted."""


@dataclass(frozen=True)
class Preview:
    """A part of a plane that is added.

    Attributes
    ----------
    region : tuple of int
        ``y0, x0, y1, x1`` in the plane.
    objects : int
        Objects that are added.
    unreviewed : int
        Those of them that nobody has looked at.
    blanked : int
        Objects in the plane that are not added because nobody has looked at them.
    cut : int
        Objects that are added in part only.
    """

    region: Region
    objects: int
    unreviewed: int
    blanked: int = 0
    cut: int = 0


def preview_plane(labels: NDArray[np.integer[Any]], rows: pd.DataFrame | None) -> Preview:
    """All of a plane.

    Parameters
    ----------
    labels : (Y, X) array of int
        0 is background.
    rows : DataFrame or None
        ``index`` and ``status`` of the objects; those without a row count as reviewed.
    """
    present = _present(labels)
    left = len(np.intersect1d(present, _predicted(rows)))
    return Preview((0, 0, *labels.shape), len(present), left)


def preview_accepted(labels: NDArray[np.integer[Any]], rows: pd.DataFrame | None) -> Preview:
    """The objects that a person accepted, edited or added; parameters as in `preview_plane`.

    Raises
    ------
    DatasetError
        Where there is none.
    """
    present = _present(labels)
    blanked = np.intersect1d(present, _predicted(rows))
    kept = np.setdiff1d(present, blanked)
    if not len(kept):
        raise DatasetError("No object was accepted yet: review them in the CellSeg correct dock.")
    found = np.isin(labels, kept, kind="table" if present[-1] < _DENSE else "sort")
    return Preview(box_of(found), len(kept), 0, len(blanked))


def has_accepted(labels: NDArray[np.integer[Any]], rows: pd.DataFrame | None) -> bool:
    """Whether a plane shows an object that a person accepted, edited or added; parameters as above."""
    return len(np.setdiff1d(_present(labels), _predicted(rows))) > 0


def preview_region(labels: NDArray[np.integer[Any]], rows: pd.DataFrame | None, mask: Bits) -> Preview:
    """What a mask (Y, X) holds; parameters as in `preview_plane`."""
    inside, outside = _present(labels[mask]), _present(labels[~mask])
    left = len(np.intersect1d(inside, _predicted(rows)))
    return Preview(box_of(mask), len(inside), left, cut=len(np.intersect1d(inside, outside)))


def _present(labels: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Labels in use, rising, without the background."""
    flat = labels.ravel()
    if flat.size and int(flat.min()) >= 0 and int(flat.max()) < _DENSE:
        found = np.flatnonzero(np.bincount(flat))
    else:
        found = np.unique(flat)
    present: NDArray[np.int64] = found[found != 0].astype(np.int64)
    return present


def _predicted(rows: pd.DataFrame | None) -> NDArray[np.int64]:
    if rows is None:
        return np.zeros(0, np.int64)
    predicted: NDArray[np.int64] = rows["index"][rows["status"] == Status.PREDICTED.value].to_numpy(np.int64)
    return predicted
