"""Parts of one object: its distance to the border, flooded from its peaks down."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.labels.spacing import Spacing, pixel_lengths

NECK = 0.9
"""Two parts are two where the neck is narrower than this share of the smaller part's width."""

SHALLOW = 0.75
"""Differences of depth up to this many pixels come from the pixel grid."""

SMALLEST = 0.25
"""A part whose width is below this share of the widest part's is a bump, not a part."""


@njit(cache=True, nogil=True)
def _root(parent: Any, part: int) -> int:
    while parent[part] != part:
        parent[part] = parent[parent[part]]
        part = parent[part]
    return part


@njit(cache=True, nogil=True)
def _flood(depth: Any, order: Any, steps: Any, neck: float, least: float) -> Any:
    """Part (1 to N) of each flat pixel in `order`, from the deepest to the shallowest.

    Where two parts meet, the lower one joins the higher if the saddle is nearly as deep as its peak, or if
    the peak is not deep enough for a part of its own.
    """
    parts = np.zeros(depth.size, np.int32)
    parent = np.zeros(order.size + 1, np.int32)
    peaks = np.zeros(order.size + 1, np.float32)
    count = 0
    for i in range(order.size):
        at = order[i]
        own, deepest = 0, np.float32(-1)
        for step in steps:
            if parts[at + step] != 0 and depth[at + step] > deepest:
                own, deepest = _root(parent, parts[at + step]), depth[at + step]
        if own == 0:
            count += 1
            parent[count], peaks[count] = count, depth[at]
            parts[at] = count
            continue
        parts[at] = own
        for step in steps:
            if parts[at + step] == 0:
                continue
            own = _root(parent, parts[at])
            other = _root(parent, parts[at + step])
            if own == other:
                continue
            high, low = (own, other) if peaks[own] >= peaks[other] else (other, own)
            if depth[at] >= min(neck * peaks[low], peaks[low] - SHALLOW) or peaks[low] < least:
                parent[low] = high
    for i in range(order.size):
        parts[order[i]] = _root(parent, parts[order[i]])
    return parts


def _neighbour_steps(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Flat offsets to all neighbours, corners included, in an array that has a border of background."""
    strides = np.array([int(np.prod(shape[k + 1 :])) for k in range(len(shape))])
    offsets = np.indices((3,) * len(shape)).reshape(len(shape), -1).T - 1
    steps: NDArray[np.int64] = (offsets[np.any(offsets, axis=1)] * strides).sum(axis=1).astype(np.int64)
    return steps


def smooth_depth(mask: NDArray[np.bool_], spacing: Spacing = None) -> NDArray[np.float32]:
    """Distance of each pixel to the border of a mask, smoothed by a tenth of the largest; 0 outside.

    Distances are in pixels of the last axis.
    """
    lengths = pixel_lengths(spacing, mask.ndim)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=lengths).astype(np.float32)
    sigma = max(1.0, 0.1 * float(depth.max())) / lengths
    smooth: NDArray[np.float32] = np.where(np.pad(mask, 1), ndimage.gaussian_filter(depth, sigma), 0)
    return smooth[(slice(1, -1),) * mask.ndim]


def bulging_parts(
    mask: NDArray[np.bool_], min_diameter: float | None = None, spacing: Spacing = None
) -> NDArray[np.int32]:
    """Parts 1 to N of a mask that bulges, split at its necks; one part for a convex mask.

    Parameters
    ----------
    mask : (…, Y, X) ndarray of bool
        One object.
    min_diameter : float, optional
        Parts less wide than this, in pixels of the last axis, are joined to their neighbours.
    spacing : sequence of float, optional
        Length of a pixel along each axis, in any unit; equal ones by default.

    Returns
    -------
    ndarray of int32
        In the shape of the mask; 0 outside.
    """
    depth = np.pad(smooth_depth(mask, spacing), 1)
    flat = depth.ravel()
    inside = np.flatnonzero(flat > 0)
    order = inside[np.argsort(-flat[inside], kind="stable")]
    widest = float(flat.max(initial=0))
    least = max(1.0, SMALLEST * widest) if min_diameter is None else 0.4 * min_diameter
    parts = _flood(flat, order, _neighbour_steps(depth.shape), NECK, min(least, widest))
    numbers = np.unique(parts, return_inverse=True)[1].astype(np.int32)
    return numbers.reshape(depth.shape)[(slice(1, -1),) * mask.ndim]
