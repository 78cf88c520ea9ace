"""Near-duplicates of images: the same picture brighter, noisier or moved by a few pixels."""

import base64
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_cellseg.datasets.sample import Pixels
from napari_cellseg.images.scaling import IntensityRange, intensity_range

GRID = 32
"""Rows and columns of a signature."""
REACH = 2
"""Cells of that grid by which a twin may be moved."""
ALIKE = 0.9
"""Least correlation of the signatures of twins."""
_CONTRAST = 0.02
"""Least standard deviation of a signature, as a share of the image's range; below it shows nothing."""
_INSIDE = GRID - 2 * REACH

Grid = NDArray[np.float32]


def signature(pixels: Pixels) -> str:
    """What near-duplicates of a plane are found by, as text.

    The plane's means on a grid of 32 × 32, from which its slow changes (illumination) are taken away; one
    byte each. Empty where nothing stands out of the noise: such images are like none.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, C) ndarray
        Any bool, integer or float type; channels are averaged.
    """
    step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / 2**18)))
    limits = intensity_range(pixels[::step, ::step])
    if limits.is_constant:
        return ""
    means = block_means(pixels, limits, (GRID, GRID))
    detail = means - gaussian_filter(means, GRID / 6)
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
        band = np.nan_to_num(np.clip((band - limits.low) / (limits.high - limits.low), 0, 1))
        line = band.reshape(band.shape[0], width, -1).mean(axis=(0, 2))
        means[i] = np.add.reduceat(line, starts) / widths
    return means


class Signatures:
    """Signatures of many images, to look up which of them are like a new one.

    Parameters
    ----------
    known : mapping of str to str
        Signature by name; empty ones are like none.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._names: list[str] = []
        self._rows = np.zeros((64, _INSIDE * _INSIDE), np.float32)
        self._place: dict[str, int] = {}
        for name, text in known.items():
            self.add(name, text)

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

    def alike(self, text: str) -> list[tuple[str, float]]:
        """Names of the images like one with this signature, and their correlation; the most alike first."""
        grid = _grid(text)
        if grid is None or not self._names:
            return []
        moved = [
            _normed(grid[y : y + _INSIDE, x : x + _INSIDE])
            for y in range(2 * REACH + 1)
            for x in range(2 * REACH + 1)
        ]
        best = (self._rows[: len(self._names)] @ np.stack(moved, axis=1)).max(axis=1)
        found = [(self._names[i], float(best[i])) for i in np.flatnonzero(best >= ALIKE)]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def _grid(text: str) -> Grid | None:
    try:
        content = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except ValueError:
        return None
    return content.reshape(GRID, GRID).astype(np.float32) - 128 if content.size == GRID * GRID else None


def _normed(window: Grid) -> Grid:
    flat: Grid = window.ravel() - window.mean()
    flat /= max(float(np.linalg.norm(flat)), 1e-6)
    return flat
