"""Degradations: one dial at a time, the same cells, and more of it spoils more."""

import numpy as np
import pytest
from scipy import ndimage

from napari_cellseg.errors import OptionError
from napari_cellseg.images.simulation import DegradedImage, degraded_images
from napari_cellseg.images.simulation.degradation import DEGRADATIONS

SHAPE = (200, 220)
LARGE = (400, 400)


def spoilt(name: str, severities: tuple[float, ...], **dials: float) -> list[DegradedImage]:
    return list(degraded_images([name], severities, seeds=(7,), shape=LARGE, **dials))


def test_every_degradation_shows_the_same_cells() -> None:
    images = list(degraded_images(severities=(0.0, 1.0), seeds=(3,), shape=SHAPE))
    assert len(images) == 2 * len(DEGRADATIONS)
    for image in images:
        np.testing.assert_array_equal(image.field.labels, images[0].field.labels)
        assert image.value == DEGRADATIONS[image.degradation][int(image.severity)]


def test_images_come_by_degradation_severity_and_seed() -> None:
    images = degraded_images(["debris", "contrast"], (0.0, 0.5), seeds=(1, 2), shape=(64, 64))
    order = [(i.degradation, i.severity, i.seed) for i in images]
    assert order == [(d, s, n) for d in ("debris", "contrast") for s in (0.0, 0.5) for n in (1, 2)]


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_more_severity_departs_further_from_the_clean_image(name: str) -> None:
    quiet = {"noise": 0.0, "bubbles": 0.0, "debris": 0.0, "uneven_light": 0.0, "defocus": 0.0}
    clean, half, worst = (i.field.image.astype(float) for i in spoilt(name, (0.0, 0.5, 1.0), **quiet))
    assert 0 < np.abs(half - clean).mean() < np.abs(worst - clean).mean()


@pytest.mark.parametrize("name", ["contrast", "defocus", "motion_blur"])
def test_cells_lose_their_edges(name: str) -> None:
    sharp, spoilt_ = (
        np.std(ndimage.gaussian_laplace(i.field.image.astype(float), 1.0))
        for i in spoilt(name, (0.0, 1.0), noise=0.0, bubbles=0.0, debris=0.0)
    )
    assert spoilt_ < 0.7 * sharp


def test_unknown_degradations_and_severities_are_refused_at_once() -> None:
    with pytest.raises(OptionError, match="degradation must be one of contrast"):
        degraded_images(["dust"])
    with pytest.raises(OptionError, match="severity must be between 0 and 1"):
        degraded_images(severities=(2.0,))
