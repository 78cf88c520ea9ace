"""The shape of a pixel: how much longer it is along one axis than along another."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError

Spacing = Sequence[float] | None
"""Length of a pixel along each axis that the plane leaves, in any unit; None where all are equal."""


def pixel_lengths(spacing: Spacing, ndim: int) -> NDArray[np.float64]:
    """Length of a pixel along each axis, in pixels of the last axis.

    Raises
    ------
    OptionError
        Where there is not one positive length for each axis.
    """
    if spacing is None:
        return np.ones(ndim)
    lengths = np.asarray(spacing, np.float64)
    if lengths.shape != (ndim,) or not np.all((lengths > 0) & np.isfinite(lengths)):
        raise OptionError(f"The spacing must be {ndim} positive numbers, one for each axis, not {spacing}.")
    relative: NDArray[np.float64] = lengths / lengths[-1]
    return relative
