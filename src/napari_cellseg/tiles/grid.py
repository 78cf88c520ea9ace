"""Which pieces of a plane a model sees, and which block of a plane owns an object."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Window = tuple[slice, slice]
"""Rows and columns, half-open, in pixels."""

GROWTH = 1.5
"""An axis up to this many times the automatic tile is seen at once: cheaper than two overlapping tiles."""


@dataclass(frozen=True)
class AxisTiles:
    """Tiles along one axis: equal edges, starts at multiples of `multiple`, weights that sum to one.

    Attributes
    ----------
    length : int
        Pixels of the axis.
    edge : int
        Pixels of a tile; it reaches past `length` where the axis is no multiple.
    starts : tuple of int
        First pixel of each tile.
    trim : int
        Outermost pixels of a tile, at borders inside the plane, that are never used.
    """

    length: int
    edge: int
    starts: tuple[int, ...]
    trim: int

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """Weight of each pixel of each tile, (tiles, edge); over all tiles they sum to 1 in every pixel.

        Smooth ramps over the overlap, 0 in the trimmed border.
        """
        n, edge = len(self.starts), self.edge
        total = np.zeros(self.starts[-1] + edge)
        raw = np.ones((n, edge))
        for i in range(n):
            if i > 0:
                raw[i] *= self._ramp(self.starts[i - 1] + edge - self.starts[i])
            if i < n - 1:
                raw[i] *= self._ramp(self.starts[i] + edge - self.starts[i + 1])[::-1]
            total[self.starts[i] : self.starts[i] + edge] += raw[i]
        for i, start in enumerate(self.starts):
            raw[i] /= total[start : start + edge]
        return raw.astype(np.float32)

    def _ramp(self, overlap: int) -> NDArray[np.float64]:
        width = max(1, overlap - 2 * self.trim)
        t = np.clip((np.arange(self.edge) - self.trim + 0.5) / width, 0.0, 1.0)
        return t * t * (3.0 - 2.0 * t)

    def support(self, tile: int) -> tuple[int, int]:
        """First and past-the-last pixel of the axis that this tile contributes to."""
        start = self.starts[tile]
        low = start + (self.trim if tile > 0 else 0)
        high = start + self.edge - (self.trim if tile < len(self.starts) - 1 else 0)
        return low, min(high, self.length)


@dataclass(frozen=True)
class Tile:
    """One tile: its place in the grid and the window that the model reads.

    Attributes
    ----------
    row, column : int
        Position in the grid.
    y, x : slice
        Rows and columns that the model reads; they may reach past the plane.
    support : tuple of two slices
        Rows and columns of the plane that the tile contributes to.
    """

    row: int
    column: int
    y: slice
    x: slice
    support: Window


@dataclass(frozen=True)
class TileGrid:
    """Overlapping tiles that cover a plane, all of one shape.

    Attributes
    ----------
    rows, columns : AxisTiles
        Tiles along Y and along X.
    """

    rows: AxisTiles
    columns: AxisTiles

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the plane."""
        return self.rows.length, self.columns.length

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width of each tile."""
        return self.rows.edge, self.columns.edge

    def __len__(self) -> int:
        return len(self.rows.starts) * len(self.columns.starts)

    def tile(self, row: int, column: int) -> Tile:
        """The tile at a position of the grid."""
        y, x = self.rows.starts[row], self.columns.starts[column]
        return Tile(
            row,
            column,
            slice(y, y + self.rows.edge),
            slice(x, x + self.columns.edge),
            (slice(*self.rows.support(row)), slice(*self.columns.support(column))),
        )

    def by_rows(self, window: Window | None = None) -> Iterator[list[Tile]]:
        """Rows of tiles, top to bottom; with a window only the tiles that contribute to it."""
        y, x = window or (slice(0, self.rows.length), slice(0, self.columns.length))
        for row in range(len(self.rows.starts)):
            if not _meets(self.rows.support(row), y):
                continue
            columns = [c for c in range(len(self.columns.starts)) if _meets(self.columns.support(c), x)]
            yield [self.tile(row, c) for c in columns]


def _meets(support: tuple[int, int], window: slice) -> bool:
    return support[0] < int(window.stop) and support[1] > int(window.start)


def tile_axis(
    length: int, tile: int, overlap: int, multiple: int = 1, *, growth: float = 1.0, trim: int | None = None
) -> AxisTiles:
    """Tiles along one axis: as few as cover it, evenly spread, no larger than needed.

    Parameters
    ----------
    length : int
        Pixels of the axis, at least 1.
    tile : int
        Largest edge of a tile, pixels.
    overlap : int
        Least overlap of neighbouring tiles, pixels; at most half a tile is used.
    multiple : int
        Starts and edges are multiples of this.
    growth : float
        One single tile may be this many times larger.
    trim : int, optional
        Border pixels of a tile that are not used; by default an eighth of the overlap.

    Returns
    -------
    AxisTiles
    """
    largest = max(multiple, tile // multiple * multiple)
    padded = -(-length // multiple) * multiple
    if padded <= max(largest, int(largest * growth)):
        return AxisTiles(length, padded, (0,), 0)
    overlap = min(-(-overlap // multiple) * multiple, largest // 2 // multiple * multiple)
    count = -(-(padded - overlap) // (largest - overlap))
    share = -(-(padded - overlap) // count) + overlap
    edge = min(largest, -(-share // multiple) * multiple)
    units = (padded - edge) // multiple
    starts = tuple(int(i * units / (count - 1) + 0.5) * multiple for i in range(count))
    shared = min(a + edge - b for a, b in zip(starts[:-1], starts[1:], strict=True))
    trim = overlap // 8 if trim is None else trim
    return AxisTiles(length, edge, starts, min(trim, max(0, shared - 1) // 2))


def tile_grid(
    shape: tuple[int, int], tile: int, overlap: int, multiple: int = 1, *, growth: float = 1.0
) -> TileGrid:
    """Overlapping tiles that cover a plane.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the plane, pixels at the network's scale.
    tile, overlap, multiple, growth
        As in `tile_axis`.

    Returns
    -------
    TileGrid
    """
    rows, columns = (tile_axis(n, tile, overlap, multiple, growth=growth) for n in shape)
    return TileGrid(rows, columns)


@dataclass(frozen=True)
class Block:
    """A piece of a plane that is cut into objects at once.

    Attributes
    ----------
    write : tuple of two slices
        Rows and columns that the block owns: objects whose reference point lies here are its own.
    read : tuple of two slices
        The same with the halo around it, inside the plane.
    """

    write: Window
    read: Window


def block_grid(
    shape: tuple[int, int], edge: int, halo: int, window: Window | None = None
) -> list[list[Block]]:
    """Blocks that partition a plane, or a window of it, in rows from top to bottom.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the plane.
    edge : int
        Largest edge of a block, pixels.
    halo : int
        Pixels around a block that are read too.
    window : tuple of two slices, optional
        Only this part of the plane is partitioned.

    Returns
    -------
    list of list of Block
    """
    y, x = window or (slice(0, shape[0]), slice(0, shape[1]))
    rows, columns = _partition(y, edge), _partition(x, edge)
    return [
        [Block((r, c), (_grown(r, halo, shape[0]), _grown(c, halo, shape[1]))) for c in columns] for r in rows
    ]


def _partition(span: slice, edge: int) -> list[slice]:
    length = span.stop - span.start
    count = max(1, -(-length // edge))
    ends = [span.start + length * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]


def _grown(span: slice, halo: int, length: int) -> slice:
    return slice(max(0, span.start - halo), min(length, span.stop + halo))
