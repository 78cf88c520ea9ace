"""Sample data: simulated fields with exact truth, and real images that scikit-image brings or fetches."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg.errors import ImageError
from napari_cellseg.images.simulation import (
    SimulatedImage,
    simulate_brightfield,
    simulate_fluorescence,
    simulate_timelapse,
    simulate_zstack,
)
from napari_cellseg.viewer.feature_rows import statuses
from napari_cellseg.viewer.pixel_size import MICROMETRE
from napari_cellseg.viewer.reading import LayerData


def fluorescence_sample() -> list[LayerData]:
    """A simulated field of stained nuclei, with its truth."""
    return simulated_layers(simulate_fluorescence(), "Simulated fluorescence")


def timelapse_sample() -> list[LayerData]:
    """A simulated time-lapse of stained nuclei that move and divide, with its truth."""
    return simulated_layers(simulate_timelapse(), "Simulated time-lapse")


def zstack_sample() -> list[LayerData]:
    """A simulated z stack of stained nuclei, with its truth."""
    return simulated_layers(simulate_zstack(), "Simulated z stack")


def brightfield_sample() -> list[LayerData]:
    """A simulated bright-field image of unstained cells, with its truth."""
    return simulated_layers(simulate_brightfield(), "Simulated bright field")


def immunohistochemistry_sample() -> list[LayerData]:
    """Stained tissue of a human colon, RGB; it ships with scikit-image."""
    from skimage.data import immunohistochemistry

    return [(immunohistochemistry(), {"name": "Immunohistochemistry", "rgb": True}, "image")]


def human_mitosis_sample() -> list[LayerData]:
    """Human cells in culture, DNA stained; scikit-image downloads it once."""
    from skimage.data import human_mitosis

    return [(_fetched(human_mitosis, "human_mitosis"), {"name": "Human mitosis"}, "image")]


def cells3d_sample() -> list[LayerData]:
    """Z stack of human cells, membranes and nuclei as two channels; scikit-image downloads it once."""
    from skimage.data import cells3d

    stack = np.moveaxis(_fetched(cells3d, "cells3d"), 1, 0)
    pixel_size = {"scale": (1.0, 0.29, 0.26, 0.26), "units": ("pixel", *[MICROMETRE] * 3)}
    return [(stack, {"name": "Cells in 3-D", "axis_labels": ("c", "z", "y", "x"), **pixel_size}, "image")]


def simulated_layers(sample: SimulatedImage, name: str) -> list[LayerData]:
    """An image layer and, on top but hidden, a labels layer with the truth."""
    size = sample.pixel_size
    steps = {"Z": size.z, "Y": size.y, "X": size.x}
    placed = {
        "scale": tuple(steps.get(a) or 1.0 for a in sample.axes),
        "units": tuple(MICROMETRE if steps.get(a) else "pixel" for a in sample.axes),
        "axis_labels": tuple(a.lower() for a in sample.axes),
    }
    count = int(sample.labels.max(initial=0))
    truth = pd.DataFrame({"index": np.arange(count + 1)})
    truth["status"] = statuses(np.where(truth["index"] == 0, "", "accepted"))
    return [
        (sample.image, {"name": name, **placed}, "image"),
        (sample.labels, {"name": f"{name} truth", "visible": False, "features": truth, **placed}, "labels"),
    ]


def _fetched(load: Callable[[], Any], name: str) -> Any:
    """An image by scikit-image's own fetcher.

    Raises
    ------
    ImageError
        Where it is neither in the cache nor to be downloaded.
    """
    try:
        return load()
    except Exception as error:
        raise ImageError(
            f"The sample image '{name}' must be downloaded once by scikit-image, which failed "
            f"({type(error).__name__}: {error}). Connect to the internet, or open another sample."
        ) from error
