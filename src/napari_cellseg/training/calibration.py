"""Confidence that means something: logistic regression on what a decoder knows about its objects."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from napari_cellseg.evaluation.matching import match_labels
from napari_cellseg.instances.decoding import VoteDecoding, decode_with_features
from napari_cellseg.training.samples import Sample
from napari_cellseg.training.scoring import group_name

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Objects that a decoder found in labelled images.

    Attributes
    ----------
    features : (N, 4) ndarray of float64
        From `napari_cellseg.instances.decoding.confidence_features`.
    correct : (N,) ndarray of float64
        1 where the object matches a true one at IoU >= 0.5, else 0.
    images : (N,) ndarray of int64
        Position of the object's image.
    weights : (N,) ndarray of float64
        1 / sqrt(count of the set and kind), so that a large set does not drown the others.
    missed : int
        True objects without a candidate.
    """

    features: Values
    correct: Values
    images: NDArray[np.int64]
    weights: Values
    missed: int


def collect_candidates(
    samples: Sequence[Sample], maps: Sequence[NDArray[np.float32]], decoding: VoteDecoding
) -> Candidates:
    """Every candidate of the samples, whatever its confidence, from the maps of each."""
    every = replace(decoding, min_confidence=0.0)
    features, correct, images, groups, missed = [], [], [], [], 0
    for i, (sample, map_) in enumerate(zip(samples, maps, strict=True)):
        decoded, found = decode_with_features(map_, every)
        matching = match_labels(decoded.labels, sample.labels, 0.5)
        hit = np.zeros(len(found))
        hit[matching.prediction - 1] = 1
        features.append(found)
        correct.append(hit)
        images.append(np.full(len(found), i))
        groups += [group_name(sample)] * len(found)
        missed += len(matching.false_negatives)
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts)[inverse]
    return Candidates(
        np.concatenate(features), np.concatenate(correct), np.concatenate(images), weights, missed
    )


def fit_confidence(candidates: Candidates, *, ridge: float = 1e-4) -> tuple[float, ...]:
    """Logistic coefficients, the constant first, by weighted maximum likelihood with a small ridge."""
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
        left_out = np.isin(candidates.images, images[fold_of == fold])
        rest = Candidates(
            candidates.features[~left_out],
            candidates.correct[~left_out],
            candidates.images[~left_out],
            candidates.weights[~left_out],
            candidates.missed,
        )
        result[left_out] = predict_confidence(candidates.features[left_out], fit_confidence(rest))
    return result


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
