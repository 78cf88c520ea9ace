"""Confidence that means something: logistic regression on what a decoder knows about its objects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from napari_cellseg.evaluation.matching import match_labels
from napari_cellseg.instances.maps import Decoding, decode_maps_with_features
from napari_cellseg.statistics.calibration import reliability
from napari_cellseg.training.samples import Sample
from napari_cellseg.training.scoring import group_name

Values = NDArray[np.float64]

ENOUGH = 100
"""Objects of a set that are enough to trust what they tell of its confidence."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Objects that a decoder found in labelled images.

    Attributes
    ----------
    features : (N, 4) ndarray of float64
        What the decoder knows of each, in the order of its `confidence` coefficients.
    correct : (N,) ndarray of float64
        1 where the object matches a true one at IoU >= 0.5, else 0.
    images : (N,) ndarray of int64
        Position of the object's image.
    sets : (N,) ndarray of str
        Set and kind of the object's image, from `group_name`.
    missed : int
        True objects without a candidate.
    """

    features: Values
    correct: Values
    images: NDArray[np.int64]
    sets: NDArray[np.str_]
    missed: int

    @property
    def weights(self) -> Values:
        """1 / sqrt(count of the set and kind), so that a large set does not drown the others, (N,)."""
        _, inverse, counts = np.unique(self.sets, return_inverse=True, return_counts=True)
        return np.asarray(1 / np.sqrt(counts)[inverse])

    def take(self, chosen: NDArray[np.bool_]) -> "Candidates":
        """Some of them."""
        return Candidates(
            self.features[chosen], self.correct[chosen], self.images[chosen], self.sets[chosen], self.missed
        )


def collect_candidates(
    samples: Sequence[Sample],
    maps: Iterable[NDArray[np.float32]],
    decoding: Decoding,
) -> Candidates:
    """Every candidate of the samples, whatever its confidence.

    Parameters
    ----------
    samples : sequence of Sample
        Labelled images.
    maps : iterable of (K, h, w) ndarray of float32
        Maps of each, at any scale; the truth is brought to their shape.
    decoding : VoteDecoding or MaskDecoding
        How the maps become objects.
    """
    every = replace(decoding, min_confidence=0.0)
    features, correct, images, sets, missed = [], [], [], [], 0
    for i, (sample, map_) in enumerate(zip(samples, maps, strict=True)):
        decoded, found = decode_maps_with_features(map_, every)
        matching = match_labels(decoded.labels, labels_at(sample.labels, map_.shape[1:]), 0.5)
        hit = np.zeros(len(found))
        hit[matching.prediction - 1] = 1
        features.append(found)
        correct.append(hit)
        images.append(np.full(len(found), i))
        sets.append(np.full(len(found), group_name(sample)))
        missed += len(matching.false_negatives)
    return Candidates(
        np.concatenate(features),
        np.concatenate(correct),
        np.concatenate(images),
        np.concatenate(sets),
        missed,
    )


def labels_at(labels: NDArray[np.int32], shape: Sequence[int]) -> NDArray[np.int32]:
    """Labels (H, W) at another shape, each pixel from the nearest."""
    if labels.shape == tuple(shape):
        return labels
    rows, columns = (
        np.minimum((np.arange(new) + 0.5) * old / new, old - 1).astype(np.intp)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    return np.ascontiguousarray(labels[rows[:, None], columns])


def fit_confidence(candidates: Candidates, *, prior: float = 0.4) -> tuple[float, ...]:
    """Logistic coefficients, the constant first, by weighted maximum likelihood with a ridge.

    The ridge is `prior` divided by the number of objects: the fewer they are, the more it restrains the fit.
    """
    ridge = prior / len(candidates.correct)
    design = _design(candidates.features)
    share = candidates.weights / candidates.weights.sum()
    target = candidates.correct

    def loss(beta: Values) -> tuple[float, Values]:
        linear = design @ beta
        value = share @ (np.logaddexp(0, linear) - target * linear) + ridge * (beta[1:] @ beta[1:])
        slope = design.T @ (share * (1 / (1 + np.exp(-linear)) - target))
        slope[1:] += 2 * ridge * beta[1:]
        return float(value), slope

    found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B")
    return tuple(float(v) for v in found.x)


def adapt_confidence(
    candidates: Candidates,
    start: Sequence[float],
    *,
    pull: float = 0.01,
    emphasis: Mapping[str, float] | None = None,
) -> tuple[float, ...]:
    """Logistic coefficients that fit new objects; where these tell little, they stay near what they were.

    Every set of `ENOUGH` objects counts the same, however many more it has; a smaller one counts less.

    Parameters
    ----------
    candidates : Candidates
        Objects of all sets.
    start : sequence of float
        Coefficients as they are, the constant first.
    pull : float
        Towards these: weight of the squared change of the logit of a typical object, and of its changes by
        one standard deviation of each feature.
    emphasis : mapping of str to float, optional
        How much more than 1 a set counts.

    Returns
    -------
    tuple of float
        Coefficients, the constant first.
    """
    design, target = _design(candidates.features), candidates.correct
    names, inverse, counts = np.unique(candidates.sets, return_inverse=True, return_counts=True)
    weights = np.array([(emphasis or {}).get(str(name), 1.0) for name in names])
    share = (weights / np.maximum(counts, ENOUGH))[inverse]
    before = np.asarray(start, np.float64)
    moves = np.diag([1.0, *candidates.features.std(0)])
    moves[0, 1:] = candidates.features.mean(0)

    def loss(beta: Values) -> tuple[float, Values]:
        linear = design @ beta
        change = moves @ (beta - before)
        value = share @ (np.logaddexp(0, linear) - target * linear) + pull * (change @ change)
        slope = design.T @ (share * (expit(linear) - target)) + 2 * pull * (change @ moves)
        return float(value), slope

    found = minimize(loss, before, jac=True, method="L-BFGS-B")
    return tuple(float(v) for v in found.x)


def predict_confidence(features: Values, coefficients: Sequence[float]) -> Values:
    """Confidence of objects, (N,)."""
    linear = _design(features) @ np.asarray(coefficients)
    return np.asarray(1 / (1 + np.exp(-linear)))


def cross_validate(candidates: Candidates, *, folds: int = 5, seed: int = 0) -> Values:
    """Confidence of each candidate from a fit that did not see its image, (N,)."""
    images = np.unique(candidates.images)
    fold_of = np.random.default_rng(seed).permutation(np.arange(len(images)) % folds)
    result = np.zeros(len(candidates.correct))
    for fold in range(folds):
        _predict_left_out(candidates, np.isin(candidates.images, images[fold_of == fold]), result)
    return result


def leave_sets_out(candidates: Candidates) -> Values:
    """Confidence of each candidate from a fit that saw no image of its set and kind, (N,)."""
    result = np.zeros(len(candidates.correct))
    for name in np.unique(candidates.sets):
        _predict_left_out(candidates, candidates.sets == name, result)
    return result


def _predict_left_out(candidates: Candidates, left_out: NDArray[np.bool_], result: Values) -> None:
    rest = candidates.take(~left_out)
    if len(rest.correct):
        result[left_out] = predict_confidence(candidates.features[left_out], fit_confidence(rest))


def calibration_error(
    confidence: Values, correct: Values, *, bins: int = 15, seed: int = 0
) -> tuple[float, float]:
    """Expected calibration error, and what it would be on average with a perfect calibration.

    Few objects give a large error by chance alone: the second number is the mean over 200 draws in which
    every object is right with exactly its confidence.
    """
    rng = np.random.default_rng(seed)
    drawn = [reliability(confidence, rng.random(len(confidence)) < confidence, bins).ece for _ in range(200)]
    return reliability(confidence, correct, bins).ece, float(np.mean(drawn))


def best_threshold(candidates: Candidates, confidence: Values) -> tuple[float, float]:
    """Confidence at which F1 is highest, and that F1."""
    order = np.argsort(-confidence, kind="stable")
    hits = np.cumsum(candidates.correct[order])
    truths = candidates.correct.sum() + candidates.missed
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + truths)
    best = int(np.argmax(f1))
    return float(confidence[order[best]]), float(f1[best])


def _design(features: Values) -> Values:
    return np.concatenate([np.ones((len(features), 1)), features], axis=1)
