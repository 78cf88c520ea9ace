"""The gate: better, worse, not distinguishable, or cannot be told; and who says so with how many images."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import OptionError
from napari_cellseg.events import Progress
from napari_cellseg.instances.instance import Instances
from napari_cellseg.models.card import write_card
from napari_cellseg.models.registry import added_folder, find_model
from napari_cellseg.training.gate import gate, gating
from napari_cellseg.training.held_out import held_out, reviewed_only

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
    (note,) = found.notes
    assert note.startswith(
        "Only 5 independent images: all of them change in the same direction 6% of the time"
    )
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


def test_two_images_or_two_groups_cannot_tell(tmp_path: Path) -> None:
    few = gate(GOOD, POOR, dataset(tmp_path / "few", {"val": 2}))
    assert (few.verdict, few.units, few.split) == ("cannot be told", 2, "val")
    assert np.isnan(few.interval.low)
    assert few.difference > 0
    assert "2 independent images with objects say too little about others, 3 are the fewest" in few.sentence
    grouped = Dataset.create(tmp_path / "grouped")
    for k in range(6):
        image, labels = scene(k)
        grouped.add(image, labels, name=f"a{k}", group=f"well{k % 2}", split="test")
    found = gate(GOOD, POOR, grouped)
    assert (found.verdict, found.units) == ("cannot be told", 2)
    assert found.images["group"].nunique() == 2
    assert "on 6 test images that neither learnt from (2 independent pieces)" in found.sentence


def test_images_of_val_join_where_test_has_too_few(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", {"train": 2, "val": 2, "test": 1})
    assert gate(GOOD, POOR, data).split == "test and val"
    assert gate(GOOD, POOR, data, split="test").units == 1
    assert gate(GOOD, POOR, data, split="all").split == "train and val and test"
    only = dataset(tmp_path / "only", {"train": 4})
    nothing = gate(GOOD, POOR, only)
    assert (nothing.verdict, nothing.split, len(nothing.images), nothing.reports) == (
        "cannot be told",
        "",
        0,
        (),
    )
    assert "there are no held-out images" in nothing.sentence
    nothing.save(tmp_path / "out")
    assert gate(GOOD, POOR, only, split="train").verdict == "better"
    with pytest.raises(OptionError, match="split must be train, val, test or all, not 'held'"):
        gate(GOOD, POOR, only, split="held")  # type: ignore[arg-type]


def test_images_that_a_model_learnt_from_are_left_out_with_what_belongs_to_them(tmp_path: Path) -> None:
    data = Dataset.create(tmp_path / "data")
    for k in range(8):
        image, labels = scene(k)
        data.add(image, labels, name=f"a{k}", group="well" if k < 2 else "", split="test")
    pixels = {entry.name: entry.pixels for entry in data.entries()}
    learnt = Finder("learnt", 0.3, trained_on=(pixels["a0"], pixels["a5"]))
    unknown = Finder("unknown", 0.7, trained_on=())
    found = gate(learnt, unknown, data)
    assert dict(zip(found.excluded["image"], found.excluded["reason"], strict=True)) == {
        "a0": "'learnt' learnt from it",
        "a1": "'learnt' learnt from 'a0', which it belongs to",
        "a5": "'learnt' learnt from it",
    }
    assert sorted(found.images["image"]) == ["a2", "a3", "a4", "a6", "a7"]
    assert found.notes[0].startswith("3 images are left out")
    assert found.notes[1].startswith("It is not known which images 'unknown' learnt from: its card")
    assert "on 5 test images that neither is known to have learnt from" in found.sentence
    picked = Finder("picked", 0.3, validated_on=tuple(pixels.values()))
    assert (
        gate(picked, POOR, data).notes[0].startswith("The best epoch of 'picked' was picked on these images")
    )


def test_a_model_is_no_better_known_than_what_it_comes_from(tmp_path: Path) -> None:
    added = added_folder()
    added.mkdir(parents=True)
    parent = find_model("nuclei").card.model_copy(update={"name": "foreign", "trained_on": ()})
    write_card(parent.model_copy(update={"sha256": "1" * 64}), added / "foreign.json")
    child = Finder("child", 0.3, parent="1" * 64)
    found = held_out(dataset(tmp_path / "data", {"test": 3}), [("child", child.card)])
    assert not found.is_certain
    assert "the card of 'foreign', which it comes from, does not list them" in found.notes[0]


def test_a_few_changed_objects_are_chance(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", {"test": 5}, dim=1, bright=15)
    found = gate(GOOD, POOR, data)
    assert found.verdict == "not distinguishable"
    assert "they differ in 5 objects only, which chance explains" in found.sentence
    same = gate(GOOD, GOOD, data)
    assert (same.verdict, same.new, same.old) == ("not distinguishable", "good (new)", "good (old)")
    assert "both find the same objects" in same.sentence


def test_inventing_in_blank_images_is_worse_and_finding_nothing_there_is_right(tmp_path: Path) -> None:
    blank = Finder("blank", -1.0)
    data = dataset(tmp_path / "data", {"test": 3}, dim=0, bright=0)
    empty = gate(GOOD, POOR, data)
    assert (empty.verdict, empty.images["new"].tolist()) == ("cannot be told", [1, 1, 1])
    assert "the images hold no objects" in empty.sentence
    image, labels = scene(7)
    for k in range(4):
        data.add(np.roll(image, k, 0), np.roll(labels, k, 0), name=f"b{k}", split="test")
    found = gate(blank, GOOD, data)
    invented = found.images.set_index("image").loc[["test_0", "test_1", "test_2"]]
    assert (invented["old"] == 1).all()
    assert (invented["new"] <= 1).all()


def test_each_class_has_a_verdict(tmp_path: Path) -> None:
    data = Dataset.create(tmp_path / "data", classes=["bright", "dim", "never"])
    for k in range(6):
        image, labels = scene(k)
        kinds = {i: "bright" if i <= 12 else "dim" for i in range(1, 17)}
        data.add(image, labels, name=f"a{k}", split="test", classes=kinds)
    names = ("bright", "dim")
    both, dimless = Finder("both", 0.3, classes=names), Finder("dimless", 0.7, classes=names)
    table = gate(dimless, both, data).by_class.set_index("class")
    assert table["verdict"].to_dict() == {"bright": "not distinguishable", "dim": "worse"}
    assert table["metric"].tolist() == ["F1", "F1"]
    assert table.loc["dim", ["old", "new", "objects"]].tolist() == [1, 0, 24]
    found = gate(both, POOR, data)
    assert found.by_class["metric"].tolist() == ["found", "found"]
    assert found.by_class["verdict"].tolist() == ["not distinguishable", "better"]
    assert found.notes[-1].startswith("'poor' does not tell all classes apart")
    assert "Worse for the class 'dim': F1 1.000 to 0.000." in gate(dimless, both, data).notes


def test_what_nobody_has_reviewed_neither_helps_nor_harms(tmp_path: Path) -> None:
    data, parts = Dataset.create(tmp_path / "data"), Dataset.create(tmp_path / "parts")
    for k in range(4):
        image, labels = scene(k)
        ignored = np.zeros(SHAPE, bool)
        ignored[:, 50:] = True
        data.add(image, np.where(labels > 12, 0, labels), name=f"a{k}", split="test", ignored=labels > 12)
        parts.add(image, np.where(ignored, 0, labels), name=f"a{k}", split="test", ignored=ignored)
    found = gate(GOOD, POOR, data)
    assert (found.new_score, found.old_score) == (1, 1)
    assert gate(GOOD, GOOD, parts).new_score == 1


def test_an_object_at_the_edge_of_the_reviewed_region_keeps_its_part() -> None:
    found = np.zeros((10, 20), np.int32)
    found[2:6, 2:12], found[7:9, 6:12], found[2:6, 14:19] = 1, 2, 3
    truth = np.zeros_like(found)
    truth[2:6, 2:5] = 1
    ignored = np.zeros(found.shape, bool)
    ignored[:, 5:] = True
    kept = reviewed_only(found, truth, ignored)
    assert (kept == truth).all()
    ignored[:, 5:] = False
    assert reviewed_only(found, truth, ignored) is found
    ignored[:, 11:] = True
    assert np.unique(reviewed_only(found, truth, ignored)).tolist() == [0, 1, 2]


def test_everything_is_saved_and_pictures_show_what_got_worse(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", {"test": 4})
    steps: list[Progress] = []
    found = gate(POOR, GOOD, data, progress=steps.append)
    assert {step.stage for step in steps} == {"Comparing models"}
    assert [s.done for s in steps if s.total] == sorted(s.done for s in steps if s.total)
    image = found.worse[0]
    assert image.truth.shape == image.old.shape == image.new.shape == (288, 288, 3)
    missed = (image.new == (213, 94, 0)).all(axis=2)
    assert missed.any()
    assert not (image.old == (213, 94, 0)).all(axis=2).any()
    folder = found.save(tmp_path / "out")
    saved = json.loads((folder / "gate.json").read_text(encoding="utf-8"))
    assert saved["verdict"] == "worse"
    assert saved["low"] <= saved["high"] < 0
    assert len(saved["images"]) == 4
    assert len(list((folder / "worse").glob("*.png"))) == 4
    assert "poor" in (folder / "report.html").read_text(encoding="utf-8")
    assert len(found.figure().axes) == 12
    assert len(found.images_worse) == 4


@pytest.mark.parametrize("metric", ["TP", "count_error", "nonsense"])
def test_only_scores_decide(metric: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError):
        next(gating(GOOD, POOR, tmp_path, metric=metric))


def test_a_cancelled_comparison_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset(tmp_path / "data", {"test": 3})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    job = gating(GOOD, POOR, data)
    for _ in range(3):
        next(job)
    assert list(scratch.iterdir())
    job.close()
    assert not list(scratch.iterdir())
