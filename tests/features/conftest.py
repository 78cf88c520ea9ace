"""Label images with objects of all sorts, to be measured."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage


def odd_labels(seed: int, shape: tuple[int, int] = (40, 48)) -> NDArray[np.int32]:
    """Blobs that touch each other and the border, holes, lines, single pixels, an object of many pieces."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), 2.5)
    labels = ndimage.label(noise > np.quantile(noise, 0.55))[0] * 3
    labels[(labels > 0) & (rng.random(shape) < 0.03)] = 0
    cut = ndimage.gaussian_filter(rng.standard_normal(shape), 4) > 0
    labels[cut & (labels > 0)] += 1
    for i in range(6):
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        n = int(rng.integers(1, 9))
        line = [(slice(y, y + n), x), (y, slice(x, x + n)), (y, x)][i % 3]
        labels[line] = 10_000 + i
    steps = np.arange(min(9, *shape))
    labels[steps, steps[::-1]] = 777
    labels[rng.random(shape) < 0.01] = 888
    return labels.astype(np.int32)


@pytest.fixture(scope="session")
def odd_objects() -> Callable[..., NDArray[np.int32]]:
    """Function that makes such labels: ``odd_objects(seed, shape=(40, 48))``."""
    return odd_labels
