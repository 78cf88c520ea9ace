"""Devices: requests, quiet probing, and what is said when CUDA cannot be used."""

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from napari_cellseg.errors import DeviceError, OptionError
from napari_cellseg.models import devices
from napari_cellseg.models.devices import CPU, Device, available_devices, cpu_threads, resolve_device


@pytest.fixture
def two_gpus(monkeypatch):
    gpus = (Device("cuda:0", "GPU A (8 GB)", 8 << 30), Device("cuda:1", "GPU B (4 GB)", 4 << 30))
    driver = devices._Driver(gpus, (99, 0))
    monkeypatch.setattr(devices, "cuda_driver", lambda: driver)
    monkeypatch.setattr(devices, "_probe_problem", lambda ort, driver, number: "")
    runtime = SimpleNamespace(get_available_providers=lambda: ["CUDAExecutionProvider"])
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    return gpus


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(
        devices, "cuda_driver", lambda: devices._Driver(problem="No NVIDIA driver is installed.")
    )


def test_requests_with_two_gpus(two_gpus):
    assert resolve_device("cpu") == CPU
    assert resolve_device("auto") == resolve_device("cuda") == resolve_device("cuda:0") == two_gpus[0]
    assert resolve_device("cuda:1") == two_gpus[1]
    assert available_devices() == (*two_gpus, CPU)
    with pytest.raises(DeviceError, match=r"no CUDA device 2; it has 'cuda:0', 'cuda:1'"):
        resolve_device("cuda:2")


def test_requests_without_a_gpu(no_gpu):
    auto = resolve_device("auto")
    assert auto.name == "cpu"
    assert auto.note == "The CPU is used. No NVIDIA driver is installed."
    assert available_devices() == (CPU,)
    with pytest.raises(DeviceError, match=r"'cuda' cannot be used. No NVIDIA driver"):
        resolve_device("cuda")


@pytest.mark.parametrize("request_", ["gpu", "", "cuda:", "cuda:-1", "cuda:x", "CPU", None, 0])
def test_an_unknown_request_names_the_allowed_ones(request_):
    with pytest.raises(OptionError, match="'auto', 'cpu', 'cuda' or 'cuda:N'"):
        resolve_device(request_)


def test_a_runtime_without_cuda_is_named(two_gpus, monkeypatch):
    monkeypatch.setattr(
        sys.modules["onnxruntime"], "get_available_providers", lambda: ["CPUExecutionProvider"]
    )
    with pytest.raises(DeviceError, match="build without CUDA"):
        resolve_device("cuda")


class _FakeDriver:
    """The functions of the CUDA driver that are used, with one device."""

    def __init__(self, init=0, count=1):
        self._init, self._count = init, count

    def cuInit(self, flags):
        return self._init

    def cuDriverGetVersion(self, version):
        version._obj.value = 12040

    def cuDeviceGetCount(self, count):
        count._obj.value = self._count

    def cuDeviceGet(self, handle, number):
        handle._obj.value = number

    def cuDeviceGetName(self, name, size, handle):
        name.value = b"Fake GPU"

    def cuDeviceTotalMem_v2(self, memory, handle):
        memory._obj.value = 6 << 30


@pytest.mark.parametrize(
    "driver, problem",
    [
        (_FakeDriver(), ""),
        (_FakeDriver(count=0), "reports no CUDA device"),
        (_FakeDriver(init=100), "CUDA_VISIBLE_DEVICES"),
        (_FakeDriver(init=803), "CUDA error 803"),
    ],
)
def test_what_the_driver_says(monkeypatch, driver, problem):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    found = devices.cuda_driver()
    assert problem in found.problem
    if not problem:
        assert found == devices._Driver((Device("cuda:0", "Fake GPU (6 GB)", 6 << 30),), (12, 4))


def test_a_driver_that_is_not_there(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    for platform, words in (
        ("linux", "No NVIDIA driver"),
        ("win32", "No NVIDIA driver"),
        ("darwin", "macOS"),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        devices.cuda_driver.cache_clear()
        assert words in devices.cuda_driver().problem


class _FakeRuntime:
    """ONNX Runtime whose sessions fall back, fail, or work."""

    cuda_version = "13.0"

    def __init__(self, outcome):
        self.outcome = outcome

    def set_default_logger_severity(self, level):
        pass

    def InferenceSession(self, content, providers):
        print("EP Error that nobody should see")  # noqa: T201
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return SimpleNamespace(
            disable_fallback=lambda: None, get_providers=lambda: [self.outcome], run=lambda *arguments: None
        )


@pytest.mark.parametrize(
    "outcome, cuda, words",
    [
        ("CUDAExecutionProvider", (13, 0), ""),
        ("CPUExecutionProvider", (13, 0), 'pip install "napari-cellseg\\[cuda\\]"'),
        (
            "CPUExecutionProvider",
            (12, 4),
            "supports CUDA 12.4, ONNX Runtime needs CUDA 13.0. Update the driver",
        ),
        (RuntimeError("no kernel image\nmore"), (13, 0), r"cannot use it \(no kernel image\)"),
    ],
)
def test_the_probe_runs_a_network_and_keeps_quiet(monkeypatch, capfd, outcome, cuda, words):
    import re

    monkeypatch.setattr(devices, "load_cuda_libraries", lambda: None)
    driver = devices._Driver((Device("cuda:0", "GPU A (8 GB)"),), cuda)
    problem = devices._probe_problem(_FakeRuntime(outcome), driver, 0)
    assert re.search(words, problem) if words else problem == ""
    assert capfd.readouterr() == ("", "")


def test_the_probe_is_a_network_that_runs():
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(devices._PROBE_MODEL, providers=["CPUExecutionProvider"])
    x = np.arange(256, dtype=np.float32).reshape(1, 1, 16, 16)
    assert np.array_equal(session.run(None, {"x": x})[0], x)


def test_asking_for_a_device_prints_nothing():
    code = (
        "import sys; from napari_cellseg.models.devices import available_devices, resolve_device\n"
        "assert resolve_device('auto').name and available_devices()[-1].name == 'cpu'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_threads(monkeypatch):
    monkeypatch.delenv(devices.THREADS_VARIABLE, raising=False)
    assert cpu_threads() >= 0
    monkeypatch.setattr(devices, "_container_quota", lambda: 1)
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(devices, "_siblings", lambda cpu: str(cpu // 2))
    assert cpu_threads() == 1
    monkeypatch.setattr(devices, "_container_quota", lambda: 64)
    assert cpu_threads() == 2
    monkeypatch.setenv(devices.THREADS_VARIABLE, "3")
    assert cpu_threads() == 3
    monkeypatch.setenv(devices.THREADS_VARIABLE, "0")
    with pytest.raises(OptionError, match="at least 1"):
        cpu_threads()
