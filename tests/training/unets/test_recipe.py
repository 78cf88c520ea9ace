"""Recipes of U-Net training: the paper's values, what is refused, presets, files of ImageNet weights."""

import json
from pathlib import Path
from typing import Any

import pytest

from napari_cellseg.errors import OptionError, TrainingError
from napari_cellseg.training.unets.imagenet import imagenet_weights
from napari_cellseg.training.unets.presets import PRESETS, preset
from napari_cellseg.training.unets.recipe import UnetRecipe


def recipe(**changes: Any) -> UnetRecipe:
    return UnetRecipe.from_dict({"data": "data", "model": "cells.onnx", **changes})


def test_defaults_are_the_papers() -> None:
    made = recipe()
    assert [(m.network, m.loss) for m in made.members] == [
        (f"model-{n}", loss) for n in (1, 2, 3) for loss in ("bce-dice", "focal-dice-boundary")
    ]
    assert [(m.oversampling, m.mining, m.mixed) for m in made.members[::2]] == [
        (True, True, False),
        (True, True, True),
        (False, False, True),
    ]
    assert (made.epochs, made.patience, made.batch, made.edge, made.pick) == (45, 5, 16, 256, 14)
    assert (made.rate, made.decay, made.decay_steps) == (1e-4, 0.9, 9000)
    assert made.augmentation.variants == 21
    assert made.most_of_each == 4
    assert preset("brightfield-backbones", data="d", model="m.onnx").decay_steps == 10_000


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_back_from_json(name: str) -> None:
    made = preset(name, data="data", model="cells.onnx", seed=3)
    assert UnetRecipe.from_dict(json.loads(json.dumps(made.as_dict()))) == made
    assert len({member.name for member in made.members}) == len(made.members)


def test_few_networks_give_more_epochs_each() -> None:
    assert recipe(members=["model-1", "model-2"]).most_of_each == 7


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "cells.pt"}, "ending in .onnx"),
        ({"members": []}, "at least one network"),
        ({"members": ["model-4"]}, "must be one of model-1"),
        ({"members": ["model-1/dice"]}, "loss must be one of bce-dice"),
        ({"members": ["model-1", "model-1/bce-dice"]}, "distinct names"),
        ({"members": [{"network": "model-1", "settings": {"widths": [8]}}]}, "widths must be 5 numbers"),
        ({"members": [{"network": "model-1", "name": "../up"}]}, "name must be letters"),
        ({"fine_tune": 2}, "needs imagenet"),
        ({"edge": 100}, "multiple of 32"),
        ({"mosaic": 1.0}, "mosaic"),
    ],
)
def test_what_cannot_be_trained_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        recipe(**changes)


def test_each_encoder_finds_its_file(tmp_path: Path) -> None:
    for name in ("vgg16-397923af.pth", "densenet121-a639ec97.pth", "notes.txt"):
        (tmp_path / name).touch()
    found = imagenet_weights(recipe(imagenet=tmp_path))
    assert found == {
        "densenet121": str(tmp_path / "densenet121-a639ec97.pth"),
        "vgg16": str(tmp_path / "vgg16-397923af.pth"),
    }
    single = recipe(imagenet=tmp_path / "vgg16-397923af.pth", members=["model-2"])
    assert imagenet_weights(single) == {"vgg16": str(tmp_path / "vgg16-397923af.pth")}
    assert set(imagenet_weights(recipe(imagenet="download")).values()) == {"download"}
    assert set(imagenet_weights(recipe()).values()) == {None}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="begins with 'densenet121'"):
        imagenet_weights(recipe(imagenet=tmp_path))
    with pytest.raises(TrainingError, match="There are no ImageNet weights"):
        imagenet_weights(recipe(imagenet=tmp_path / "vgg16.pth"))
    (tmp_path / "vgg16.pth").touch()
    with pytest.raises(TrainingError, match="holds the weights of one encoder"):
        imagenet_weights(recipe(imagenet=tmp_path / "vgg16.pth"))
