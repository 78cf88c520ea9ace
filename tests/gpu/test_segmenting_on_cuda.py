"""ONNX Runtime on CUDA finds what it finds on the processor."""

import numpy as np
import pytest

from napari_cellseg.evaluation.matching import average_precision
from napari_cellseg.images.simulation import simulate_brightfield, simulate_fluorescence
from napari_cellseg.models.registry import load_model
from napari_cellseg.pipeline import segment

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("name", ["nuclei", "phase"])
def test_maps_are_those_of_the_processor(cuda: str, name: str) -> None:
    tiles = np.random.default_rng(0).random((3, 3, 160, 192), dtype=np.float32)
    there, here = load_model(name, cuda), load_model(name, "cpu")
    assert there.device == cuda
    assert np.abs(there.predict_maps(tiles) - here.predict_maps(tiles)).max() < 1e-2


@pytest.mark.parametrize("shape", [(520, 704), (1400, 1700)], ids=["one tile", "batches of tiles"])
def test_objects_are_those_of_the_processor(cuda: str, shape: tuple[int, int]) -> None:
    image = simulate_fluorescence(shape, seed=1).image
    there, here = segment(image, "nuclei", device=cuda), segment(image, "nuclei", device="cpu")
    assert there.provenance["model"]["device"] == cuda
    same = average_precision(there.labels, here.labels, thresholds=(0.9,))
    assert here.labels.max() > 50
    assert same.fp[0] + same.fn[0] <= 0.01 * here.labels.max()


def test_the_same_image_gives_the_same_objects_twice(cuda: str) -> None:
    image = simulate_brightfield((600, 600), seed=1).image
    first, second = (segment(image, "phase", device=cuda) for _ in range(2))
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.features["confidence"], second.features["confidence"])
