"""What can be trained is listed, asked for and checked in one way for all families."""

import importlib.util
import json
import shutil
import subprocess
import sys

import pytest

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import MissingDependencyError, ModelError, OptionError, TrainingError
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models.card import file_hash, read_card, write_card
from napari_cellseg.models.registry import added_folder, bundled_folder
from napari_cellseg.training.families import (
    FAMILIES,
    StartingPoint,
    family_of,
    make_recipe,
    missing,
    starting_point,
    starting_points,
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CELLSEG_HOME", str(tmp_path / "home"))


@pytest.fixture
def added(home):
    """Models of the user: one that can be trained further, one that can't, and one of YOLO."""
    folder = added_folder()
    folder.mkdir(parents=True)
    card = read_card(bundled_folder() / "phase.json")
    for name, backend, suffixes in (
        ("mine", "onnx", (".onnx", ".safetensors")),
        ("bare", "onnx", (".onnx",)),
        ("boxes", "ultralytics", (".pt",)),
    ):
        for suffix in suffixes:
            (folder / f"{name}{suffix}").write_bytes(b"weights")
        weights = folder / f"{name}{suffixes[0]}"
        changes = {"name": name, "weights": weights.name, "backend": backend, "sha256": file_hash(weights)}
        write_card(card.model_copy(update=changes), folder / f"{name}.json")
    return folder


def point(key: str) -> StartingPoint:
    return next(point for point in starting_points() if point.key == key)


def test_models_that_can_be_trained_come_before_networks(added):
    keys = [point.key for point in starting_points()]
    assert keys[:4] == ["cells:nuclei", "cells:phase", f"yolo:{added / 'boxes.pt'}", "cells:mine"]
    assert keys[4:6] == ["yolo:yolov8n-seg", "yolo:yolov8s-seg"]
    assert keys[-1] == "unets:"
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("start", "key"),
    [
        ("nuclei", "cells:nuclei"),
        ("boxes", "yolo:FOLDER/boxes.pt"),
        ("yolo26s-seg", "yolo:yolo26s-seg"),
        ("model-2/bce-dice", "unets:model-2/bce-dice"),
        ("FOLDER/other.pt", "yolo:FOLDER/other.pt"),
        ("FOLDER/mine.onnx", "cells:FOLDER/mine.onnx"),
        ("FOLDER/mine.safetensors", "cells:FOLDER/mine.safetensors"),
        ("unets:", "unets:"),
    ],
)
def test_a_name_a_file_and_a_key_are_found(added, start, key):
    assert starting_point(start.replace("FOLDER", str(added))).key == key.replace("FOLDER", str(added))


def test_what_cannot_be_trained_further_is_told(added):
    with pytest.raises(TrainingError, match=r"'bare' cannot be trained further: .*bare\.safetensors"):
        starting_point("bare")
    with pytest.raises(ModelError, match=r"There is no model 'nucleus'\. Did you mean 'nuclei'"):
        starting_point("nucleus")


def test_one_call_makes_recipes_of_families(tmp_path):
    given = (tmp_path / "data", tmp_path / "a.pt")
    yolo = make_recipe(point("yolo:yolo11n-seg"), "quick", *given, {"imgsz": 96})
    assert yolo.as_dict().items() >= {"start": "yolo11n-seg", "epochs": 30, "imgsz": 96}.items()
    given = (tmp_path / "data", tmp_path / "a.onnx")
    cells = make_recipe(point("cells:phase"), "quick", *given, {"imgsz": 96})
    assert cells.as_dict().items() >= {"start": "phase", "edge": 96}.items()
    unets = make_recipe(point("unets:"), "brightfield-small", *given, {"imgsz": 64}).as_dict()
    assert (unets["edge"], unets["epochs"], len(unets["members"])) == (64, 12, 6)
    one = make_recipe(starting_point("model-3/focal-dice-boundary"), None, *given).as_dict()
    assert [member["name"] for member in one["members"]] == ["model-3_focal-dice-boundary"]
    with pytest.raises(OptionError, match="There is no preset 'best'; there are brightfield"):
        make_recipe(point("unets:"), "best", *given)
    with pytest.raises(OptionError, match="mosaic"):
        make_recipe(point("unets:"), None, *given, {"mosaic": 1})


def test_a_run_s_backend_tells_its_family():
    for family in FAMILIES.values():
        assert family_of(family.recipe.backend) is family
    with pytest.raises(TrainingError, match="begun by 'other', which is not known"):
        family_of("other")


def test_what_is_missing_is_told_before_anything_else(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ultralytics" else True)
    assert missing(FAMILIES["unets"]) is None
    error = missing(FAMILIES["yolo"])
    assert isinstance(error, MissingDependencyError)
    assert "Training a YOLO network needs 'ultralytics'" in str(error)
    with pytest.raises(MissingDependencyError, match=r"napari-cellseg\[yolo\]"):
        FAMILIES["yolo"].check(make_recipe(point("yolo:yolo11n-seg"), None, tmp_path, tmp_path / "a.pt"))


def test_a_dataset_without_images_to_learn_from_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    dataset = Dataset.create(tmp_path / "data")
    recipe = make_recipe(point("yolo:yolo11n-seg"), None, dataset.folder, tmp_path / "a.pt")
    with pytest.raises(TrainingError, match="has no images to learn from"):
        FAMILIES["yolo"].check(recipe)
    scene = simulate_fluorescence((64, 64), seed=1)
    dataset.add(scene.image, scene.labels, name="a", split="train")
    FAMILIES["yolo"].check(recipe)
    gone = make_recipe(starting_point(tmp_path / "gone.pt"), None, dataset.folder, tmp_path / "a.pt")
    with pytest.raises(TrainingError, match="There are no weights"):
        FAMILIES["yolo"].check(gone)


def test_listing_needs_neither_torch_nor_ultralytics():
    code = (
        "import sys, json; from napari_cellseg.training.families import FAMILIES, starting_points; "
        "starting_points(); [family.presets for family in FAMILIES.values()]; "
        "print(json.dumps([n for n in ('torch', 'ultralytics', 'onnxruntime') if n in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_a_model_that_lost_its_trainable_weights_is_not_offered(added):
    (added / "mine.safetensors").unlink()
    assert "cells:mine" not in [point.key for point in starting_points()]
    shutil.copyfile(bundled_folder() / "phase.safetensors", added / "mine.safetensors")
    assert "cells:mine" in [point.key for point in starting_points()]
