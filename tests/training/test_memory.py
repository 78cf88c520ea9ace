"""How much memory a model takes, and what says that there is no more."""

import numpy as np
import pytest

from napari_cellseg.training import memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_errors_of_too_little_memory_are_known(error: BaseException) -> None:
    assert memory.is_out_of_memory(error)


def test_other_errors_are_not_about_memory() -> None:
    assert not memory.is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_memory_of_a_gpu_is_asked_of_the_driver_after_every_image(monkeypatch: pytest.MonkeyPatch) -> None:
    used = iter([1.0, 3.0, 2.5])
    monkeypatch.setattr(memory, "gpu_memory", lambda number: next(used))
    monkeypatch.setattr(memory, "_cuda_of_torch", lambda: None)
    watch = memory.MemoryWatch("cuda:1")
    watch.look()
    watch.look()
    assert watch.peak("cuda:1") == memory.PeakMemory(2.0, memory.WHOLE_GPU)
    assert watch.peak("cpu").meaning in (memory.PROCESS, memory.UNKNOWN)


def test_memory_of_a_process_is_the_most_that_it_has_used() -> None:
    before = memory.process_memory()
    if before.meaning == memory.UNKNOWN:
        pytest.skip("this system does not tell")
    held = np.ones(int((before.gigabytes + 0.1) * 1e9 / 8))
    del held
    assert memory.process_memory().gigabytes > before.gigabytes + 0.05
