"""The most memory that a model takes, of the GPU where one runs it, else of the process; and its end."""

import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TORCH = "GPU memory of PyTorch's tensors (torch.cuda.max_memory_allocated)"
WHOLE_GPU = (
    "GPU memory in use after an image, more than before the model was loaded (nvidia-smi); other programs on "
    "the GPU count too"
)
PROCESS = "main memory of the whole process since it began (peak RSS), not of the model alone"
UNKNOWN = "not known on this system"

NO_MEMORY = (
    "out of memory", "can't allocate memory", "not enough memory", "_status_alloc_failed", "bad_alloc",
)  # fmt: skip
"""In the errors of PyTorch where memory ran out: of CUDA, of the CPU's allocator on Linux and Windows, of
cuBLAS and cuDNN, and of C++."""


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Memory in use.

    Attributes
    ----------
    gigabytes : float
        10⁹ bytes; NaN where it is not known.
    meaning : str
        What was counted, in words.
    """

    gigabytes: float
    meaning: str


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, of PyTorch or of Python, says that memory ran out."""
    return isinstance(error, MemoryError) or any(part in str(error).lower() for part in NO_MEMORY)


class MemoryWatch:
    """Looks at memory while a model works; begin one before the model is loaded.

    PyTorch counts what its tensors take. Other libraries on a GPU, ONNX Runtime among them, tell nothing:
    there the GPU itself is asked after every image, and as they keep what they once took, that is their most.

    Parameters
    ----------
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"auto"``.
    """

    def __init__(self, device: str) -> None:
        self.number = None if device == "cpu" else int(device.partition(":")[2] or 0)
        self._torch = _cuda_of_torch() if self.number is not None else None
        if self._torch is not None:
            self._torch.reset_peak_memory_stats(self.number)
        self._before = math.nan if self.number is None else gpu_memory(self.number)
        self._most = math.nan

    def look(self) -> None:
        """Note how much is in use now."""
        if self.number is not None:
            self._most = max(self._most, gpu_memory(self.number) - self._before, key=_known)

    def peak(self, device: str | None = None) -> PeakMemory:
        """The most so far.

        Parameters
        ----------
        device : str, optional
            What really ran the model, where that was left open.
        """
        on_gpu = self.number is not None and device != "cpu"
        torch = self._torch or (_cuda_of_torch() if on_gpu else None)
        allocated = torch.max_memory_allocated(self.number) if torch is not None and on_gpu else 0
        if allocated:
            return PeakMemory(allocated / 1e9, TORCH)
        if on_gpu:
            return PeakMemory(self._most, WHOLE_GPU if self._most == self._most else UNKNOWN)
        return process_memory()


def process_memory() -> PeakMemory:
    """The most main memory that this process has used since it began.

    On Linux the kernel's own note is read: what `getrusage` tells there begins with the peak of the process
    that started this one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        lines = (line.split() for line in status.read_text(encoding="utf-8").splitlines())
        known = [int(parts[1]) * 1024 / 1e9 for parts in lines if parts and parts[0] == "VmHWM:"]
        if known:
            return PeakMemory(known[0], PROCESS)
    try:
        import resource
    except ImportError:  # Windows
        return PeakMemory(math.nan, UNKNOWN)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return PeakMemory(most * (1 if sys.platform == "darwin" else 1024) / 1e9, PROCESS)


def gpu_memory(number: int) -> float:
    """Memory of a GPU that is in use, GB; NaN where nvidia-smi is missing, fails, or does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return math.nan
    command = [program, f"--id={number}", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except subprocess.TimeoutExpired:
        return math.nan
    text = done.stdout.strip()
    return int(text) * 2**20 / 1e9 if done.returncode == 0 and text.isdecimal() else math.nan


def _cuda_of_torch() -> Any:
    """PyTorch's view of the GPU, where PyTorch is in use and has one; it is not imported for that."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def _known(value: float) -> float:
    return value if value == value else -math.inf
