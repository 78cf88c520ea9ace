"""PyTorch networks as ONNX files with free batch, height and width."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from napari_cellseg.models.networks.session import open_maps


def export_graph(
    network: nn.Module,
    path: Path,
    *,
    channels: int,
    stride: int,
    edge: int,
    opset: int = 18,
    free_sizes: bool = True,
    expected: nn.Module | None = None,
    spared: float = 0.0,
) -> float:
    """Write a network as ONNX, and compare both.

    Parameters
    ----------
    network : Module
        In evaluation mode, on the CPU; from (N, C, H, W) to (N, K, H, W), both float32.
    path : Path
        File to write; input ``image``, output ``maps``.
    channels : int
        Channels of the input, C.
    stride : int
        H and W are multiples of it.
    edge : int
        Height and width, in pixels, of the image that is traced.
    opset : int
        ONNX operator set.
    free_sizes : bool
        Whether height and width are free while the network is traced. A network whose graph does not depend
        on them (convolutions, pooling, resizing by a factor) is traced in a fraction of the time without, and
        is as free afterwards; the comparison would show it otherwise.
    expected : Module, optional
        What the file is compared with, where that is not the network itself.
    spared : float
        Share of the values, those that differ most, that are left out of the comparison.

    Returns
    -------
    float
        Largest difference between PyTorch and ONNX Runtime on an image of another size; of a map whose values
        go beyond 1, as a share of its largest.
    """
    free = {0: torch.export.Dim.DYNAMIC}
    if free_sizes:
        free |= {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.onnx.export(
        network,
        (torch.rand(2, channels, edge, edge + stride),),
        input_names=["image"],
        output_names=["maps"],
        opset_version=opset,
        dynamo=True,
        dynamic_shapes=[free],
        verbose=False,
    )
    program.save(str(path), external_data=False)
    tidy_graph(path)
    probe = torch.rand(1, channels, edge + 2 * stride, edge)
    return _difference(network if expected is None else expected, path, probe, spared)


def refill_graph(network: nn.Module, template: Path, path: Path, *, channels: int, stride: int) -> float:
    """Write a network as ONNX in no time: as a copy of the file of one of the same shape, with its weights.

    Parameters
    ----------
    network : Module
        As in `export_graph`.
    template : Path
        What `export_graph` wrote of a network of the same shape.
    path : Path
        File to write.
    channels, stride : int
        As in `export_graph`.

    Returns
    -------
    float
        As of `export_graph`; infinite, and nothing written, where the template does not have these weights.
    """
    import onnx
    from onnx.numpy_helper import from_array

    model = onnx.load(str(template))
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    items = [item for item in model.graph.initializer if item.name in weights]
    if not items or any(tuple(item.dims) != weights[item.name].shape for item in items):
        return math.inf
    for item in items:
        item.CopyFrom(from_array(weights[item.name], item.name))
    onnx.save(model, str(path))
    return _difference(network, path, torch.rand(1, channels, 8 * stride, 6 * stride))


def _difference(network: nn.Module, path: Path, probe: Tensor, spared: float = 0.0) -> float:
    with torch.no_grad():
        maps = network(probe).numpy()
    size = np.maximum(1, abs(maps).max(axis=(0, 2, 3), keepdims=True))
    difference = abs(maps - open_maps(path)(probe.numpy())) / size
    return float(np.quantile(difference, 1 - spared))


def tidy_graph(path: Path) -> None:
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
