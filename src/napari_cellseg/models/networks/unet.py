"""The bundled U-Net: heavy convolutions at half resolution and below, output at full resolution."""

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

STRIDE = 16
"""Height and width of the input must be multiples of this."""

OUTPUTS = ("foreground", "distance", "offset_y", "offset_x")
"""What the channels of the output are, in order."""


@dataclass(frozen=True, slots=True)
class UNetShape:
    """Size of a `UNet`.

    Attributes
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    widths : tuple of int
        Channels at 1/2, 1/4, 1/8 and 1/16 of the input's resolution.
    """

    in_channels: int = 3
    out_channels: int = 4
    widths: tuple[int, ...] = (24, 48, 96, 160)


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = _conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class UNet(nn.Module):
    """U-Net with a pixel-unshuffle stem, additive skips and a pixel-shuffle head.

    Parameters
    ----------
    shape : UNetShape
        Channels and widths.

    Notes
    -----
    Input (N, C, H, W) float32, output (N, K, H, W): logits of the foreground first, then plain numbers.
    H and W must be multiples of `STRIDE`.
    """

    def __init__(self, shape: UNetShape | None = None) -> None:
        super().__init__()
        shape = shape or UNetShape()
        self.shape = shape
        widths = shape.widths
        self.stem = _conv(4 * shape.in_channels, widths[0])
        self.encoders = nn.ModuleList([Residual(w) for w in widths])
        self.downs = nn.ModuleList([_conv(a, b, 3, 2) for a, b in zip(widths, widths[1:], strict=False)])
        self.reduces = nn.ModuleList([_conv(b, a, 1) for a, b in zip(widths, widths[1:], strict=False)])
        self.decoders = nn.ModuleList([Residual(w) for w in widths[:-1]])
        self.head = nn.Conv2d(widths[0], 4 * shape.out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of shape (N, K, H, W)."""
        return self.body(self.stem(nn.functional.pixel_unshuffle(x, 2)))

    def body(self, x: Tensor) -> Tensor:
        """Maps from the output of the stem, which is at half resolution."""
        x = torch.relu(x)
        skips: list[Tensor] = []
        for level, encoder in enumerate(self.encoders):
            if level:
                x = torch.relu(self.downs[level - 1](x))
            x = encoder(x)
            skips.append(x)
        for level in range(len(self.decoders) - 1, -1, -1):
            x = interpolate(self.reduces[level](x), scale_factor=2.0, mode="nearest")
            x = self.decoders[level](torch.relu(x + skips[level]))
        return nn.functional.pixel_shuffle(self.head(x), 2)


class Deployed(nn.Module):
    """A trained network as it is exported: batch norm folded, the foreground a probability.

    The pixel-unshuffle and the 3x3 convolution behind it become one 6x6 convolution of stride 2.
    """

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = fold_batch_norm(network)
        stem = self.network.stem[0]
        width, inputs = stem.out_channels, network.shape.in_channels
        kernel = stem.weight.detach().reshape(width, inputs, 2, 2, 3, 3).permute(0, 1, 4, 2, 5, 3)
        self.entry = nn.Conv2d(inputs, width, 6, 2, 2)
        self.entry.weight = nn.Parameter(kernel.reshape(width, inputs, 6, 6).contiguous())
        self.entry.bias = stem.bias

    def forward(self, image: Tensor) -> Tensor:
        """Maps of shape (N, K, H, W), the foreground between 0 and 1."""
        maps = self.network.body(self.entry(image))
        return torch.cat([torch.sigmoid(maps[:, :1]), maps[:, 1:]], dim=1)


def fold_batch_norm(network: UNet) -> UNet:
    """Copy of a network, in evaluation mode, with every batch norm folded into its convolution."""
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], nn.BatchNorm2d):
            module[0] = nn.utils.fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()
    return folded


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers of a network."""
    return sum(p.numel() for p in network.parameters())


def export_onnx(network: UNet, path: Path, *, opset: int = 18, edge: int = 128) -> float:
    """Write a network as ONNX with dynamic batch, height and width.

    Parameters
    ----------
    network : UNet
        Trained network; it is not changed.
    path : Path
        File to write. Input ``image`` (N, C, H, W), output ``maps`` (N, K, H, W), both float32.
    opset : int
        ONNX operator set.
    edge : int
        Height and width, in pixels, of the image that is traced.

    Returns
    -------
    float
        Largest absolute difference between PyTorch and ONNX Runtime, on an image of another size.
    """
    from napari_cellseg.models.networks.session import open_maps

    deployed = Deployed(network).eval()
    example = torch.rand(2, network.shape.in_channels, edge, edge + STRIDE)
    dims = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.onnx.export(
        deployed,
        (example,),
        input_names=["image"],
        output_names=["maps"],
        opset_version=opset,
        dynamo=True,
        dynamic_shapes={"image": dims},
        verbose=False,
    )
    program.save(str(path), external_data=False)
    _tidy(path)
    probe = torch.rand(1, network.shape.in_channels, edge + 2 * STRIDE, edge)
    with torch.no_grad():
        expected = deployed(probe).numpy()
    found = open_maps(path)(probe.numpy())
    return float(abs(expected - found).max())


def _tidy(path: Path) -> None:
    """Name the free dimensions and drop what the exporter notes about the source code."""
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    for item in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        for i, name in ((0, "batch"), (2, "height"), (3, "width")):
            dims[i].dim_param = name
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def save_weights(network: UNet, path: Path, *, metadata: dict[str, str] | None = None) -> None:
    """Write trainable weights as float16 safetensors, from which `load_weights` rebuilds the network."""
    from safetensors.torch import save_file

    tensors = {
        name: value.detach().to(torch.float16 if value.is_floating_point() else value.dtype).contiguous()
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    shape = {k: repr(v) for k, v in asdict(network.shape).items()}
    save_file(tensors, str(path), metadata={**shape, **(metadata or {})})


def load_weights(path: Path) -> UNet:
    """Network with the weights of a file that `save_weights` wrote, in float32, ready for training."""
    from ast import literal_eval

    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        meta: dict[str, str] = file.metadata()
        state: dict[str, Any] = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    widths: Sequence[int] = literal_eval(meta["widths"])
    shape = UNetShape(int(meta["in_channels"]), int(meta["out_channels"]), tuple(widths))
    network = UNet(shape)
    network.load_state_dict(state, strict=False)
    return network
