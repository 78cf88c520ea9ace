"""Where the tiles of a segmentation met: an object there may have been cut or joined by mistake."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.tiles.grid import tile_axis


def tile_seams(length: int, tile: int, overlap: int, scale: float = 1.0) -> NDArray[np.float64]:
    """Positions along one axis at which the tiles of a plane meet, in the middle of their overlap.

    Parameters
    ----------
    length : int
        Pixels of the axis.
    tile, overlap : int
        Edge and least overlap of the tiles, in pixels at the network's scale.
    scale : float
        Network pixels per pixel of the plane.

    Returns
    -------
    (N,) ndarray of float
        Empty where one tile covers the axis.
    """
    starts = np.array(tile_axis(max(1, round(length * scale)), tile, overlap).starts, float)
    return np.asarray((starts[1:] + starts[:-1] + tile) / 2 / scale, float)


def on_seams(
    low: NDArray[Any], high: NDArray[Any], shape: Sequence[int], resolved: Mapping[str, Any]
) -> NDArray[np.bool_]:
    """Which objects lie where tiles met.

    Parameters
    ----------
    low, high : (N, D) ndarray of int
        First and last-plus-one coordinates of their boxes, as `ObjectIndex.extents` gives them.
    shape : sequence of int
        Shape of the labels.
    resolved : mapping
        The part of the same name of a segmentation's provenance: ``tile``, ``overlap`` and ``scale``.

    Returns
    -------
    (N,) ndarray of bool
    """
    result = np.zeros(len(low), np.bool_)
    for axis, tile in zip((-2, -1), resolved["tile"], strict=True):
        seams = tile_seams(shape[axis], int(tile), int(resolved["overlap"]), float(resolved["scale"]))
        result |= np.searchsorted(seams, low[:, axis]) < np.searchsorted(seams, high[:, axis])
    return result
