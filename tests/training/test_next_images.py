"""Which image next: the doubtful and the new first, no twins in a row, what cannot be read last."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cellseg.images.simulation.fluorescence import simulate_fluorescence
from napari_cellseg.training.image_order import Look, in_order
from napari_cellseg.training.image_statistics import STATISTICS
from napari_cellseg.training.next_images import rank_images


def look(name: str, *confidence: float, weaker: tuple[float, ...] = (), **more: object) -> Look:
    values = {"description": np.zeros(len(STATISTICS)), **more}
    return Look(name, 0, np.array(confidence, float), np.array(weaker, float), **values)  # type: ignore[arg-type]


def test_images_with_more_doubtful_objects_come_first() -> None:
    table = in_order([look("sure", *[0.98] * 20), look("half", *[0.5] * 20), look("some", *[0.8] * 20)])
    assert table["image"].tolist() == ["half", "some", "sure"]
    assert table["score"].is_monotonic_decreasing
    assert table["wrong"].tolist() == pytest.approx([10, 4, 0.4])
    assert table["reasons"][0] == "about 15 objects are probably wrong or missing, 20 were found"


def test_files_of_a_folder_are_ranked(tmp_path: Path) -> None:
    for seed in range(2):
        image = simulate_fluorescence((128, 128), seed=seed).image
        tifffile.imwrite(tmp_path / f"a{seed}.tif", image)
    (tmp_path / "broken.tif").write_bytes(b"no image")
    table = rank_images(tmp_path, device="cpu")
    assert len(table) == 3
    assert table["image"].iloc[-1].endswith("broken.tif")
    assert np.isnan(table["score"].iloc[-1])
    assert (table["objects"].iloc[:2] > 0).all()
