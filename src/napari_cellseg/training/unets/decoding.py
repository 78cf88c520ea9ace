"""How the maps of an ensemble become objects: chosen, and its confidence fitted, on validation patches."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.evaluation.matching import average_precision, pool
from napari_cellseg.events import Job, Progress
from napari_cellseg.instances.mask_decoding import MaskDecoding, decode_mask
from napari_cellseg.training.calibration import (
    best_threshold,
    collect_candidates,
    fit_confidence,
    predict_confidence,
)
from napari_cellseg.training.samples import Sample

STAGE = "Tuning"
THRESHOLDS = (0.4, 0.5, 0.6)
PROMINENCES = (0.1, 0.2, 0.4)
CONFIDENCE, LOWEST, HIGHEST = 0.5, 0.05, 0.9
"""Confidence from which on objects are kept, where nothing is known, and its bounds."""
FEWEST = 50
"""Objects, right and wrong ones together, from which on the confidence is fitted."""

Labels = NDArray[np.int32]
Maps = NDArray[np.float32]


def decodings(distance: bool, area: float) -> Iterator[MaskDecoding]:
    """Ways to decode that are tried, the plainest first.

    Parameters
    ----------
    distance : bool
        Whether there is a map of the distance.
    area : float
        Area of a small object, pixels; the smallest that is kept is a quarter of it.
    """
    plain = MaskDecoding(min_area=max(1, min(20, round(area / 4))))
    for threshold in (0.5, *(t for t in THRESHOLDS if t != 0.5)):
        floor = min(plain.floor, threshold)
        at = replace(plain, foreground=threshold, floor=floor)
        yield at
        kinds: tuple[Literal["map", "shape"], ...] = ("map", "shape") if distance else ("shape",)
        for kind, prominence in product(kinds, PROMINENCES):
            yield replace(at, separation=kind, prominence=prominence)


@dataclass(frozen=True, slots=True)
class ChosenDecoding:
    """How maps become objects.

    Attributes
    ----------
    decoding : MaskDecoding
        How they are cut apart, and what their confidence is made of.
    confidence : float
        Where F1 of the validation patches is highest.
    """

    decoding: MaskDecoding
    confidence: float = CONFIDENCE


def choosing_decoding(
    maps: Sequence[Maps], labels: Sequence[Labels], *, distance: bool, area: float
) -> Job[ChosenDecoding]:
    """The way to decode that finds the objects of patches best, with a confidence that means something.

    Of the ways it takes that of the highest AP, averaged over the IoU from 0.5 to 0.95; the plainest of equal
    ones.

    Parameters
    ----------
    maps : sequence of (K, H, W) ndarray of float32
        Maps of each patch: foreground and, with `distance`, the distance to the border.
    labels : sequence of (H, W) ndarray of int32
        Its objects.
    distance : bool
        Whether there is a map of the distance.
    area : float
        Area of a small object, pixels.
    """
    tried = list(decodings(distance, area))
    best, highest = tried[0], -1.0
    for done, decoding in enumerate(tried):
        yield Progress(STAGE, done, len(tried), "how touching cells are told apart")
        counts = pool(
            average_precision(decode_mask(m, decoding).labels, t) for m, t in zip(maps, labels, strict=True)
        )
        mean = float(np.nan_to_num(counts.mean))
        if mean > highest:
            best, highest = decoding, mean
    return _calibrated(best, maps, labels)


def _calibrated(decoding: MaskDecoding, maps: Sequence[Maps], labels: Sequence[Labels]) -> ChosenDecoding:
    """With a confidence fitted to what is found, where there are enough objects, right and wrong."""
    samples = [
        Sample(str(i), "validation", np.zeros((*t.shape, 1), np.uint8), t, "grey", 0.0)
        for i, t in enumerate(labels)
    ]
    found = collect_candidates(samples, maps, decoding)
    right = int(found.correct.sum())
    if not right:
        return ChosenDecoding(decoding)
    if len(found.correct) >= FEWEST and len(found.correct) - right >= FEWEST // 10:
        a, b, c, d, e = fit_confidence(found)
        decoding = replace(decoding, confidence=(a, b, c, d, e))
    threshold, _ = best_threshold(found, predict_confidence(found.features, decoding.confidence))
    return ChosenDecoding(decoding, math.floor(1000 * min(max(threshold, LOWEST), HIGHEST)) / 1000)
