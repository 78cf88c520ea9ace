"""Objects of one plane: tiles through the model, maps or pieces put together, in pixels of the plane."""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import ModelError
from napari_cellseg.instances.instance import Instances
from napari_cellseg.instances.maps import Decoding, decode_maps, object_medians
from napari_cellseg.instances.merging import TileMerger
from napari_cellseg.instances.overlap import overlapping_pairs
from napari_cellseg.labels.enlarging import Placement, border_levels, enlarge_labels
from napari_cellseg.labels.rasterising import paint_instances
from napari_cellseg.models.card import DISAGREEMENT, ModelCard
from napari_cellseg.models.protocols import InstanceModel, Model, PixelModel
from napari_cellseg.pipeline.clock import Clock
from napari_cellseg.pipeline.kept_maps import KeptMaps
from napari_cellseg.pipeline.tiling import Tiling, halo_of, needed_window, network_window
from napari_cellseg.pipeline.view import PlaneView
from napari_cellseg.tiles.blending import BlendingBand
from napari_cellseg.tiles.grid import Block, Tile, TileGrid, Window, block_grid

BLOCK_EDGE = 1024
"""Largest edge of a block that is cut into objects at once, in network pixels."""

BORDER = 2.0
"""Reference points this close to a border between blocks may be seen on either side, network pixels."""

Found = int | Instances
"""Tiles that were just done, or objects that are."""


def compile_decoding(card: ModelCard) -> None:
    """Have numba compile the decoder, or load it compiled; seconds the first time, then nothing."""
    if card.decoder is not None:
        decode_maps(np.zeros((len(card.maps), 16, 16), np.float32), card.decoder)


def decoder_of(card: ModelCard) -> Decoding:
    """How the maps of a model become objects.

    Raises
    ------
    ModelError
        Where its card does not say so.
    """
    if card.decoder is None:
        raise ModelError(f"Model '{card.name}' returns maps, but its card has no decoder for them.")
    return card.decoder


@dataclass
class Search:
    """What to look for objects in, and how.

    Attributes
    ----------
    model : PixelModel or InstanceModel
        What looks.
    view : PlaneView
        The plane.
    tiling : Tiling
        Sizes of tiles.
    region : tuple of two slices
        Rows and columns of the plane, in its own pixels: only objects whose reference point lies here.
    clock : Clock
        Where the time goes.
    kept : KeptMaps, optional
        Where maps of the model are kept.
    cut_off : int
        Objects so far that reach past what was seen around them.
    """

    model: Model
    view: PlaneView
    tiling: Tiling
    region: Window
    clock: Clock = field(default_factory=Clock)
    kept: KeptMaps | None = None
    cut_off: int = 0

    @property
    def window(self) -> Window:
        """The region at network scale."""
        return network_window(self.region, self.view.shape, self.view.scale)

    @property
    def needed(self) -> Window:
        """What of the network's plane must be predicted."""
        return needed_window(self.view.shape, halo_of(self.model.card), self.window)

    @property
    def grid(self) -> TileGrid:
        """Tiles of the whole plane: the same for every region of it."""
        return self.tiling.grid(self.view.shape)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width of the plane, in its own pixels."""
        return self.view.planes.shape

    def placement(self, window: Window) -> Placement:
        """Where a window of the network's plane lies in the plane."""
        return Placement(self.view.scale, (window[0].start, window[1].start), self.plane_shape)

    def batches(self, row: list[Tile]) -> list[list[Tile]]:
        """Tiles of a row in the groups that the model gets at once."""
        return [row[i : i + self.tiling.batch] for i in range(0, len(row), self.tiling.batch)]

    def read(self, tiles: list[Tile]) -> NDArray[np.float32]:
        """Network input of some tiles, (N, C, H, W)."""
        with self.clock.measure("reading"):
            return np.stack([self.view.read(t.y, t.x) for t in tiles])

    def keep(self, block: Block, maps: NDArray[np.float32]) -> None:
        """Keep what a block answers for of the maps that are asked for."""
        if self.kept is None:
            return
        with self.clock.measure("keeping"):
            index = self.view.planes.index(self.view.plane)
            frames = (self.view.shape, self.window, self.region)
            self.kept.write(index, block, maps, self.view.scale, frames)

    def in_region(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points (N, 2), in pixels of the plane, lie in the region."""
        y, x = self.region
        low, high = np.array([y.start, x.start]) - 0.5, np.array([y.stop, x.stop]) - 0.5
        high = np.where(high + 0.5 >= self.plane_shape, np.inf, high)
        low = np.where(low + 0.5 <= 0, -np.inf, low)
        inside: NDArray[np.bool_] = np.all((points >= low) & (points < high), axis=1)
        return inside


def find_objects(search: Search) -> Generator[Found, None, None]:
    """Find the objects of a plane, or of a region of it.

    Parameters
    ----------
    search : Search
        Where and how.

    Yields
    ------
    int
        Number of tiles that were just done.
    Instances
        Objects that are done, in pixels of the plane, with confidences down to the floor; each comes once.

    Raises
    ------
    OutOfMemoryError
        Where the model's device has too little memory for the tiles.
    """
    if isinstance(search.model, PixelModel):
        yield from _find_with_maps(search, search.model)
    else:
        yield from _find_with_instances(search, search.model)


def predicted_maps(model: PixelModel, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maps of some tiles, checked against the card.

    Raises
    ------
    ModelError
        Where the maps have another shape, or values that are no numbers.
    """
    maps = model.predict_maps(tiles)
    expected = (len(tiles), len(model.card.maps), *tiles.shape[2:])
    if maps.shape != expected:
        raise ModelError(
            f"Model '{model.card.name}' must return maps of shape {expected} as its card says, not "
            f"{maps.shape}."
        )
    if not np.isfinite(maps).all():
        raise ModelError(
            f"Model '{model.card.name}' returned values that are no numbers; its weights are damaged, or too "
            f"coarse a type of number is used on {model.device}."
        )
    return maps


def _find_with_maps(search: Search, model: PixelModel) -> Generator[Found, None, None]:
    grid, needed = search.grid, search.needed
    halo = halo_of(model.card)
    pending = deque(block_grid(search.view.shape, BLOCK_EDGE, halo, search.window))
    rows = list(grid.by_rows(needed))
    height = max(b[0].read[0].stop - b[0].read[0].start for b in pending) + grid.tile_shape[0]
    band = BlendingBand(grid, len(model.card.maps), height, needed)
    cutter = _BlockCutter(search, model.card)
    for i, row in enumerate(rows):
        band.roll(pending[0][0].read[0].start)
        for tiles in search.batches(row):
            pixels = search.read(tiles)
            with search.clock.measure("network"):
                maps = predicted_maps(model, pixels)
            with search.clock.measure("blending"):
                for tile, tile_maps in zip(tiles, maps, strict=True):
                    band.add(tile, tile_maps)
            yield len(tiles)
        final = rows[i + 1][0].support[0].start if i + 1 < len(rows) else search.view.shape[0]
        while pending and pending[0][0].read[0].stop <= final:
            for block in pending.popleft():
                blended = band.read(*block.read)
                with search.clock.measure("decoding"):
                    found = cutter.cut(block, blended)
                search.keep(block, blended)
                yield found


class _BlockCutter:
    """Cuts the maps of one block after the other into objects, each object once."""

    def __init__(self, search: Search, card: ModelCard) -> None:
        self._search = search
        self._decoder = decoder_of(card)
        self._confidence = card.confidence
        self._doubted = card.maps.index(DISAGREEMENT) if DISAGREEMENT in card.maps else None
        self._borderline = Instances.empty()

    def cut(self, block: Block, maps: NDArray[np.float32]) -> Instances:
        """Objects that the block owns, in pixels of the plane."""
        decoded = decode_maps(np.ascontiguousarray(maps), self._decoder)
        placement = self._search.placement(block.read)
        inside, borderline = _ownership(block, decoded.anchors, self._search.window)
        inside &= self._search.in_region(placement.plane_points(decoded.anchors))
        which = np.flatnonzero(inside)
        sure = which[decoded.scores[which] >= self._confidence]
        self._search.cut_off += int(np.isin(sure + 1, self._at_edges(block, decoded.labels)).sum())
        levels = border_levels(decoded.labels, maps[0], len(decoded.scores))
        found = enlarge_labels(
            decoded.labels,
            decoded.scores,
            decoded.classes,
            which,
            placement,
            maps[0],
            np.minimum(levels, self._decoder.foreground),
        )
        if self._doubted is not None:
            medians = object_medians(maps[self._doubted], decoded.labels, len(decoded.scores))
            found = replace(found, disagreement=medians[which])
        return self._once(found, borderline[which])

    def _at_edges(self, block: Block, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """Labels at those edges of what the block read that lie inside the plane."""
        (y, x), (height, width) = block.read, self._search.view.shape
        edges = [
            (y.start > 0, labels[0]),
            (y.stop < height, labels[-1]),
            (x.start > 0, labels[:, 0]),
            (x.stop < width, labels[:, -1]),
        ]
        return np.unique(np.concatenate([np.zeros(0, np.int32), *(line for inner, line in edges if inner)]))

    def _once(self, found: Instances, borderline: NDArray[np.bool_]) -> Instances:
        """Without empty objects, and those at a border that another block has given already."""
        keep = found.areas > 0
        near = np.flatnonzero(borderline & keep)
        if len(near):
            fresh = found.take(near)
            shared = overlapping_pairs(fresh, self._borderline)
            least = np.minimum(fresh.areas[shared[:, 0]], self._borderline.areas[shared[:, 1]])
            again = shared[2 * shared[:, 2] > least, 0]
            keep[near[again]] = False
            self._borderline = Instances.concatenate([self._borderline, found.take(near[keep[near]])])
        return found.take(keep)


def _ownership(
    block: Block, anchors: NDArray[np.float32], window: Window
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which reference points a block may claim, and which of them lie so close to a border that
    the neighbouring block may claim them too."""
    points = np.asarray(anchors, np.float64) + (block.read[0].start, block.read[1].start)  # noqa: RUF005
    inside = np.ones(len(points), np.bool_)
    borderline = np.zeros(len(points), np.bool_)
    for axis in (0, 1):
        low, high = block.write[axis].start - 0.5, block.write[axis].stop - 0.5
        at = points[:, axis]
        if block.write[axis].start > window[axis].start:
            inside &= at >= low - BORDER
            borderline |= at < low + BORDER
        if block.write[axis].stop < window[axis].stop:
            inside &= at < high + BORDER
            borderline |= at >= high - BORDER
    return inside, borderline


def _find_with_instances(search: Search, model: InstanceModel) -> Generator[Found, None, None]:
    merger = TileMerger(search.view.shape)
    rows = list(search.grid.by_rows(search.needed))
    for i, row in enumerate(rows):
        for tiles in search.batches(row):
            pixels = search.read(tiles)
            with search.clock.measure("network"):
                found = model.predict_instances(pixels)
            with search.clock.measure("merging"):
                for tile, instances in zip(tiles, found, strict=True):
                    merger.add(instances.shifted(tile.y.start, tile.x.start), tile.y, tile.x)
            yield len(tiles)
        with search.clock.measure("merging"):
            merged = merger.finish(rows[i + 1][0].y.start if i + 1 < len(rows) else None)
            placed = _placed(search, merged)
        yield placed


def _placed(search: Search, merged: Instances) -> Instances:
    """Merged instances, made disjoint by confidence, in pixels of the plane."""
    if not len(merged):
        return merged
    y0, x0 = merged.boxes[:, :2].min(axis=0).tolist()
    y1, x1 = merged.boxes[:, 2:].max(axis=0).tolist()
    merged = merged.take(np.lexsort((np.arange(len(merged)), -merged.scores)))
    labels = np.zeros((y1 - y0, x1 - x0), np.int32)
    painted = paint_instances(labels, merged, np.arange(1, len(merged) + 1, dtype=np.int32), (y0, x0))
    placement = search.placement((slice(y0, y1), slice(x0, x1)))
    centres = placement.plane_points((merged.boxes[:, :2] + merged.boxes[:, 2:] - 1) / 2 - (y0, x0))
    which = np.flatnonzero(search.in_region(centres) & (painted > 0))
    found = enlarge_labels(labels, merged.scores, merged.classes, which, placement)
    found = found.take(found.areas > 0)
    return found.take(np.lexsort((found.boxes[:, 1], found.boxes[:, 0])))
