"""Planes of a z stack that show next to nothing are not stretched until their noise looks like objects."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_cellseg.errors import CellSegWarning
from napari_cellseg.images.planes import open_planes
from napari_cellseg.models.card import IntensityScaling
from napari_cellseg.pipeline import segment
from napari_cellseg.pipeline.view import LEAST_CONTRAST, stack_contrast


@pytest.fixture
def stack():
    """Nuclei in the two middle planes, smooth noise everywhere."""
    rng = np.random.default_rng(0)
    planes = np.stack([gaussian_filter(rng.normal(200, 15, (256, 256)), 3) for _ in range(4)])
    y, x = np.mgrid[:256, :256]
    for cy, cx in rng.uniform(20, 236, (20, 2)):
        planes[1:3] += 400 / (1 + np.exp(np.hypot(y - cy, x - cx) - 9))
    return planes.astype(np.float32)


def test_noise_above_and_below_holds_no_objects(stack, kit):
    whatever_is_bright = kit.PixelOracle(exact=False, spoilt=0)
    alone = segment(stack[0], whatever_is_bright, confidence=0.05)
    assert len(alone.features) > 0
    found = segment(stack, whatever_is_bright, axes="ZYX", confidence=0.05)
    per_plane = found.features["z"].value_counts()
    assert set(per_plane.index) == {1, 2}
    assert per_plane.min() >= 15


def test_planes_with_objects_are_scaled_as_they_would_be_alone(stack):
    found = segment(stack, axes="ZYX", planes=[1])
    alone = segment(stack[1])
    assert np.array_equal(found.labels[1], alone.labels)
    assert found.provenance["intensities"][0]["high"] == alone.provenance["intensities"][0]["high"]


def test_a_plane_run_alone_is_scaled_as_in_the_whole_stack(stack):
    whole = segment(stack, axes="ZYX").provenance["intensities"]
    with pytest.warns(CellSegWarning, match="No objects"):
        single = segment(stack, axes="ZYX", planes=[3]).provenance["intensities"]
    assert single == [whole[3]]
    assert single[0]["high"] - single[0]["low"] == pytest.approx(
        LEAST_CONTRAST * max(w["high"] - w["low"] for w in whole)
    )


def test_only_along_z_and_within_a_time_point(stack):
    scaling = IntensityScaling()
    assert stack_contrast(open_planes(stack, axes="TYX"), 0, scaling) == 0
    series = open_planes(np.stack([stack, 10 * stack]), axes="TZYX")
    first, second = stack_contrast(series, 0, scaling), stack_contrast(series, 7, scaling)
    assert second == pytest.approx(10 * first, rel=1e-3)
