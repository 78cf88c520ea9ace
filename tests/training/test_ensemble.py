"""Networks that vote: what they say as one; their ONNX file says the same and runs like any model."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from napari_cellseg.errors import ModelError, OptionError
from napari_cellseg.instances.mask_decoding import MaskDecoding
from napari_cellseg.models.card import ModelCard, read_card
from napari_cellseg.models.networks import ensemble as ensembles
from napari_cellseg.models.networks.ensemble import Ensemble, export_ensemble, write_ensemble
from napari_cellseg.models.networks.session import open_maps
from napari_cellseg.models.registry import load_model
from napari_cellseg.pipeline import segment

torch.set_num_threads(1)


class Tiny(nn.Module):
    """A network with an encoder and a decoder, of stride 2."""

    def __init__(self, seed: int, heads: int = 2, width: int = 4) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.encoder = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.head = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(width, heads, 3, padding=1))
        self.encoded = 0

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        self.encoded += 1
        return self.encoder(image)

    def decode(self, features: torch.Tensor) -> torch.Tensor:
        return self.head(features)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(image))


class Says(nn.Module):
    """A network that gives the same logit everywhere."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(image[:, :1]) + self.logit


def three(heads: int = 2) -> list[nn.Module]:
    return [Tiny(seed, heads) for seed in range(3)]


def card(**changes: object) -> ModelCard:
    fields = {
        "name": "votes",
        "version": "1",
        "title": "Three networks",
        "description": "For tests.",
        "kind": "pixel",
        "weights": "x.onnx",
        "sha256": "0" * 64,
        "licence": "BSD-3-Clause",
        "channels": 3,
        "maps": ("foreground", "distance"),
        "decoder": MaskDecoding("map", min_confidence=0.0),
        "classes": ("cell",),
        "confidence": 0.0,
        "confidence_floor": 0.0,
        "diameter": 12,
        "diameter_range": (5, 60),
        "tile": 64,
        "tile_multiple": 32,
        "overlap": 16,
        "max_diameter": 30,
        "parameters": 0,
        "created": "2026-01-01",
    }
    return ModelCard.model_validate({**fields, **changes})


def test_the_mean_and_the_majority_with_how_far_they_disagree() -> None:
    image = torch.zeros(2, 3, 4, 6)
    logits = [2.0, 1.0, -3.0]
    shares = 1 / (1 + np.exp(-np.array(logits)))
    mean = Ensemble([Says(v) for v in logits])(image).detach().numpy()
    assert mean.shape == (2, 2, 4, 6)
    assert mean[:, 0] == pytest.approx(shares.mean(), abs=1e-6)
    assert mean[:, 1] == pytest.approx(2 * shares.std(), abs=1e-6)
    votes = Ensemble([Says(v) for v in logits], "majority")(image).detach().numpy()
    assert votes[:, 0] == pytest.approx(2 / 3, abs=1e-6)
    assert votes[:, 1] == pytest.approx(2 * np.sqrt(2 / 9), abs=1e-6)
    split = Ensemble([Says(90.0), Says(-90.0)])
    assert split.maps == ("foreground", "disagreement")
    assert split(image)[:, 1].detach().numpy() == pytest.approx(1)
    alike = Ensemble([Says(1.0), Says(1.0)])(image)
    assert alike[:, 1].detach().numpy() == pytest.approx(0)


def test_one_network_has_nobody_to_disagree_with() -> None:
    alone = Ensemble([Tiny(0)], "majority", distance=True)
    assert alone.maps == ("foreground", "distance")
    image = torch.rand(1, 3, 8, 8)
    plain = alone.members[0](image)
    assert torch.equal(alone(image)[:, 1], plain[:, 1])
    assert torch.equal(alone(image)[:, 0], torch.sigmoid(plain[:, 0]))


def test_equal_encoders_are_one_and_run_once() -> None:
    members = three()
    members[2].encoder.load_state_dict(members[0].encoder.state_dict())
    for member in members:
        member.eval()
    image = torch.rand(2, 3, 16, 16)
    expected = torch.stack([torch.sigmoid(m(image)[:, 0]) for m in members]).mean(0)
    alone = sum(p.numel() for m in members for p in m.parameters())
    together = Ensemble(members, distance=True)
    assert members[2].encoder is members[0].encoder
    assert together.parameter_count == alone - sum(p.numel() for p in members[0].encoder.parameters())
    before = [m.encoded for m in members]
    assert torch.allclose(together(image)[:, 0], expected, atol=1e-6)
    assert [m.encoded - n for m, n in zip(members, before, strict=True)] == [1, 1, 0]


def test_intensities_beyond_those_of_training_are_cut() -> None:
    ensemble = Ensemble(three(), distance=True)
    image = torch.rand(1, 3, 16, 16) * 4 - 1
    with torch.no_grad():
        assert torch.equal(ensemble(image), ensemble(image.clamp(0, 1)))


def test_what_makes_no_ensemble_is_refused() -> None:
    with pytest.raises(OptionError, match="at least one"):
        Ensemble([])
    with pytest.raises(OptionError, match="'mean' or 'majority', not 'loudest'"):
        Ensemble(three(), "loudest")
    with pytest.raises(OptionError, match="foreground and distance; one gives 1 maps"):
        Ensemble([Tiny(0), Tiny(1, heads=1)], distance=True)(torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize("vote", ["mean", "majority"])
def test_the_file_says_the_same_at_any_size_and_in_batches(tmp_path: Path, vote: str) -> None:
    pytest.importorskip("onnxscript")
    together = Ensemble(three(), vote, distance=True)
    path = tmp_path / "three.onnx"
    assert export_ensemble(together, path) < 1e-4
    run = open_maps(path)
    for shape in ((1, 3, 32, 32), (5, 3, 96, 64)):
        image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            assert run(image.numpy()) == pytest.approx(together(image).numpy(), abs=1e-4)


def test_large_distances_are_compared_by_their_size(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    members = three()
    for member in members:
        member.head[1].weight.data[1] *= 1e4
    together = Ensemble(members, distance=True)
    with torch.no_grad():
        assert together(torch.rand(1, 3, 32, 32))[:, 1].abs().max() > 100
    assert export_ensemble(together, tmp_path / "large.onnx") < 1e-4


def test_half_precision_halves_the_file_and_says_nearly_the_same(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    together = Ensemble([Tiny(seed, width=64) for seed in range(3)], distance=True)
    full, half = tmp_path / "full.onnx", tmp_path / "half.onnx"
    export_ensemble(together, full)
    assert 0 < export_ensemble(together, half, precision="float16") < 0.02
    assert half.stat().st_size < 0.65 * full.stat().st_size
    assert next(together.parameters()).dtype == torch.float32
    image = np.random.default_rng(0).random((2, 3, 64, 32), np.float32)
    found = open_maps(half)(image)
    assert found.dtype == np.float32
    assert found == pytest.approx(open_maps(full)(image), abs=0.02)


def test_a_written_ensemble_segments_like_any_model(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    together = Ensemble(three(), distance=True)
    path = tmp_path / "three.onnx"
    written, difference = write_ensemble(together, path, card())
    assert difference < 1e-4
    assert read_card(path.with_suffix(".json")) == written
    assert written.maps == ("foreground", "distance", "disagreement")
    assert written.parameters == together.parameter_count
    assert written.recipe == {"vote": "mean", "members": 3, "precision": "float32"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["three.json", "three.onnx"]
    image = np.zeros((70, 90), np.float32)
    image[20:40, 20:40] = image[35:60, 60:80] = 1
    found = segment(image, path, keep_maps=["disagreement"], tile=64)
    assert "disagreement" in found.features
    model = load_model(path, "cpu")
    padded = np.pad(image, ((0, 26), (0, 6)), mode="symmetric")
    whole = model.predict_maps(np.broadcast_to(padded, (1, 3, 96, 96)).copy())[0, 2, :70, :90]
    assert found.maps["disagreement"] == pytest.approx(whole, abs=0.01)


def test_nothing_is_written_where_the_file_would_not_fit(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("onnxscript")
    path = tmp_path / "three.onnx"
    with pytest.raises(ModelError, match="not a valid model card: this decoder needs the map foreground and"):
        write_ensemble(Ensemble(three(heads=1)), path, card())
    monkeypatch.setattr(ensembles, "AGREEMENT", 0.0)
    with pytest.raises(ModelError, match="differs from PyTorch"):
        write_ensemble(Ensemble(three(), distance=True), path, card())
    monkeypatch.setattr(ensembles, "_LARGEST_FILE", 100)
    with pytest.raises(ModelError, match=r"Use fewer networks or float16\."):
        write_ensemble(Ensemble(three(), distance=True), path, card())
    assert list(tmp_path.iterdir()) == []
