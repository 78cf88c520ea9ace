"""Devices that can run a model, found without noise on machines that have no GPU."""

import contextlib
import ctypes
import io
import math
import os
import re
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from napari_cellseg.errors import DeviceError, OptionError

THREADS_VARIABLE = "NAPARI_CELLSEG_THREADS"
"""Environment variable that sets how many CPU threads a model may use."""

CUDA_REMEDY = (
    'Install the CUDA libraries with: pip install "napari-cellseg[cuda]"; if they are installed, update the '
    "NVIDIA driver."
)

# A 1x1 convolution as an ONNX file: running it shows that CUDA, cuDNN and the driver work together.
_PROBE_MODEL = bytes.fromhex(
    "080612003a690a0f0a01780a01771201792204436f6e761201672a130801080108010801100122040000803f4201775a1e0a0178"
    "12190a17080112130a0312016e0a0208010a031201680a03120177621e0a017912190a17080112130a0312016e0a0208010a0312"
    "01680a0312017742040a00100b"
)


@dataclass(frozen=True, slots=True)
class Device:
    """A device that can run a model.

    Attributes
    ----------
    name : str
        ``"cpu"``, ``"cuda:0"``, …
    title : str
        What a user knows it by, for example ``"NVIDIA A100 (40 GB)"``.
    memory : int
        Its own memory in bytes; 0 for the CPU.
    note : str
        Why this device was chosen, where that is worth knowing; else empty.
    """

    name: str
    title: str
    memory: int = 0
    note: str = ""


CPU = Device("cpu", "CPU")


@dataclass(frozen=True, slots=True)
class _Driver:
    devices: tuple[Device, ...] = ()
    cuda: tuple[int, int] = (0, 0)
    problem: str = ""


def available_devices() -> tuple[Device, ...]:
    """Devices that can run a model here: usable CUDA devices first, the CPU last."""
    usable = [d for i, d in enumerate(cuda_driver().devices) if not cuda_problem(i)]
    return (*usable, CPU)


def resolve_device(device: str = "auto") -> Device:
    """The device that a request means on this machine.

    Parameters
    ----------
    device : str
        ``"auto"`` (a usable CUDA device, else the CPU), ``"cpu"``, ``"cuda"`` (the first), or ``"cuda:N"``.

    Returns
    -------
    Device
        For ``"auto"``, its `note` says why no GPU is used.

    Raises
    ------
    OptionError
        Where the request is none of these.
    DeviceError
        Where a CUDA device is asked for that cannot be used.
    """
    number = device_number(device)
    if number is None:
        return CPU
    problem = cuda_problem(number)
    if not problem:
        return cuda_driver().devices[number]
    if device == "auto":
        return replace(CPU, note=f"The CPU is used. {problem}")
    raise DeviceError(f"The device '{device}' cannot be used. {problem}")


def device_number(device: str) -> int | None:
    """CUDA device number that a request means, None for the CPU; ``"auto"`` and ``"cuda"`` mean 0.

    Raises
    ------
    OptionError
        Where the request is none of ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"``.
    """
    if device == "cpu":
        return None
    match = re.fullmatch(r"auto|cuda(?::(\d{1,4}))?", device) if isinstance(device, str) else None
    if match is None:
        raise OptionError(f"device must be 'auto', 'cpu', 'cuda' or 'cuda:N', not {device!r}.")
    return int(match[1] or 0)


@cache
def cuda_driver() -> _Driver:
    """What the CUDA driver reports; asks it once, and never opens a device."""
    if sys.platform == "darwin":
        return _Driver(problem="macOS has no CUDA.")
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return _Driver(problem="No NVIDIA driver is installed, so there is no CUDA device.")
    code = driver.cuInit(0)
    if code:
        return _Driver(problem=_driver_error(code))
    version, count = ctypes.c_int(0), ctypes.c_int(0)
    driver.cuDriverGetVersion(ctypes.byref(version))
    driver.cuDeviceGetCount(ctypes.byref(count))
    devices = tuple(_describe(driver, i) for i in range(count.value))
    problem = "" if devices else "The NVIDIA driver reports no CUDA device."
    return _Driver(devices, (version.value // 1000, version.value % 1000 // 10), problem)


def _driver_error(code: int) -> str:
    if code == 100:
        return "The NVIDIA driver reports no CUDA device (CUDA_VISIBLE_DEVICES may hide it)."
    return f"The NVIDIA driver does not start (CUDA error {code}). Update or reinstall the driver."


def _describe(driver: Any, number: int) -> Device:
    handle, name, memory = ctypes.c_int(0), ctypes.create_string_buffer(128), ctypes.c_size_t(0)
    driver.cuDeviceGet(ctypes.byref(handle), number)
    driver.cuDeviceGetName(name, len(name), handle)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), handle)
    title = f"{name.value.decode(errors='replace')} ({memory.value / 1024**3:.0f} GB)"
    return Device(f"cuda:{number}", title, memory.value)


@cache
def cuda_problem(number: int = 0) -> str:
    """Why CUDA device `number` cannot be used, in a sentence or two; empty where it can."""
    driver = cuda_driver()
    if driver.problem:
        return driver.problem
    if number >= len(driver.devices):
        names = ", ".join(f"'{d.name}'" for d in driver.devices)
        return f"This machine has no CUDA device {number}; it has {names}."
    try:
        import onnxruntime
    except ImportError as error:
        return f"ONNX Runtime cannot be imported ({error})."
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return (
            "The installed ONNX Runtime is a build without CUDA. Remove the package 'onnxruntime' and "
            'reinstall the GPU build with: pip install --force-reinstall "napari-cellseg[cuda]".'
        )
    return _probe_problem(onnxruntime, driver, number)


def _probe_problem(onnxruntime: Any, driver: _Driver, number: int) -> str:
    import numpy as np

    load_cuda_libraries()
    onnxruntime.set_default_logger_severity(4)
    reason = ""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            session = onnxruntime.InferenceSession(_PROBE_MODEL, providers=cuda_providers(number))
            session.disable_fallback()
        if "CUDAExecutionProvider" in session.get_providers():
            session.run(None, {"x": np.zeros((1, 1, 16, 16), np.float32)})
            return ""
    except Exception as error:  # every failure here means the same: not usable
        reason = f" ({first_line(error)})"
    finally:
        onnxruntime.set_default_logger_severity(2)
    needed = str(getattr(onnxruntime, "cuda_version", "") or "")
    if needed and driver.cuda < (int(needed.split(".")[0]), 0):
        has = ".".join(map(str, driver.cuda))
        return f"The NVIDIA driver supports CUDA {has}, ONNX Runtime needs CUDA {needed}. Update the driver."
    title = driver.devices[number].title
    return f"{title} is there, but ONNX Runtime cannot use it{reason}. {CUDA_REMEDY}"


def load_cuda_libraries() -> None:
    """Load CUDA and cuDNN from torch's or NVIDIA's Python packages, where they are installed."""
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()


def cuda_providers(number: int) -> list[Any]:
    """Execution providers of a session on CUDA device `number`, set up to repeat its results."""
    options = {
        "device_id": number,
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
        "arena_extend_strategy": "kSameAsRequested",
    }
    return [("CUDAExecutionProvider", options), "CPUExecutionProvider"]


def first_line(error: BaseException) -> str:
    """First line of an error of ONNX Runtime, without its prefix and without a full stop."""
    text = str(error).strip().splitlines()
    line = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text[0]) if text else type(error).__name__
    return line.rstrip(". ")[:300]


def cpu_threads() -> int:
    """CPU threads that a model may use.

    All physical cores that this process may run on (and no more than its container's quota), unless the
    environment variable ``NAPARI_CELLSEG_THREADS`` says otherwise. 0 leaves the choice to ONNX Runtime.

    Raises
    ------
    OptionError
        Where the variable is not a whole number of at least 1.
    """
    asked = os.environ.get(THREADS_VARIABLE, "").strip()
    if asked:
        if not (asked.isdecimal() and int(asked) >= 1):
            raise OptionError(f"{THREADS_VARIABLE} must be a whole number of at least 1, not {asked!r}.")
        return int(asked)
    if not hasattr(os, "sched_getaffinity"):
        return 0
    cores = {_siblings(cpu) for cpu in os.sched_getaffinity(0)}
    return max(1, min(len(cores), _container_quota()))


def _siblings(cpu: int) -> str:
    try:
        return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def _container_quota() -> int:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return sys.maxsize
    return sys.maxsize if quota == "max" else math.ceil(int(quota) / int(period))
