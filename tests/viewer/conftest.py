"""Results made by hand, so that these tests need no model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_cellseg.instances.instance import Instances
from napari_cellseg.pipeline import Candidates, Segmentation
from napari_cellseg.viewer.confidence import ConfidenceFilter
from napari_cellseg.viewer.detected import detected_objects
from napari_cellseg.viewer.label_layer import LabelGeometry, make_labels_layer
from napari_cellseg.viewer.layer_image import read_layer

SIZE = 8
"""Edge of the square objects, pixels."""


def squares(shape: tuple[int, ...], confidence: list[float], threshold: float = 0.5) -> Segmentation:
    """Square objects on a grid, on every plane in turn; those at or above the threshold are kept."""
    planes = int(np.prod(shape[:-2], dtype=int))
    columns = shape[-1] // (SIZE + 2)
    order = sorted(range(len(confidence)), key=lambda i: (confidence[i] < threshold, -confidence[i]))
    kept = [i for i in range(len(confidence)) if confidence[i] >= threshold]
    weak = [i for i in order if confidence[i] < threshold]
    labels = np.zeros((planes, *shape[-2:]), np.int32)
    places = []
    for i in range(len(confidence)):
        row, column = divmod(i // planes, columns)
        places.append((i % planes, row * (SIZE + 2) + 1, column * (SIZE + 2) + 1))
    for label, i in enumerate(kept, start=1):
        plane, y, x = places[i]
        labels[plane, y : y + SIZE, x : x + SIZE] = label
    names = "".join("tz"[-len(shape[:-2]) :]) if len(shape) > 2 else ""
    features = pd.DataFrame({"index": np.arange(1, len(kept) + 1)})
    features["confidence"] = np.array([confidence[i] for i in kept], np.float32)
    features["class"] = "cell"
    for name, place in zip(
        names, np.unravel_index([places[i][0] for i in kept], shape[:-2] or (1,)), strict=False
    ):
        features[name] = place
    boxes = np.array([(y, x, y + SIZE, x + SIZE) for _, y, x in (places[i] for i in weak)], np.int32).reshape(
        -1, 4
    )
    instances = Instances(
        boxes,
        np.array([confidence[i] for i in weak], np.float32),
        np.zeros(len(weak), np.int16),
        tuple(np.ones((SIZE, SIZE), bool) for _ in weak),
    )
    candidates = Candidates(
        np.arange(len(kept) + 1, len(confidence) + 1, dtype=np.int32),
        np.array([places[i][0] for i in weak], np.int32),
        instances,
    )
    return Segmentation(labels.reshape(shape), features, candidates, {})


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def filtered(viewer: ViewerModel) -> Callable[..., ConfidenceFilter]:
    """Makes a labels layer with a confidence filter in the viewer."""

    def make(confidence: list[float], shape: tuple[int, ...] = (40, 40), **options: Any) -> ConfidenceFilter:
        image = Image(np.zeros(shape, np.uint16), name="cells")
        viewer.add_layer(image)
        result = squares(shape, confidence)
        geometry = LabelGeometry.of(read_layer(image))
        layer = make_labels_layer(result.labels, geometry, image, "result")
        viewer.add_layer(layer)
        objects = detected_objects(result, ["cell"])
        return ConfidenceFilter(layer, result.labels, geometry, objects, 0.5, **options)

    return make
