"""The bundled U-Net: heavy convolutions at half resolution and below, output at full resolution."""

import copy
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from napari_cellseg.models.networks.exporting import export_graph, refill_graph

STRIDE = 16
"""Height and width of the input must be multiples of this."""

SAME = 1e-3
"""Difference between PyTorch and ONNX Runtime below which both give the same."""

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
    deeper : tuple of int
        Residual blocks beyond the first, on the way down and again on the way up, at each of these levels;
        levels that it does not reach have none.
    detail : int
        Channels at the input's own resolution, which refine the maps; 0 leaves them as they come from 1/2.
    compand : bool
        Whether the network also sees the square root of the intensities, in which dim objects stand out.
    """

    in_channels: int = 3
    out_channels: int = 4
    widths: tuple[int, ...] = (24, 48, 96, 160)
    deeper: tuple[int, ...] = ()
    detail: int = 0
    compand: bool = False

    @property
    def seen_channels(self) -> int:
        """Channels that the first convolutions see."""
        return self.in_channels * (1 + self.compand)


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


class Refinement(nn.Module):
    """Adds to the maps what can only be seen at full resolution; changes nothing before it is trained."""

    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        width = shape.detail
        self.sharp = _conv(shape.seen_channels, width)
        self.deep = _conv(shape.widths[0], 4 * width, 1)
        self.joined = _conv(2 * width, 2 * width)
        self.head = nn.Conv2d(2 * width, shape.out_channels, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, image: Tensor, features: Tensor) -> Tensor:
        """What to add to the maps, (N, K, H, W), from the image and the features at half resolution."""
        deep = nn.functional.pixel_shuffle(torch.relu(self.deep(features)), 2)
        joined = torch.cat([torch.relu(self.sharp(image)), deep], dim=1)
        added: Tensor = self.head(torch.relu(self.joined(joined)))
        return added


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
        self.stem = _conv(4 * shape.seen_channels, widths[0])
        self.encoders = nn.ModuleList([Residual(w) for w in widths])
        more = [*shape.deeper, *[0] * (len(widths) - len(shape.deeper))]
        self.deeper_encoders = nn.ModuleList([_more(w, n) for w, n in zip(widths, more, strict=True)])
        self.downs = nn.ModuleList([_conv(a, b, 3, 2) for a, b in zip(widths, widths[1:], strict=False)])
        self.reduces = nn.ModuleList([_conv(b, a, 1) for a, b in zip(widths, widths[1:], strict=False)])
        self.decoders = nn.ModuleList([Residual(w) for w in widths[:-1]])
        self.deeper_decoders = nn.ModuleList(
            [_more(w, n) for w, n in zip(widths[:-1], more[:-1], strict=True)]
        )
        self.head = nn.Conv2d(widths[0], 4 * shape.out_channels, 3, padding=1)
        self.refinement = Refinement(shape) if shape.detail else None

    def forward(self, x: Tensor) -> Tensor:
        """Maps of shape (N, K, H, W)."""
        seen = self.seen(x)
        return self.body(self.stem(nn.functional.pixel_unshuffle(seen, 2)), seen)

    def seen(self, x: Tensor) -> Tensor:
        """The image, with its square root where the shape says so."""
        return torch.cat([x, torch.sqrt(torch.relu(x))], dim=1) if self.shape.compand else x

    def body(self, x: Tensor, seen: Tensor) -> Tensor:
        """Maps from the output of the stem, which is at half resolution, and from what the stem saw."""
        x = torch.relu(x)
        skips: list[Tensor] = []
        for level, encoder in enumerate(self.encoders):
            if level:
                x = torch.relu(self.downs[level - 1](x))
            x = self.deeper_encoders[level](encoder(x))
            skips.append(x)
        for level in range(len(self.decoders) - 1, -1, -1):
            x = interpolate(self.reduces[level](x), scale_factor=2.0, mode="nearest")
            x = self.deeper_decoders[level](self.decoders[level](torch.relu(x + skips[level])))
        maps = nn.functional.pixel_shuffle(self.head(x), 2)
        return maps if self.refinement is None else maps + self.refinement(seen, x)


def _more(width: int, blocks: int) -> nn.Sequential:
    """Residual blocks that change nothing before they are trained."""
    added = nn.Sequential(*[Residual(width) for _ in range(blocks)])
    for block in added:
        nn.init.zeros_(block.second[1].weight)
    return added


def grown(network: UNet, shape: UNetShape) -> UNet:
    """Larger network that gives the same maps: what is new in it changes nothing before it is trained.

    Parameters
    ----------
    network : UNet
        Trained network.
    shape : UNetShape
        Of the same widths, with more blocks, with detail, or with companding.

    Raises
    ------
    ValueError
        The shapes differ in more than that.
    """
    old = network.shape
    same = (old.in_channels, old.out_channels, old.widths) == (
        shape.in_channels,
        shape.out_channels,
        shape.widths,
    )
    if not same or old.compand > shape.compand or old.detail not in (0, shape.detail):
        raise ValueError(f"a network of {old} cannot grow into one of {shape}")
    result = UNet(shape)
    state = dict(network.state_dict())
    stem = "stem.0.weight"
    if shape.compand and not old.compand:
        state[stem] = torch.cat([state[stem], torch.zeros_like(state[stem])], dim=1)
    _, unknown = result.load_state_dict(state, strict=False)
    if unknown:
        raise ValueError(f"{shape} has no place for {', '.join(unknown)}")
    return result


class Deployed(nn.Module):
    """A trained network as it is exported: batch norm folded, the foreground a probability.

    The pixel-unshuffle and the 3x3 convolution behind it become one 6x6 convolution of stride 2.
    """

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = fold_batch_norm(network)
        stem = self.network.stem[0]
        width, inputs = stem.out_channels, network.shape.seen_channels
        kernel = stem.weight.detach().reshape(width, inputs, 2, 2, 3, 3).permute(0, 1, 4, 2, 5, 3)
        self.entry = nn.Conv2d(inputs, width, 6, 2, 2)
        self.entry.weight = nn.Parameter(kernel.reshape(width, inputs, 6, 6).contiguous())
        self.entry.bias = stem.bias

    def forward(self, image: Tensor) -> Tensor:
        """Maps of shape (N, K, H, W), the foreground between 0 and 1."""
        seen = self.network.seen(image)
        maps = self.network.body(self.entry(seen), seen)
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
    return export_graph(
        Deployed(network).eval(),
        path,
        channels=network.shape.in_channels,
        stride=STRIDE,
        edge=edge,
        opset=opset,
    )


def refill_onnx(network: UNet, template: Path, path: Path) -> float:
    """Write a network as ONNX, as `export_onnx` does, where there is a file of one of the same shape.

    Parameters
    ----------
    network : UNet
        Trained network; it is not changed.
    template : Path
        What `export_onnx` wrote of a network; where its shape is another, all is written anew.
    path : Path
        File to write.

    Returns
    -------
    float
        As of `export_onnx`.
    """
    channels = network.shape.in_channels
    difference = refill_graph(Deployed(network).eval(), template, path, channels=channels, stride=STRIDE)
    return difference if difference < SAME else export_onnx(network, path)


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
    names = [f.name for f in fields(UNetShape) if f.name in meta]
    network = UNet(UNetShape(**{name: literal_eval(meta[name]) for name in names}))
    network.load_state_dict(state, strict=False)
    return network
