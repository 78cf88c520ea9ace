"""Tiny ONNX files, written byte by byte, so that the tests need no other package than the runtime."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_cellseg.instances.decoding import VoteDecoding
from napari_cellseg.models import devices
from napari_cellseg.models.card import ModelCard, write_card
from napari_cellseg.models.registry import close_models

MakeModel = Callable[..., Path]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | str | bytes) -> bytes:
    """One protobuf field: a number, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _value(name: str, sizes: tuple[int | str, ...], element: int) -> bytes:
    dims = b"".join(_field(1, _field(1, s) if isinstance(s, int) else _field(2, s)) for s in sizes)
    return _field(1, name) + _field(2, _field(1, _field(1, element) + _field(2, dims)))


def onnx_bytes(
    weights: np.ndarray, *, element: int = 1, fixed: bool = True, properties: dict[str, str] | None = None
) -> bytes:
    """An ONNX file with one 1x1 convolution; `weights` (K, C), float32."""
    maps, channels = weights.shape
    dims = b"".join(_field(1, n) for n in (maps, channels, 1, 1))
    tensor = dims + _field(2, 1) + _field(8, "w") + _field(9, weights.astype("<f4").tobytes())
    node = _field(1, "x") + _field(1, "w") + _field(2, "y") + _field(4, "Conv")
    if element != 1:
        node = _field(1, "x") + _field(2, "y") + _field(4, "Identity")
    graph = _field(1, node) + _field(2, "tiny") + (_field(5, tensor) if element == 1 else b"")
    graph += _field(11, _value("x", ("n", channels if fixed else "c", "h", "w"), element))
    graph += _field(12, _value("y", ("n", maps if fixed else "k", "h", "w"), element))
    extra = b"".join(_field(14, _field(1, k) + _field(2, v)) for k, v in (properties or {}).items())
    return _field(1, 6) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 11)) + extra


def card_fields(**changes: Any) -> dict[str, Any]:
    """Fields of a valid card of a tiny pixel model: 3 channels, 4 maps."""
    fields: dict[str, Any] = {
        "name": "tiny",
        "version": "1",
        "title": "A tiny model",
        "description": "For tests.",
        "kind": "pixel",
        "weights": "tiny.onnx",
        "sha256": "0" * 64,
        "licence": "BSD-3-Clause",
        "channels": 3,
        "maps": ("foreground", "distance", "offset_y", "offset_x"),
        "decoder": VoteDecoding(),
        "classes": ("nucleus",),
        "confidence": 0.5,
        "confidence_floor": 0.1,
        "diameter": 20,
        "diameter_range": (5, 60),
        "tile": 64,
        "tile_multiple": 16,
        "overlap": 16,
        "max_diameter": 60,
        "parameters": 12,
        "created": "2026-01-01",
    }
    return {**fields, **changes}


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Write a tiny model with its card beside it and return the path of its weights."""

    def make(
        stem: str = "tiny",
        folder: Path | None = None,
        content: bytes | None = None,
        **changes: Any,
    ) -> Path:
        folder = folder or tmp_path
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        content = onnx_bytes(rng.normal(size=(4, 3)).astype(np.float32)) if content is None else content
        weights = folder / f"{stem}.onnx"
        weights.write_bytes(content)
        fields = {"name": stem, "weights": weights.name, "sha256": hashlib.sha256(content).hexdigest()}
        write_card(ModelCard(**card_fields(**{**fields, **changes})), folder / f"{stem}.json")
        return weights

    return make


@pytest.fixture
def tiny_onnx() -> Callable[..., bytes]:
    """`onnx_bytes`."""
    return onnx_bytes


@pytest.fixture
def tiny_card() -> Callable[..., ModelCard]:
    """Make a valid card, with changes."""
    return lambda **changes: ModelCard(**card_fields(**changes))


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    """No model and no device is remembered from one test to the next."""
    for cached in (devices.cuda_driver, devices.cuda_problem):
        cached.cache_clear()
    yield
    close_models()
