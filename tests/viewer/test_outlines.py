"""Outlines lie exactly on the labels, however their layer is placed."""

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.highlight import Highlight

PLACED: dict[str, dict[str, Any]] = {
    "scaled": {"scale": (0.5, 2), "translate": (10, -3)},
    "rotated": {"scale": (0.5, 2), "rotate": 30, "translate": (10, -3)},
    "sheared": {"shear": [0.4], "scale": (3, 1)},
    "affine": {"affine": [[0.9, 0.3, 5], [-0.2, 1.1, 7], [0, 0, 1]], "rotate": 15, "shear": [0.2]},
}


def labels() -> np.ndarray:
    data = np.zeros((40, 50), np.int32)
    data[12:20, 30:44] = 3
    data[2:6, 2:9] = 5
    return data


def covered(layer: Labels, label: int) -> np.ndarray:
    """Places in the world of the pixels of a label, sorted."""
    places = np.array([layer.data_to_world(p) for p in np.argwhere(np.asarray(layer.data) == label)])
    return places[np.lexsort(np.round(places, 6).T)]


@pytest.mark.parametrize("placed", PLACED.values(), ids=PLACED)
def test_outlines_lie_on_the_objects(placed: dict[str, Any]) -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(labels(), **placed)
    highlight = Highlight(Correction(viewer, layer))
    for label in (3, 5):
        highlight.show([label])
        np.testing.assert_allclose(covered(viewer.layers["selected"], label), covered(layer, label))
    highlight.close()
    assert "selected" not in viewer.layers


def test_outlines_of_a_stack_follow_the_plane() -> None:
    viewer = ViewerModel()
    data = np.stack([labels(), np.roll(labels(), 4, axis=1), labels() * 0])
    angle = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    layer = viewer.add_labels(data, scale=(4, 0.5, 0.5), rotate=angle, translate=(1, 2, 3))
    highlight = Highlight(Correction(viewer, layer))
    viewer.dims.set_current_step(0, 0)
    highlight.show([3])
    for plane in (0, 1, 2, 1):
        viewer.dims.set_current_step(0, plane)
        expected = np.zeros_like(data)
        expected[plane] = data[plane]
        shown = covered(viewer.layers["selected"], 3) if np.any(expected == 3) else None
        if shown is not None:
            alone = Labels(expected, scale=layer.scale, rotate=layer.rotate, translate=layer.translate)
            np.testing.assert_allclose(shown, covered(alone, 3))
        else:
            assert not np.any(viewer.layers["selected"].data)
    highlight.close()
