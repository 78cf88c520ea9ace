"""Points of a plot as a picture, which takes as long to draw for a hundred thousand as for a hundred."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

DENSITY_FROM = 5_000
"""Points from which their colour tells how crowded they are, where no groups colour them."""
MOST_GROUPS = 100
"""Groups with a colour of their own."""
SELECTED = 255
"""Value of the picture where a point is selected; 0 is empty."""
_DENSITIES = 100
_SMALL = ((-1, 0), (0, -1), (0, 0), (0, 1), (1, 0))
_LARGE = tuple((i, j) for i in range(-2, 3) for j in range(-2, 3) if abs(i) + abs(j) < 4)


@dataclass(frozen=True)
class View:
    """What part of a plot is seen, and in how many pixels.

    Attributes
    ----------
    left, right, bottom, top : float
        Its ends along x and y.
    width, height : int
        Pixels.
    """

    left: float
    right: float
    bottom: float
    top: float
    width: int
    height: int


def point_picture(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    view: View,
    groups: NDArray[np.intp] | None = None,
    selected: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Draw points.

    Parameters
    ----------
    x, y : (N,) ndarray of float
        Where; points that are not finite or not in view are left out.
    view : View
        What is seen.
    groups : (N,) ndarray of int, optional
        Number of each point's group, from 0. None: one group, coloured by density where points are many.
    selected : (N,) ndarray of bool, optional
        Points that lie above the others.

    Returns
    -------
    (height, width) ndarray of uint8
        From the bottom up. 0: empty. Up to `MOST_GROUPS`: 1 + group. Without groups, and at least
        `DENSITY_FROM` points: 101 (few) to 200 (most) for the density. `SELECTED`: a selected point.
    """
    picture = np.zeros((view.height, view.width), np.uint8)
    column = _pixels(x, view.left, view.right, view.width)
    row = _pixels(y, view.bottom, view.top, view.height)
    seen = (column >= 0) & (row >= 0)
    column, row = column[seen], row[seen]
    if groups is not None:
        values = np.minimum(groups[seen], MOST_GROUPS - 1).astype(np.uint8) + 1
        picture[row, column] = values
    elif len(x) >= DENSITY_FROM:
        picture = _density(row, column, picture.shape)
    else:
        picture[row, column] = 1
    if selected is not None and selected.any():
        chosen = selected[seen]
        picture[row[chosen], column[chosen]] = SELECTED
    return _widened(picture, _LARGE if len(column) < DENSITY_FROM else _SMALL)


def _pixels(values: NDArray[np.float64], low: float, high: float, count: int) -> NDArray[np.intp]:
    """Pixel that each value falls into, -1 outside."""
    share = (values - low) / (high - low)
    inside = (share >= 0) & (share <= 1)
    return np.where(inside, np.minimum(np.where(inside, share, 0) * count, count - 1), -1).astype(np.intp)


def _widened(picture: NDArray[np.uint8], shape: tuple[tuple[int, int], ...]) -> NDArray[np.uint8]:
    """Each pixel as a dot; where dots overlap the larger value holds."""
    height, width = picture.shape
    padded = np.pad(picture, 2)
    found = picture.copy()
    for dy, dx in shape:
        np.maximum(found, padded[2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width], out=found)
    return found


def _density(row: NDArray[np.intp], column: NDArray[np.intp], shape: tuple[int, int]) -> NDArray[np.uint8]:
    counts = np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1]).reshape(shape)
    crowd = np.log1p(ndimage.gaussian_filter(counts.astype(np.float32), 4))
    top = float(crowd.max()) or 1.0
    levels = (crowd / top * (_DENSITIES - 1)).astype(np.uint8) + MOST_GROUPS + 1
    return np.where(counts > 0, levels, 0).astype(np.uint8)
