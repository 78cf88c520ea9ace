"""The commands gate and next, called as a user does."""

import json
from pathlib import Path

import pandas as pd
import pytest
import tifffile

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.images.simulation.fluorescence import simulate_fluorescence


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = Dataset.create(tmp_path / "data")
    for seed in range(4):
        scene = simulate_fluorescence((96, 96), seed=seed)
        made.add(scene.image, scene.labels, name=f"a{seed}", split="test" if seed else "train")
    return tmp_path / "data"


def test_a_model_is_not_better_than_itself(run, data: Path, tmp_path: Path) -> None:
    models = ("gate", "nuclei", "nuclei", "--data", data, "--device", "cpu")
    code, out, _ = run(*models, "-o", tmp_path / "out")
    assert code == 0
    same = "Not distinguishable: on 3 test images that neither learnt from, both find the same objects"
    assert out.startswith(same)
    assert "Worse in" not in out
    saved = json.loads((tmp_path / "out" / "gate.json").read_text(encoding="utf-8"))
    assert (saved["verdict"], saved["new"], saved["old"]) == (
        "not distinguishable",
        "nuclei (new)",
        "nuclei (old)",
    )
    assert pd.read_csv(tmp_path / "out" / "images.csv")["difference"].tolist() == [0, 0, 0]
    code, _, err = run(*models, "--metric", "TP")
    assert code == 2
    assert "Models cannot be compared by TP" in err


def test_the_images_to_correct_next_are_printed_and_written(run, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    for seed in (0, 9):
        tifffile.imwrite(folder / f"b{seed}.tif", simulate_fluorescence((96, 96), seed=seed).image)
    code, out, _ = run("next", folder, "--data", data, "-o", tmp_path / "next.csv", "--device", "cpu")
    assert code == 0
    header, first, second = out.splitlines()
    assert header.split() == ["image", "score", "why"]
    assert first.startswith("b9.tif")
    assert second.split("  ")[0] == "b0.tif"
    assert second.endswith("the dataset has it already")
    assert [Path(p).name for p in pd.read_csv(tmp_path / "next.csv")["image"]] == ["b9.tif", "b0.tif"]
    code, out, _ = run("next", tmp_path / "nothing.tif")
    assert code == 2
    assert "nothing.tif" in out
