"""Windows of an image at another scale, the same pixels whichever window they are read through."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError

ReadWindow = Callable[[slice, slice], NDArray[Any]]
"""Reads rows and columns of a plane, as (h, w) or (h, w, channels)."""


def scaled_shape(shape: Sequence[int], scale: float) -> tuple[int, int]:
    """Rows and columns of a plane once scaled, at least one each.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.
    scale : float
        Scaled pixels per pixel; above 1 enlarges.

    Raises
    ------
    OptionError
        If the scale is not a finite number above 0.
    """
    _check_scale(scale)
    height, width = (max(1, int(n * scale + 0.5)) for n in shape)
    return height, width


def read_scaled(
    read: ReadWindow, shape: Sequence[int], scale: float, y: slice, x: slice
) -> NDArray[np.float32]:
    """Read a window of a scaled plane.

    Scaled pixel ``i`` lies at ``(i + 0.5) / scale - 0.5`` of the plane. Enlarging interpolates linearly,
    shrinking averages with a triangle as wide as two scaled pixels, so that nothing aliases. Beyond its
    border the plane is mirrored, border pixels included. A pixel has the same value in every window.

    Parameters
    ----------
    read : callable
        Reads a window of the plane, as (h, w) or (h, w, channels); only called inside of it, once.
    shape : (int, int)
        Rows and columns of the plane.
    scale : float
        Scaled pixels per pixel. 1 copies the pixels.
    y, x : slice
        Rows and columns of the window in scaled pixels, both ends given; they may lie outside.

    Returns
    -------
    (h, w) or (h, w, channels) ndarray of float32
        NaN spreads to its neighbours: replace it before.

    Raises
    ------
    OptionError
        If the scale is not a finite number above 0.
    """
    _check_scale(scale)
    rows = _taps(y, int(shape[0]), scale)
    columns = _taps(x, int(shape[1]), scale)
    pixels = np.asarray(read(rows.window, columns.window), dtype=np.float32)
    return columns.apply(rows.apply(pixels, 0), 1)


@dataclass(frozen=True, slots=True)
class _Taps:
    """For each of n scaled pixels, the k pixels that it is made of, and their weights.

    `index` (k, n) counts from the start of `window`; `weights` (k, n) is None for a plain copy.
    """

    window: slice
    index: NDArray[np.intp]
    weights: NDArray[np.float32] | None

    def apply(self, pixels: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
        if self.weights is None:
            copy: NDArray[np.float32] = pixels.take(self.index[0], axis=axis)
            return copy
        across = (-1,) + (1,) * (pixels.ndim - axis - 1)
        total = pixels.take(self.index[0], axis=axis) * self.weights[0].reshape(across)
        for index, weights in zip(self.index[1:], self.weights[1:], strict=True):
            piece = pixels.take(index, axis=axis)
            piece *= weights.reshape(across)
            total += piece
        result: NDArray[np.float32] = total
        return result


def _taps(window: slice, size: int, scale: float) -> _Taps:
    scaled = np.arange(window.start, window.stop)
    if scale == 1:
        index, weights = _mirrored(scaled[None], size), None
    else:
        radius = max(1.0, 1.0 / scale)
        position = (scaled + 0.5) / scale - 0.5
        first = np.floor(position - radius).astype(np.int64) + 1
        pixel = first + np.arange(2 * ceil(radius))[:, None]
        raw = np.maximum(0.0, 1.0 - np.abs(pixel - position) / radius)
        weights = (raw / raw.sum(axis=0)).astype(np.float32)
        index = _mirrored(pixel, size)
    if index.size == 0:
        return _Taps(slice(0, 0), index, weights)
    low, high = int(index.min()), int(index.max())
    return _Taps(slice(low, high + 1), index - low, weights)


def _mirrored(index: NDArray[np.integer], size: int) -> NDArray[np.intp]:
    """Index inside ``0 … size - 1``, mirrored at the borders: ``… 1 0 | 0 1 … n-1 | n-1 …``."""
    wrapped = index % (2 * size)
    return np.where(wrapped < size, wrapped, 2 * size - 1 - wrapped).astype(np.intp)


def _check_scale(scale: float) -> None:
    if not (isfinite(scale) and scale > 0):
        raise OptionError(f"scale must be a finite number above 0, not {scale}.")
