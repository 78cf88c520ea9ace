"""Crowded label images that decoders are tested on."""

import numpy as np
from numpy.typing import NDArray


def scattered_objects(
    shape: tuple[int, int],
    count: int,
    seed: int,
    radii: tuple[float, float] = (5, 22),
    elongation: float = 2,
) -> NDArray[np.int32]:
    """Ellipses, many of them touching; an object that others would cover by more than a tenth is left out."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    for i in range(1, count + 1):
        (a, b), angle = rng.uniform(*radii, 2), rng.uniform(0, np.pi)
        b = np.clip(b, a / elongation, elongation * a)
        y, x = np.mgrid[: shape[0], : shape[1]] - np.array([rng.uniform(0, n) for n in shape])[:, None, None]
        u, v = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
        inside = (u / a) ** 2 + (v / b) ** 2 < 1
        if np.count_nonzero(inside & (labels == 0)) > 0.9 * np.count_nonzero(inside):
            labels[inside & (labels == 0)] = i
    return labels
