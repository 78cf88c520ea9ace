"""What a trainer of 8-bit pictures sees of pixels of any depth."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.sample import Pixels
from napari_cellseg.images.planes import open_planes
from napari_cellseg.images.scaling import intensity_range, scale_intensity

_ROWS = 2**22
"""Pixels that are scaled at once."""


def is_colour(pixels: Pixels) -> bool:
    """Whether pixels, (Y, X[, C]), are a colour picture already: (Y, X, 3) uint8."""
    return pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8


def picture(pixels: Pixels, percentiles: tuple[float, float]) -> NDArray[np.uint8]:
    """An 8-bit picture of a plane.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, C) ndarray
        Any bool, integer or float type. (Y, X, 3) uint8 is returned as it is. Of other channels one is
        grey, two are red and green, and of more the first three are red, green and blue.
    percentiles : tuple of float
        Percentiles of the plane, all channels together, that become 0 and 255, as models scale it; what is
        beyond them is clipped.

    Returns
    -------
    (Y, X) or (Y, X, 3) ndarray of uint8
    """
    if is_colour(pixels):
        return pixels
    shown = (
        pixels[..., 0]
        if pixels.ndim == 3 and pixels.shape[2] == 1
        else pixels[..., :3]
        if pixels.ndim == 3
        else pixels
    )
    limits = intensity_range(_spread(shown), *percentiles)
    colours = (3,) if shown.ndim == 3 else ()
    result = np.zeros((*shown.shape[:2], *colours), np.uint8)
    rows = max(1, _ROWS // max(1, shown[0].size))
    for first in range(0, len(shown), rows):
        scaled = scale_intensity(shown[first : first + rows], limits)
        np.clip(scaled, 0, 1, out=scaled)
        eight = np.rint(scaled * np.float32(255)).astype(np.uint8)
        if colours:
            result[first : first + rows, :, : eight.shape[2]] = eight
        else:
            result[first : first + rows] = eight
    return result


def _spread(pixels: Pixels) -> list[NDArray[Any]]:
    """Pixels spread evenly over a plane, the same ones that a model's scaling looks at."""
    if pixels.ndim == 2:
        return [open_planes(pixels, axes="YX").sample(0)]
    return [open_planes(pixels[..., c], axes="YX").sample(0) for c in range(pixels.shape[2])]
