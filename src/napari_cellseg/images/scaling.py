"""Intensity scaling: from raw pixels of any depth to the float32 range that a network expects.

Training and prediction both use this module, so that a network sees the same numbers in both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Pixels = NDArray[np.float32]

CLIP_LOW, CLIP_HIGH = -0.5, 3.0
"""Scaled values are clipped to this range: wide enough to keep detail above the upper percentile."""


@dataclass(frozen=True, slots=True)
class IntensityRange:
    """Raw intensities that become 0 and 1.

    Attributes
    ----------
    low, high : float
        Intensity in the image's own units that is scaled to 0 and to 1. Equal values mean a constant image.
    clipped : bool
        Whether what is far outside is cut off, see `CLIP_LOW` and `CLIP_HIGH`.
    """

    low: float
    high: float
    clipped: bool = True

    @property
    def is_constant(self) -> bool:
        """Whether the image has no contrast at all."""
        return not self.high > self.low


def intensity_range(
    samples: ArrayLike | Iterable[ArrayLike], low_percentile: float = 1.0, high_percentile: float = 99.8
) -> IntensityRange:
    """Intensity range of an image, as percentiles of its finite pixels.

    All channels share one range, which keeps the colour of stained tissue. Where both percentiles
    are equal although the image is not constant (a few bright pixels on an even background), the
    minimum and the maximum take their place.

    Parameters
    ----------
    samples : array-like, or iterable of array-like
        Pixels of the image, any shape, any integer, bool or float dtype; NaN and infinities are left out.
    low_percentile, high_percentile : float
        Percentiles, 0 to 100.

    Returns
    -------
    IntensityRange
        ``IntensityRange(0, 0)`` where no pixel is finite.
    """
    flat = _finite(samples)
    if flat.size == 0:
        return IntensityRange(0.0, 0.0)
    low, high = np.percentile(flat, (low_percentile, high_percentile))
    if not high > low:
        low, high = flat.min(), flat.max()
    return IntensityRange(float(low), float(high))


def standard_range(samples: ArrayLike | Iterable[ArrayLike]) -> IntensityRange:
    """Range that makes the mean of an image 0 and one standard deviation 1, and cuts nothing off.

    Parameters
    ----------
    samples : array-like, or iterable of array-like
        As for `intensity_range`.
    """
    flat = _finite(samples)
    if flat.size == 0:
        return IntensityRange(0.0, 0.0, clipped=False)
    mean = float(flat.mean(dtype=np.float64))
    return IntensityRange(mean, mean + float(flat.std(dtype=np.float64)), clipped=False)


def _finite(samples: ArrayLike | Iterable[ArrayLike]) -> NDArray[Any]:
    """All finite pixels, one after the other."""
    arrays = [samples] if hasattr(samples, "dtype") else list(samples)  # type: ignore[arg-type, list-item]
    flat = np.concatenate([np.asarray(a).ravel() for a in arrays]) if arrays else np.zeros(0, np.float32)
    if flat.dtype == bool:
        flat = flat.astype(np.uint8)
    return flat[np.isfinite(flat)] if flat.dtype.kind == "f" else flat


def scale_intensity(pixels: ArrayLike, range_: IntensityRange) -> Pixels:
    """Scale raw pixels so that ``range_.low`` becomes 0 and ``range_.high`` becomes 1.

    Nothing is rounded on the way: 12- and 16-bit data keep their depth. Values are clipped to
    ``[CLIP_LOW, CLIP_HIGH]`` unless the range says otherwise; NaN becomes 0, infinities the clip limits.

    Parameters
    ----------
    pixels : array-like
        Any shape, any integer, bool or float dtype.
    range_ : IntensityRange
        From `intensity_range` or `standard_range`, of the whole plane, not of a tile.

    Returns
    -------
    ndarray of float32
        Same shape as `pixels`; all 0 where the range is constant.
    """
    raw = np.asarray(pixels)
    if range_.is_constant:
        return np.zeros(raw.shape, np.float32)
    wide = raw.dtype.itemsize > 2
    scaled: NDArray[np.floating] = raw.astype(np.float64 if wide else np.float32)
    scaled -= range_.low
    scaled /= range_.high - range_.low
    if range_.clipped:
        np.clip(scaled, CLIP_LOW, CLIP_HIGH, out=scaled)
    result = scaled.astype(np.float32, copy=False)
    if raw.dtype.kind == "f":
        np.nan_to_num(result, copy=False, nan=0.0, posinf=CLIP_HIGH, neginf=CLIP_LOW)
    return result
