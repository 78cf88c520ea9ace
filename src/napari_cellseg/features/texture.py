"""Texture of the objects, channel by channel: Haralick's features of grey-level co-occurrence."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.features.feature import Columns, Feature
from napari_cellseg.features.intensity import readable_channel
from napari_cellseg.features.objects import Objects

LEVELS = 32
"""Grey levels that the intensities of an object are divided into."""

_SOURCE = "Haralick, Shanmugam & Dinstein 1973"
_NOTE = (
    f"{LEVELS} levels of equal width from the object's lowest to its highest intensity; pairs of neighbouring"
    " pixels, both in the object, at 0°, 45°, 90° and 135°, counted both ways; mean of the directions that"
    " have pairs, NaN without any. Pixels that are not finite are left out."
)


def _feature(name: str, definition: str, formula: str, source: str = "", note: str = "") -> Feature:
    return Feature(
        name=f"haralick_{name}",
        group="texture",
        quantity="ratio",
        dtype="float64",
        dims=(2,),
        definition=definition,
        formula=formula,
        source=f"{_SOURCE}{'; ' if source else ''}{source}",
        default=False,
        note=f"{note} {_NOTE}".strip(),
    )


FEATURES = (
    _feature(
        "angular_second_moment",
        "How few pairs of grey levels make up the object; 1 where all are alike.",
        "f1 = Σ p(i, j)²",
        "scikit-image `ASM`",
    ),
    _feature(
        "contrast",
        "Mean squared step between neighbouring pixels, in levels.",
        "f2 = Σ (i − j)² p(i, j)",
        "scikit-image `contrast`",
    ),
    _feature(
        "correlation",
        "Linear dependence of neighbouring grey levels.",
        "f3 = Σ (i − μ)(j − μ) p(i, j) / σ²",
        "scikit-image `correlation`",
        "1 where all levels are equal, as in scikit-image.",
    ),
    _feature(
        "variance",
        "Variance of the grey levels of paired pixels.",
        "f4 = Σ (i − μ)² p(i, j)",
        "scikit-image `variance`",
    ),
    _feature(
        "inverse_difference_moment",
        "Homogeneity: large where neighbouring pixels are alike.",
        "f5 = Σ p(i, j) / (1 + (i − j)²)",
        "scikit-image `homogeneity`",
    ),
    _feature(
        "sum_average",
        "Mean sum of two neighbouring grey levels.",
        "f6 = Σ k p₊(k), k = i + j",
        note="Levels are counted from 0; where they are counted from 1 it is larger by 2.",
    ),
    _feature(
        "sum_variance",
        "Variance of the sum of two neighbouring grey levels.",
        "f7 = Σ (k − f6)² p₊(k)",
        note="About the sum's mean; the paper's f8 in its place is a misprint.",
    ),
    _feature(
        "sum_entropy",
        "Entropy of the sum of two neighbouring grey levels.",
        "f8 = −Σ p₊(k) ln p₊(k)",
        note="In nats; mahotas and CellProfiler count bits (× 1.4427).",
    ),
    _feature(
        "entropy",
        "Entropy of the pairs of grey levels.",
        "f9 = −Σ p(i, j) ln p(i, j)",
        "scikit-image `entropy`",
        "In nats; mahotas and CellProfiler count bits (× 1.4427).",
    ),
    _feature(
        "difference_variance",
        "Variance of the step between neighbouring grey levels.",
        "f10 = Σ (k − Σ k p₋(k))² p₋(k), k = |i − j|",
        "IBSI (Zwanenburg et al. 2020)",
        "mahotas and CellProfiler give the variance of the probabilities p₋ themselves by default.",
    ),
    _feature(
        "difference_entropy",
        "Entropy of the step between neighbouring grey levels.",
        "f11 = −Σ p₋(k) ln p₋(k)",
        note="In nats; mahotas and CellProfiler count bits (× 1.4427).",
    ),
    _feature(
        "information_correlation_1",
        "How much one pixel tells about its neighbour, as a share of its entropy; 0 for nothing, −1 for all.",
        "f12 = (f9 − HXY1) / HX",
        note="0 where all levels are equal.",
    ),
    _feature(
        "information_correlation_2",
        "How much one pixel tells about its neighbour; 0 for nothing.",
        "f13 = √(1 − exp(−2 (HXY2 − f9)))",
        note="Entropies in nats, for which the formula is meant; mahotas uses bits.",
    ),
)


def texture(objects: Objects, image: NDArray[Any], channels: Sequence[str] = ("",)) -> Columns:
    """Measure the texture group; columns as in `FEATURES`. Parameters as of `intensity`, in a plane."""
    columns: Columns = {}
    boxes = np.ascontiguousarray(objects.boxes)
    for place, channel in enumerate(channels):
        rows = np.full((len(objects), len(FEATURES)), np.nan)
        intensities = readable_channel(image[..., place])[0]
        _measure_textures(objects.labels, intensities, objects.ids, boxes, rows)
        for column, feature in enumerate(FEATURES):
            columns[f"{feature.name}-{channel}" if len(channels) > 1 else feature.name] = rows[:, column]
    return columns


@njit(cache=True, nogil=True)
def _measure_textures(labels: Any, channel: Any, ids: Any, boxes: Any, rows: Any) -> None:
    room = 0
    for i in range(len(ids)):
        room = max(room, (boxes[i, 2] - boxes[i, 0]) * (boxes[i, 3] - boxes[i, 1]))
    levels = np.empty(room, np.int8)
    pairs = np.empty((LEVELS, LEVELS), np.int64)
    features = np.empty(rows.shape[1])
    for i in range(len(ids)):
        height, width = boxes[i, 2] - boxes[i, 0], boxes[i, 3] - boxes[i, 1]
        _fill_levels(labels, channel, ids[i], boxes[i], levels)
        directions = 0
        for dy, dx in ((0, 1), (1, 1), (1, 0), (1, -1)):
            count = _count_pairs(levels, height, width, dy, dx, pairs)
            if count > 0:
                _haralick(pairs, count, features)
                for k in range(len(features)):
                    rows[i, k] = features[k] if directions == 0 else rows[i, k] + features[k]
                directions += 1
        for k in range(len(features)):
            rows[i, k] /= max(directions, 1)


@njit(cache=True, nogil=True)
def _fill_levels(labels: Any, channel: Any, label: int, box: Any, levels: Any) -> None:
    """Grey level of each pixel of the box, line by line; -1 outside of the object."""
    low, high = np.inf, -np.inf
    for y in range(box[0], box[2]):
        for x in range(box[1], box[3]):
            value = float(channel[y, x])
            if labels[y, x] == label and np.isfinite(value):
                low, high = min(low, value), max(high, value)
    at = 0
    for y in range(box[0], box[2]):
        for x in range(box[1], box[3]):
            value = float(channel[y, x])
            levels[at] = -1
            if labels[y, x] == label and np.isfinite(value):
                share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
                levels[at] = min(int(share * LEVELS), LEVELS - 1)
            at += 1


@njit(cache=True, nogil=True)
def _count_pairs(levels: Any, height: int, width: int, dy: int, dx: int, pairs: Any) -> int:
    """Count pairs of levels at an offset, each both ways; returns their sum."""
    pairs[:] = 0
    count = 0
    for y in range(height - dy):
        for x in range(max(-dx, 0), width - max(dx, 0)):
            one, other = levels[y * width + x], levels[(y + dy) * width + x + dx]
            if one >= 0 and other >= 0:
                pairs[one, other] += 1
                pairs[other, one] += 1
                count += 2
    return count


@njit(cache=True, nogil=True)
def _haralick(pairs: Any, count: int, found: Any) -> None:
    """The features f1 to f13 of a symmetric co-occurrence matrix."""
    sums, steps, single = np.zeros(2 * LEVELS), np.zeros(LEVELS), np.zeros(LEVELS)
    squares, entropy, both = 0.0, 0.0, 0.0
    for i in range(LEVELS):
        for j in range(LEVELS):
            if pairs[i, j] > 0:
                p = pairs[i, j] / count
                squares += p * p
                entropy -= p * np.log(p)
                both += i * j * p
                sums[i + j] += p
                steps[abs(i - j)] += p
                single[i] += p
    mean, variance, own = _moments(single)
    found[0], found[8] = squares, entropy
    found[3] = variance
    found[2] = (both - mean * mean) / variance if variance > 1e-15 else 1.0
    found[5], found[6], found[7] = _moments(sums)
    step, found[9], found[10] = _moments(steps)
    found[1] = found[9] + step * step
    found[4] = 0.0
    for k in range(LEVELS):
        found[4] += steps[k] / (1 + k * k)
    found[11] = (entropy - 2 * own) / own if own > 0 else 0.0
    found[12] = np.sqrt(max(0.0, 1 - np.exp(-2 * (2 * own - entropy))))


@njit(cache=True, nogil=True)
def _moments(shares: Any) -> Any:
    """Mean, variance and entropy of a distribution over 0, 1, 2, …"""
    mean, variance, entropy = 0.0, 0.0, 0.0
    for k in range(len(shares)):
        mean += k * shares[k]
    for k in range(len(shares)):
        if shares[k] > 0:
            variance += (k - mean) ** 2 * shares[k]
            entropy -= shares[k] * np.log(shares[k])
    return mean, variance, entropy
