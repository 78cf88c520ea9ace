"""Small annotated images, as grey, in colour, and with landmarks that tell where each object went."""

from functools import cache

import numpy as np

from napari_cellseg.images.simulation import simulate_brightfield
from napari_cellseg.training.unets.warping import Patch


@cache
def cells(colour: bool, edge: int = 96) -> Patch:
    """A simulated field, 0 to 1; a corner of it is ignored."""
    field = simulate_brightfield((edge, edge), diameter=(18, 30), seed=4)
    image = field.image.astype(np.float32) / field.image.max()
    if colour:
        image = image[..., None] * np.array([0.95, 0.8, 0.6], np.float32)
    ignored = np.zeros(field.labels.shape, bool)
    ignored[:20, :30] = True
    return Patch(image.astype(np.float32), field.labels, ignored)


@cache
def landmarks(edge: int = 128) -> Patch:
    """Disks whose grey value is their label over 40; the ignored pixels are those of the even labels."""
    labels = np.zeros((edge, edge), np.int32)
    y, x = np.mgrid[:edge, :edge]
    for number, (row, column) in enumerate(np.ndindex(4, 4), 1):
        centre = (np.array([row, column]) + 0.5) * edge / 4
        labels[np.hypot(y - centre[0], x - centre[1]) < edge / 11 + number % 3] = number
    return Patch((labels / 40).astype(np.float32), labels, (labels > 0) & (labels % 2 == 0))
