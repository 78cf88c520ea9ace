"""Maps of a model that are kept beside the labels, at the scale of the image."""

import os
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError, OutputError
from napari_cellseg.images.resampling import read_scaled
from napari_cellseg.models.card import ModelCard
from napari_cellseg.pipeline.outputs import create_zarr
from napari_cellseg.tiles.grid import Block, Window


class KeptMaps:
    """Chosen maps of every plane, written block by block.

    Parameters
    ----------
    names : sequence of str
        Maps to keep.
    card : ModelCard
        Card of the model that gives them.
    shape : tuple of int
        Shape of the labels.
    out : array, str, Path or None
        Where the labels go: beside a zarr store lie those of the maps, else they are kept in memory.

    Attributes
    ----------
    arrays : mapping of str to array
        (…, Y, X) float16 by name; 0 where nothing was looked at.

    Raises
    ------
    OptionError
        Where the model gives no such map.
    OutputError
        Where a store of a map exists already or cannot be made.
    """

    def __init__(self, names: Sequence[str], card: ModelCard, shape: tuple[int, ...], out: Any) -> None:
        check_kept_maps(names, card, out)
        self._channels = [card.maps.index(name) for name in names]
        self.arrays: Mapping[str, Any] = {name: _empty(name, shape, out) for name in names}

    def write(
        self,
        index: tuple[int, ...],
        block: Block,
        maps: NDArray[np.float32],
        scale: float,
        frames: tuple[tuple[int, int], Window, Window],
    ) -> None:
        """Write what a block answers for.

        Parameters
        ----------
        index : tuple of int
            Position of the plane along the outer axes.
        block : Block
            Where it reads and writes, in network pixels.
        maps : (K, h, w) ndarray of float32
            All maps of what it reads.
        scale : float
            Network pixels per pixel of the plane.
        frames : (shape, window, region)
            Height and width of the plane in network pixels, what of it is looked at, and the same in pixels
            of the plane.
        """
        if not self._channels:
            return
        shape, window, region = frames
        y, x = (
            _plane_span(own, whole, part, scale)
            for own, whole, part in zip(block.write, window, region, strict=True)
        )
        origin = (block.read[0].start, block.read[1].start)
        chosen = np.moveaxis(maps[self._channels], 0, 2)

        def read(rows: slice, columns: slice) -> NDArray[np.float32]:
            at = (
                np.clip(np.arange(s.start, s.stop) - o, 0, n - 1)
                for s, o, n in zip((rows, columns), origin, chosen.shape[:2], strict=True)
            )
            return chosen[np.ix_(*at)]

        found = read_scaled(read, shape, 1 / scale, y, x).astype(np.float16)
        for k, array in enumerate(self.arrays.values()):
            array[(*index, y, x)] = found[..., k]


def check_kept_maps(names: Sequence[str], card: ModelCard, out: Any) -> None:
    """Refuse maps that a model does not give, or that cannot be written where they would go.

    Raises
    ------
    OptionError, OutputError
        As `KeptMaps`.
    """
    if isinstance(names, str):
        raise OptionError(f"keep_maps must be a list of names of maps, such as ['{names}'], not a text.")
    unknown = [name for name in names if name not in card.maps]
    if unknown:
        given = f"its maps are {', '.join(card.maps)}" if card.maps else "it gives objects, not maps"
        raise OptionError(f"Model '{card.name}' has no map {unknown[0]!r} to keep: {given}.")
    for path in filter(None, (_path_beside(out, name) for name in names)):
        if path.exists():
            raise OutputError(f"'{path}' exists already; give another path or remove it first.")


def _path_beside(out: Any, name: str) -> Path | None:
    """Store of a map beside that of the labels; None where the labels have none."""
    if not isinstance(out, str | os.PathLike):
        return None
    path = Path(out)
    return path.with_name(f"{path.stem}_{name}.zarr")


def _empty(name: str, shape: tuple[int, ...], out: Any) -> Any:
    path = _path_beside(out, name)
    return np.zeros(shape, np.float16) if path is None else create_zarr(path, shape, "float16")


def _plane_span(own: slice, whole: slice, part: slice, scale: float) -> slice:
    """Pixels of the plane whose centre lies in a block, along one axis; the blocks' ends are the region's."""
    start = part.start if own.start == whole.start else ceil(own.start / scale - 0.5)
    stop = part.stop if own.stop == whole.stop else ceil(own.stop / scale - 0.5)
    start, stop = (min(max(end, part.start), part.stop) for end in (start, stop))
    return slice(start, max(start, stop))
