"""How objects are cut out of maps is chosen by what finds them best."""

import numpy as np
import pytest

from napari_cellseg.events import drain
from napari_cellseg.instances.mask_decoding import decode_mask
from napari_cellseg.training.unets.decoding import CONFIDENCE, choosing_decoding

Y, X = np.mgrid[:64, :64]


def pairs(count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Maps of touching disks of radius 9, and their labels."""
    maps, labels = [], []
    for i in range(count):
        truth = np.zeros((64, 64), np.int32)
        distance = np.zeros((64, 64), np.float32)
        for k, (cy, cx) in enumerate(((14 + i, 14), (14 + i, 31), (46, 40 - i))):
            r = np.hypot(Y - cy, X - cx)
            inside = (r < 9) & (truth == 0)
            truth[inside] = k + 1
            distance[inside] = (1 - r / 9)[inside]
        foreground = np.where(truth > 0, 0.9, 0.05).astype(np.float32)
        maps.append(np.stack([foreground, distance]))
        labels.append(truth)
    return maps, labels


@pytest.mark.parametrize("distance", [True, False])
def test_touching_objects_are_told_apart(distance: bool) -> None:
    maps, labels = pairs(4)
    chosen = drain(choosing_decoding(maps, labels, distance=distance, area=250.0))
    assert chosen.decoding.separation in (("map", "shape") if distance else ("shape",))
    assert [len(decode_mask(m, chosen.decoding).scores) for m in maps] == [3] * 4
    assert 0 < chosen.confidence <= 0.9


def test_nothing_found_leaves_the_plainest() -> None:
    maps, labels = pairs(1)
    empty = [np.zeros_like(m) for m in maps]
    chosen = drain(choosing_decoding(empty, labels, distance=True, area=250.0))
    assert (chosen.decoding.separation, chosen.decoding.foreground) == ("none", 0.5)
    assert chosen.confidence == CONFIDENCE
