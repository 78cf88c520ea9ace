"""From the maps of a pixel model that gives a mask to objects: pieces of the mask, cut where they touch.

The mask is what reaches the threshold. Touching objects are cut apart by a watershed of a distance map, the
network's or the mask's own: maxima that stand out far enough are objects. Nothing depends on where in the map
an object lies, so that decoding block by block with a halo gives the same objects as decoding the whole.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.instances.basins import (
    contact_levels,
    foreground_pixels,
    grow_basins,
    label_sums,
    squared_distances,
)
from napari_cellseg.instances.cutting import fill_holes, relabel
from napari_cellseg.instances.decoding import Decoded, Maps
from napari_cellseg.instances.votes import gaussian_kernel, smooth_votes

Levels = NDArray[np.int32]

MAP_STEPS = 2048
"""Levels per unit of a distance map."""
PIXEL_STEPS = 16
"""Levels per pixel of distance to the mask's border."""
_HIGHEST = 2.0


@dataclass(frozen=True, slots=True)
class MaskDecoding:
    """How maps of a mask are decoded; a model card stores these.

    Attributes
    ----------
    separation : {"none", "map", "boundary", "shape"}
        How touching objects are told apart: not at all, each connected piece is one; by the maxima of the
        second map, the distance to the border; by those of the foreground less the second map, the
        probability of a boundary; or by those of the mask's own distance transform.
    foreground : float
        Pixels with at least this foreground probability belong to an object.
    floor : float
        Pieces of at least this probability that reach `foreground` nowhere are weak candidates.
    prominence : float
        A maximum of the distance is an object of its own where it stands above the neck to a higher one by
        this share of its own distance; 1 separates nothing.
    smoothing : float
        Standard deviation, in pixels, of the Gaussian over the distance.
    min_area : int
        Objects with fewer pixels are dropped; where they touch others, they are part of these.
    max_hole : int
        Holes up to this many pixels are filled.
    confidence : tuple of 5 floats
        Logistic coefficients: constant, mean foreground, stability (share of the object's pixels that a
        threshold half-way between `foreground` and 1 keeps), separation (1 minus the distance where it
        touches others as a share of its largest) and natural logarithm of the radius in pixels.
    min_confidence : float
        Objects with less confidence are dropped.
    method : {"mask"}
        Tells these parameters from those of votes.
    """

    separation: Literal["none", "map", "boundary", "shape"] = "none"
    foreground: float = 0.5
    floor: float = 0.3
    prominence: float = 0.2
    smoothing: float = 1.0
    min_area: int = 20
    max_hole: int = 100
    confidence: tuple[float, float, float, float, float] = (-4.0, 1.8, 3.5, 2.1, 0.0)
    min_confidence: float = 0.05
    method: Literal["mask"] = "mask"

    def __post_init__(self) -> None:
        if not 0 < self.floor <= self.foreground < 1:
            raise ValueError("floor and foreground must be probabilities, with floor not above foreground")
        if not 0 <= self.prominence <= 1:
            raise ValueError("prominence must be a share from 0 to 1")
        if self.smoothing < 0 or self.min_area < 0 or self.max_hole < 0:
            raise ValueError("smoothing, min_area and max_hole must not be negative")


def decode_mask(maps: Maps, params: MaskDecoding | None = None) -> Decoded:
    """Objects of the maps of a pixel model that gives a mask.

    Parameters
    ----------
    maps : (K, H, W) ndarray of float32
        Foreground probability; where ``params.separation`` is ``"map"``, then the distance to the border as a
        share of the object's largest; where it is ``"boundary"``, then the probability of a boundary. Further
        maps are not used.
    params : MaskDecoding, optional
        How to decode.

    Returns
    -------
    Decoded
        Disjoint objects, weak candidates included; the anchor of each is its centre of mass.

    Raises
    ------
    ValueError
        Where a second map is asked for and there is one only.
    """
    return decode_mask_with_features(maps, params or MaskDecoding())[0]


def decode_mask_with_features(maps: Maps, params: MaskDecoding) -> tuple[Decoded, NDArray[np.float64]]:
    """Objects as `decode_mask` finds them, and the features of their confidence, (N, 4)."""
    if params.separation in ("map", "boundary") and len(maps) < 2:
        raise ValueError("separation by the map of the distance or the boundary needs a second map")
    foreground = np.ascontiguousarray(maps[0], np.float32)
    mask = foreground_pixels(foreground, np.float32(params.foreground), np.float32(params.floor))
    levels = _levels(maps, mask, params)
    labels, count = grow_basins(levels, mask, params.prominence, params.min_area)
    fill_holes(labels, np.zeros(count, np.int64), params.max_hole)
    upper = np.float32((1 + params.foreground) / 2)
    sums = label_sums(labels, foreground, upper, count)
    return _finish(labels, sums, contact_levels(levels, labels, count), params)


def _levels(maps: Maps, mask: NDArray[np.bool_], params: MaskDecoding) -> Levels:
    """Distance to the border in steps fine enough, all 0 where objects are not separated."""
    if params.separation == "none":
        return np.zeros(mask.shape, np.int32)
    if params.separation == "map":
        distance, steps = np.ascontiguousarray(maps[1], np.float32), MAP_STEPS
    elif params.separation == "boundary":
        distance, steps = np.ascontiguousarray(maps[0] - maps[1], np.float32), MAP_STEPS
    else:
        filled = mask.astype(np.int32)
        fill_holes(filled, np.zeros(1, np.int64), params.max_hole)
        distance = np.sqrt(squared_distances(filled, sum(mask.shape))).astype(np.float32)
        steps = PIXEL_STEPS
    if params.smoothing:
        distance = smooth_votes(distance, gaussian_kernel(params.smoothing))
    highest = np.inf if params.separation == "shape" else _HIGHEST
    return (np.clip(np.where(mask, distance, 0), 0, highest) * steps + 0.5).astype(np.int32)


def _finish(
    labels: NDArray[np.int32],
    sums: NDArray[np.float64],
    heights: tuple[NDArray[Any], NDArray[Any]],
    params: MaskDecoding,
) -> tuple[Decoded, NDArray[np.float64]]:
    """Score the objects, drop the small and the weak, number the rest."""
    peaks, contacts = heights
    areas = np.maximum(sums[:, 0], 1)
    radius = np.sqrt(areas / np.pi)
    separation = 1 - contacts / np.maximum(peaks, 1)
    features = np.stack([sums[:, 2] / areas, sums[:, 1] / areas, separation, np.log(radius)], axis=1)
    coefficients = np.asarray(params.confidence)
    linear = coefficients[0] + features @ coefficients[1:]
    scores = (1 / (1 + np.exp(-linear))).astype(np.float32)
    anchors = sums[:, 3:] / areas[:, None]
    kept = np.flatnonzero((sums[:, 0] >= params.min_area) & (scores >= params.min_confidence))
    kept = kept[np.lexsort((anchors[kept, 1], anchors[kept, 0]))]
    lookup = np.zeros(len(areas) + 1, np.int32)
    lookup[kept + 1] = np.arange(1, len(kept) + 1)
    classes = np.zeros(len(kept), np.int16)
    decoded = Decoded(relabel(labels, lookup), scores[kept], classes, anchors[kept].astype(np.float32))
    return decoded, features[kept]
