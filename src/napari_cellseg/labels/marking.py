"""A picture of some objects: which pixels are inside of them, which at their border."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

INSIDE, BORDER = 1, 2
"""Values of the picture, beside 0."""
LARGEST_LOOKUP = 1 << 26
"""Largest label for which a table by label is made."""


def mark_objects(plane: NDArray[Any], objects: Collection[int], width: int = 2) -> NDArray[np.uint8]:
    """Mark objects and their borders.

    Parameters
    ----------
    plane : (Y, X) ndarray of int
        Labels, 0 is background.
    objects : collection of int
        Which of them.
    width : int
        Width of a border, in pixels.

    Returns
    -------
    (Y, X) ndarray of uint8
        `BORDER` within that many pixels, along rows and columns, of another label or of the image's border;
        `INSIDE` elsewhere in the objects; 0 outside.
    """
    picture = np.zeros(plane.shape, np.uint8)
    chosen = np.fromiter((i for i in objects if i > 0), np.int64)
    if chosen.size and plane.size:
        native = np.ascontiguousarray(plane, plane.dtype.newbyteorder("="))
        _mark(native, _inside(native, chosen), width, picture)
    return picture


def _inside(plane: NDArray[Any], chosen: NDArray[np.int64]) -> NDArray[np.bool_]:
    largest = max(int(chosen.max()), int(plane.max()))
    if largest >= LARGEST_LOOKUP or int(plane.min()) < 0:
        return np.isin(plane, chosen)
    table = np.zeros(largest + 1, np.bool_)
    table[chosen] = True
    found: NDArray[np.bool_] = table[plane]
    return found


@njit(cache=True, nogil=True)
def _mark(plane: Any, inside: Any, width: int, picture: Any) -> None:
    height, length = plane.shape
    for y in range(height):
        for x in range(length):
            if not inside[y, x]:
                continue
            label = plane[y, x]
            value = INSIDE
            for k in range(1, width + 1):
                if (
                    y < k or x < k or y + k >= height or x + k >= length
                    or plane[y - k, x] != label or plane[y + k, x] != label
                    or plane[y, x - k] != label or plane[y, x + k] != label
                ):  # fmt: skip
                    value = BORDER
                    break
            picture[y, x] = value
