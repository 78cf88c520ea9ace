"""Size and place of objects: area, bounding box, centroid."""

import numpy as np

from napari_cellseg.features.feature import Columns, Feature
from napari_cellseg.features.objects import Objects

FEATURES = (
    Feature(
        name="area",
        group="size",
        quantity="area",
        dtype="float64",
        dims=(2, 3),
        definition="Pixels of the object, times the area of a pixel.",
        formula="A = N · s_y · s_x",
        source="scikit-image `area`",
        default=True,
        note="OpenCV's contourArea runs through the centres of border pixels: 4 for 3 × 3 pixels, not 9.",
    ),
)


def size(objects: Objects) -> Columns:
    """Measure the size group; columns as in `FEATURES`."""
    return {"area": objects.areas * float(np.prod(objects.spacing))}
