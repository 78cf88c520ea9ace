"""Which images stand for a set, and which part of each is shown of them while something is trained."""

import numpy as np
from numpy.typing import NDArray

MOST, LARGEST = 4, 512
"""Images that are shown, at most, and the edge of what is shown of one, at most, pixels."""


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of the numbers from 0 to `count` - 1, evenly spread, first and last among them."""
    places = np.linspace(0, count - 1, min(most, count)).round().astype(int)
    return [int(place) for place in np.unique(places)]


def shown_window(labels: NDArray[np.int32], largest: int = LARGEST) -> tuple[slice, slice]:
    """Rows and columns around the middle of the objects of an image, inside of it.

    Parameters
    ----------
    labels : (Y, X) ndarray of int32
        0 is background.
    largest : int
        Rows and columns, at most.
    """
    starts = []
    for along, size in zip(np.nonzero(labels), labels.shape, strict=True):
        middle = round(float(np.median(along))) if len(along) else size // 2
        starts.append(max(0, min(middle - largest // 2, size - largest)))
    y, x = starts
    return slice(y, y + largest), slice(x, x + largest)
