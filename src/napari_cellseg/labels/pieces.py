"""Connected pieces of an object; pixels that touch by a corner are connected."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


def connected_pieces(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Pieces 1 to N of a mask, in its shape, and their pixels (N,)."""
    pieces, count = ndimage.label(mask, np.ones((3,) * mask.ndim))
    return pieces, np.bincount(pieces.ravel(), minlength=count + 1)[1:]


def largest_piece(mask: Mask) -> Mask:
    """The largest piece of a mask; the first one where several are largest."""
    pieces, areas = connected_pieces(mask)
    return mask if areas.size < 2 else pieces == int(areas.argmax()) + 1


def touched_pieces(mask: Mask, core: Mask) -> Mask:
    """The pieces of a mask that hold at least one pixel of a core."""
    pieces, areas = connected_pieces(mask)
    chosen = np.zeros(areas.size + 1, np.bool_)
    chosen[pieces[core & mask]] = True
    result: Mask = chosen[pieces]
    return result


def spread(markers: NDArray[Any], mask: Mask, *, straight: bool = False) -> NDArray[Any]:
    """Markers grown inside of a mask until they meet; 0 where none arrives.

    Parameters
    ----------
    markers : ndarray of int
        0 where there is none.
    mask : ndarray of bool
        Where they may grow.
    straight : bool
        Grow by straight distance from markers of one pixel; else step by step from all their pixels.
    """
    from skimage.segmentation import watershed

    flat = np.zeros(mask.shape, np.float32)
    grown: NDArray[Any] = watershed(
        flat, markers, connectivity=mask.ndim, mask=mask, compactness=float(straight)
    )
    return grown
