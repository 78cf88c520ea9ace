"""Outlines of objects, and how well two sets of outlines agree."""

from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.evaluation.numbering import NumberedLabels


@dataclass(frozen=True, slots=True)
class BoundaryCounts:
    """Boundary pixels of two label images.

    Attributes
    ----------
    prediction, truth : int
        Boundary pixels of each.
    prediction_near, truth_near : int
        Those within the tolerance of a boundary pixel of the other.
    """

    prediction: int
    truth: int
    prediction_near: int
    truth_near: int


@njit(cache=True, nogil=True)
def _outlines(numbers: Any, edge: bool, out: Any) -> None:
    depth, height, width = numbers.shape
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                k = numbers[z, y, x]
                if k == 0:
                    continue
                found = False
                for axis in range(3):
                    for step in (-1, 1):
                        zz = z + step * (axis == 0)
                        yy = y + step * (axis == 1)
                        xx = x + step * (axis == 2)
                        if zz < 0 or yy < 0 or xx < 0 or zz >= depth or yy >= height or xx >= width:
                            found = found or (edge and (axis > 0 or depth > 1))
                        elif numbers[zz, yy, xx] != k:
                            found = True
                out[z, y, x] = found


@njit(cache=True, nogil=True)
def _count_near(a: Any, b: Any, offsets: Any) -> tuple[int, int]:
    """Pixels of a, and those with a pixel of b at one of the offsets."""
    depth, height, width = a.shape
    total, near = 0, 0
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                if not a[z, y, x]:
                    continue
                total += 1
                for k in range(offsets.shape[0]):
                    zz, yy, xx = z + offsets[k, 0], y + offsets[k, 1], x + offsets[k, 2]
                    inside = 0 <= zz < depth and 0 <= yy < height and 0 <= xx < width
                    if inside and b[zz, yy, xx]:
                        near += 1
                        break
    return total, near


def outlines(numbers: NDArray[np.int32], *, edge: bool) -> NDArray[np.bool_]:
    """Pixels of objects that have a face neighbour outside their object.

    Parameters
    ----------
    numbers : (Z, Y, X) ndarray of int32
        Label image; 0 is background.
    edge : bool
        Whether the outside of the image counts as background. Without it the result is that of scikit-image's
        ``find_boundaries(mode="inner")`` for 4- or 6-neighbours.

    Returns
    -------
    (Z, Y, X) ndarray of bool
    """
    result = np.zeros(numbers.shape, np.bool_)
    _outlines(np.ascontiguousarray(numbers), edge, result)
    return result


def boundary_counts(
    prediction: NumberedLabels, truth: NumberedLabels, tolerance: float = 2.0
) -> BoundaryCounts:
    """Boundary pixels that lie near a boundary of the other label image.

    Parameters
    ----------
    prediction, truth : NumberedLabels
        Of one shape. Boundaries are those between touching objects too; the image's edge is none.
    tolerance : float
        Euclidean distance in pixels up to which a boundary pixel counts as found.

    Notes
    -----
    Precision = near / all of the prediction, recall = near / all of the truth, boundary F their harmonic mean
    (Csurka et al. 2013; Perazzi et al. 2016).
    """
    a, b = outlines(prediction.volume, edge=False), outlines(truth.volume, edge=False)
    offsets = _ball(tolerance, flat=a.shape[0] == 1)
    n_prediction, prediction_near = _count_near(a, b, offsets)
    n_truth, truth_near = _count_near(b, a, offsets)
    return BoundaryCounts(n_prediction, n_truth, prediction_near, truth_near)


def _ball(radius: float, flat: bool) -> NDArray[np.int64]:
    """Whole-pixel offsets (K, 3) up to a distance, nearest first."""
    reach = floor(radius)
    grid = np.mgrid[-reach : reach + 1, -reach : reach + 1, -reach : reach + 1].reshape(3, -1).T
    squared = (grid**2).sum(1)
    kept = (squared <= radius**2) & ((grid[:, 0] == 0) | (not flat))
    ball: NDArray[np.int64] = grid[kept][np.argsort(squared[kept], kind="stable")].astype(np.int64)
    return ball
