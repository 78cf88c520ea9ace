"""The example that goes through the whole loop: its simulated person, and a short form of all of it."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import MissingDependencyError
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.training import families
from napari_cellseg.training.finetuning.recipe import FineTuneRecipe

COPYING = """
import shutil
from pathlib import Path
from napari_cellseg.events import Progress
from napari_cellseg.models.card import read_card, write_card
from napari_cellseg.models.registry import find_model

def train(recipe, run, report, resume):
    report(Progress("Training", 1, 1, "one"))
    start, model = find_model("phase").path, Path(recipe["model"])
    for suffix in (".onnx", ".safetensors"):
        shutil.copyfile(start.with_suffix(suffix), model.with_suffix(suffix))
    changes = {"weights": model.name, "name": model.stem}
    write_card(read_card(start.with_suffix(".json")).model_copy(update=changes), model.with_suffix(".json"))
    return model
"""


@pytest.fixture(scope="module")
def example():
    path = Path(__file__).parents[2] / "examples" / "retrain_loop.py"
    spec = importlib.util.spec_from_file_location("retrain_loop", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["retrain_loop"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["retrain_loop"]


def scene(seed: int = 0):
    return simulate_fluorescence((96, 96), diameter=(14, 22), seed=seed).labels


def places(found, truth):
    """All objects, those of the model first."""
    return [(labels, int(i)) for labels in (found, truth) for i in np.unique(labels) if i]


def spoilt(truth, seed: int):
    """Objects as a model may find them: some missing, some invented, some too small."""
    rng = np.random.default_rng(seed)
    found = truth.copy()
    for label in np.unique(truth)[1:]:
        pixels = np.argwhere(truth == label)
        kind = rng.integers(4)
        if kind == 0:
            found[truth == label] = 0
        elif kind == 1:
            found[tuple(pixels[: len(pixels) // 2].T)] = 0
    free = np.argwhere(truth == 0)
    y, x = free[rng.integers(len(free))]
    found[y : y + 2, x : x + 2][truth[y : y + 2, x : x + 2] == 0] = truth.max() + 1
    return found


def test_what_is_right_is_accepted(example):
    truth = scene()
    made = example.Reviewer(truth, truth, 0.75, 3).review(places(truth, truth), most=5)
    assert set(made.status.values()) == {"accepted"}
    assert made.corrected == 0
    assert made.reviewed.all()
    np.testing.assert_array_equal(made.labels, truth)


def test_what_is_missing_is_added_and_what_is_invented_deleted(example):
    truth = scene()
    count = len(np.unique(truth)) - 1
    nothing = np.zeros_like(truth)
    made = example.Reviewer(nothing, truth, 0.75, 3).review(places(nothing, truth), most=1000)
    assert list(made.status.values()) == ["added"] * count
    np.testing.assert_array_equal(made.labels, truth)
    made = example.Reviewer(truth, nothing, 0.75, 3).review(places(truth, nothing), most=1000)
    assert (made.status, made.deleted, made.corrected) == ({}, count, count)
    assert not made.labels.any()


@given(seed=st.integers(0, 50), most=st.integers(0, 12))
@settings(max_examples=25, deadline=None)
def test_where_somebody_has_looked_all_is_true_and_elsewhere_nothing_is_said(example, seed, most):
    truth = scene(seed % 5)
    found = spoilt(truth, seed)
    made = example.Reviewer(found, truth, 1.0, 3).review(places(found, truth), most)
    np.testing.assert_array_equal(made.labels[made.reviewed], truth[made.reviewed])
    assert not made.labels[~made.reviewed].any()
    assert set(made.status) == set(np.unique(made.labels).tolist()) - {0}
    assert made.reviewed.all() or made.corrected >= most
    assert made.corrected == made.deleted + sum(s != "accepted" for s in made.status.values())


def short(tmp_path: Path, *more: str) -> list[str]:
    return [
        "--out",
        str(tmp_path / "out"),
        "--objects",
        "2,4",
        "--edge",
        "128",
        "--validate",
        "2",
        "--old-most",
        "2",
        *more,
    ]


def test_rounds_are_trained_compared_and_told(example, tmp_path, monkeypatch):
    (tmp_path / "copying.py").write_text(COPYING, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    monkeypatch.setattr(FineTuneRecipe, "backend", "copying")
    monkeypatch.setattr(families, "missing", lambda family: None)
    table = example.main(short(tmp_path))
    out = tmp_path / "out"
    pd.testing.assert_frame_equal(table, pd.read_csv(out / "rounds.csv", keep_default_na=False), rtol=1e-9)
    assert (out / "rounds.png").stat().st_size > 1000
    assert table["corrected"].is_monotonic_increasing
    assert (table["corrected"] == table[["edited", "added", "deleted"]].sum(axis=1)).all()
    assert table["corrected"].iloc[-1] >= 4
    assert (table["AP50"].iloc[1:] > table["AP50"].iloc[0]).all()
    assert table["old_domain_AP50"].iloc[0] > 0.8
    counts = Dataset.open(out / "corrections").counts()
    assert counts.loc[["train", "val"], "images"].sum() == table["images"].iloc[-1]


def test_what_training_needs_is_asked_for_before_anything_is_done(example, tmp_path, monkeypatch):
    error = MissingDependencyError("Training a model further", "torch", "train")
    monkeypatch.setattr(families, "missing", lambda family: error)
    with pytest.raises(SystemExit, match="torch"):
        example.main(short(tmp_path))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_loop_with_a_model_that_learns(example, tmp_path):
    pytest.importorskip("torch")
    table = example.main(short(tmp_path, "--objects", "3", "--set", "epochs=1", "--set", "steps=2"))
    assert len(table) == 2
    assert table["minutes"].iloc[1] > 0
    assert table["verdict"].iloc[1] in {"better", "worse", "not distinguishable", "cannot be told"}
    model = next((tmp_path / "out").glob("model_*.onnx"))
    assert model.with_suffix(".json").exists()
    assert model.with_suffix(".safetensors").exists()
