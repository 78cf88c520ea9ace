"""The trainable weights in the wheel are those of the ONNX files."""

import numpy as np
import pytest

from napari_cellseg.images.scaling import intensity_range, scale_intensity
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models.networks.session import open_maps
from napari_cellseg.models.registry import bundled_folder

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from napari_cellseg.models.networks.unet import Deployed, count_parameters, load_weights  # noqa: E402

WEIGHTS = sorted(bundled_folder().glob("*.safetensors"))


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.stem)
def test_torch_and_onnx_say_the_same(path) -> None:
    from napari_cellseg.models.card import read_card

    network = load_weights(path)
    assert count_parameters(network) == read_card(path.with_suffix(".json")).parameters
    image = simulate_fluorescence((208, 256), seed=2).image[..., None]
    scaled = np.broadcast_to(scale_intensity(image, intensity_range(image)), (208, 256, 3))
    batch = np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], np.float32)
    with torch.no_grad():
        expected = Deployed(network).eval()(torch.from_numpy(batch)).numpy()
    assert expected[0, 0].max() > 0.9
    np.testing.assert_allclose(open_maps(path.with_suffix(".onnx"))(batch), expected, atol=1e-2)


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.stem)
def test_both_files_fit_the_wheel(path) -> None:
    assert path.stat().st_size + path.with_suffix(".onnx").stat().st_size <= 10_000_000
