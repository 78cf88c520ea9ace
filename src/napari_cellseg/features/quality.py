"""How good a picture is: in focus, not saturated, evenly lit."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import sobel
from skimage.util import img_as_float

BAND = 256
"""Lines of a plane that are looked at at once."""
_DEPTHS = (8, 10, 12, 14, 16, 32, 64)
_BLUR_WIDTH = 11
_SMALLEST = np.spacing(1)
_BLOCKS = 8
_BLOCK_PIXELS = 1 << 14


def focus(channel: NDArray[Any]) -> float:
    """Variance of the Laplacian over the variance of the intensities: higher is sharper.

    Neither gain nor offset change it; noise raises it, 20 for nothing but noise.

    Parameters
    ----------
    channel : (Y, X) ndarray
        NaN where it is even, or a pixel is not finite.

    Returns
    -------
    float
        Pech-Pacheco et al. 2000, divided by the variance.
    """
    variance = float(np.var(channel, dtype=np.float64))
    if not variance > 0:
        return np.nan
    total, squares = 0.0, 0.0
    for lines, inner in _bands(channel, 1):
        laplacian = ndimage.laplace(lines.astype(np.float64))[inner]
        total += float(laplacian.sum())
        squares += float(np.square(laplacian).sum())
    return (squares / channel.size - (total / channel.size) ** 2) / variance


def blur(channel: NDArray[Any]) -> float:
    """How little detail is lost by blurring once more: 0 is sharp, 1 is blurred.

    Parameters
    ----------
    channel : (Y, X) ndarray
        NaN where it has fewer than 4 lines or columns, or a pixel is not finite.

    Returns
    -------
    float
        scikit-image's ``blur_effect`` (Crete et al. 2007), band by band, with little memory; of 64-bit
        integers that of the same numbers as floats, where scikit-image loses them in its scaling.
    """
    if min(channel.shape) < 4:
        return np.nan
    sharp, lost = np.zeros(2), np.zeros(2)
    for lines, inner in _bands(channel, _BLUR_WIDTH // 2 + 1, skipped=(2, 1)):
        wide = lines.dtype.kind in "iu" and lines.dtype.itemsize == 8
        lines = lines.astype(np.float64) if wide else img_as_float(lines)
        for axis in range(2):
            smooth = ndimage.uniform_filter1d(lines, _BLUR_WIDTH, axis=axis)
            steep = np.maximum(np.abs(sobel(lines, axis=axis)), _SMALLEST)
            loss = np.maximum(steep - np.maximum(np.abs(sobel(smooth, axis=axis)), _SMALLEST), 0)
            sharp[axis] += steep[inner, 2:-1].sum()
            lost[axis] += loss[inner, 2:-1].sum()
    return float(np.max(np.abs(sharp - lost) / sharp))


def saturation(channel: NDArray[Any]) -> float:
    """Share of pixels at the highest value that the camera can give.

    Parameters
    ----------
    channel : (Y, X) ndarray
        Integers; or floats, of which full scale is 1 where none is above. Not finite pixels don't count.

    Returns
    -------
    float
        Full scale is 2ᵇ − 1 with the fewest bits b of 8, 10, 12, 14, 16, 32 or 64 that hold the brightest
        pixel, so that 12-bit data in 16-bit files are seen. NaN where no pixel is finite.
    """
    values = channel[np.isfinite(channel)] if channel.dtype.kind == "f" else channel
    if values.size == 0:
        return np.nan
    top = values.max()
    if channel.dtype.kind == "b" or (channel.dtype.kind == "f" and top <= 1):
        return float(np.mean(values == 1))
    bits = next((b for b in _DEPTHS if top <= 2**b - 1), None)
    return 0.0 if bits is None else float(np.mean(values == 2**bits - 1))


def unevenness(channel: NDArray[Any], labels: NDArray[Any]) -> float:
    """How much the light of the background changes over the plane, relative to its mean.

    Parameters
    ----------
    channel, labels : (Y, X) ndarray
        Intensities, and the objects that are left out.

    Returns
    -------
    float
        (max − min) / mean of a quadratic surface (Lindblad & Bengtsson 2001) through the medians of the
        background in 8 × 8 blocks; 0 is even. NaN where fewer than 12 blocks hold 16 pixels of background, or
        the mean is not above 0.
    """
    edges = [np.linspace(0, n, _BLOCKS + 1).astype(int) for n in channel.shape]
    places, medians = [], []
    for i in range(_BLOCKS):
        for j in range(_BLOCKS):
            block = slice(edges[0][i], edges[0][i + 1]), slice(edges[1][j], edges[1][j + 1])
            values = channel[block][labels[block] == 0]
            values = values[:: max(1, values.size // _BLOCK_PIXELS)]
            values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
            if values.size >= 16:
                places.append((i, j))
                medians.append(float(np.median(values)))
    if len(places) < 12:
        return np.nan
    y, x = (np.array(places) - (_BLOCKS - 1) / 2).T
    terms = np.stack([np.ones(len(y)), y, x, y * y, y * x, x * x], axis=1)
    surface = terms @ np.linalg.lstsq(terms, np.array(medians))[0]
    return float(np.ptp(surface) / surface.mean()) if surface.mean() > 0 else np.nan


def _bands(
    channel: NDArray[Any], halo: int, skipped: tuple[int, int] = (0, 0)
) -> Iterator[tuple[NDArray[Any], slice]]:
    """Bands of lines with a halo, and which of these are the band's own, but for lines at both ends."""
    end = channel.shape[0] - skipped[1]
    for start in range(skipped[0], end, BAND):
        stop, first = min(start + BAND, end), max(start - halo, 0)
        yield channel[first : stop + halo], slice(start - first, stop - first)
