"""What the tests on a GPU share: they are skipped, with the reason, where none can be used."""

import pytest

from napari_cellseg.models.devices import cuda_problem


@pytest.fixture(scope="session")
def cuda() -> str:
    """Name of a CUDA device that ONNX Runtime can use."""
    problem = cuda_problem(0)
    if problem:
        pytest.skip(problem)
    return "cuda:0"


@pytest.fixture(scope="session")
def torch_cuda() -> str:
    """Name of a CUDA device that PyTorch can use."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch finds no CUDA device.")
    return "cuda:0"
