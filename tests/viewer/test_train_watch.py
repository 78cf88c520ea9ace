"""What is kept of a training that goes on, and what a form offers of recipes."""

import math
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.errors import TrainingError
from napari_cellseg.events import Progress
from napari_cellseg.training.families import FAMILIES, YOLO, Family
from napari_cellseg.training.runs.previews import Preview, write_previews
from napari_cellseg.training.runs.run import Epoch, RunFolder, append_metrics
from napari_cellseg.viewer.recipe_fields import RecipeField, changes_of, recipe_fields
from napari_cellseg.viewer.train_pictures import BOTH, FOUND, TRUTH, outlined, run_pictures
from napari_cellseg.viewer.train_watch import TrainingWatch, read_metrics


def epoch(number: int, score: float = 0.5, network: str = "", seconds: float = 10.0) -> Epoch:
    metrics = {"AP50": score, "F1": 0.5, "val_total": 2.0 / number}
    return Epoch(number, 10, {"total": 1.0 / number}, metrics, score, seconds=seconds, network=network)


def test_the_time_left_counts_down_and_rests_with_the_training() -> None:
    now = [0.0]
    watch = TrainingWatch(lambda: now[0])
    assert watch.seconds_left() is None
    watch.add(epoch(1))
    watch.add(epoch(2, seconds=20.0))
    assert watch.seconds_left() == 8 * 15
    now[0] += 5
    assert watch.seconds_left() == 8 * 15 - 5
    now[0] += 100
    assert watch.seconds_left() == 7 * 15
    watch.take(Progress("Paused", 0, 0))
    assert watch.seconds_left() is None
    now[0] += 1000
    watch.take(Progress("Training", 2, 10))
    assert watch.seconds_left() == 8 * 15


def test_the_best_epoch_and_what_its_score_is() -> None:
    watch = TrainingWatch()
    for number, score in enumerate((0.3, 0.7, 0.7, 0.6), 1):
        watch.add(epoch(number, score))
    assert watch.best().number == 2
    assert watch.score_name() == "AP50"
    assert [series.name for series in watch.scores()] == ["AP50", "F1"]
    assert watch.losses()[1].values == [2.0, 1.0, 2 / 3, 0.5]
    assert watch.line() == "Epoch 4 of 10, loss 0.25, AP50 0.600, best 0.700 at epoch 2."
    assert list(watch.table()) == ["epoch", "training", "validation", "AP50", "F1"]


def test_without_validation_there_are_losses_only() -> None:
    watch = TrainingWatch()
    watch.add(Epoch(1, 3, {"total": 1.0}))
    assert watch.best() is None
    assert watch.scores() == []
    assert [series.name for series in watch.losses()] == ["training"]
    assert watch.line() == "Epoch 1 of 3, loss 1."


def test_networks_are_kept_apart_and_epochs_done_again_replace_the_first() -> None:
    watch = TrainingWatch()
    for network in ("a", "b"):
        for number in (1, 2):
            watch.add(epoch(number, 0.1 * number, network))
    watch.add(epoch(2, 0.9, "a"))
    assert watch.networks == ["a", "b"]
    assert [found.score for found in watch.epochs("a")] == [0.1, 0.9]
    assert watch.network == "a"
    assert len(watch.epochs("b")) == 2


def test_a_table_of_epochs_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    assert read_metrics(path) == []
    for number in (1, 2, 3):
        append_metrics(path, epoch(number, 0.25 * number))
    found = read_metrics(path, planned=10)
    assert [(e.number, e.planned, e.score, e.losses, e.metrics) for e in found] == [
        (e.number, e.planned, e.score, e.losses, e.metrics) for e in (epoch(n, 0.25 * n) for n in (1, 2, 3))
    ]
    assert math.isnan(found[0].rate)
    path.write_text("epoch,score\nx,1\n")
    with pytest.raises(TrainingError, match="table of epochs"):
        read_metrics(path)


def test_outlines_of_truth_and_found_are_white_where_they_agree() -> None:
    truth, found = np.zeros((20, 40), np.int32), np.zeros((20, 40), np.int32)
    truth[2:8, 2:8] = found[2:8, 2:8] = 1
    truth[10:18, 4:12], found[10:18, 20:30] = 2, 2
    picture = outlined(np.full((20, 40), 100, np.uint8), truth, found)
    colours = {tuple(int(c) for c in colour) for colour in picture.reshape(-1, 3)}
    expected = {tuple(bytes.fromhex(colour[1:])) for colour in (TRUTH, FOUND, BOTH)}
    assert colours == {(80, 80, 80), *expected}
    assert tuple(picture[2, 2]) == tuple(bytes.fromhex(BOTH[1:]))
    with pytest.raises(TrainingError, match="of one size"):
        outlined(np.zeros((3, 3), np.uint8), truth, found)


def test_previews_that_cannot_be_read_do_not_end_a_training(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    labels = np.zeros((600, 300), np.int32)
    labels[10:50, 10:50] = 3
    write_previews(run, [Preview("fov", np.zeros(labels.shape, np.uint8), labels, labels, 4)])
    (picture,), problem = run_pictures(run)
    assert max(picture.picture.shape) <= 256
    assert (picture.words, problem) == ("fov, epoch 4: 1 found, 1 true", "")
    next(run.previews.glob("*.npz")).write_bytes(b"broken")
    pictures, problem = run_pictures(run)
    assert pictures == []
    assert "cannot be read" in problem


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_every_family_offers_its_recipe_as_a_form(family: Family) -> None:
    start = {"cells": "nuclei", "yolo": "yolo11n-seg", "unets": ""}[family.name]
    values = {"data": "d", "model": f"m{family.suffix}"}
    recipe = family.make(None, start, values)
    fields = recipe_fields(recipe)
    names = [field.name for field in fields]
    assert {"epochs", "batch", "rate", "seed", "threads"} <= set(names)
    assert all(field.help for field in fields)
    assert changes_of(fields, {field.name: field.default for field in fields}) == {}
    for field in fields:
        changed = family.make(None, start, {**values, field.name: field.default})
        assert getattr(changed, field.name) == field.default
        if field.kind in ("whole", "number") and field.default is not None:
            assert field.low <= field.default <= field.high


def test_kinds_of_values() -> None:
    fields = {
        f.name: f for f in recipe_fields(YOLO.make(None, "yolo11n-seg", {"data": "d", "model": "m.pt"}))
    }
    assert fields["imgsz"].step == 32
    assert (fields["scale"].kind, fields["scale"].choices) == ("choice", ("own", "fit"))
    assert fields["single_class"].kind == "tick"
    assert fields["rate"].may_be_none
    assert changes_of([fields["epochs"]], {"epochs": 7}) == {"epochs": 7}
    assert isinstance(fields["batch"], RecipeField)
