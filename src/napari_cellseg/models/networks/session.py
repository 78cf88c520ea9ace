"""A bare ONNX Runtime session of a network: image in, maps out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]


def open_maps(path: Path, threads: int = 0) -> Callable[[NDArray[np.float32]], Maps]:
    """Open an ONNX file on the CPU.

    Parameters
    ----------
    path : Path
        Network with one input (N, C, H, W) and one output (N, K, H, W).
    threads : int
        Threads of one operator; 0 leaves the choice to ONNX Runtime.

    Returns
    -------
    callable
        From a batch of images to a batch of maps, both float32.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def maps(image: NDArray[np.float32]) -> Maps:
        result: Maps = session.run(None, {name: image})[0]
        return result

    return maps
