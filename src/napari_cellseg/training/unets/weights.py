"""The files of a trained network: weights per epoch, what never changes, the state, the history."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_cellseg.errors import MissingDependencyError, TrainingError
from napari_cellseg.models.networks.brightfield.config import STAGES, NetworkConfig
from napari_cellseg.models.networks.brightfield.network import BrightfieldUNet
from napari_cellseg.outputs import output_errors, replacing


@dataclass(frozen=True, slots=True)
class MemberFiles:
    """The folder of a network that is trained.

    ``epoch_0001.safetensors`` and so on are what the network had learnt after an epoch,
    ``frozen.safetensors`` is what it does not change, ``history.json`` what every epoch brought, and
    ``state.pt`` what it takes to go on; that one is gone once the training is finished.

    Attributes
    ----------
    folder : Path
        Where they are.
    """

    folder: Path

    @property
    def state(self) -> Path:
        """All that it takes to go on."""
        return self.folder / "state.pt"

    @property
    def history(self) -> Path:
        """What every epoch brought, as JSON."""
        return self.folder / "history.json"

    @property
    def frozen(self) -> Path:
        """Tensors of the stages of the encoder that do not learn."""
        return self.folder / "frozen.safetensors"

    def weights(self, epoch: int) -> Path:
        """What the network had learnt after an epoch."""
        return self.folder / f"epoch_{epoch:04d}.safetensors"

    @property
    def has_begun(self) -> bool:
        """Whether there is a training to go on with."""
        return self.state.exists() or self.history.exists()

    @property
    def is_finished(self) -> bool:
        """Whether the training came to its end."""
        return self.history.exists() and bool(self.read_history()["finished"])

    def read_history(self) -> dict[str, Any]:
        """What every epoch brought.

        Raises
        ------
        TrainingError
            Where the file is missing or damaged.
        """
        try:
            history: dict[str, Any] = json.loads(self.history.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"The history of a training, '{self.history}', is damaged ({error})."
            ) from error
        return history

    def write_history(self, history: Mapping[str, Any]) -> None:
        """Write what every epoch brought.

        Raises
        ------
        OutputError
            Where it cannot be written.
        """
        with replacing(self.history) as temporary:
            temporary.write_text(json.dumps(history, indent=2, ensure_ascii=False), encoding="utf-8")

    def learnt(self, network: BrightfieldUNet) -> dict[str, Tensor]:
        """Tensors that training changes, on the CPU."""
        state = network.state_dict()
        return {n: t.detach().cpu() for n, t in state.items() if not n.startswith(_frozen(network.config))}

    def write_frozen(self, network: BrightfieldUNet) -> None:
        """Write the tensors that training does not change."""
        state = network.state_dict()
        kept = {n: t for n, t in state.items() if n.startswith(_frozen(network.config))}
        _write_tensors(self.frozen, kept, network.config)

    def write_weights(self, network: BrightfieldUNet, epoch: int) -> None:
        """Write what the network has learnt after an epoch."""
        _write_tensors(self.weights(epoch), self.learnt(network), network.config)

    def remove_weights(self, except_for: Iterable[int]) -> None:
        """Remove the weights of all epochs but these."""
        kept = {self.weights(epoch) for epoch in except_for}
        with output_errors(self.folder):
            for path in self.folder.glob("epoch_*.safetensors"):
                if path not in kept:
                    path.unlink()

    def remove_halves(self) -> None:
        """Remove what a training that was ended while it wrote a file has left of it."""
        with output_errors(self.folder):
            for path in self.folder.glob(".*.partial.*"):
                path.unlink()

    def build(self, config: Mapping[str, Any], learnt: Mapping[str, Tensor]) -> BrightfieldUNet:
        """The network of its settings with what it has learnt and what it does not change."""
        network = BrightfieldUNet(NetworkConfig.model_validate(config))
        network.load_state_dict({**_read_tensors(self.frozen)[0], **learnt})
        return network

    def network(self, epoch: int) -> BrightfieldUNet:
        """The network after an epoch, in evaluation mode.

        Raises
        ------
        TrainingError
            Where a file is missing or damaged.
        """
        learnt, config = _read_tensors(self.weights(epoch))
        return self.build(config, learnt).eval()


def _frozen(config: NetworkConfig) -> tuple[str, ...]:
    return tuple(f"encoder.stages.{stage}." for stage in range(STAGES - config.fine_tune))


def _write_tensors(path: Path, tensors: Mapping[str, Tensor], config: NetworkConfig) -> None:
    try:
        from safetensors.torch import save
    except ImportError as error:
        raise MissingDependencyError("Writing weights", "safetensors", "train") from error
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(plain, metadata={"config": config.model_dump_json()})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, and the settings of their network."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingDependencyError("Reading weights", "safetensors", "train") from error
    try:
        with safe_open(str(path), framework="pt") as file:
            names: list[str] = list(file.keys())
            tensors: dict[str, Tensor] = {name: torch.clone(file.get_tensor(name)) for name in names}
            config: dict[str, Any] = json.loads(file.metadata()["config"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"The weights '{path}' are missing or damaged ({error}).") from error
    return tensors, config
