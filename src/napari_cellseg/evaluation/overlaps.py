"""Pixels that objects of two label images share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
"""Labels of objects, or their positions."""


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Pixels that objects of two label images share, sparse.

    Attributes
    ----------
    prediction, truth : (P,) and (T,) ndarray of int64
        Ids present in each label image, ascending.
    prediction_areas, truth_areas : (P,) and (T,) ndarray of int64
        Their pixels.
    rows, columns, shared : (K,) ndarray of int64
        Position in `prediction`, position in `truth` and shared pixels of each overlapping pair.
    """

    prediction: Ids
    truth: Ids
    prediction_areas: Ids
    truth_areas: Ids
    rows: Ids
    columns: Ids
    shared: Ids

    @property
    def unions(self) -> Ids:
        """Pixels of either object of each pair, (K,)."""
        total: Ids = self.prediction_areas[self.rows] + self.truth_areas[self.columns] - self.shared
        return total

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair, (K,)."""
        result: NDArray[np.float64] = self.shared / self.unions
        return result
