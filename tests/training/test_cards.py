"""What cards of trained models share: whose pixels they learnt from, who trained them, names, pixel sizes."""

import getpass
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.models.card import model_name
from napari_cellseg.models.registry import find_model
from napari_cellseg.training.cards import (
    author_name,
    common_pixel_size,
    learnt_from,
    parent_notes,
    pixel_hashes,
)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Three images."""
    made = Dataset.create(tmp_path / "data", ("cell",))
    labels = np.zeros((32, 32), np.int32)
    labels[4:12, 4:12] = 1
    for number, size in enumerate((0.5, 0.51, 0.9)):
        image = np.arange(1024, dtype=np.uint16).reshape(32, 32) + number
        made.add(image, labels, name=f"image {number}", pixel_size=size, classes="cell")
    return made


def test_pixels_are_told_once_and_in_order(dataset: Dataset) -> None:
    known = {entry.name: entry.pixels for entry in dataset.entries()}
    found = pixel_hashes(dataset, {"train": ["image 1", "image 0", "image 1"], "val": ["image 2"]})
    assert found == {"train": sorted([known["image 0"], known["image 1"]]), "val": [known["image 2"]]}
    assert len(found["train"][0]) == 64


def test_weights_have_learnt_from_what_their_parent_had_learnt_from(dataset: Dataset) -> None:
    parent = find_model("nuclei").card.model_copy(update={"trained_on": ("b", "d")})
    assert learnt_from(["c", "b"], parent) == ("b", "c", "d")
    assert learnt_from(["c", "b"]) == ("b", "c")


def test_flattering_scores_are_told() -> None:
    card = find_model("nuclei").card
    pixels = {"train": ["a"], "val": ["b", "e"], "test": ["c"]}
    known = card.model_copy(update={"trained_on": ("a", "b", "d")})
    assert parent_notes(pixels, known) == [
        "'nuclei' had learnt from 1 image(s) of the split val: their scores flatter."
    ]
    assert "not known" in parent_notes(pixels, card.model_copy(update={"trained_on": ()}))[0]


def test_the_author_is_who_is_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "Ada")
    assert author_name() == "Ada"

    def nobody() -> str:
        raise OSError("no user name")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert author_name() is None


def test_a_pixel_size_is_told_where_it_is_common(dataset: Dataset) -> None:
    assert common_pixel_size(dataset, ["image 0", "image 1"]) == pytest.approx(0.505)
    assert common_pixel_size(dataset, ["image 0", "image 2"]) is None


@pytest.mark.parametrize(
    "stem, name", [("my cells", "my-cells"), ("  ", "yolo"), ("käse", "k-se"), ("a" * 100, "a" * 80)]
)
def test_names_of_files_become_names_of_models(stem: str, name: str) -> None:
    assert model_name(stem, "yolo") == name
