"""Two masks compared as pictures: structural similarity and distances between their outlines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_cellseg.evaluation.boundaries import outlines

WINDOW = 7
"""Edge of the window of the structural similarity, pixels."""


MANY = 20_000
"""Points from which on more than one thread is worth starting."""


@dataclass(frozen=True, slots=True)
class OutlineDistances:
    """Distances between the outlines of two masks, in pixels or in the unit of the spacing.

    Attributes
    ----------
    hausdorff : float
        The largest distance from a point of one outline to the nearest point of the other.
    hd95 : float
        The larger of the two directed 95th percentiles of those distances.
    """

    hausdorff: float
    hd95: float


@njit(cache=True, nogil=True)
def _mean_ssim(a: Any, b: Any, window: int) -> float:
    height, width = a.shape
    n = float(window * window)
    c1, c2, sample = 0.01**2, 0.03**2, n / (n - 1)
    columns = np.zeros((3, width), np.int64)
    total = 0.0
    for y in range(height):
        for x in range(width):
            columns[0, x] += a[y, x]
            columns[1, x] += b[y, x]
            columns[2, x] += a[y, x] & b[y, x]
            if y >= window:
                columns[0, x] -= a[y - window, x]
                columns[1, x] -= b[y - window, x]
                columns[2, x] -= a[y - window, x] & b[y - window, x]
        if y < window - 1:
            continue
        in_a, in_b, in_both = 0, 0, 0
        for x in range(width):
            in_a += columns[0, x]
            in_b += columns[1, x]
            in_both += columns[2, x]
            if x >= window:
                in_a -= columns[0, x - window]
                in_b -= columns[1, x - window]
                in_both -= columns[2, x - window]
            if x >= window - 1:
                p, q, pq = in_a / n, in_b / n, in_both / n
                spread = sample * (p - p * p + q - q * q)
                top = (2 * p * q + c1) * (2 * sample * (pq - p * q) + c2)
                total += top / ((p * p + q * q + c1) * (spread + c2))
    mean: float = total / ((height - window + 1) * (width - window + 1))
    return mean


def mask_ssim(prediction: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Mean structural similarity of two masks.

    Parameters
    ----------
    prediction, truth : (Y, X) or (Z, Y, X) ndarray of bool
        Masks of one shape; the result for a volume is the mean over its planes.

    Returns
    -------
    float
        1 for equal masks; NaN for planes smaller than the window of 7 × 7 pixels.

    Notes
    -----
    Wang et al. 2004 on masks of 0 and 1 with ``data_range=1``: uniform window, K1 = 0.01, K2 = 0.03, sample
    covariance, windows inside the image only; scikit-image's ``structural_similarity(a, b, data_range=1.0)``.
    Left to take the range from the dtype (255 for uint8), an empty mask scores far above 0.9.
    """
    if min(prediction.shape[-2:]) < WINDOW:
        return np.nan
    planes_a = np.ascontiguousarray(prediction, np.uint8).reshape(-1, *prediction.shape[-2:])
    planes_b = np.ascontiguousarray(truth, np.uint8).reshape(-1, *truth.shape[-2:])
    return float(np.mean([_mean_ssim(a, b, WINDOW) for a, b in zip(planes_a, planes_b, strict=True)]))


def outline_distances(
    prediction: NDArray[np.bool_], truth: NDArray[np.bool_], spacing: Sequence[float] | None = None
) -> OutlineDistances:
    """Hausdorff distances between the outlines of two masks.

    Parameters
    ----------
    prediction, truth : (Y, X) or (Z, Y, X) ndarray of bool
        Masks of one shape.
    spacing : sequence of float, optional
        Size of a pixel along each axis, for example in µm; 1 unless given.

    Returns
    -------
    OutlineDistances
        0 where both masks are empty, infinite where one is.

    Notes
    -----
    An outline is the mask's pixels with a face neighbour outside it, the outside of the image included (as
    surface distances in medical imaging do). The 95 % distance is the larger of the two directed
    percentiles, interpolated linearly (Maier-Hein et al. 2024, Metrics Reloaded), not the percentile of both
    directions pooled.
    """
    shape = prediction.shape if prediction.ndim == 3 else (1, *prediction.shape)
    size = np.ones(prediction.ndim) if spacing is None else np.asarray(spacing, float)
    if size.shape != (prediction.ndim,):
        raise ValueError(f"spacing needs one number per axis, {prediction.ndim}, got {size.tolist()}")
    size = np.concatenate([np.ones(3 - len(size)), size])
    a, b = (outlines(m.reshape(shape).astype(np.int32), edge=True) for m in (prediction, truth))
    if not a.any() or not b.any():
        distance = 0.0 if a.any() == b.any() else np.inf
        return OutlineDistances(distance, distance)
    forward, backward = _directed(a, b, size), _directed(b, a, size)
    return OutlineDistances(
        max(float(forward.max()), float(backward.max())),
        max(float(np.percentile(forward, 95)), float(np.percentile(backward, 95))),
    )


def _directed(a: NDArray[np.bool_], b: NDArray[np.bool_], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance from each point of a to the nearest of b.

    Near points are found by trying offsets in the order of their distance, the rest by a tree.
    """
    offsets, lengths = _near_offsets(size, flat=a.shape[0] == 1)
    distances = np.empty(int(np.count_nonzero(a)))
    _nearest(a, b, offsets, lengths, distances)
    far = np.flatnonzero(distances < 0)
    if len(far):
        tree = cKDTree(np.argwhere(b) * size, balanced_tree=False, compact_nodes=False)
        workers = -1 if len(far) > MANY else 1
        distances[far] = tree.query(np.argwhere(a)[far] * size, workers=workers)[0]
    return distances


@njit(cache=True, nogil=True)
def _nearest(a: Any, b: Any, offsets: Any, lengths: Any, distances: Any) -> None:
    depth, height, width = a.shape
    place = 0
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                if not a[z, y, x]:
                    continue
                distances[place] = -1.0
                for k in range(offsets.shape[0]):
                    zz, yy, xx = z + offsets[k, 0], y + offsets[k, 1], x + offsets[k, 2]
                    if 0 <= zz < depth and 0 <= yy < height and 0 <= xx < width and b[zz, yy, xx]:
                        distances[place] = lengths[k]
                        break
                place += 1


def _near_offsets(size: NDArray[np.float64], flat: bool) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All offsets (K, 3) within some distance, nearest first, and their lengths."""
    used = size[1:] if flat else size
    reach = (8 if flat else 4) * float(used.min())
    steps = [0 if flat and axis == 0 else int(reach / s) for axis, s in enumerate(size)]
    grid = np.mgrid[tuple(slice(-n, n + 1) for n in steps)].reshape(3, -1).T
    lengths = np.sqrt(((grid * size) ** 2).sum(1))
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] <= reach]
    return grid[order].astype(np.int64), lengths[order]
