"""Crops of corrected images, in which pixels that nobody has reviewed do not count."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.models.card import ModelCard
from napari_cellseg.training.augmentation import Augmentation
from napari_cellseg.training.finetuning.images import UNSEEN
from napari_cellseg.training.samples import CropSource, Sample
from napari_cellseg.training.targets import Targets, pixel_targets

GRID = 4
"""Every so many pixels it is noted whether somebody has reviewed them."""

SPREAD = 1.6
"""Objects are shown by up to this factor smaller and larger than the network knows best."""

AROUND = 0.3
"""How far the middle of a crop may be from such a pixel, share of the crop's edge."""


def suited_augmentation(card: ModelCard, diameter: float) -> Augmentation:
    """How strongly crops are changed, so that objects have the sizes at which the network will see them.

    Parameters
    ----------
    card : ModelCard
        Of the network.
    diameter : float
        Median of the objects' diameters, pixels.
    """
    usual = Augmentation(best_known=card.diameter, own_scale=card.own_scale)
    if card.own_scale is None:  # every image is scaled to the diameter that the network knows best
        low, high = card.diameter / SPREAD, card.diameter * SPREAD
        return replace(usual, diameter_low=low, diameter_high=high, own=0.0, scale_low=0.1, scale_high=4.0)
    is_own = card.own_scale[0] <= diameter <= card.own_scale[1]
    return usual if is_own else replace(usual, scale_low=0.1, scale_high=4.0)


class ReviewedCrops(CropSource):
    """Draws augmented crops of images whose labels are `UNSEEN` where nobody has looked.

    Images that were reviewed in part only are cropped where they were. Parameters are those of `CropSource`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._seen = {s.name: _seen_places(s) for s in self.samples if (s.labels == UNSEEN).any()}

    def crop(self, number: int) -> tuple[NDArray[np.float32], Targets]:
        """Image (3, edge, edge) and targets of one crop; unseen pixels are foreground of weight 0."""
        image, labels = self.raw_crop(number)
        unseen = labels == UNSEEN
        labels[unseen] = 0
        targets = pixel_targets(labels)
        targets.foreground[unseen] = 1
        targets.weight[unseen] = 0
        targets.border[unseen] = 0
        return np.ascontiguousarray(image.transpose(2, 0, 1)), targets

    def _centre(self, sample: Sample, scale: float, rng: np.random.Generator) -> tuple[float, float]:
        seen = self._seen.get(sample.name)
        if seen is None or not len(seen):
            return super()._centre(sample, scale, rng)
        y, x = seen[rng.integers(len(seen))] + rng.uniform(-AROUND, AROUND, 2) * self.edge / scale
        return float(y), float(x)


def _seen_places(sample: Sample) -> NDArray[np.int64]:
    """Pixels that somebody has reviewed, y and x, (N, 2), on a coarse grid."""
    return np.argwhere(sample.labels[::GRID, ::GRID] != UNSEEN) * GRID
