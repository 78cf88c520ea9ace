"""Training U-Nets on the command line, further or from scratch, with a backend that only writes a model."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.images.simulation import simulate_brightfield
from napari_cellseg.models.registry import bundled_folder
from napari_cellseg.training import families
from napari_cellseg.training.finetuning.recipe import FineTuneRecipe
from napari_cellseg.training.runs.run import run_beside
from napari_cellseg.training.unets.recipe import UnetRecipe

WRITING = """
import shutil
from pathlib import Path
from napari_cellseg.events import Progress
from napari_cellseg.models.card import read_card, write_card
from napari_cellseg.models.registry import bundled_folder
from napari_cellseg.training.runs.estimating import Estimate
from napari_cellseg.training.runs.run import Epoch

def train(recipe, run, report, resume):
    names = [member["name"] for member in recipe.get("members", [{"name": ""}])]
    for number, name in enumerate(names, 1):
        scores = {"F1": 0.75, "IoU": 0.6}
        epoch = Epoch(number, len(names), {"total": 0.5}, scores, 0.75, False, 0.1, 0.5, name)
        report(Progress("Training", number, len(names), name, epoch))
    model = Path(recipe["model"])
    shutil.copyfile(bundled_folder() / "nuclei.onnx", model)
    shutil.copyfile(bundled_folder() / "nuclei.safetensors", model.with_suffix(".safetensors"))
    card = read_card(bundled_folder() / "nuclei.json")
    write_card(card.model_copy(update={"weights": model.name}), model.with_suffix(".json"))
    return model

def estimate(recipe, report):
    report(Progress("Estimating", 1, 1, "a step"))
    return Estimate(seconds=recipe["epochs"] * 30.0, memory=1_500_000_000, device="2 cores", words="one step")
"""


@pytest.fixture
def run(run, tmp_path, monkeypatch):
    """Call the command line; returns exit code, stdout and stderr."""
    (tmp_path / "writing.py").write_text(WRITING, encoding="utf-8")
    (tmp_path / "writing_unets.py").write_text(WRITING, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    monkeypatch.setattr(UnetRecipe, "backend", "writing_unets")
    monkeypatch.setattr(FineTuneRecipe, "backend", "writing")
    monkeypatch.setattr(families, "missing", lambda family: None)
    monkeypatch.setenv("NAPARI_CELLSEG_HOME", str(tmp_path / "home"))
    return run


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A dataset with one image."""
    folder = tmp_path_factory.mktemp("datasets") / "cells"
    scene = simulate_brightfield((64, 64), seed=1)
    Dataset.create(folder).add(scene.image, scene.labels, name="a", split="train")
    return folder


def test_options_reach_the_recipe_and_every_network_is_told(run, dataset, tmp_path):
    model = tmp_path / "cells.onnx"
    code, out, err = run(
        "train", dataset, "-o", model, "--preset", "brightfield-small", "--epochs", 3, "--batch", 4,
        "--imgsz", 64, "--patience", 2, "--rate", 0.01, "--seed", 5, "--device", "cpu", "--channel", 1,
        "--set", "pick=2", "--set", "vote=majority", "--set", 'augmentation={"variants": 5}',
    )  # fmt: skip
    assert code == 0, err
    _, recipe = run_beside(model).read_recipe()
    expected = {
        "data": str(dataset), "model": str(model), "epochs": 3, "batch": 4, "edge": 64, "patience": 2,
        "rate": 0.01, "seed": 5, "device": "cpu", "channel": 1, "pick": 2, "vote": "majority",
    }  # fmt: skip
    assert {name: recipe[name] for name in expected} == expected
    assert recipe["augmentation"]["variants"] == 5
    lines = [line for line in err.splitlines() if "epoch" in line]
    assert len(lines) == 6
    assert lines[0] == "model-1-mobile_bce-dice, epoch 1/6: loss 0.5; F1 0.750, IoU 0.600; 0.5 s"
    assert out.startswith(f"{model}: ")
    assert "export" not in out


def test_a_network_with_its_loss_may_be_named(run, dataset, tmp_path):
    model = tmp_path / "cells.onnx"
    code, _, err = run("train", dataset, "-o", model, "--arch", "model-3/focal-dice-boundary")
    assert code == 0, err
    _, recipe = run_beside(model).read_recipe()
    assert [member["name"] for member in recipe["members"]] == ["model-3_focal-dice-boundary"]
    assert recipe["epochs"] == 45


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--arch", "brightfield", "-o", "cells.pt"], "model must be a file ending in .onnx"),
        (["--arch", "model-1/dice", "-o", "cells.onnx"], "loss must be one of bce-dice"),
        (["--arch", "brightfield-tiny", "-o", "cells.onnx"], "network must be one of model-1"),
        (["--arch", "brightfield", "-o", "cells.onnx", "--mosaic"], "mosaic"),
        (["--arch", "brightfield", "-o", "cells.onnx", "--set", "mosaic=1"], "mosaic"),
        (["--arch", "brightfield", "-o", "cells.onnx", "--weights", "nowhere"], "no ImageNet weights"),
        (["--arch", "brightfield", "--preset", "brightfield", "-o", "cells.onnx"], "both name a preset"),
    ],
)
def test_what_cannot_be_trained_is_refused(run, dataset, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    code, _, err = run("train", dataset, *arguments)
    assert code == 2
    assert told in " ".join(err.split())
    assert not run_beside(Path("cells.onnx")).recipe.exists()


# -- a model trained further ------------------------------------------------------------------------------


def test_a_model_is_trained_further_by_its_name(run, dataset, tmp_path):
    model = tmp_path / "cells.onnx"
    code, out, err = run(
        "train", dataset, "-o", model, "--from", "phase", "--preset", "quick", "--epochs", 2, "--imgsz", 64,
        "--set", "keep=0.5",
    )  # fmt: skip
    assert code == 0, err
    _, recipe = run_beside(model).read_recipe()
    expected = {"data": str(dataset), "start": "phase", "epochs": 2, "edge": 64, "keep": 0.5}
    assert {name: recipe[name] for name in expected} == expected
    assert out.startswith(f"{model}: ")
    gate, add = out.splitlines()[-2:]
    assert gate.startswith(f"napari-cellseg gate {model} phase --data {dataset} ")
    assert add.startswith(f"napari-cellseg models add {model} ")
    code, _, err = run("train", dataset, "-o", tmp_path / "better.onnx", "--from", model)
    assert code == 0, err
    assert run_beside(tmp_path / "better.onnx").read_recipe()[1]["start"] == str(model)


def test_time_and_memory_are_estimated_without_training(run, dataset, tmp_path):
    model = tmp_path / "cells.onnx"
    code, out, err = run("train", dataset, "-o", model, "--from", "phase", "--epochs", 4, "--estimate")
    assert code == 0, err
    assert out == "At most about 2 min and 1.5 GB of memory on 2 cores; one step\n"
    assert not run_beside(model).path.exists()


def test_a_training_further_goes_on_as_it_was_begun(run, dataset, tmp_path):
    model = tmp_path / "cells.onnx"
    assert run("train", dataset, "-o", model, "--from", "nuclei")[0] == 0
    code, _, err = run("train", dataset, "-o", model, "--resume")
    assert code == 0, err
    code, _, err = run("train", dataset, "-o", model, "--resume", "--from", "phase")
    assert (code, "takes no other options (phase)" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-o", "cells.onnx"], "What is 'cells.onnx' to begin with? Add --from nuclei"),
        (["-o", "cells.onnx", "--preset", "quick"], "Add --from nuclei"),
        (["-o", "cells.onnx", "--from", "nucleus"], "There is no model 'nucleus'. Did you mean 'nuclei'?"),
        (["-o", "cells.onnx", "--from", "bare.onnx"], "cannot be trained further"),
        (["-o", "cells.onnx", "--from", "nuclei", "--arch", "brightfield"], "neither --arch nor --weights"),
        (["-o", "cells.onnx", "--from", "nuclei", "--preset", "best"], "there are quick, balanced, thorough"),
        (["-o", "cells.onnx", "--from", "nuclei", "--set", "members=1"], "members: Extra inputs"),
        (["-o", "cells.pt", "--from", "nuclei"], "model must be a file ending in .onnx"),
    ],
)
def test_what_cannot_be_trained_further_is_refused(run, dataset, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    for suffix in (".onnx", ".json"):
        shutil.copyfile(bundled_folder() / f"nuclei{suffix}", tmp_path / f"bare{suffix}")
    code, _, err = run("train", dataset, *arguments)
    assert code == 2
    assert told in " ".join(err.split())
    assert not run_beside(Path("cells.onnx")).recipe.exists()


def test_what_can_be_trained_is_listed(run, tmp_path):
    code, out, _ = run("train", "--presets")
    assert code == 0
    assert "brightfield: Bright field, fourteen votes" in out
    assert "members model-1/bce-dice, model-1/focal-dice-boundary" in out
    assert "yolo11n-seg" in out
    assert "balanced: " in out
    assert "Models: nuclei, phase" in out
