"""From the maps of a pixel model to objects: every pixel votes for the centre of its object.

A pixel of the foreground moves by its offset, a second time from where it landed, and votes there. The
votes are smoothed, each landing place climbs to its local maximum, and the pixels that arrive at one
maximum are an object. Nothing depends on where in the map an object lies, so that decoding block by
block with a halo gives the same objects as decoding the whole.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.instances.cutting import cut_objects, fill_holes, keep_main_pieces, relabel
from napari_cellseg.instances.votes import (
    cast_votes,
    climb_votes,
    gaussian_kernel,
    merge_maxima,
    smooth_votes,
)

Maps = NDArray[np.float32]
Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class VoteDecoding:
    """How maps are decoded; a model card stores these.

    Attributes
    ----------
    foreground : float
        Pixels with at least this foreground probability belong to an object.
    floor : float
        Pixels below this probability never do. Objects whose probability is low are cut at
        `relative` times it, but not below the floor, so that weak candidates get a mask too.
    relative : float
        Share of an object's own foreground probability at which it is cut.
    iterations : int
        How often a pixel moves by the offset of the place where it is.
    offset_unit : float
        Pixels per unit of the offset maps.
    smoothing : float
        Standard deviation, in pixels, of the Gaussian over the votes.
    merging : float
        Two maxima closer than this share of the larger one's radius are one object,
    valley : float
        unless the votes between them fall below this share of the lower one.
    min_area : int
        Objects with fewer pixels are dropped.
    max_hole : int
        Holes up to this many pixels are filled.
    confidence : tuple of 5 floats
        Logistic coefficients: constant, mean foreground, crispness (share of the object's pixels above the
        floor that its own cut keeps), spread (mean distance of the votes from their maximum, in radii) and
        natural logarithm of the radius in pixels.
    min_confidence : float
        Objects with less confidence are dropped.
    """

    foreground: float = 0.65
    floor: float = 0.2
    relative: float = 0.75
    iterations: int = 3
    offset_unit: float = 16.0
    smoothing: float = 2.0
    merging: float = 0.8
    valley: float = 0.2
    min_area: int = 12
    max_hole: int = 100
    confidence: tuple[float, float, float, float, float] = (-7.2915, 5.7159, 3.3405, -6.4476, 0.8814)
    min_confidence: float = 0.05


@dataclass(frozen=True, slots=True)
class Decoded:
    """Objects of a map.

    Attributes
    ----------
    labels : (H, W) ndarray of int32
        1 to N in the raster order of the anchors; 0 is background.
    scores : (N,) ndarray of float32
        Confidence, 0 to 1.
    classes : (N,) ndarray of int16
        All 0: one class.
    anchors : (N, 2) ndarray of float32
        Reference point y, x of each object: the maximum of its votes, inside the map. It does not depend on
        where the border of the map lies when the object is well inside.
    """

    labels: Labels
    scores: NDArray[np.float32]
    classes: NDArray[np.int16]
    anchors: NDArray[np.float32]


def decode_votes(maps: Maps, params: VoteDecoding | None = None) -> Decoded:
    """Objects of the maps of a pixel model.

    Parameters
    ----------
    maps : (4, H, W) ndarray of float32
        Foreground probability, distance to the border (not used), offset y, offset x.
    params : VoteDecoding, optional
        How to decode.

    Returns
    -------
    Decoded
        Disjoint objects, weak candidates included.
    """
    return decode_with_features(maps, params or VoteDecoding())[0]


def decode_with_features(maps: Maps, params: VoteDecoding) -> tuple[Decoded, NDArray[np.float64]]:
    """Objects as `decode_votes` finds them, and the features of their confidence, (N, 4)."""
    maps = np.ascontiguousarray(maps, np.float32)
    foreground = maps[0]
    landing, votes = cast_votes(
        foreground, maps[2], maps[3], params.floor, params.iterations, np.float32(params.offset_unit)
    )
    votes = smooth_votes(votes, gaussian_kernel(params.smoothing))
    clusters, peaks, sizes = climb_votes(landing, votes, foreground)
    clusters, peaks = merge_maxima(
        clusters, peaks, sizes, votes, np.float32(params.merging), np.float32(params.valley)
    )
    labels, stats = cut_objects(
        foreground, clusters, landing, peaks, params.floor, params.foreground, params.relative
    )
    areas = keep_main_pieces(labels, len(peaks))
    fill_holes(labels, areas, params.max_hole)
    return _finish(labels, areas, stats, peaks, params)


def confidence_features(stats: NDArray[np.float64], areas: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean foreground, crispness, spread and log radius of objects, (N, 4).

    Parameters
    ----------
    stats : (N, 4) ndarray
        Pixels above the floor, pixels kept, summed foreground and summed vote distance of the kept ones.
    areas : (N,) ndarray of int
        Pixels of the finished objects.
    """
    kept = np.maximum(stats[:, 1], 1)
    radius = np.sqrt(np.maximum(areas, 1) / np.pi)
    return np.stack(
        [stats[:, 2] / kept, kept / np.maximum(stats[:, 0], 1), stats[:, 3] / kept / radius, np.log(radius)],
        axis=1,
    )


def _finish(
    labels: Labels, areas: NDArray[Any], stats: NDArray[Any], peaks: NDArray[Any], params: VoteDecoding
) -> tuple[Decoded, NDArray[np.float64]]:
    """Score the objects, drop the small and the weak, number the rest."""
    width = labels.shape[1]
    coefficients = np.asarray(params.confidence)
    features = confidence_features(stats, areas)
    linear = coefficients[0] + features @ coefficients[1:]
    scores = (1 / (1 + np.exp(-linear))).astype(np.float32)
    kept = np.flatnonzero((areas >= params.min_area) & (scores >= params.min_confidence))
    kept = kept[np.argsort(peaks[kept], kind="stable")]
    lookup = np.zeros(len(areas) + 1, np.int32)
    lookup[kept + 1] = np.arange(1, len(kept) + 1)
    anchors = np.stack(np.divmod(peaks[kept], width), axis=1).astype(np.float32).reshape(-1, 2)
    decoded = Decoded(relabel(labels, lookup), scores[kept], np.zeros(len(kept), np.int16), anchors)
    return decoded, features[kept]
