"""Training and export on the command line, with a backend that only counts and an export that only tells."""

import os
import sys

import pytest

from napari_cellseg.cli import train
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models.card import ExportComparison, ExportRecord, Latency, read_card, write_card
from napari_cellseg.models.registry import bundled_folder
from napari_cellseg.training import families
from napari_cellseg.training.runs.run import Epoch, run_beside
from napari_cellseg.training.yolo import exporting
from napari_cellseg.training.yolo.exporting import Exported
from napari_cellseg.training.yolo.recipe import YoloRecipe

COUNTING = """
import time
from pathlib import Path
from napari_cellseg.errors import ModelError
from napari_cellseg.events import Progress
from napari_cellseg.models.card import file_hash, read_card, write_card
from napari_cellseg.models.registry import bundled_folder
from napari_cellseg.training.runs.run import Epoch

def train(recipe, run, report, resume):
    state = run.checkpoints / "last.txt"
    first = int(state.read_text()) + 1 if resume and state.exists() else 1
    for number in range(first, recipe["epochs"] + 1):
        state.write_text(str(number))
        losses, scores = {"total": 3.0, "box": 1.0, "seg": 2.0}, {"mAP50-95": number / 10, "val_box": 1.0}
        epoch = Epoch(number, recipe["epochs"], losses, scores, number / 10, True, 0.1, 0.5)
        report(Progress("Training", number, recipe["epochs"], f"epoch {number}", epoch))
        if recipe["seed"] == 13 and not resume:
            raise ModelError("The weights are damaged.")
        if recipe["seed"] == 14 and number == 2 and not resume:
            time.sleep(600)
    model = Path(recipe["model"])
    model.write_bytes(b"weights")
    card = read_card(bundled_folder() / "nuclei.json")
    score = {"metric": "F1", "value": 0.75, "images": 3, "objects": 9}
    scores = [{"data": data, **score} for data in ("val", "test")]
    scores.append({"data": "val", **score, "metric": "mAP50"})
    changed = {"weights": model.name, "sha256": file_hash(model), "scores": scores, "confidence": 0.4}
    write_card(type(card).model_validate({**card.model_dump(), **changed}), model.with_suffix(".json"))
    return model
"""


@pytest.fixture(autouse=True)
def counting(tmp_path_factory, monkeypatch):
    """A backend that counts epochs in place of ultralytics, and own settings."""
    folder = tmp_path_factory.mktemp("backend")
    (folder / "counting_yolo.py").write_text(COUNTING, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, sys.path)]))
    monkeypatch.setattr(YoloRecipe, "backend", "counting_yolo")
    monkeypatch.setattr(families, "missing", lambda family: None)
    monkeypatch.setenv("NAPARI_CELLSEG_HOME", str(folder / "home"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A dataset with one image."""
    folder = tmp_path_factory.mktemp("datasets") / "my cells"
    scene = simulate_fluorescence((64, 64), seed=1)
    Dataset.create(folder, classes=["cell"]).add(scene.image, scene.labels, name="a")
    return folder


# -- train ------------------------------------------------------------------------------------------------


def test_a_training_shows_its_epochs_and_ends_with_its_scores(run, dataset, tmp_path):
    model = tmp_path / "cells.pt"
    code, out, err = run("train", dataset, "-o", model, "--epochs", 2)
    assert code == 0
    lines = [line for line in err.splitlines() if line.startswith("epoch")]
    told = "loss 3 (box 1, seg 2); mAP50-95"
    assert lines == [f"epoch {n}/2: {told} 0.{n}00, best so far; 0.5 s" for n in (1, 2)]
    title, *table, export = out.splitlines()
    assert title.startswith(f"{model}: ")
    assert title.endswith("objects from confidence 0.4")
    assert [line.split() for line in table] == [
        ["val", "(3", "images)", "test", "(3", "images)"],
        ["F1", "0.750", "0.750"],
        ["mAP50", "0.750", "-"],
    ]
    assert export.startswith(f"napari-cellseg export {model}")


def test_every_option_reaches_the_recipe(run, dataset, tmp_path):
    model = tmp_path / "cells.pt"
    code, _, err = run(
        "train", dataset, "-o", model, "--preset", "quick", "--arch", "yolo26s-seg", "--epochs", 1,
        "--batch", 3, "--imgsz", 96, "--scale", "fit", "--channel", 1, "--single-class", "--best-by", "F1",
        "--patience", 7, "--optimizer", "SGD", "--rate", 0.01, "--momentum", 0.8, "--weight-decay", 0.1,
        "--elastic", 0.2, "--grid", 0.3, "--seed", 5, "--device", "cpu", "--set", "degrees=10",
        "--set", "mosaic=0.5",
    )  # fmt: skip
    assert code == 0, err
    _, recipe = run_beside(model).read_recipe()
    expected = {
        "data": str(dataset), "model": str(model), "start": "yolo26s-seg", "epochs": 1, "batch": 3,
        "imgsz": 96, "scale": "fit", "channel": 1, "single_class": True, "best_by": "F1", "patience": 7,
        "optimizer": "SGD", "rate": 0.01, "momentum": 0.8, "weight_decay": 0.1, "elastic": 0.2, "grid": 0.3,
        "seed": 5, "device": "cpu", "degrees": 10, "mosaic": 0.5,
    }  # fmt: skip
    assert {name: recipe[name] for name in expected} == expected


def test_ctrl_c_keeps_the_last_epoch_and_says_how_to_go_on(run, dataset, tmp_path, monkeypatch):
    model = tmp_path / "my model.pt"

    def interrupt(epoch: Epoch) -> str:
        if epoch.number == 2:
            raise KeyboardInterrupt
        return f"epoch {epoch.number}"

    monkeypatch.setattr(train, "epoch_words", interrupt)
    code, _, err = run("train", dataset, "-o", model, "--epochs", 3, "--seed", 14)
    assert code == 130
    command = f"napari-cellseg train -o '{model}' --resume"
    assert err.splitlines()[-2:] == [
        f"The last whole epoch is kept in '{tmp_path / 'my model_training'}'. Go on with: {command}",
        "Cancelled",
    ]
    monkeypatch.undo()
    assert not model.exists()


def test_resuming_goes_on_as_it_was_begun(run, dataset, tmp_path):
    model = tmp_path / "cells.pt"
    code, _, err = run("train", dataset, "-o", model, "--epochs", 3, "--seed", 13)
    assert code == 2
    assert "The weights are damaged." in err
    assert err.rstrip().endswith(f"Go on with: napari-cellseg train -o {model} --resume")
    code, _, err = run("train", dataset, "-o", model)
    assert (code, "go on with it with --resume" in err) == (2, True)
    code, _, err = run("train", "-o", model, "--resume", "--epochs", 5)
    assert (code, "takes no other options (epochs)" in err) == (2, True)
    code, _, err = run("train", tmp_path, "-o", model, "--resume")
    assert (code, "not on" in err) == (2, True)
    code, _, err = run("train", dataset, "-o", model, "--resume")
    assert code == 0
    assert [line[:9] for line in err.splitlines() if line.startswith("epoch")] == ["epoch 2/3", "epoch 3/3"]
    assert model.exists()
    code, _, err = run("train", dataset, "-o", model, "--overwrite", "--epochs", 1)
    assert code == 0
    assert run_beside(model).read_recipe()[1]["epochs"] == 1


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["-o", "OUT/a.pt"], "There must be a dataset to train on, or --resume"),
        (["DATA"], "Missing option '--out'"),
        (["DATA", "-o", "OUT/a.onnx"], "model must be a file ending in .pt"),
        (["DATA", "-o", "OUT/a.pt", "--arch", "yolo5"], "start must be a file ending in .pt or one of"),
        (["DATA", "-o", "OUT/a.pt", "--arch", "yolo11n-seg", "--weights", "b.pt"], "not both"),
        (["DATA", "-o", "OUT/a.pt", "--weights", "OUT/b.pt"], "There are no weights"),
        (["DATA", "-o", "OUT/a.pt", "--preset", "best"], "There is no preset 'best'; there are cells, quick"),
        (["DATA", "-o", "OUT/a.pt", "--imgsz", "100"], "imgsz: Input should be a multiple of 32"),
        (["DATA", "-o", "OUT/a.pt", "--set", "wings=2"], "wings: Extra inputs are not permitted"),
        (["DATA", "-o", "OUT/a.pt", "--set", "degrees"], "--set must be NAME=VALUE"),
        (["DATA", "-o", "OUT/a.pt", "--channel", "red"], "channel"),
        (["OUT", "-o", "OUT/a.pt"], "is not a dataset"),
        (["-o", "OUT/a.pt", "--resume"], "There is no training run in"),
        (["DATA", "-o", "OUT/there.pt"], "is there already; choose another file"),
    ],
)
def test_what_cannot_be_trained_is_told_before_anything_begins(run, dataset, tmp_path, arguments, words):
    (tmp_path / "there.pt").write_bytes(b"mine")
    places = {"DATA": str(dataset), "OUT": str(tmp_path)}
    given = [places.get(a, a.replace("OUT", str(tmp_path)) if a.startswith("OUT/") else a) for a in arguments]
    code, out, err = run("train", *given)
    assert (code, out) == (2, "")
    assert words in err
    assert err.startswith("Error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["there.pt"]


def test_presets_are_listed(run):
    code, out, _ = run("train", "--presets")
    assert code == 0
    assert "yolov9c-30: " in out
    assert "Networks: yolov8n-seg" in out


def test_training_without_ultralytics_says_what_to_install(run, dataset, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = run("train", dataset, "-o", tmp_path / "a.pt")
    assert code == 2
    assert "needs 'ultralytics', which is not installed" in err
    assert 'pip install "napari-cellseg[yolo]"' in err


# -- export -----------------------------------------------------------------------------------------------


def test_every_option_reaches_the_export_and_its_comparison_is_told(run, tmp_path, monkeypatch):
    seen = {}

    def fake(model, format, **options):
        seen.update(model=model, format=format, **options)
        latencies = (Latency(format="pt", device="cpu", seconds=1.25),)
        found = ExportComparison(
            images="images of 'plate'", count=1, source_objects=1200, export_objects=1199, pairs=1198,
            mean_iou=0.998, worst_iou=0.9, latencies=latencies,
        )  # fmt: skip
        record = ExportRecord(
            format="onnx", precision="fp16", source="cells.pt", source_sha256="0" * 64, made_with="x 1",
            comparison=found,
        )  # fmt: skip
        card = read_card(bundled_folder() / "nuclei.json").model_copy(update={"export": record})
        return Exported(tmp_path / "a.onnx", tmp_path / "a.onnx.json", card)
        yield

    monkeypatch.setattr(exporting, "exporting", fake)
    code, out, err = run(
        "export", "cells.pt", "--format", "tensorrt", "-o", tmp_path / "a.engine", "--half", "--dynamic",
        "--imgsz", 512, "--images", "plate", "--device", "cuda:1", "--overwrite",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert {key: str(value) for key, value in seen.items()} == {
        "model": "cells.pt", "format": "tensorrt", "half": "True", "dynamic": "True", "size": "512",
        "out": str(tmp_path / "a.engine"), "images": "plate", "device": "cuda:1", "overwrite": "True",
    }  # fmt: skip
    assert out.splitlines() == [
        f"{tmp_path / 'a.onnx'}, with its card a.onnx.json",
        "Exported from cells.pt: onnx, fp16",
        f"- made with x 1; source's SHA-256 {'0' * 64}",
        "- compared on 1 image: images of 'plate'",
        "- the source finds 1,200 objects, the export 1,199; 1,198 are the same, 2 lost, 1 added",
        "- IoU of their masks: 0.998 on average, 0.900 at worst",
        "- .pt takes 1.25 s for an image on cpu (median)",
    ]


def test_only_trusted_weights_of_yolo_are_exported(run, tmp_path):
    code, out, err = run("export", "nuclei")
    assert (code, out) == (2, "")
    assert "Only weights of YOLO networks (.pt) can be exported" in err
    (tmp_path / "cells.pt").write_bytes(b"a pickle")
    code, _, err = run("export", tmp_path / "cells.pt")
    assert (code, "add --trust" in err) == (2, True)
    code, _, err = run("export", tmp_path / "none.pt", "--trust")
    assert (code, "cannot be read" in err) == (2, True)


def test_models_info_shows_how_a_model_was_exported(run, tmp_path):
    card = read_card(bundled_folder() / "nuclei.json")
    record = ExportRecord(
        format="engine", precision="fp16", source="cells.pt", source_sha256="0" * 64, made_with="x 1",
        gpu="NVIDIA A100",
    )  # fmt: skip
    write_card(card.model_copy(update={"export": record}), tmp_path / "cells.json")
    code, out, _ = run("models", "info", tmp_path / "cells.json")
    assert code == 0
    assert "Exported from cells.pt: engine, fp16, for NVIDIA A100" in out


def test_each_weights_file_has_its_own_card(tmp_path):
    """``cells.pt`` and ``cells.onnx`` in one folder: ``cells.json`` is of the one that it names."""
    from napari_cellseg.errors import ModelError
    from napari_cellseg.models.registry import find_model

    card = read_card(bundled_folder() / "nuclei.json")
    for name in ("cells.pt", "cells.safetensors"):
        (tmp_path / name).write_bytes(b"weights")
    write_card(card.model_copy(update={"weights": "cells.pt"}), tmp_path / "cells.json")
    assert find_model(tmp_path / "cells.pt").card.weights == "cells.pt"
    with pytest.raises(ModelError, match="have no model card"):
        find_model(tmp_path / "cells.safetensors")
    other = card.model_copy(update={"weights": "cells.safetensors", "title": "Other"})
    write_card(other, tmp_path / "cells.safetensors.json")
    assert find_model(tmp_path / "cells.safetensors").card.title == "Other"
    (tmp_path / "cells.pt").unlink()
    (tmp_path / "cells.safetensors.json").unlink()
    assert find_model(tmp_path / "cells.safetensors").card.weights == "cells.pt"
