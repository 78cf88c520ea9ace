"""How a plane is cut into tiles for a model, and how that shrinks when memory runs out."""

from dataclasses import dataclass, replace
from math import ceil, floor
from numbers import Integral

from napari_cellseg.errors import OptionError
from napari_cellseg.models.card import ModelCard
from napari_cellseg.tiles.grid import GROWTH, TileGrid, Window, tile_grid

SMALLEST_TILE = 128
"""Tiles are not made smaller than this when a device runs out of memory, pixels."""

BATCH_PIXELS = 2**22
"""Pixels of all tiles that a GPU gets at once."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """Sizes of tiles, in pixels at the network's scale.

    Attributes
    ----------
    tile, overlap, multiple : int
        Largest edge, least overlap, and what edges are multiples of.
    growth : float
        A plane this many times larger than a tile is still seen at once.
    batch : int
        Tiles that the model gets at once.
    """

    tile: int
    overlap: int
    multiple: int
    growth: float
    batch: int

    def grid(self, shape: tuple[int, int]) -> TileGrid:
        """Tiles of a plane of this shape at network scale."""
        return tile_grid(shape, self.tile, self.overlap, self.multiple, growth=self.growth)

    def smaller(self) -> "Tiling | None":
        """The next attempt after memory ran out: one tile at a time, then half the edge; None at the end."""
        if self.batch > 1:
            return replace(self, batch=1)
        half = self.tile // 2 // self.multiple * self.multiple
        if half < max(SMALLEST_TILE, self.multiple):
            return None
        return replace(self, tile=half, overlap=min(self.overlap, half // 2), growth=1.0)


def choose_tiling(card: ModelCard, tile: int | None, device: str) -> Tiling:
    """Tiling for a model on a device.

    Parameters
    ----------
    card : ModelCard
        The model's card.
    tile : int or None
        Largest edge asked for, in pixels at network scale; None for the card's own.
    device : str
        Device that runs the model.

    Raises
    ------
    OptionError
        Where the tile is not a sensible edge.
    """
    edge = card.tile if tile is None else tile
    least = max(2 * card.tile_multiple, 32)
    most = card.tile if card.fixed_tile else 8192
    whole = isinstance(edge, Integral) and not isinstance(edge, bool)
    if not whole or not least <= edge <= most:
        raise OptionError(
            f"tile must be a whole number of pixels from {least} to {most} for this model, not {edge!r}."
        )
    edge = int(edge) // card.tile_multiple * card.tile_multiple
    batch = 1 if device == "cpu" else max(1, BATCH_PIXELS // edge**2)
    overlap = min(card.overlap, edge // 2)
    growth = GROWTH if tile is None and not card.fixed_tile else 1.0
    return Tiling(edge, overlap, card.tile_multiple, growth, batch)


def network_window(region: Window, shape: tuple[int, int], scale: float) -> Window:
    """The part of a plane at network scale, of this shape, that a region in pixels of the plane covers."""
    y, x = (
        slice(min(size - 1, floor(r.start * scale)), max(1, min(size, ceil(r.stop * scale))))
        for r, size in zip(region, shape, strict=True)
    )
    return y, x


def needed_window(shape: tuple[int, int], halo: int, window: Window) -> Window:
    """A window with the halo around it, inside the plane."""
    y, x = (slice(max(0, w.start - halo), min(n, w.stop + halo)) for w, n in zip(window, shape, strict=True))
    return y, x


def halo_of(card: ModelCard) -> int:
    """Pixels around a block that must be seen so that its objects come out whole."""
    return ceil(card.max_diameter)


def count_tiles(grid: TileGrid, window: Window) -> int:
    """Tiles that contribute to a window."""
    return sum(len(row) for row in grid.by_rows(window))
