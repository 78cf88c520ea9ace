"""Near-duplicates of images: the same picture brighter, noisier or moved by a few pixels."""

import base64
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2
from scipy.ndimage import gaussian_filter

from napari_cellseg.datasets.sample import Pixels
from napari_cellseg.images.scaling import IntensityRange, intensity_range

GRID = 32
"""Rows and columns of a signature."""
REACH = 2
"""Cells of that grid by which a twin may be moved."""
ALIKE = 0.85
"""Least correlation of the signatures of twins; of images that have nothing in common it is below 0.75."""
EQUAL = 0.75
"""Least correlation of their details; of images that have nothing in common it is below 0.4."""
_FINE = 192
"""Longer edge of the planes on which details are compared."""
_CONTRAST = 0.01
"""Least standard deviation of a signature, as a share of the image's range; below it shows nothing."""
_INSIDE = GRID - 2 * REACH

Grid = NDArray[np.float32]


def signature(pixels: Pixels) -> str:
    """What near-duplicates of a plane are found by, as text.

    The plane blurred to a grid of 32 × 32, so that moves by a few pixels matter little, without its slow
    changes (illumination); one byte each. Empty where nothing stands out of the noise: such images are
    like none.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, C) ndarray
        Any bool, integer or float type; channels are averaged.
    """
    limits = _limits(pixels)
    if limits.is_constant:
        return ""
    means = block_means(pixels, limits, (2 * GRID, 2 * GRID))
    detail = _band(means, 2, GRID / 3)[::2, ::2]
    spread = float(detail.std())
    if spread < _CONTRAST:
        return ""
    eight = np.clip(np.rint(detail / spread * 24) + 128, 0, 255).astype(np.uint8)
    return base64.b64encode(eight.tobytes()).decode("ascii")


def block_means(pixels: Pixels, limits: IntensityRange, shape: tuple[int, int]) -> Grid:
    """Means of a plane on a coarse grid, 0 and 1 being the limits, which clip it; channels are averaged."""
    height, width = pixels.shape[:2]
    rows = np.linspace(0, height, shape[0] + 1)
    columns = np.linspace(0, width, shape[1] + 1)
    starts = np.minimum(columns[:-1].astype(int), width - 1)
    widths = np.maximum(np.diff(np.append(starts, width)), 1)
    means = np.empty(shape, np.float32)
    for i, (low, high) in enumerate(zip(rows[:-1].astype(int), rows[1:].astype(int), strict=True)):
        low = min(low, height - 1)
        band = pixels[low : max(high, low + 1)].astype(np.float32)
        band = np.clip((band - limits.low) / (limits.high - limits.low), 0, 1)
        if pixels.dtype.kind == "f":
            band = np.nan_to_num(band)
        line = band.reshape(band.shape[0], width, -1).mean(axis=(0, 2))
        means[i] = np.add.reduceat(line, starts) / widths
    return means


def is_twin(pixels: Pixels, others: Pixels) -> bool:
    """Whether two planes whose signatures are alike show the same in detail too, moved by a few pixels.

    The largest cross-correlation of both at an edge of `_FINE` pixels, without what is coarser than some
    pixels, where shapes and places of cells may agree by chance.

    Parameters
    ----------
    pixels, others : (Y, X) or (Y, X, C) ndarray
        Their shapes may differ.
    """
    height, width = pixels.shape[:2]
    edge = min(_FINE, max(*pixels.shape[:2], *others.shape[:2]))
    scale = edge / max(height, width)
    shape = max(8, round(height * scale)), max(8, round(width * scale))
    one, two = (rfft2(_detail(plane, shape)) for plane in (pixels, others))
    moved = irfft2(one * two.conj(), shape)
    reach = [max(2, n // 16) for n in shape]
    near = np.roll(moved, reach, (0, 1))[: 2 * reach[0] + 1, : 2 * reach[1] + 1]
    return bool(near.max() >= EQUAL)


def _detail(pixels: Pixels, shape: tuple[int, int]) -> Grid:
    limits = _limits(pixels)
    if limits.is_constant:
        return np.zeros(shape, np.float32)
    return _normed(_band(block_means(pixels, limits, shape), 1, 6)).reshape(shape)


def _band(means: Grid, fine: float, coarse: float) -> Grid:
    """What is neither finer nor coarser than these widths of a Gaussian."""
    band: Grid = gaussian_filter(means, fine) - gaussian_filter(means, coarse)
    return band


def _limits(pixels: Pixels) -> IntensityRange:
    step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / 2**18)))
    return intensity_range(pixels[::step, ::step])


class Signatures:
    """Signatures of many images, to look up which of them are like a new one.

    Parameters
    ----------
    known : mapping of str to str
        Signature by name; empty ones are like none.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._names = list(known)
        self._place = {name: place for place, name in enumerate(known)}
        self._rows = np.zeros((len(known) + 64, _INSIDE * _INSIDE), np.float32)
        grids = {
            place: grid for place, text in enumerate(known.values()) if (grid := _grid(text)) is not None
        }
        if grids:
            self._rows[list(grids)] = _normed(np.stack(list(grids.values()))[:, REACH:-REACH, REACH:-REACH])

    def add(self, name: str, text: str) -> None:
        """Take in the signature of an image, in place of the one that it had."""
        place = self._place.get(name)
        if place is None:
            place = self._place[name] = len(self._names)
            self._names.append(name)
            if place == len(self._rows):
                self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        grid = _grid(text)
        self._rows[place] = 0 if grid is None else _normed(grid[REACH:-REACH, REACH:-REACH])

    def alike(self, text: str) -> list[str]:
        """Names of the images whose signature is like this one; the most alike first."""
        grid = _grid(text)
        if grid is None or not self._names:
            return []
        moved = [
            _normed(grid[y : y + _INSIDE, x : x + _INSIDE])
            for y in range(2 * REACH + 1)
            for x in range(2 * REACH + 1)
        ]
        best = (self._rows[: len(self._names)] @ np.stack(moved, axis=1)).max(axis=1)
        found = [(-float(best[i]), self._names[i]) for i in np.flatnonzero(best >= ALIKE)]
        return [name for _, name in sorted(found)]


def _grid(text: str) -> Grid | None:
    try:
        content = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except ValueError:
        return None
    return content.reshape(GRID, GRID).astype(np.float32) - 128 if content.size == GRID * GRID else None


def _normed(windows: Grid) -> Grid:
    """Windows (…, n, m) as vectors (…, n m) of mean 0 and length 1: their products are correlations."""
    flat: Grid = windows.reshape(*windows.shape[:-2], -1)
    flat = flat - flat.mean(axis=-1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-6)
    return flat
