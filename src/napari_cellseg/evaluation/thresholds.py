"""IoU thresholds as exact decimals."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.overlaps import Overlaps


def reaches(overlaps: Overlaps, threshold: float) -> NDArray[np.bool_]:
    """Which pairs have at least an IoU, (K,); 0.55 is 55/100, not its binary neighbour."""
    exact = Fraction(str(threshold)).limit_denominator(10**9)
    result: NDArray[np.bool_] = overlaps.shared * exact.denominator >= exact.numerator * overlaps.unions
    return result


def check_threshold(threshold: float) -> float:
    """An IoU threshold, if it is one.

    Raises
    ------
    OptionError
        If it is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise OptionError(f"The IoU threshold must be above 0 and at most 1, not {threshold}.")
    return threshold
