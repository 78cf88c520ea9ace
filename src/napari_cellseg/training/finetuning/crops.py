"""Crops of corrected images, in which pixels that nobody has reviewed do not count."""

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.training.finetuning.images import UNSEEN
from napari_cellseg.training.samples import CropSource
from napari_cellseg.training.targets import Targets, pixel_targets

ENOUGH = 0.1
"""Share of a crop that somebody must have reviewed,"""
TRIES = 8
"""unless so many crops in a row show less."""
FURTHER = 2**40
"""From the number of a crop to that of its next try."""


class ReviewedCrops(CropSource):
    """Draws augmented crops of images whose labels are `UNSEEN` where nobody has looked."""

    def crop(self, number: int) -> tuple[NDArray[np.float32], Targets]:
        """Image (3, edge, edge) and targets of one crop; unseen pixels are foreground of weight 0."""
        for attempt in range(TRIES):
            image, labels = self.raw_crop(number + attempt * FURTHER)
            unseen = labels == UNSEEN
            if np.count_nonzero(~unseen) >= ENOUGH * labels.size:
                break
        labels[unseen] = 0
        targets = pixel_targets(labels)
        targets.foreground[unseen] = 1
        targets.weight[unseen] = 0
        targets.border[unseen] = 0
        return np.ascontiguousarray(image.transpose(2, 0, 1)), targets
