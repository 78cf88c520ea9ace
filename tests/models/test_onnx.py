"""The ONNX backend: right numbers, and files that are wrong in every way."""

import numpy as np
import pytest

from napari_cellseg.errors import CellSegWarning, DeviceError, ModelError, OutOfMemoryError
from napari_cellseg.models import devices, onnx
from napari_cellseg.models.card import read_card
from napari_cellseg.models.embedded import embedded_card
from napari_cellseg.models.onnx import OnnxPixelModel
from napari_cellseg.models.protocols import InstanceModel, PixelModel


@pytest.fixture
def tiny(make_model):
    weights = make_model()
    return OnnxPixelModel(read_card(weights.with_suffix(".json")), weights, "cpu")


def test_maps_are_those_of_the_network_and_always_the_same(tiny):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 3)).astype(np.float32)
    tiles = rng.normal(size=(2, 3, 32, 48)).astype(np.float32)
    maps = tiny.predict_maps(tiles)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, np.einsum("kc,nchw->nkhw", weights, tiles), atol=1e-5)
    assert np.array_equal(maps, tiny.predict_maps(tiles))
    assert np.array_equal(maps, tiny.predict_maps(np.asfortranarray(tiles)))
    assert tiny.device == "cpu"
    assert isinstance(tiny, PixelModel)
    assert not isinstance(tiny, InstanceModel)


def open_file(weights):
    return OnnxPixelModel(read_card(weights.with_suffix(".json")), weights, "cpu")


@pytest.mark.parametrize("content", [b"hello", b"\x00" * 4096, b"PK\x03\x04" + b"x" * 100])
def test_a_foreign_file_is_named(make_model, content):
    with pytest.raises(ModelError, match="not an ONNX file"):
        open_file(make_model(content=content))


def test_a_truncated_an_empty_and_a_missing_file(make_model, tiny_onnx):
    whole = tiny_onnx(np.ones((4, 3), np.float32))
    with pytest.raises(ModelError, match="damaged, incomplete"):
        open_file(make_model(content=whole[: len(whole) // 2]))
    with pytest.raises(ModelError, match="are empty"):
        open_file(make_model(content=b""))
    weights = make_model()
    weights.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        open_file(weights)


def test_one_changed_byte_is_found(make_model):
    weights = make_model()
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="damaged or was replaced"):
        open_file(weights)


def test_a_network_that_does_not_fit_its_card(make_model, tiny_onnx):
    with pytest.raises(ModelError, match="2 input channels, the card of model 'tiny' promises 3"):
        open_file(make_model(content=tiny_onnx(np.ones((4, 2), np.float32))))
    with pytest.raises(ModelError, match="5 output maps, the card of model 'tiny' promises 4"):
        open_file(make_model(content=tiny_onnx(np.ones((5, 3), np.float32))))
    with pytest.raises(ModelError, match="one float32 input"):
        open_file(make_model(content=tiny_onnx(np.ones((4, 3), np.float32), element=11)))


def test_sizes_that_show_only_when_it_runs(make_model, tiny_onnx, tiny):
    model = open_file(make_model(content=tiny_onnx(np.ones((4, 2), np.float32), fixed=False)))
    with pytest.raises(ModelError, match="failed on a tile of 16 x 16 pixels"):
        model.predict_maps(np.zeros((1, 3, 16, 16), np.float32))
    tiny.card = tiny.card.model_copy(update={"maps": ("a", "b")})
    with pytest.raises(ModelError, match=r"returned maps of shape \(1, 4, 16, 16\), its card promises"):
        tiny.predict_maps(np.zeros((1, 3, 16, 16), np.float32))


class _FailingSession:
    def __init__(self, session, error):
        self._session, self._error = session, error

    def get_inputs(self):
        return self._session.get_inputs()

    def run(self, names, feeds):
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Failed to allocate memory for requested buffer of size 123"),
        RuntimeError("CUDA failure 2: out of memory ; GPU=0"),
        RuntimeError("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("std::bad_alloc"),
        MemoryError(),
    ],
)
def test_too_little_memory_is_an_error_of_its_own(tiny, error):
    tiny._network._session = _FailingSession(tiny._network._session, error)
    with pytest.raises(OutOfMemoryError, match="2 tile\\(s\\) of 16 x 32"):
        tiny.predict_maps(np.zeros((2, 3, 16, 32), np.float32))


def test_a_card_inside_the_file(tmp_path, tiny_onnx, tiny_card):
    text = tiny_card(name="inside", weights="other.onnx").model_dump_json()
    path = tmp_path / "cells.onnx"
    path.write_bytes(tiny_onnx(np.ones((4, 3), np.float32), properties={onnx.CARD_PROPERTY: text}))
    card = embedded_card(path)
    assert (card.name, card.weights) == ("inside", "cells.onnx")
    assert OnnxPixelModel(card, path, "cpu").card is card
    path.write_bytes(tiny_onnx(np.ones((4, 3), np.float32)))
    assert embedded_card(path) is None
    path.write_bytes(tiny_onnx(np.ones((4, 3), np.float32), properties={onnx.CARD_PROPERTY: "{}"}))
    with pytest.raises(ModelError, match="card inside"):
        embedded_card(path)


def test_a_session_that_falls_back_is_reported(make_model, monkeypatch):
    """A GPU that answers the probe but not the model: a warning for auto, an error where it was asked for."""
    gpu = devices.Device("cuda:0", "GPU A (8 GB)")
    monkeypatch.setattr(onnx, "resolve_device", lambda device: gpu)
    monkeypatch.setattr(onnx, "load_cuda_libraries", lambda: None)
    monkeypatch.setattr(onnx, "cuda_providers", lambda number: ["CPUExecutionProvider"])
    weights = make_model()
    card = read_card(weights.with_suffix(".json"))
    with pytest.warns(CellSegWarning, match="GPU A .* could not be used"):
        model = OnnxPixelModel(card, weights, "auto")
    assert model.device == "cpu"
    with pytest.raises(DeviceError, match="fell back to the CPU"):
        OnnxPixelModel(card, weights, "cuda")
