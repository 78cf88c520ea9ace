"""Time, memory and device of a few steps of a training, from which all of it is estimated.

PyTorch is imported when it is needed: whoever measures has it.
"""

import time
from collections.abc import Callable
from typing import Any

from napari_cellseg.training.memory import process_memory


def timed(work: Callable[[], Any], device: str) -> float:
    """Seconds that something takes on a device, ``"cpu"`` or ``"cuda:N"``, until the device is done."""
    began = time.perf_counter()
    work()
    wait_for(device)
    return time.perf_counter() - began


def wait_for(device: str) -> None:
    """Wait until a device has done all that it was told."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


def peak_bytes(device: str) -> int:
    """Most memory in use so far, bytes: of PyTorch on a graphics card, else of this process; 0: not known."""
    if device != "cpu":
        import torch

        return int(torch.cuda.max_memory_reserved(device))
    most = process_memory().gigabytes * 1e9
    return int(most) if most == most else 0


def saved_bytes(network: Any, picture: Any) -> int:
    """What a network keeps of a picture until its weights are changed, bytes.

    Parameters
    ----------
    network : torch.nn.Module
        In training mode, on the device of the picture.
    picture : (1, C, H, W) torch.Tensor
        What it sees.
    """
    import torch

    weights = {weight.data_ptr() for weight in network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        found = network(picture)  # held on to, so that no memory is given out twice
        total = sum(kept.values())
    del found
    return total


def device_words(device: str) -> str:
    """A device as a user knows it."""
    import torch

    if device == "cpu":
        count = torch.get_num_threads()
        return f"processor, {count} core{'s' * (count > 1)}"
    return str(torch.cuda.get_device_name(device))
