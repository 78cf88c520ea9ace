"""Patches of images and what a network is to make of them: mask, borders, distances, weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from napari_cellseg.training.targets import connected_pieces, pixel_targets, touching
from napari_cellseg.training.unets.augmentation import (
    AugmentationConfig,
    Pair,
    apply_pair,
    variant_pair,
    variant_rng,
)
from napari_cellseg.training.unets.images import TrainingImage
from napari_cellseg.training.unets.warping import Patch

EDGE = 256
"""Rows and columns of a patch."""
PLAIN = Pair(None, None)

Map = NDArray[np.float32]


class TargetConfig(BaseModel):
    """What a network is to learn of a patch beside its mask."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    separation: int = Field(
        0,
        ge=0,
        le=5,
        description="Pixels this near to another object count as background; 0 keeps masks whole.",
    )
    distance: bool = Field(False, description="Whether the distance to each object's border is learned, too.")
    border_weight: float = Field(
        1.0, ge=1, le=50, description="Weight of pixels where two objects nearly touch; others have 1."
    )


@dataclass(frozen=True, slots=True, eq=False)
class PatchTargets:
    """Targets of a patch.

    Attributes
    ----------
    mask : (H, W) ndarray of float32
        1 inside objects.
    weight : (H, W) ndarray of float32
        Weight of the pixel in the loss; 0 where it is ignored.
    distance : (H, W) ndarray of float32, optional
        Distance to the border of the object, 1 where it is largest in the object, 0 outside.
    """

    mask: Map
    weight: Map
    distance: Map | None = None


def patch_targets(patch: Patch, config: TargetConfig) -> PatchTargets:
    """Targets of a patch; every connected piece of a label is an object of its own."""
    mask = (patch.labels > 0).astype(np.float32)
    weight = np.where(patch.ignored, np.float32(0), np.float32(1))
    if not config.distance and not config.separation and config.border_weight == 1:
        return PatchTargets(mask, weight)
    found = pixel_targets(patch.labels)
    weight *= 1 + np.float32(config.border_weight - 1) * found.border
    if config.separation:
        pieces, _ = connected_pieces(np.ascontiguousarray(patch.labels))
        mask *= 1 - touching(pieces, config.separation)
    return PatchTargets(mask, weight, found.distance if config.distance else None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a patch lies before it is augmented.

    Attributes
    ----------
    image : int
        Number of the image.
    top, left : int
        First row and column; below 0 where the image is smaller than a patch.
    """

    image: int
    top: int
    left: int


def patch_starts(length: int, edge: int) -> list[int]:
    """First pixels of as few patches as cover an axis, evenly spread; a short axis is in the middle."""
    if length <= edge:
        return [(length - edge) // 2]
    count = -(-length // edge)
    return [round(i * (length - edge) / (count - 1)) for i in range(count)]


class PatchSource:
    """Patches of images, each the same for the same numbers whoever asks and in whatever order.

    Parameters
    ----------
    images : sequence of TrainingImage
        Images of any size; small ones are reflected at their borders.
    edge : int
        Rows and columns of a patch.
    augmentation : AugmentationConfig
        Operations and strengths.
    context : int
        Pixels around a patch that operations see, where the image has them; what moves in from further away
        is a reflection.
    seed : int
        Of all variants.

    Attributes
    ----------
    places : list of Place
        Patches before they are augmented: as few as cover each image, without those that are ignored as a
        whole. Each counts as what the paper calls an image.
    """

    def __init__(
        self,
        images: Sequence[TrainingImage],
        *,
        edge: int = EDGE,
        augmentation: AugmentationConfig | None = None,
        context: int = 32,
        seed: int = 0,
    ) -> None:
        self.images = list(images)
        self.edge = edge
        self.augmentation = augmentation or AugmentationConfig()
        self.context = context
        self.seed = seed
        self.places = [place for number in range(len(self.images)) for place in self._places(number)]

    def __len__(self) -> int:
        return len(self.places)

    def patch(self, index: int, epoch: int, variant: int) -> Patch:
        """A variant of a patch, (edge, edge)."""
        place = self.places[index]
        numbers = (self.seed, index, epoch, variant)
        colour = self.images[place.image].is_colour
        pair = variant_pair(self.augmentation, *numbers, colour=colour)
        region, frame = self._region(place, self.context)
        return apply_pair(region, pair, self.augmentation, variant_rng(*numbers), frame)

    def plain(self, index: int) -> Patch:
        """A patch as it is, (edge, edge)."""
        region, frame = self._region(self.places[index], 0)
        return apply_pair(region, PLAIN, self.augmentation, np.random.default_rng(0), frame)

    def visible(self, index: int) -> NDArray[np.int32]:
        """Labels of the objects that a patch shows before it is augmented, ascending."""
        region, _ = self._region(self.places[index], 0, with_image=False)
        labels = np.sort(pd.unique(region.labels[~region.ignored]))
        return labels[labels > 0]

    def _places(self, number: int) -> list[Place]:
        image = self.images[number]
        starts = [patch_starts(length, self.edge) for length in image.labels.shape]
        places = [Place(number, top, left) for top, left in product(*starts)]
        if image.ignored is None:
            return places
        return [place for place in places if not image.ignored[self._window(place, 0)].all()]

    def _window(self, place: Place, context: int) -> tuple[slice, slice]:
        height, width = self.images[place.image].labels.shape
        return (
            slice(max(0, place.top - context), min(height, place.top + self.edge + context)),
            slice(max(0, place.left - context), min(width, place.left + self.edge + context)),
        )

    def _region(
        self, place: Place, context: int, *, with_image: bool = True
    ) -> tuple[Patch, tuple[int, int, int, int]]:
        """The image around a place, and where the patch lies in it."""
        image, window = self.images[place.image], self._window(place, context)
        labels = image.labels[window]
        ignored = np.zeros(labels.shape, bool) if image.ignored is None else image.ignored[window]
        pixels = image.scaled(window) if with_image else np.zeros(labels.shape, np.float32)
        frame = (place.top - window[0].start, place.left - window[1].start, self.edge, self.edge)
        return Patch(pixels, labels, ignored), frame
