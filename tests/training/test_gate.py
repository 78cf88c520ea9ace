"""The gate: better, worse, not distinguishable, or cannot be told; and who says so with how many images."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.instances.instance import Instances
from napari_cellseg.models.registry import find_model
from napari_cellseg.training.gate import gate

SHAPE = (96, 96)
BRIGHT, DIM = 200, 90


class Finder:
    """Finds squares of 8 × 8 pixels on a grid of 16, where a tile is bright enough."""

    device = "cpu"

    def __init__(
        self, name: str, least: float, *, classes: tuple[str, ...] = ("cell",), **card: object
    ) -> None:
        known = find_model("nuclei").card.model_dump() | {
            "name": name,
            "kind": "instance",
            "maps": (),
            "decoder": None,
            "classes": classes,
            "default_diameter": None,
            "own_scale": None,
            "scaling": {"low_percentile": 0, "high_percentile": 100},
            "tile": 96,
            "tile_multiple": 1,
            "overlap": 16,
            "trained_on": ("somewhere",),
            "validated_on": (),
            "recipe": {},
        }
        self.card = type(find_model("nuclei").card).model_validate(known | card)
        self.least = least

    def predict_instances(self, tiles: NDArray[np.float32]) -> list[Instances]:
        return [self._found(tile.max(axis=0)) for tile in tiles]

    def _found(self, plane: NDArray[np.float32]) -> Instances:
        corners = [
            (y, x)
            for y in range(4, plane.shape[0] - 8, 16)
            for x in range(4, plane.shape[1] - 8, 16)
            if plane[y + 4, x + 4] > self.least
        ]
        kinds = [min(len(self.card.classes) - 1, int(plane[y + 4, x + 4] < 0.7)) for y, x in corners]
        return Instances(
            np.array([(y, x, y + 8, x + 8) for y, x in corners], np.int32).reshape(-1, 4),
            np.full(len(corners), 0.9, np.float32),
            np.array(kinds, np.int16),
            tuple(np.ones((8, 8), bool) for _ in corners),
        )


GOOD, POOR = Finder("good", 0.3), Finder("poor", 0.7)


def scene(seed: int, dim: int = 4, bright: int = 12) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Bright and dim squares on some places of a grid; the first is always bright."""
    rng = np.random.default_rng(seed)
    places = [0, *(1 + rng.permutation(35)[: dim + bright - 1])] if dim + bright else []
    image, labels = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.int32)
    for number, place in enumerate(places, 1):
        y, x = 4 + 16 * (place // 6), 4 + 16 * (place % 6)
        image[y : y + 8, x : x + 8] = BRIGHT if number <= bright else DIM
        labels[y : y + 8, x : x + 8] = number
    return image, labels


def dataset(folder: Path, splits: dict[str, int], **options: int) -> Dataset:
    made = Dataset.create(folder)
    for split, count in splits.items():
        for k in range(count):
            image, labels = scene(len(made), **options)
            made.add(image, labels, name=f"{split}_{k}", split=split)
    return made


def test_a_model_that_finds_more_is_better_and_the_other_is_worse(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", {"train": 1, "val": 2, "test": 5})
    found = gate(GOOD, POOR, data)
    assert (found.verdict, found.split, found.units, found.metric) == ("better", "test", 5, "F1")
    assert (found.new, found.old) == ("good", "poor")
    assert found.new_score == 1
    assert found.old_score == pytest.approx(24 / 28)
    assert found.interval.low > 0
    assert found.worse == ()
    assert found.images["image"].tolist() == [f"test_{k}" for k in range(5)]
    assert found.by_class.loc[0, ["class", "verdict", "objects"]].tolist() == ["cell", "better", 80]
    assert found.sentence.startswith(
        "Better: on 5 test images that neither learnt from, 'good' reaches F1 1.000"
    )
    back = gate(POOR, GOOD, data, pictures=2)
    assert back.verdict == "worse"
    assert len(back.worse) == 2
    assert back.difference == -found.difference
    lower = gate(GOOD, POOR, data, metric="HD95")
    assert lower.difference < 0
    assert lower.verdict == "better"
