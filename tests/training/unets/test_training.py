"""Training of an ensemble: every member, the vote, the export, the scores, the comparison; and going on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torchvision")

import torch

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import CellSegWarning, TrainingError
from napari_cellseg.events import Progress
from napari_cellseg.images.simulation import simulate_brightfield
from napari_cellseg.models.card import DISAGREEMENT, file_hash
from napari_cellseg.models.registry import find_model, load_model
from napari_cellseg.pipeline import segment
from napari_cellseg.training.runs.previews import read_previews
from napari_cellseg.training.runs.process import resuming, training
from napari_cellseg.training.runs.run import Epoch, RunFolder
from napari_cellseg.training.unets.recipe import UnetRecipe
from napari_cellseg.training.unets.training import train

pytestmark = pytest.mark.usefixtures("small_encoder")

SPLITS = ("train", "train", "val", "test")
SMALL = {"backbone": "mobilenet_v2", "widths": [16, 12, 8, 8, 8]}
MEMBERS = [
    {"network": "model-2", "loss": "bce-dice", "name": "gated", "settings": SMALL},
    {
        "network": "model-3",
        "loss": "focal-dice-boundary",
        "name": "residual",
        "settings": {**SMALL, "pooled": False},
    },
]


def make_dataset(folder: Path, splits: tuple[str, ...] = SPLITS) -> Dataset:
    made = Dataset.create(folder, ("live cell",))
    for number, split in enumerate(splits):
        scene = simulate_brightfield((64, 80), diameter=(16, 26), seed=number)
        made.add(
            scene.image,
            scene.labels,
            name=f"image {number}",
            split=split,
            pixel_size=0.5,
            classes="live cell",
        )
    return made


def recipe(folder: Path, **changes: Any) -> UnetRecipe:
    values = {"data": str(folder / "data"), "model": str(folder / "out" / "my cells.onnx")}
    values |= {"members": MEMBERS, "epochs": 2, "batch": 2, "edge": 64, "patches": 4, "rate": 0.003}
    values |= {"distance": True, "pick": 2, "most": 1, "keep_all": True, "device": "cpu", "threads": 1}
    return UnetRecipe.from_dict({**values, **changes})


def run_here(made: UnetRecipe, folder: Path, resume: bool = False) -> list[Progress]:
    """Train in this process; all that was told."""
    run, told = RunFolder(folder), []
    if not resume:
        run.begin(made)
    train(made.as_dict(), run, told.append, resume)
    return told


def epochs(told: list[Progress]) -> list[Epoch]:
    return [step.payload for step in told if isinstance(step.payload, Epoch)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, small_encoder: None) -> tuple[Path, list[Progress]]:
    """A folder in which two networks were trained for two epochs each, and one of each votes."""
    folder = tmp_path_factory.mktemp("trained")
    make_dataset(folder / "data")
    return folder, run_here(recipe(folder), folder / "run")


@pytest.fixture
def model(trained: tuple[Path, list[Progress]]) -> Path:
    return trained[0] / "out" / "my cells.onnx"


def test_the_card_says_what_was_trained_and_how_good_it_is(
    trained: tuple[Path, list[Progress]], model: Path
) -> None:
    card = find_model(model).card
    assert (card.name, card.sha256, card.backend, card.kind) == (
        "my-cells",
        file_hash(model),
        "onnx",
        "pixel",
    )
    assert card.maps == ("foreground", "distance", DISAGREEMENT)
    assert (card.classes, card.pixel_size) == (("live cell",), 0.5)
    assert (card.data[0].train_images, card.data[0].validation_images) == (2, 1)
    assert 12 < card.diameter < 28
    known = {(score.data, score.metric) for score in card.scores}
    for data in ("val", "test"):
        assert {(data, name) for name in ("AP50", "Dice", "IoU", "accuracy")} <= known
    assert card.recipe["votes"] == 2
    assert card.recipe["epochs_trained"] == {"gated": 2, "residual": 2}
    assert card.recipe["export_difference"] < 1e-4
    assert any("ImageNet" in note for note in card.recipe["notes"])
    assert "ImageNet" not in card.licence
    pixels = {entry.name: entry.pixels for entry in Dataset.open(trained[0] / "data").entries()}
    assert card.trained_on == tuple(sorted(pixels[f"image {i}"] for i in (0, 1)))
    assert card.validated_on == (pixels["image 2"],)
    assert card.author
    assert str(trained[0]) not in card.model_dump_json()


def test_the_best_and_most_stable_epochs_vote(trained: tuple[Path, list[Progress]], model: Path) -> None:
    table = pd.read_csv(trained[0] / "run" / "candidates.csv")
    assert len(table) == 4
    assert (table.merit == table.F1 - table.spread).all()
    assert table.merit.is_monotonic_decreasing
    assert sorted(table[table.votes].member) == ["gated", "residual"]
    best = table.groupby("member").merit.max().to_dict()
    assert table[table.votes].set_index("member").merit.to_dict() == best
    voting = find_model(model).card.recipe["voting"]
    assert [(v["member"], v["epoch"]) for v in voting] == list(
        table[table.votes][["member", "epoch"]].itertuples(index=False, name=None)
    )


def test_members_are_compared_with_the_ensemble(trained: tuple[Path, list[Progress]], model: Path) -> None:
    table = pd.read_csv(trained[0] / "run" / "comparison.csv").set_index(["model", "set"])
    assert set(table.index) == {(m, s) for m in ("ensemble", "gated", "residual") for s in ("val", "test")}
    dice = next(s.value for s in find_model(model).card.scores if (s.data, s.metric) == ("val", "Dice"))
    assert table.Dice["ensemble", "val"] == pytest.approx(dice, abs=1e-4)
    assert table.votes["gated", "val"] == 1


def test_epochs_are_counted_over_all_members(trained: tuple[Path, list[Progress]]) -> None:
    _, told = trained
    found = epochs(told)
    assert [(epoch.number, epoch.planned) for epoch in found] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    scores = [epoch.score for epoch in found]
    assert [epoch.is_best for epoch in found] == [
        s > max(scores[:i], default=-1) for i, s in enumerate(scores)
    ]
    details = [step.detail for step in told if step.stage == "Training"]
    assert "residual (2 of 2), epoch 1 of 2, batch 1 of 2" in details
    done = [step.done for step in told if step.stage == "Training"]
    assert done == sorted(done)
    assert done[-1] == next(step.total for step in told if step.stage == "Training")


def test_previews_show_what_the_last_network_finds(trained: tuple[Path, list[Progress]]) -> None:
    folder, _ = trained
    (shown,) = read_previews(RunFolder(folder / "run"))
    assert (shown.image, shown.epoch, shown.network) == ("image 2", 4, "residual")
    np.testing.assert_array_equal(
        shown.truth, Dataset.open(folder / "data").sample("image 2").annotation.labels
    )
    assert (shown.picture.shape, shown.picture.dtype, shown.found.shape) == ((64, 80), np.uint8, (64, 80))
    assert shown.picture.max() > 200


def test_the_export_votes_as_the_networks_do(trained: tuple[Path, list[Progress]], model: Path) -> None:
    from napari_cellseg.training.unets.weights import MemberFiles

    checkpoints = RunFolder(trained[0] / "run").checkpoints
    tiles = np.random.default_rng(0).random((2, 3, 64, 96), np.float32)
    found = load_model(model, "cpu").predict_maps(tiles)
    with torch.no_grad():
        each = torch.stack(
            [
                MemberFiles(checkpoints / v["member"]).network(v["epoch"])(torch.from_numpy(tiles))
                for v in find_model(model).card.recipe["voting"]
            ]
        ).numpy()
    np.testing.assert_allclose(found[:, 0], (1 / (1 + np.exp(-each[:, :, 0]))).mean(0), atol=1e-4)
    np.testing.assert_allclose(found[:, 1], each[:, :, 1].mean(0), atol=1e-4)
    assert found[:, 2].min() >= 0
    assert found[:, 2].max() <= 1


def test_the_model_segments(model: Path) -> None:
    scene = simulate_brightfield((100, 130), diameter=(16, 26), seed=9)
    with pytest.warns(CellSegWarning):  # a few steps teach little: everything or nothing is a cell
        found = segment(scene.image, model=model, confidence=0.9, keep_maps=[DISAGREEMENT])
    assert found.labels.shape == (100, 130)
    assert found.maps[DISAGREEMENT].shape == (100, 130)


def test_nothing_is_left_but_the_run_and_the_model(trained: tuple[Path, list[Progress]]) -> None:
    folder, _ = trained
    assert {path.name for path in (folder / "out").iterdir()} == {"my cells.onnx", "my cells.json"}
    left = {path.name for path in (folder / "run").iterdir()}
    kept = {"recipe.json", "images.json", "candidates.csv", "comparison.csv"}
    assert left == kept | {"checkpoints", "previews"}


@pytest.mark.slow
def test_a_finished_training_is_only_exported_and_scored_again(trained: tuple[Path, list[Progress]]) -> None:
    folder, _ = trained
    before = find_model(folder / "out" / "my cells.onnx").card
    told = run_here(recipe(folder), folder / "run", resume=True)
    assert epochs(told) == []
    after = find_model(folder / "out" / "my cells.onnx").card
    assert (after.scores, after.decoder) == (before.scores, before.decoder)


class Enough(Exception):
    """Ends a training from outside."""


def test_it_goes_on_between_and_within_members(trained: tuple[Path, list[Progress]], tmp_path: Path) -> None:
    whole, told = trained
    made = recipe(tmp_path, data=str(whole / "data"))
    run = RunFolder(tmp_path / "run")
    run.begin(made)

    def report(step: Progress) -> None:
        if "residual (2 of 2), epoch 2 of 2, batch 2" in step.detail:
            raise Enough

    with pytest.raises(Enough):
        train(made.as_dict(), run, report, False)
    rest: list[Epoch] = []

    def until_export(step: Progress) -> None:
        if step.stage == "Exporting":
            raise Enough
        if isinstance(step.payload, Epoch):
            rest.append(step.payload)

    with pytest.raises(Enough):
        train(made.as_dict(), run, until_export, True)
    assert [epoch.number for epoch in rest] == [4]
    assert rest[0].losses == epochs(told)[3].losses
    for name in ("gated", "residual"):
        for epoch in (1, 2):
            path = Path("checkpoints") / name / f"epoch_{epoch:04d}.safetensors"
            assert (run.path / path).read_bytes() == (whole / "run" / path).read_bytes()


def test_it_does_not_go_on_with_other_images(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    made = recipe(tmp_path, epochs=1)
    run = RunFolder(tmp_path / "run")
    run.begin(made)

    def report(step: Progress) -> None:
        if isinstance(step.payload, Epoch):
            raise Enough

    with pytest.raises(Enough):
        train(made.as_dict(), run, report, False)
    scene = simulate_brightfield((64, 80), diameter=(16, 26), seed=77)
    dataset.add(scene.image, scene.labels, name="late", split="train", classes="live cell")
    with pytest.raises(TrainingError, match="changed since this training began"):
        train(made.as_dict(), run, lambda step: None, True)


@pytest.mark.slow
def test_one_network_and_held_out_images_are_enough(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data", ("train",) * 3)
    made = recipe(
        tmp_path, members=MEMBERS[:1], epochs=1, pick=14, patches=2, vote="majority", distance=False
    )
    run_here(made, tmp_path / "run")
    card = find_model(tmp_path / "out" / "my cells.onnx").card
    assert card.maps == ("foreground",)
    assert card.data[0].validation_images == 1
    assert any("held out" in note for note in card.recipe["notes"])
    assert {score.data for score in card.scores} == {"val"}


@pytest.mark.slow
def test_a_cancelled_process_goes_on(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data")
    job = training(recipe(tmp_path, members=MEMBERS[:1], pick=1), tmp_path / "run")
    for step in job:
        if isinstance(step.payload, Epoch):
            break
    job.close()
    assert not (tmp_path / "out" / "my cells.onnx").exists()
    told = list(resuming(tmp_path / "run"))
    assert {epoch.number for epoch in epochs(told)} == {2}
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["1", "2"]
    assert json.loads((tmp_path / "out" / "my cells.json").read_text())["recipe"]["votes"] == 1
