"""Random label images that prediction and truth are drawn from."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

Labels = NDArray[np.int32]
Pair = tuple[Labels, Labels]


def boxes(rng: np.random.Generator, shape: tuple[int, ...], count: int, size: int = 9) -> Labels:
    """Overlapping boxes with ids that are not consecutive."""
    labels = np.zeros(shape, np.int32)
    for i in rng.choice(5 * count + 5, count, replace=False) + 1:
        corner = [int(rng.integers(0, max(1, n - 2))) for n in shape]
        labels[tuple(slice(c, c + int(rng.integers(1, size))) for c in corner)] = i
    return labels


def altered(labels: Labels, rng: np.random.Generator) -> Labels:
    """The labels moved by up to a pixel; some removed, cut in two, joined; one added."""
    result = np.roll(labels, tuple(rng.integers(-1, 2, labels.ndim)), tuple(range(labels.ndim))) * 3
    ids = np.unique(result[result > 0])
    for i in ids[rng.random(len(ids)) < 0.15]:
        result[result == i] = 0
    for i in ids[rng.random(len(ids)) < 0.2]:
        half = result == i
        half[..., : int(rng.integers(0, labels.shape[-1]))] = False
        result[half] = 5000 + i
    for i in ids[rng.random(len(ids)) < 0.2]:
        result[result == i] = rng.choice(ids)
    corner = tuple(slice(int(c), int(c) + 4) for c in rng.integers(0, np.array(labels.shape)))
    result[corner] = 9999
    return result


@pytest.fixture
def random_pair() -> Callable[..., Pair]:
    """Prediction and truth of a seed."""

    def make(seed: int, shape: tuple[int, ...] = (40, 50), count: int = 12) -> Pair:
        rng = np.random.default_rng(seed)
        truth = boxes(rng, shape, count)
        return altered(truth, rng), truth

    return make
