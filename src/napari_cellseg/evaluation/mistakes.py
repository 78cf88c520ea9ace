"""Which objects are missed, invented, split or merged."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.evaluation.matching import Matching, match_overlaps
from napari_cellseg.evaluation.overlaps import Ids, Overlaps
from napari_cellseg.evaluation.pairs import ImagePair, LabelPair


class Outcome(IntEnum):
    """What became of an object; 0 is background."""

    HIT = 1
    MISSED = 2
    INVENTED = 3
    SPLIT = 4
    MERGED = 5


OUTCOME_COLOURS = {
    Outcome.HIT: "#009E73",
    Outcome.MISSED: "#D55E00",
    Outcome.INVENTED: "#CC79A7",
    Outcome.SPLIT: "#56B4E9",
    Outcome.MERGED: "#F0E442",
}
"""A colour for each outcome that colour-blind eyes tell apart (Okabe & Ito 2008)."""


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Mistakes of one image; all numbers are positions among its objects, from 0.

    Attributes
    ----------
    missed : (M,) ndarray of int64
        True objects without a match that are neither split nor merged.
    invented : (I,) ndarray of int64
        Predicted objects without a match that are neither a piece of a split object nor a merger.
    splits : tuple of (int, ndarray of int64)
        A true object and its pieces: two or more predicted objects of which each has more than half of its
        pixels inside that true object.
    merges : tuple of (int, ndarray of int64)
        A predicted object and what it merges: two or more true objects of which it covers more than half
        each. An object that is matched can be a merger, or be split, all the same.
    prediction, truth : (P,) and (T,) ndarray of uint8
        `Outcome` of each object. A merger is MERGED before it is a piece (SPLIT) before it is a HIT; a true
        object is SPLIT before it is MERGED before it is a HIT.
    """

    missed: Ids
    invented: Ids
    splits: tuple[tuple[int, Ids], ...]
    merges: tuple[tuple[int, Ids], ...]
    prediction: NDArray[np.uint8]
    truth: NDArray[np.uint8]


def find_mistakes(overlaps: Overlaps, matching: Matching) -> Mistakes:
    """Sort the objects of an image into hits and kinds of mistakes.

    Parameters
    ----------
    overlaps : Overlaps
        Overlapping pairs.
    matching : Matching
        The pairs that count as hits.

    Notes
    -----
    The majority rule is that of Matula et al. 2015 (PLoS ONE 10: e0144959), where an object belongs to the
    one that covers more than half of it, applied both ways. Each kind of mistake has its own repair: draw,
    delete, merge the pieces, split the merger.
    """
    splits = _shared_out(overlaps.columns, overlaps.rows, overlaps.shared, overlaps.prediction_areas)
    merges = _shared_out(overlaps.rows, overlaps.columns, overlaps.shared, overlaps.truth_areas)
    prediction = np.full(len(overlaps.prediction), Outcome.INVENTED, np.uint8)
    truth = np.full(len(overlaps.truth), Outcome.MISSED, np.uint8)
    prediction[np.searchsorted(overlaps.prediction, matching.prediction)] = Outcome.HIT
    truth[np.searchsorted(overlaps.truth, matching.truth)] = Outcome.HIT
    for _, pieces in splits:
        prediction[pieces] = Outcome.SPLIT
    for merger, merged in merges:
        prediction[merger] = Outcome.MERGED
        truth[merged] = Outcome.MERGED
    for whole, _ in splits:
        truth[whole] = Outcome.SPLIT
    missed = np.flatnonzero(truth == Outcome.MISSED).astype(np.int64)
    invented = np.flatnonzero(prediction == Outcome.INVENTED).astype(np.int64)
    return Mistakes(missed, invented, splits, merges, prediction, truth)


def _shared_out(wholes: Ids, parts: Ids, shared: Ids, part_areas: Ids) -> tuple[tuple[int, Ids], ...]:
    """Wholes with two or more parts that each lie in them by more than half."""
    inside = 2 * shared > part_areas[parts]
    whole, part = wholes[inside], parts[inside]
    order = np.lexsort((part, whole))
    ids, starts, counts = np.unique(whole[order], return_index=True, return_counts=True)
    return tuple(
        (int(i), part[order[start : start + count]])
        for i, start, count in zip(ids, starts, counts, strict=True)
        if count > 1
    )


def outcome_map(pair: LabelPair, iou: float = 0.5) -> NDArray[np.uint8]:
    """Where the mistakes of one plane or volume are.

    Parameters
    ----------
    pair : LabelPair
        Prediction and truth.
    iou : float
        IoU of a hit.

    Returns
    -------
    ndarray of uint8
        `Outcome` of the predicted object at each pixel and, where there is none, MISSED on missed objects;
        0 elsewhere. Of the shape of the label images.
    """
    mistakes = find_mistakes(pair.overlaps, match_overlaps(pair.overlaps, iou))
    of_prediction = np.concatenate([np.zeros(1, np.uint8), mistakes.prediction])
    missed = np.where(mistakes.truth == Outcome.MISSED, np.uint8(Outcome.MISSED), np.uint8(0))
    of_truth = np.concatenate([np.zeros(1, np.uint8), missed])
    predicted = pair.prediction.numbers
    result: NDArray[np.uint8] = np.where(
        predicted > 0, of_prediction[predicted], of_truth[pair.truth.numbers]
    )
    return result


def outcome_labels(images: ImagePair, iou: float = 0.5) -> NDArray[np.uint8]:
    """`outcome_map` of every plane of an image, of the shape of its labels."""
    result = np.zeros(tuple(int(n) for n in images.truth.shape), np.uint8)
    for plane in range(len(images)):
        index = np.unravel_index(plane, images.outer_shape) if images.outer_shape else ()
        result[index] = outcome_map(images.read(plane), iou)
    return result
