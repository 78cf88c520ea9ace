"""A plane as a network sees it: scaled in intensity and in size, read window by window."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.images.planes import Planes
from napari_cellseg.images.resampling import read_scaled, scaled_shape
from napari_cellseg.images.scaling import IntensityRange, intensity_range, scale_intensity, standard_range
from napari_cellseg.models.card import IntensityScaling
from napari_cellseg.tiles.grid import Window

BAND_PIXELS = 2**22
"""Pixels that are read at once where a whole plane must be looked at."""

STACK_LOOKS = 9
"""Planes of a z stack that are looked at for its contrast."""

STACK_PIXELS = 2**16
"""Pixels of each of them that are looked at."""

LEAST_CONTRAST = 0.4
"""Planes of a z stack are not stretched further than if they had this share of the stack's contrast."""


@dataclass(frozen=True, slots=True)
class Intensities:
    """What the pixels of a plane are like.

    Attributes
    ----------
    range : IntensityRange
        Intensities that become 0 and 1.
    pixels, nonfinite : int
        Number of values, and how many of them are NaN or infinite.
    """

    range: IntensityRange
    pixels: int
    nonfinite: int

    @property
    def is_void(self) -> bool:
        """Whether no pixel is a number."""
        return self.nonfinite == self.pixels

    @property
    def is_constant(self) -> bool:
        """Whether the plane has no contrast."""
        return self.range.is_constant


def measure_intensities(
    planes: Planes, plane: int, scaling: IntensityScaling, region: Window | None = None
) -> Intensities:
    """Intensity range of a whole plane, and the count of pixels that are no numbers.

    Parameters
    ----------
    planes : Planes
        The image.
    plane : int
        Number of the plane.
    scaling : IntensityScaling
        Of the model's card.
    region : tuple of two slices, optional
        Only here the values that are no numbers are counted; the range is always that of the plane.

    Returns
    -------
    Intensities
    """
    limits = _limits(planes.sample(plane), scaling)
    if limits.is_constant:
        limits = replace(_extremes(planes, plane), clipped=limits.clipped)
    if scaling.keep_8bit and planes.dtype == np.uint8 and not limits.is_constant:
        limits = IntensityRange(0.0, 255.0)
    y, x = region or (slice(0, planes.shape[0]), slice(0, planes.shape[1]))
    total = (y.stop - y.start) * (x.stop - x.start) * planes.channels
    bad = 0
    if planes.dtype.kind == "f":
        for rows in _bands(y, x, planes.channels):
            bad += int(np.count_nonzero(~np.isfinite(planes.read(plane, rows, x))))
    return Intensities(limits, total, bad)


def _limits(pixels: NDArray[Any], scaling: IntensityScaling) -> IntensityRange:
    if scaling.method == "mean":
        return standard_range(pixels)
    return intensity_range(pixels, scaling.low_percentile, scaling.high_percentile)


def _extremes(planes: Planes, plane: int) -> IntensityRange:
    y, x = slice(0, planes.shape[0]), slice(0, planes.shape[1])
    low, high = np.inf, -np.inf
    for rows in _bands(y, x, planes.channels):
        pixels = planes.read(plane, rows, x)
        if planes.dtype.kind == "f":
            pixels = pixels[np.isfinite(pixels)]
        if pixels.size:
            low, high = min(low, float(pixels.min())), max(high, float(pixels.max()))
    return IntensityRange(low, high) if np.isfinite(low) else IntensityRange(0.0, 0.0)


def _bands(y: slice, x: slice, channels: int) -> Iterator[slice]:
    rows = max(1, BAND_PIXELS // max(1, (x.stop - x.start) * channels))
    for start in range(y.start, y.stop, rows):
        yield slice(start, min(start + rows, y.stop))


def stack_contrast(planes: Planes, plane: int, scaling: IntensityScaling) -> float:
    """Largest contrast of the z stack that a plane belongs to, looked for in a few evenly spread planes.

    Parameters
    ----------
    planes : Planes
        The image.
    plane : int
        Number of a plane; the stack is that of its time point.
    scaling : IntensityScaling
        Of the model's card.

    Returns
    -------
    float
        In the image's own units; 0 where the image has no z axis.
    """
    if "Z" not in planes.outer_axes:
        return 0.0
    axis = planes.outer_axes.index("Z")
    depth = planes.outer_shape[axis]
    at = list(planes.index(plane))
    largest = 0.0
    for z in sorted({round(z) for z in np.linspace(0, depth - 1, STACK_LOOKS)}):
        at[axis] = z
        pixels = planes.sample(int(np.ravel_multi_index(at, planes.outer_shape)), STACK_PIXELS)
        limits = _limits(pixels, scaling)
        largest = max(largest, limits.high - limits.low)
    return largest


def widened(limits: IntensityRange, contrast: float) -> IntensityRange:
    """A range of at least `LEAST_CONTRAST` of the contrast of the whole stack.

    Planes above and below the objects hold noise and blur only; stretched to full contrast, these would look
    like objects.
    """
    if limits.is_constant:
        return limits
    return replace(limits, high=max(limits.high, limits.low + LEAST_CONTRAST * contrast))


@dataclass(frozen=True, slots=True)
class PlaneView:
    """A plane at the network's scale.

    Attributes
    ----------
    planes : Planes
        The image.
    plane : int
        Number of the plane.
    range : IntensityRange
        Intensities that become 0 and 1.
    scale : float
        Network pixels per plane pixel.
    channels : int
        Channels of the network's input.
    """

    planes: Planes
    plane: int
    range: IntensityRange
    scale: float
    channels: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in network pixels."""
        return scaled_shape(self.planes.shape, self.scale)

    def read(self, y: slice, x: slice) -> NDArray[np.float32]:
        """Network input of a window, (channels, h, w) float32; it may reach past the plane."""
        pixels = read_scaled(self._scaled, self.planes.shape, self.scale, y, x)
        if pixels.shape[2] != self.channels:
            grey = pixels.mean(axis=2, keepdims=True) if pixels.shape[2] > 1 else pixels
            pixels = np.broadcast_to(grey, (*pixels.shape[:2], self.channels))
        return np.ascontiguousarray(np.moveaxis(pixels, 2, 0))

    def _scaled(self, y: slice, x: slice) -> NDArray[np.float32]:
        return scale_intensity(self.planes.read(self.plane, y, x), self.range)
