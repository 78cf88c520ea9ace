"""Blending of the overlapping per-pixel maps of tiles, in a band of rows that rolls down the plane."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.tiles.grid import Tile, TileGrid, Window

Maps = NDArray[np.float32]


@njit(cache=True, nogil=True)
def _accumulate(band: Any, maps: Any, wy: Any, wx: Any, y0: int, x0: int) -> None:
    for k in range(maps.shape[0]):
        for y in range(wy.size):
            weight = wy[y]
            row = y + y0
            if weight == 0.0 or row < 0 or row >= band.shape[1]:
                continue
            for x in range(wx.size):
                column = x + x0
                if 0 <= column < band.shape[2]:
                    band[k, row, column] += weight * wx[x] * maps[k, y, x]


@njit(cache=True, nogil=True)
def _roll(band: Any, rows: int) -> None:
    height = band.shape[1]
    for k in range(band.shape[0]):
        for y in range(height - rows):
            band[k, y] = band[k, y + rows]
        for y in range(max(0, height - rows), height):
            band[k, y] = 0.0


class BlendingBand:
    """Weighted sums of the maps of tiles, for a limited number of rows.

    Parameters
    ----------
    grid : TileGrid
        The tiles; their weights sum to one, so that no division is needed.
    maps : int
        Number of maps, K.
    rows : int
        Rows that are held at once.
    window : tuple of two slices
        Rows and columns of the plane that will be asked for; the band starts at its first row.
    """

    def __init__(self, grid: TileGrid, maps: int, rows: int, window: Window) -> None:
        y, x = window
        self.grid = grid
        self.top = y.start
        self.left = x.start
        self._band = np.zeros((maps, min(rows, y.stop - y.start), x.stop - x.start), np.float32)

    def add(self, tile: Tile, maps: Maps) -> None:
        """Add the maps of one tile, (K, h, w) float32."""
        wy = self.grid.rows.weights[tile.row]
        wx = self.grid.columns.weights[tile.column]
        _accumulate(self._band, maps, wy, wx, tile.y.start - self.top, tile.x.start - self.left)

    def roll(self, top: int) -> None:
        """Forget the rows above `top`, which make room below."""
        if top > self.top:
            _roll(self._band, min(top - self.top, self._band.shape[1]))
            self.top = top

    def read(self, y: slice, x: slice) -> Maps:
        """Blended maps of a window, (K, h, w); a view, valid until the next `roll`.

        Raises
        ------
        ValueError
            Where the window is not in the band.
        """
        if y.start < self.top or y.stop > self.top + self._band.shape[1]:
            raise ValueError(
                f"rows {y.start} to {y.stop} are not in the band, which holds {self.top} to "
                f"{self.top + self._band.shape[1]}"
            )
        return self._band[:, y.start - self.top : y.stop - self.top, x.start - self.left : x.stop - self.left]
