"""ONNX Runtime: the backend that works without torch; its sessions, and pixel models on it."""

import hashlib
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import (
    CellSegWarning,
    DeviceError,
    MissingDependencyError,
    ModelError,
    OutOfMemoryError,
)
from napari_cellseg.models.card import ModelCard
from napari_cellseg.models.devices import (
    CUDA_REMEDY,
    cpu_threads,
    cuda_providers,
    device_number,
    first_line,
    load_cuda_libraries,
    resolve_device,
)
from napari_cellseg.models.protocols import Tiles

CARD_PROPERTY = "napari_cellseg.card"
"""Key of an ONNX file's metadata that may hold its model card as JSON."""

_OUT_OF_MEMORY = re.compile(
    r"out of memory|failed to allocate memory|bad.?alloc|ALLOC_FAILED|CUDA failure 2\b", re.IGNORECASE
)


class OnnxNetwork:
    """A network in an ONNX file with one input (N, C, H, W), open on a device.

    Parameters
    ----------
    card : ModelCard
        Its card; the file must have the card's hash.
    weights : path
        The ONNX file; its weights are inside, not in files beside it.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.

    Attributes
    ----------
    device : str
        What ONNX Runtime really uses: ``"cpu"`` or ``"cuda:N"``.
    source : str
        The file, for texts of errors.

    Raises
    ------
    ModelError
        Where the file is missing, corrupt, or not the card's.
    DeviceError
        Where a CUDA device was asked for and cannot be used.
    """

    def __init__(self, card: ModelCard, weights: str | Path, device: str = "auto") -> None:
        self.card, self.source = card, str(weights)
        content = read_weights(weights)
        if hashlib.sha256(content).hexdigest() != card.sha256:
            raise ModelError(
                f"The weights '{weights}' are not those that the card of model '{card.name}' describes "
                f"(their SHA-256 differs): the file is damaged or was replaced. Add or install it again."
            )
        self._session, self.device = _open_on(content, self.source, device)

    @property
    def inputs(self) -> list[Any]:
        """Inputs, each with ``name``, ``type`` and ``shape``."""
        return list(self._session.get_inputs())

    @property
    def outputs(self) -> list[Any]:
        """Outputs, each with ``name``, ``type`` and ``shape``."""
        return list(self._session.get_outputs())

    def run(self, tiles: NDArray[Any]) -> list[NDArray[Any]]:
        """All outputs for a batch of tiles, (N, C, H, W) of the input's own dtype.

        Raises
        ------
        OutOfMemoryError
            Where the device has too little memory for these tiles.
        ModelError
            Where the network fails.
        """
        try:
            outputs: list[NDArray[Any]] = self._session.run(None, {self.inputs[0].name: tiles})
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise self._in_words(error, tiles.shape) from error
        return outputs

    def _in_words(self, error: Exception, shape: tuple[int, ...]) -> Exception:
        n, _, height, width = shape
        if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)):
            return OutOfMemoryError(
                f"The device '{self.device}' has too little memory for {n} tile(s) of {height} x {width} "
                f"pixels. Use smaller tiles or the CPU."
            )
        return ModelError(
            f"Model '{self.card.name}' failed on a tile of {height} x {width} pixels: {first_line(error)}."
        )


class OnnxPixelModel:
    """A pixel model in an ONNX file: one float32 input (N, C, H, W), one float32 output (N, K, H, W).

    Parameters, attributes and errors are those of `OnnxNetwork`; the file must have the card's channels and
    number of maps too.
    """

    def __init__(self, card: ModelCard, weights: str | Path, device: str = "auto") -> None:
        self.card = card
        self._network = OnnxNetwork(card, weights, device)
        self.device = self._network.device
        self._check_signature(str(weights))

    def predict_maps(self, tiles: Tiles) -> Tiles:
        """Maps of a batch of tiles.

        Parameters
        ----------
        tiles : (N, C, H, W) ndarray of float32
            Scaled intensities; H and W are multiples of ``card.tile_multiple``.

        Returns
        -------
        (N, K, H, W) ndarray of float32

        Raises
        ------
        OutOfMemoryError
            Where the device has too little memory for these tiles.
        ModelError
            Where the network fails, or returns maps of another shape than its card promises.
        """
        maps: Tiles = self._network.run(np.ascontiguousarray(tiles, np.float32))[0]
        expected = (tiles.shape[0], len(self.card.maps), *tiles.shape[2:])
        if maps.shape != expected:
            raise ModelError(
                f"Model '{self.card.name}' returned maps of shape {maps.shape}, its card promises {expected}."
            )
        return maps

    def _check_signature(self, weights: str) -> None:
        inputs, outputs = self._network.inputs, self._network.outputs
        for what, nodes in (("input", inputs), ("output", outputs)):
            if len(nodes) != 1 or nodes[0].type != "tensor(float)" or len(nodes[0].shape) != 4:
                found = ", ".join(f"{node.name}: {node.type} {node.shape}" for node in nodes)
                raise ModelError(
                    f"'{weights}' is not a pixel model: it must have one float32 {what} of four dimensions, "
                    f"it has {found or 'none'}."
                )
        name = self.card.name
        for what, found, promised in (
            ("input channels", inputs[0].shape[1], self.card.channels),
            ("output maps", outputs[0].shape[1], len(self.card.maps)),
        ):
            if isinstance(found, int) and found != promised:
                raise ModelError(
                    f"'{weights}' has {found} {what}, the card of model '{name}' promises {promised}."
                )


def read_weights(path: str | Path) -> bytes:
    """Content of a weights file.

    Raises
    ------
    ModelError
        Where the file is missing, empty or cannot be read.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"The weights '{path}' cannot be read: {error.strerror or error}.") from error
    if not content:
        raise ModelError(f"The weights '{path}' are empty.")
    return content


def read_metadata(path: str | Path) -> tuple[bytes, dict[str, str], list[Any]]:
    """Content, metadata and inputs of an ONNX file.

    Raises
    ------
    ModelError
        Where the file is no readable ONNX file.
    """
    content = read_weights(path)
    session = _open_session(content, str(path), ["CPUExecutionProvider"])
    return content, dict(session.get_modelmeta().custom_metadata_map), list(session.get_inputs())


def _open_on(content: bytes, source: str, device: str) -> tuple[Any, str]:
    chosen = resolve_device(device)
    if chosen.name == "cpu":
        return _open_session(content, source, ["CPUExecutionProvider"]), "cpu"
    number = device_number(chosen.name) or 0
    load_cuda_libraries()
    session = _open_session(content, source, cuda_providers(number))
    if "CUDAExecutionProvider" in session.get_providers():
        return session, chosen.name
    if device != "auto":
        raise DeviceError(
            f"The device '{device}' cannot be used: ONNX Runtime fell back to the CPU. {CUDA_REMEDY}"
        )
    warnings.warn(
        f"{chosen.title} could not be used by ONNX Runtime; the CPU is used. {CUDA_REMEDY}",
        CellSegWarning,
        stacklevel=2,
    )
    return session, "cpu"


def _open_session(content: bytes, source: str, providers: list[Any]) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError("Running a model", "onnxruntime", "all") from error
    options = onnxruntime.SessionOptions()
    options.use_deterministic_compute = True
    options.intra_op_num_threads = cpu_threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(content, options, providers=providers)
    except Exception as error:  # ONNX Runtime's errors share no base class of their own
        if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)):
            raise OutOfMemoryError(f"There is too little memory to load '{source}'.") from error
        raise ModelError(
            f"'{source}' is not an ONNX file that can be read; it is damaged, incomplete, or of another kind "
            f"({first_line(error)})."
        ) from error
    session.disable_fallback()
    return session
