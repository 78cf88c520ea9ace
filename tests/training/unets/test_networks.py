"""The bright-field U-Nets: sizes, freezing, ImageNet weights, export."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("torchvision")

import torch
from torch import Tensor, nn

from napari_cellseg.errors import CellSegWarning, ImageError, ModelError, OptionError
from napari_cellseg.models.networks.brightfield.blocks import (
    AttentionGate,
    GatedStage,
    InstanceActivation,
    PlainStage,
    ResidualStage,
)
from napari_cellseg.models.networks.brightfield.config import (
    BACKBONES,
    NETWORKS,
    Backbone,
    DecoderKind,
    NetworkConfig,
    NormName,
    network_config,
)
from napari_cellseg.models.networks.brightfield.decoder import dropout_rates
from napari_cellseg.models.networks.brightfield.encoders import Encoder
from napari_cellseg.models.networks.brightfield.export import Deployed, export_onnx
from napari_cellseg.models.networks.brightfield.network import (
    BrightfieldUNet,
    count_parameters,
    create_network,
)
from napari_cellseg.models.networks.brightfield.weights import load_imagenet, read_imagenet
from napari_cellseg.models.networks.session import open_maps

torch.set_num_threads(1)

PUBLISHED = {
    "model-1": (22.7, 15.7),
    "model-2": (18.8, 4.09),
    "model-3": (28.85, 14.1),
    "unet-densenet121": (22.70, 15.65),
    "unet-inception_v3": (41.66, 19.86),
    "unet-vgg16": (20.25, 5.53),
    "unet-mobilenet_v2": (3.65, 1.39),
    "unet-resnet50": (54.64, 31.05),
    "unet-efficientnet_b0": (6.09, 2.04),
}
"""Millions of parameters, total and trainable, in the paper's text and in its table 1."""


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def small(
    decoder: DecoderKind, backbone: Backbone = "mobilenet_v2", norm: NormName = "batch"
) -> NetworkConfig:
    stages = 5 if decoder == "plain" or backbone != "vgg16" else 4
    return NetworkConfig(
        backbone=backbone, decoder=decoder, widths=(8,) * stages, dropout=(0.2, 0.4), norm=norm, distance=True
    )


def settled(config: NetworkConfig, seed: int = 0) -> BrightfieldUNet:
    """Network whose batch norms have seen images, as after training."""
    torch.manual_seed(seed)
    network = BrightfieldUNet(config.model_copy(update={"fine_tune": 5})).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network(torch.rand(4, 3, 128, 128))
    return network.eval()


def test_an_attention_gate_weighs_every_pixel() -> None:
    gate = AttentionGate(features=6, context=10, inner=4)
    features, context = torch.rand(2, 6, 5, 7), torch.rand(2, 10, 5, 7)
    weights = gate.weights(features, context)
    assert weights.shape == (2, 1, 5, 7)
    assert ((weights > 0) & (weights < 1)).all()
    assert torch.equal(gate(features, context), features * weights)
    assert size(gate) == (6 * 4 + 4) + (10 * 4 + 4) + (4 + 1)


def test_an_attention_gate_is_the_papers_equation() -> None:
    gate = AttentionGate(3, 2, 4)
    x, g = torch.rand(1, 3, 2, 2), torch.rand(1, 2, 2, 2)
    wx, wg, psi = (
        m.weight.detach().numpy()[:, :, 0, 0] for m in (gate.features, gate.context, gate.attention)
    )
    bx, bg, bp = (m.bias.detach().numpy() for m in (gate.features, gate.context, gate.attention))
    pixel_x, pixel_g = x.numpy()[0, :, 1, 0], g.numpy()[0, :, 1, 0]
    inner = np.maximum(wx @ pixel_x + bx + wg @ pixel_g + bg, 0)
    expected = 1 / (1 + np.exp(-(psi @ inner + bp)))
    assert gate.weights(x, g)[0, :, 1, 0].tolist() == pytest.approx(expected.tolist(), rel=1e-5)


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_instance_activation_adds_to_its_input(norm: NormName) -> None:
    module = InstanceActivation(6, norm)
    x = torch.randn(2, 6, 8, 4)
    assert module(x).shape == x.shape
    assert (module(x) >= x).all()
    assert size(module) == (6 * 6 + 6) + 2 * 6


@pytest.mark.parametrize(
    ("stage", "channels", "parameters"),
    [
        (PlainStage(8, 5), 5 + 3, 8 * 5 * 9 + 5 + 10),
        (GatedStage(8, 3, 5), 5, (8 * 5 * 4 + 5) + 56 + (8 * 5 * 9 + 15) + (5 * 5 * 9 + 15)),
        (ResidualStage(8, 3, 5), 5, (8 * 5 * 9 + 5) + 56 + (8 * 5 * 9 + 15) + (5 * 5 * 9 + 15) + (25 + 15)),
    ],
    ids=["plain", "gated", "residual"],
)
def test_a_stage_doubles_the_resolution(stage: nn.Module, channels: int, parameters: int) -> None:
    assert stage(torch.rand(2, 8, 4, 6), torch.rand(2, 3, 8, 12)).shape == (2, channels, 8, 12)
    assert size(stage) == parameters


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_within_5_percent_of_the_papers(name: str) -> None:
    count = count_parameters(BrightfieldUNet(NETWORKS[name]))
    total, trainable = PUBLISHED[name]
    assert count.total / 1e6 == pytest.approx(total, rel=0.05)
    assert count.trainable / 1e6 == pytest.approx(trainable, rel=0.05)


@pytest.mark.parametrize("name", BACKBONES)
def test_encoders_halve_the_resolution_exactly(name: Backbone) -> None:
    encoder = Encoder(name).eval()
    with torch.no_grad():
        features = encoder(torch.rand(1, 3, 96, 64))
    first = BACKBONES[name].first_stride
    assert [f.shape[1] for f in features] == list(BACKBONES[name].channels)
    assert [tuple(f.shape[2:]) for f in features] == [(96 // first >> i, 64 // first >> i) for i in range(5)]


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "vgg16"])
@pytest.mark.parametrize("decoder", ["plain", "gated", "residual"])
def test_maps_have_the_size_of_the_image(backbone: Backbone, decoder: DecoderKind) -> None:
    config = small(decoder, backbone)
    with torch.no_grad():
        maps = BrightfieldUNet(config).eval()(torch.rand(2, 3, 32, 96))
    assert maps.shape == (2, 2, 32, 96)
    assert config.outputs == ("foreground", "distance")


def test_sizes_that_do_not_fit_are_told() -> None:
    with pytest.raises(ImageError, match="multiples of 32, these are 64 and 50"):
        BrightfieldUNet(small("plain"))(torch.rand(1, 3, 64, 50))


def test_frozen_encoders_keep_their_statistics() -> None:
    network = BrightfieldUNet(small("gated")).train()
    before = {n: t.clone() for n, t in network.encoder.state_dict().items()}
    decoder = {n: t.clone() for n, t in network.decoder.state_dict().items()}
    optimiser = torch.optim.Adam(network.parameter_groups(), lr=0.1)
    network(torch.rand(2, 3, 32, 32)).square().mean().backward()
    optimiser.step()
    assert all(torch.equal(t, before[n]) for n, t in network.encoder.state_dict().items())
    assert any(not torch.equal(t, decoder[n]) for n, t in network.decoder.state_dict().items())


def test_fine_tuning_frees_the_deepest_stages() -> None:
    encoder = Encoder("mobilenet_v2", fine_tune=2).train()
    learning = [all(p.requires_grad for p in stage.parameters()) for stage in encoder.stages]
    assert learning == [stage.training for stage in encoder.stages] == [False, False, False, True, True]
    encoder.set_fine_tune(0)
    assert not any(p.requires_grad for p in encoder.parameters())
    assert not any(m.training for stage in encoder.stages for m in stage.modules())
    encoder.set_fine_tune(5)
    assert all(p.requires_grad for p in encoder.parameters())
    assert all(m.training for m in encoder.modules())


def test_features_can_be_shared_by_networks() -> None:
    first, second = BrightfieldUNet(small("gated")).eval(), BrightfieldUNet(small("residual")).eval()
    second.encoder.load_state_dict(first.encoder.state_dict())
    image = torch.rand(1, 3, 32, 64)
    with torch.no_grad():
        assert torch.equal(second.decode(first.encode(image)), second(image))


def test_intensities_beyond_those_of_training_are_cut() -> None:
    network = Deployed(BrightfieldUNet(small("plain"))).eval()
    image = torch.rand(1, 3, 32, 32) * 4 - 1
    with torch.no_grad():
        assert torch.equal(network(image), network(image.clamp(0, 1)))


def test_the_decay_is_the_gradient_of_the_papers_l2() -> None:
    network = BrightfieldUNet(network_config("unet-mobilenet_v2"))
    kernels, rest = network.parameter_groups()
    assert kernels["weight_decay"] == 2e-4
    assert rest["weight_decay"] == 0
    assert all(p.ndim == 4 for p in kernels["params"])
    assert sum(p.numel() for g in (kernels, rest) for p in g["params"]) == count_parameters(network).trainable


def test_dropout_is_the_papers() -> None:
    assert dropout_rates(NETWORKS["model-1"]) == pytest.approx([0.25, 1 / 3, 5 / 12, 0.5])
    assert dropout_rates(NETWORKS["model-3"]) == pytest.approx([0.4, 0.35, 0.3, 0.25, 0.2])
    network = BrightfieldUNet(NETWORKS["model-3"])
    spatial = [m.p for m in network.modules() if isinstance(m, nn.Dropout2d)]
    assert spatial == pytest.approx([0.4, 0.35, 0.3, 0.25, 0.2])


@pytest.mark.parametrize("name", NETWORKS)
def test_settings_survive_json(name: str) -> None:
    config = network_config(name, distance=True)
    assert NetworkConfig.model_validate_json(config.model_dump_json()) == config


def test_norms_can_be_chosen_by_stage() -> None:
    norms = ("instance", "batch", "batch", "batch", "batch")
    network = BrightfieldUNet(network_config("model-3", widths=(8,) * 5, norm=norms))
    kinds = [
        {type(m) for m in s.modules() if isinstance(m, nn.InstanceNorm2d | nn.BatchNorm2d)}
        for s in network.decoder.stages
    ]
    assert kinds == [{nn.InstanceNorm2d}, *[{nn.BatchNorm2d}] * 3]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("model-4", {}, "must be one of model-1, model-2"),
        ("model-2", {"widths": (8, 8)}, "widths must be 4 numbers"),
        ("model-2", {"refinement": 1}, "belongs to a 'plain' decoder"),
        ("model-1", {"pooled": True}, "those of 'vgg16', not of 'densenet121'"),
        ("model-3", {"norm": ("batch",)}, "norm must be one name or 5"),
        ("model-3", {"fine_tune": 6}, "fine_tune: .*less than or equal to 5"),
    ],
)
def test_settings_that_do_not_fit_are_told(name: str, changes: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        network_config(name, **changes)


def library_state(encoder: Encoder) -> dict[str, Tensor]:
    """Weights as torchvision publishes them: its names, a head besides, no count of batches."""
    ours = encoder.stages.state_dict()
    state = {
        theirs: ours[name] for name, theirs in encoder.library_names.items() if "num_batches" not in theirs
    }
    return {**state, "classifier.weight": torch.rand(10, 4)}


@pytest.mark.parametrize("name", BACKBONES)
def test_encoders_take_torchvisions_names(name: Backbone) -> None:
    import torchvision

    options = {"init_weights": False} if name == "inception_v3" else {}
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name, weights=None, **options).state_dict()
    encoder = Encoder(name)
    ours = encoder.stages.state_dict()
    assert set(ours) == set(encoder.library_names)
    assert all(ours[n].shape == theirs[t].shape for n, t in encoder.library_names.items())
    left = {t.split(".")[0] for t in set(theirs) - set(encoder.library_names.values())}
    assert left <= {"classifier", "fc", "AuxLogits"}


def test_imagenet_weights_come_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(1)
    trained = Encoder("mobilenet_v2")
    torch.save(library_state(trained), tmp_path / "mobilenet.pth")
    config = small("plain")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = create_network(config, tmp_path / "mobilenet.pth")
    assert network.config == config
    for name, value in trained.state_dict().items():
        assert torch.equal(network.encoder.state_dict()[name], value)
    assert not any(p.requires_grad for p in network.encoder.parameters())


def test_safetensors_and_wrapped_files_are_read(tmp_path: Path) -> None:
    state = {"a": torch.rand(3), "b": torch.rand(2, 2)}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "wrapped.pt")
    assert torch.equal(read_imagenet(tmp_path / "wrapped.pt")["b"], state["b"])
    pytest.importorskip("safetensors")
    from safetensors.torch import save_file

    save_file(state, tmp_path / "state.safetensors")
    assert torch.equal(read_imagenet(tmp_path / "state.safetensors")["a"], state["a"])
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\0\0\0")
    with pytest.raises(ModelError, match=re.escape("not a whole .safetensors file")):
        read_imagenet(tmp_path / "cut.safetensors")


def test_old_names_of_densenet_are_known() -> None:
    torch.manual_seed(2)
    trained, encoder = Encoder("densenet121"), Encoder("densenet121")
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", name): value
        for name, value in library_state(trained).items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    load_imagenet(encoder, old, "the file")
    expected = trained.state_dict()
    assert all(torch.equal(t, expected[n]) for n, t in encoder.state_dict().items())


class _Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path, ("opened",)


def test_files_that_do_not_fit_are_told(tmp_path: Path) -> None:
    torch.save(library_state(Encoder("mobilenet_v2")), tmp_path / "mobilenet.pth")
    with pytest.raises(ModelError, match="does not hold the weights of ResNet-50"):
        create_network(small("plain", "resnet50"), tmp_path / "mobilenet.pth")
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        create_network(small("plain"), tmp_path / "nowhere.pth")
    torch.save({"x": _Payload()}, tmp_path / "code.pth")
    with pytest.raises(ModelError, match="without running code"):
        create_network(small("plain"), tmp_path / "code.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ModelError, match="does not hold tensors by name"):
        create_network(small("plain"), tmp_path / "list.pth")


def test_downloads_are_torchvisions(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    trained = Encoder("mobilenet_v2")
    monkeypatch.setattr(
        torchvision.models.MobileNet_V2_Weights, "get_state_dict", lambda self, **_: library_state(trained)
    )
    network = create_network(small("plain"), "download")
    assert all(torch.equal(t, trained.state_dict()[n]) for n, t in network.encoder.state_dict().items())

    def refused(self: object, **_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models.MobileNet_V2_Weights, "get_state_dict", refused)
    with pytest.raises(ModelError, match=r"cannot be fetched from https://.*give its path instead"):
        create_network(small("plain"), "download")


def test_without_imagenet_all_learns_and_a_warning_says_so() -> None:
    with pytest.warns(CellSegWarning, match="No ImageNet weights of MobileNetV2"):
        network = create_network(small("plain"))
    assert network.config.fine_tune == 5
    assert all(p.requires_grad for p in network.parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        create_network(network.config)


def check_export(config: NetworkConfig, path: Path) -> None:
    network = settled(config)
    assert export_onnx(network, path) < 1e-4
    image = torch.rand(3, 3, 160, 96)
    with torch.no_grad():
        expected = Deployed(network)(image).numpy()
    assert np.abs(open_maps(path)(image.numpy()) - expected).max() < 1e-4
    assert 0 <= expected[:, 0].min() <= expected[:, 0].max() <= 1
    assert expected.std() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_says_what_torch_says(name: str, tmp_path: Path) -> None:
    check_export(NETWORKS[name], tmp_path / "network.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["plain", "gated", "residual"])
def test_onnx_with_instance_norm_and_distance(decoder: DecoderKind, tmp_path: Path) -> None:
    check_export(small(decoder, "vgg16", "instance"), tmp_path / "network.onnx")
