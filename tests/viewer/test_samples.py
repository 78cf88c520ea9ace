"""Sample data open as layers, with truth where they are simulated."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.errors import ImageError
from napari_cellseg.viewer import samples


@pytest.mark.parametrize(
    "make",
    [
        samples.fluorescence_sample,
        samples.timelapse_sample,
        samples.zstack_sample,
        samples.brightfield_sample,
    ],
)
def test_simulated_samples_come_with_truth_on_top(make) -> None:
    viewer = ViewerModel()
    for data, keywords, kind in make():
        getattr(viewer, f"add_{kind}")(data, **keywords)
    image, truth = viewer.layers
    assert image.data.shape == truth.data.shape
    assert image.scale == pytest.approx(truth.scale)
    assert image.units == truth.units
    assert len(truth.features) == truth.data.max() + 1
    assert not truth.visible


def test_stained_tissue_needs_no_network() -> None:
    ((data, keywords, kind),) = samples.immunohistochemistry_sample()
    assert data.shape == (512, 512, 3)
    assert keywords["rgb"]
    assert kind == "image"


@pytest.mark.parametrize("name", ["human_mitosis", "cells3d"])
def test_offline_is_said_in_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline() -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(f"skimage.data.{name}", offline)
    with pytest.raises(ImageError, match="internet"):
        getattr(samples, f"{name}_sample")()


def test_channels_of_cells3d_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skimage.data.cells3d", lambda: np.zeros((6, 2, 8, 8), np.uint16))
    ((data, keywords, _),) = samples.cells3d_sample()
    assert data.shape == (2, 6, 8, 8)
    assert keywords["axis_labels"][0] == "c"
