"""Recipes: what can be trained, what is refused and in which words."""

import json
from pathlib import Path

import pytest

from napari_cellseg.errors import OptionError
from napari_cellseg.training.yolo.recipe import PRESETS, YoloRecipe, architectures, preset


def recipe(**changes):
    return YoloRecipe.from_dict({"data": "data", "model": "cells.pt", **changes})


def test_a_recipe_comes_back_from_json():
    made = recipe(start="yolov9c-seg", optimizer="SGD", rate=0.01, momentum=0.9, channel="max", imgsz=320)
    assert YoloRecipe.from_dict(json.loads(json.dumps(made.as_dict()))) == made


def test_paths_hold_wherever_the_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = recipe(start="weights.pt")
    assert Path(made.data) == tmp_path / "data"
    assert Path(made.model) == tmp_path / "cells.pt"
    assert Path(made.start) == tmp_path / "weights.pt"
    assert not made.from_scratch
    assert recipe(start="yolo26n-seg").from_scratch


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"model": "cells.onnx"}, r"ending in \.pt"),
        ({"start": "yolo11n"}, "yolo11n-seg"),
        ({"imgsz": 100}, "imgsz.*multiple of 32"),
        ({"imgsz": 32}, "imgsz"),
        ({"epochs": 0}, "epochs"),
        ({"rate": 0.1}, "optimizer by name"),
        ({"momentum": 0.9}, "optimizer by name"),
        ({"freeze": 10}, "freeze needs weights"),
        ({"best_by": "loss"}, "best_by"),
        ({"elastic": 1.5}, "elastic"),
        ({"rate": float("nan"), "optimizer": "SGD"}, "rate"),
        ({"learning_rate": 0.1}, "learning_rate"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_words(changes, words):
    with pytest.raises(OptionError, match=words):
        recipe(**changes)


def test_every_value_is_explained():
    assert all(field.description for field in YoloRecipe.model_fields.values())


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_recipes_that_can_be_changed(name):
    made = preset(name, data="data", model="cells.pt", epochs=3)
    assert made.epochs == 3
    assert made.start in architectures()
    assert all((PRESETS[name].title, PRESETS[name].help, PRESETS[name].source))


def test_the_documents_recipes():
    article = preset("yolov9c-30", data="data", model="cells.pt")
    assert (article.start, article.epochs, article.batch, article.best_by) == (
        "yolov9c-seg",
        30,
        4,
        "precision",
    )
    assert (article.optimizer, article.momentum, article.rate) == ("SGD", 0.95, 0.001)
    assert article.weight_decay == 0.0005
    for epochs in (25, 50, 100):
        made = preset(f"yolo11s-{epochs}", data="data", model="cells.pt")
        assert (made.start, made.epochs, made.imgsz, made.patience) == ("yolo11s-seg", epochs, 640, 0)


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(OptionError, match="cells, quick"):
        preset("cell", data="data", model="cells.pt")
