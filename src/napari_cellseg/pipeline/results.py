"""What segmenting gives: regions on the way, and the whole at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.instances.instance import Instances


@dataclass(frozen=True, slots=True)
class FinishedRegion:
    """Objects that are done, as a piece of a label image; the payload of `Progress`.

    Attributes
    ----------
    plane : int
        Number of the plane.
    index : tuple of int
        Position of the plane along the outer axes of the labels.
    y, x : slice
        Rows and columns of the plane.
    labels : (h, w) ndarray of int32
        A copy, with the finished objects; 0 elsewhere, which says nothing about those pixels.
    replace : bool
        Whether the pixels of the window are to be replaced, zeros too: what was shown there before is
        no longer true, because the plane is done again with smaller tiles.
    """

    plane: int
    index: tuple[int, ...]
    y: slice
    x: slice
    labels: NDArray[np.int32]
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Candidates:
    """Objects below the confidence threshold, down to the card's floor, with the ids that they would get.

    Attributes
    ----------
    ids : (M,) ndarray of int32
        Reserved label of each piece; they follow the labels that are in use, in order of falling
        confidence. With ``link="z"`` the pieces of one object share theirs.
    planes : (M,) ndarray of int32
        Plane of each piece.
    instances : Instances
        The pieces, in pixels of their plane. Where one touches another object, paint background only.
    """

    ids: NDArray[np.int32]
    planes: NDArray[np.int32]
    instances: Instances

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Segmentation:
    """Result of `segment`.

    Attributes
    ----------
    labels : (…, Y, X) array of int32
        The outer axes of the image, then Y and X; 0 is background. The array given as `out`, if any.
    features : DataFrame
        A row per label, in order: ``index`` (the label), ``confidence``, ``disagreement`` where the model is
        an ensemble that gives it (0 to 1, median over the object), ``class``, then the place along each outer
        axis (``t``, ``z``; of a linked object its first plane).
    candidates : Candidates
        Weaker objects, with reserved labels.
    provenance : dict
        How the labels came about; holds only what JSON can hold.
    maps : mapping of str to (…, Y, X) array of float16
        Maps of the model that ``keep_maps`` asked for, at the scale of the image; 0 where nothing was looked
        at.
    """

    labels: Any
    features: pd.DataFrame
    candidates: Candidates
    provenance: dict[str, Any]
    maps: Mapping[str, Any] = field(default_factory=dict)
