"""What an import brings along: next to nothing for the package, neither torch nor Qt for a segmentation."""

import json
import subprocess
import sys

import pytest

import napari_cellseg

HEAVY = ("torch", "ultralytics", "qtpy", "PyQt6", "PySide6", "PyQt5", "napari", "magicgui", "cv2")


def imported_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running some code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = imported_by("import napari_cellseg")
    assert loaded.isdisjoint({*HEAVY, "numpy", "pandas", "onnxruntime", "numba", "pydantic"})


def test_segmenting_loads_neither_torch_nor_qt() -> None:
    code = """
import warnings
import numpy as np
import napari_cellseg as cs
from napari_cellseg.images.simulation import simulate_fluorescence
seg = cs.segment(simulate_fluorescence((128, 128), seed=1).image, device="cpu")
assert seg.labels.shape == (128, 128)
"""
    assert imported_by(code).isdisjoint(HEAVY)


def test_every_public_name_is_there() -> None:
    for name in napari_cellseg.__all__:
        assert getattr(napari_cellseg, name) is not None
    assert set(napari_cellseg.__all__) == set(dir(napari_cellseg))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'segmentation'"):
        _ = napari_cellseg.segmentation
