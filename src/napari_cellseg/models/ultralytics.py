"""YOLO weights (``.pt``) and TensorRT engines (``.engine``) through ultralytics, decoded as exports are."""

import importlib.util
import math
from pathlib import Path
from typing import Any, Self

import numpy as np

from napari_cellseg.errors import (
    CellSegError,
    DeviceError,
    MissingDependencyError,
    ModelError,
    OutOfMemoryError,
)
from napari_cellseg.models.card import ModelCard, file_hash
from napari_cellseg.models.devices import device_number, first_line
from napari_cellseg.models.embedded import ExportedNetwork, exported_card
from napari_cellseg.models.protocols import Tiles
from napari_cellseg.models.trust import check_trusted
from napari_cellseg.models.ultralytics_import import import_ultralytics
from napari_cellseg.models.yolo import Outputs, YoloModel

SUFFIXES = (".pt", ".engine")
"""Endings of the files that this backend opens."""

MOST_OBJECTS = 3000
"""Objects that an end-to-end head may give for a tile, where weights have no other; its own limit is 300."""


class UltralyticsModel(YoloModel):
    """A YOLO segmentation network that ultralytics runs.

    Of weights with two heads the one without a limit to the number of objects is used, as in their exports.

    Parameters
    ----------
    card : ModelCard
        Its card.
    weights : path
        ``.pt``, which must be trusted, or ``.engine``, which runs on the GPU that it was built on.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.

    Raises
    ------
    MissingDependencyError
        Where ultralytics is not installed, or TensorRT, for an engine.
    UntrustedFileError
        Where the file is a pickle that the user has not trusted.
    ModelError
        Where the file cannot be opened or gives no masks.
    DeviceError
        Where the device cannot be used.
    """

    def __init__(self, card: ModelCard, weights: str | Path, device: str = "auto") -> None:
        self._torch, self._module, chosen = _opened(Path(weights), device)
        self._one_by_one = Path(weights).suffix.lower() == ".engine"
        super().__init__(card, self._run, chosen)

    @classmethod
    def around(cls, card: ModelCard, network: Any, device: str) -> Self:
        """A model around a network in memory.

        Parameters
        ----------
        card : ModelCard
            Its card.
        network : ultralytics.nn.tasks.SegmentationModel
            In evaluation mode, on the device, with the head without a limit to the number of objects.
        device : str
            ``"cpu"`` or ``"cuda:N"``.
        """
        import torch

        model = cls.__new__(cls)
        model._torch, model._module, model._one_by_one = torch, network, False
        YoloModel.__init__(model, card, model._run, device)
        return model

    def _run(self, tiles: Tiles) -> list[Outputs]:
        if self._one_by_one and len(tiles) > 1:
            return [output for i in range(len(tiles)) for output in self._run(tiles[i : i + 1])]
        torch = self._torch
        try:
            with torch.inference_mode():
                outputs = self._module(torch.from_numpy(tiles).to(self.device))
        except torch.cuda.OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"The device '{self.device}' has too little memory for {len(tiles)} tile(s) of "
                f"{tiles.shape[2]} x {tiles.shape[3]} pixels. Use smaller tiles or the CPU."
            ) from error
        boxes, prototypes = _boxes_and_prototypes(outputs, self.card.name)
        return list(zip(_array(boxes), _array(prototypes), strict=True))


def ultralytics_card(path: Path) -> ModelCard:
    """Card of weights that have none beside them, from what the weights say about themselves.

    Parameters
    ----------
    path : Path
        A ``.pt`` file that is trusted; an engine needs the card that its export wrote.

    Raises
    ------
    MissingDependencyError, UntrustedFileError, ModelError
        As `UltralyticsModel` does.
    """
    if path.suffix.lower() != ".pt":
        raise ModelError(f"'{path}' has no model card beside it, '{path.name}.json'.")
    _, network, _ = _opened(path, "cpu")
    stride = int(max(network.stride))
    size = network.args.get("imgsz", 640)
    edge = math.ceil(max(size) / stride) * stride if isinstance(size, list | tuple) else int(size)
    classes = tuple(str(network.names[i]) for i in sorted(network.names))
    channels = int(network.yaml.get("channels", 3))
    if channels not in (1, 3):
        raise ModelError(f"'{path}' takes images of {channels} channels; 1 or 3 are possible.")
    texts = {
        "description": f"YOLO segmentation, {path.stem}",
        "license": "AGPL-3.0, unless its author says otherwise",
    }
    told = ExportedNetwork(classes, channels, edge, stride, False, texts)
    card = exported_card(path, file_hash(path), told)
    count = sum(p.numel() for p in network.parameters())
    return card.model_copy(update={"backend": "ultralytics", "parameters": count})


def torch_device(device: str) -> str:
    """The device that a request means to PyTorch: ``"cpu"`` or ``"cuda:N"``.

    Raises
    ------
    OptionError
        Where the request is none of ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"``.
    DeviceError
        Where a CUDA device is asked for that PyTorch cannot use.
    """
    number = device_number(device)
    if number is None:
        return "cpu"
    import torch

    if torch.cuda.is_available() and number < torch.cuda.device_count():
        return f"cuda:{number}"
    if device == "auto":
        return "cpu"
    raise DeviceError(f"The device '{device}' cannot be used. {_torch_problem(torch)}")


def check_engine_support(device: str) -> None:
    """Make sure that TensorRT engines can be built and run here.

    Raises
    ------
    DeviceError
        Where there is no NVIDIA GPU that PyTorch can use, or the CPU is asked for.
    MissingDependencyError
        Where TensorRT is not installed.
    """
    if device_number(device) is None:
        raise DeviceError("TensorRT runs on an NVIDIA GPU only, not on the CPU; use ONNX there.")
    import torch

    if torch_device(device) == "cpu":
        raise DeviceError(f"TensorRT runs on an NVIDIA GPU only. {_torch_problem(torch)} Use ONNX instead.")
    if importlib.util.find_spec("tensorrt") is None:
        wanted = f"tensorrt-cu{str(torch.version.cuda).split('.')[0]}"
        raise MissingDependencyError("A TensorRT engine", "tensorrt", "", wanted=wanted)


def _torch_problem(torch: Any) -> str:
    if torch.version.cuda is None:
        return "The installed PyTorch is a build without CUDA."
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return f"PyTorch finds {count or 'no'} CUDA device{'' if count == 1 else 's'}."


def _opened(path: Path, device: str) -> tuple[Any, Any, str]:
    """PyTorch, the network on its device, and that device."""
    check_trusted(path)
    ultralytics = import_ultralytics()
    import torch

    is_engine = path.suffix.lower() == ".engine"
    if is_engine:
        check_engine_support(device)
    chosen = torch_device(device)
    try:
        if is_engine:
            from ultralytics.nn.autobackend import AutoBackend

            return torch, AutoBackend(str(path), device=torch.device(chosen), verbose=False), chosen
        network = ultralytics.YOLO(str(path), task="segment").model.float().eval().to(chosen)
    except CellSegError:
        raise
    except Exception as error:  # whatever a foreign file makes other people's code raise
        raise ModelError(f"'{path}' cannot be opened as YOLO weights ({first_line(error)}).") from error
    head = network.model[-1]
    if not hasattr(head, "proto"):
        raise ModelError(
            f"'{path}' is a YOLO network for '{network.task}', not for segmentation: it has no masks."
        )
    network.end2end = False
    head.max_det = MOST_OBJECTS
    return torch, network, chosen


def _boxes_and_prototypes(outputs: Any, name: str) -> tuple[Any, Any]:
    """Both tensors among what a network returns: (N, …, …) boxes and (N, M, h, w) prototypes."""
    while isinstance(outputs, list | tuple) and outputs and isinstance(outputs[0], list | tuple):
        outputs = outputs[0]
    if not isinstance(outputs, list | tuple) or len(outputs) < 2 or [v.ndim for v in outputs[:2]] != [3, 4]:
        raise ModelError(f"Model '{name}' does not return boxes and prototype masks.")
    return outputs[0], outputs[1]


def _array(values: Any) -> Any:
    return np.asarray(values.float().cpu().numpy() if hasattr(values, "cpu") else values, np.float32)
