"""Joining the instances of neighbouring planes into 3-D objects."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.instances.instance import Instances
from napari_cellseg.instances.overlap import overlap_ious

LINK_IOU = 0.25
"""Least intersection over union of two instances in neighbouring planes that are one object."""


def match_planes(above: Instances, below: Instances, min_iou: float = LINK_IOU) -> list[tuple[int, int]]:
    """Pairs of instances of two planes that are the same object, each used at most once.

    The pair with the largest intersection over union is taken first, then the next of those left.

    Parameters
    ----------
    above, below : Instances
        Instances of two neighbouring planes.
    min_iou : float
        Least intersection over union of a pair.

    Returns
    -------
    list of (int, int)
        Position in `above` and in `below`, by falling intersection over union.
    """
    pairs, ious = overlap_ious(above, below)
    used_above: set[int] = set()
    used_below: set[int] = set()
    matches: list[tuple[int, int]] = []
    for k in np.lexsort((pairs[:, 1], pairs[:, 0], -ious)):
        i, j = int(pairs[k, 0]), int(pairs[k, 1])
        if ious[k] < min_iou or i in used_above or j in used_below:
            continue
        used_above.add(i)
        used_below.add(j)
        matches.append((i, j))
    return matches


@dataclass
class PlaneLinker:
    """Gives the instances of successive planes the number of their 3-D object.

    Parameters
    ----------
    min_iou : float
        Least intersection over union of a pair in neighbouring planes.
    """

    min_iou: float = LINK_IOU
    count: int = 0
    _previous: Instances = field(default_factory=Instances.empty)
    _numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def restart(self) -> None:
        """Forget the previous plane: what follows is another stack."""
        self._previous = Instances.empty()
        self._numbers = np.zeros(0, np.int64)

    def add(self, instances: Instances) -> NDArray[np.int64]:
        """Object number (from 0) of each instance of the next plane, (N,) int64."""
        numbers = np.full(len(instances), -1, np.int64)
        for i, j in match_planes(self._previous, instances, self.min_iou):
            numbers[j] = self._numbers[i]
        fresh = np.flatnonzero(numbers < 0)
        numbers[fresh] = self.count + np.arange(len(fresh))
        self.count += len(fresh)
        self._previous, self._numbers = instances, numbers
        return numbers
