"""What a model must offer, one protocol per kind; a backend needs no base class."""

from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.instances.instance import Instances
from napari_cellseg.models.card import ModelCard

Tiles = NDArray[np.float32]


@runtime_checkable
class PixelModel(Protocol):
    """A model that returns maps, which `napari_cellseg.instances.decoding` turns into objects."""

    @property
    def card(self) -> ModelCard:
        """What the model expects."""

    @property
    def device(self) -> str:
        """Device that really runs it: ``"cpu"``, ``"cuda:0"``, …"""

    def predict_maps(self, tiles: Tiles) -> Tiles:
        """Maps of a batch of tiles.

        Parameters
        ----------
        tiles : (N, C, H, W) ndarray of float32
            Scaled intensities; C is ``card.channels``, H and W are multiples of ``card.tile_multiple``.

        Returns
        -------
        (N, K, H, W) ndarray of float32
            K is ``len(card.maps)``.

        Raises
        ------
        OutOfMemoryError
            Where the device has too little memory for these tiles.
        """


@runtime_checkable
class InstanceModel(Protocol):
    """A model that returns objects per tile."""

    @property
    def card(self) -> ModelCard:
        """What the model expects."""

    @property
    def device(self) -> str:
        """Device that really runs it: ``"cpu"``, ``"cuda:0"``, …"""

    def predict_instances(self, tiles: Tiles) -> list[Instances]:
        """Objects of a batch of tiles.

        Parameters
        ----------
        tiles : (N, C, H, W) ndarray of float32
            Scaled intensities; C is ``card.channels``, H and W are multiples of ``card.tile_multiple``.

        Returns
        -------
        list of N Instances
            In pixels of each tile.

        Raises
        ------
        OutOfMemoryError
            Where the device has too little memory for these tiles.
        """


Model: TypeAlias = PixelModel | InstanceModel
"""A model of either kind."""


@runtime_checkable
class SplitsTiles(Protocol):
    """A model that can give a limited number of objects at once and looks at full tiles in parts."""

    @property
    def split_tiles(self) -> int:
        """Tiles so far that it looked at in parts."""


def split_tiles(model: Model) -> int:
    """Tiles so far that a model looked at in parts; 0 where it knows no limit."""
    return model.split_tiles if isinstance(model, SplitsTiles) else 0
