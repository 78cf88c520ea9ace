"""Training a bundled model further, end to end: what comes out, and going on where it stopped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from napari_cellseg.errors import TrainingError
from napari_cellseg.events import Progress
from napari_cellseg.models.card import file_hash
from napari_cellseg.models.collection import add_model
from napari_cellseg.models.networks.session import open_maps
from napari_cellseg.models.networks.unet import Deployed, load_weights, save_weights
from napari_cellseg.models.registry import find_model
from napari_cellseg.pipeline import segment
from napari_cellseg.training.finetuning import learner, remembering
from napari_cellseg.training.finetuning import training as backend
from napari_cellseg.training.finetuning.training import train
from napari_cellseg.training.runs.previews import read_previews
from napari_cellseg.training.runs.run import Epoch, RunFolder

from .scenes import make_dataset, recipe


@pytest.fixture(autouse=True)
def few_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "MEMORIES", 4)
    for kind in ("FLUORESCENT", "STAINED", "BRIGHT"):
        monkeypatch.setattr(remembering, kind, 1)


def run_folder(folder: Path, values: Any) -> RunFolder:
    run = RunFolder(folder / "run")
    run.begin(values)
    return run


def test_a_trained_model_is_one_like_any_other(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", ("train", "train", "val", "test"))
    values, told = recipe(tmp_path), []
    path = train(values.as_dict(), run_folder(tmp_path, values), told.append, False)
    entry, parent = find_model(path), find_model("nuclei")
    card = entry.card
    assert path == tmp_path / "out" / "my nuclei.onnx"
    assert card.name == "my-nuclei"
    assert card.parent == parent.card.sha256 == file_hash(parent.path)
    pixels = {entry.name: entry.pixels for entry in data.entries()}
    assert set(card.trained_on) == {pixels["field 0"], pixels["field 1"]} | set(parent.card.trained_on)
    assert card.validated_on == (pixels["field 2"],)
    assert {s.data for s in card.scores} == {"val", "test"}
    assert card.decoder.foreground == parent.card.decoder.foreground
    assert card.default_diameter == "auto"
    kept = card.recipe["remembered"]
    assert 0 <= kept["kept"] <= kept["before"]
    epochs = [p.payload for p in told if isinstance(p.payload, Epoch)]
    assert [e.number for e in epochs] == [1, 2]
    assert {"AP50", "AP75", "AP50_95"} == set(epochs[0].metrics)
    assert {"total", "keeping"} < set(epochs[0].losses)
    shown = read_previews(RunFolder(tmp_path / "run"))
    assert [p.image for p in shown] == ["field 2"]
    assert shown[0].truth.max() == 9
    image = data.sample("field 3").pixels()
    assert segment(image, path).labels.shape == image.shape


def test_network_and_trainable_weights_are_the_same(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data")
    values = recipe(tmp_path, epochs=1)
    path = train(values.as_dict(), run_folder(tmp_path, values), lambda _: None, False)
    picture = torch.rand(1, 3, 64, 80)
    with torch.no_grad():
        ours = Deployed(load_weights(path.with_suffix(".safetensors"))).eval()(picture).numpy()
    assert np.abs(ours - open_maps(path)(picture.numpy())).max() < 1e-4
    before = open_maps(find_model("nuclei").path)(picture.numpy())
    assert np.abs(ours - before).max() > 1e-3


def test_what_was_trained_further_is_trained_further_again(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data")
    values = recipe(tmp_path, epochs=1, keep=0)
    first = train(values.as_dict(), run_folder(tmp_path, values), lambda _: None, False)
    added = add_model(first, "mine")
    again = recipe(tmp_path, epochs=1, keep=0, start="mine", model=str(tmp_path / "again.onnx"))
    run = RunFolder(tmp_path / "second")
    run.begin(again)
    second = find_model(train(again.as_dict(), run, lambda _: None, False)).card
    assert second.parent == added.card.sha256
    assert (second.title, second.licence, second.data) == (
        added.card.title,
        added.card.licence,
        added.card.data,
    )
    assert (
        any("'mine' had learnt from 0" in note or "flatter" in note for note in second.recipe["notes"])
        is False
    )


class Stopped(Exception):
    pass


def test_a_training_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data")
    values = recipe(tmp_path)
    run = run_folder(tmp_path, values)

    def stop(progress: Progress) -> None:
        if isinstance(progress.payload, Epoch):
            raise Stopped

    with pytest.raises(Stopped):
        train(values.as_dict(), run, stop, False)
    told: list[Progress] = []
    stopped = train(values.as_dict(), run, told.append, True).read_bytes()
    assert [p.payload.number for p in told if isinstance(p.payload, Epoch)] == [2]
    other = RunFolder(tmp_path / "straight")
    other.begin(values)
    assert train(values.as_dict(), other, lambda _: None, False).read_bytes() == stopped


def test_without_images_to_validate_with_the_last_state_is_taken_and_said_so(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data", ("train",))
    values = recipe(tmp_path, epochs=1)
    told: list[Progress] = []
    card = find_model(train(values.as_dict(), run_folder(tmp_path, values), told.append, False)).card
    assert (card.scores, card.validated_on) == ((), ())
    (epoch,) = [p.payload for p in told if isinstance(p.payload, Epoch)]
    assert np.isnan(epoch.score)
    assert set(epoch.metrics) == {"train_AP50", "train_AP75", "train_AP50_95"}
    assert [p.image for p in read_previews(RunFolder(tmp_path / "run"))] == ["field 0"]
    assert any("validate" in note for note in card.recipe["notes"])


def test_nothing_to_learn_from_is_said(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data", ("val",))
    values = recipe(tmp_path)
    with pytest.raises(TrainingError, match="no objects to learn from"):
        train(values.as_dict(), run_folder(tmp_path, values), lambda _: None, False)


def test_with_too_little_memory_it_goes_on_with_fewer_pictures_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(tmp_path / "data")
    losses, seen = learner.map_losses, []

    def hungry(maps: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.append(len(maps))
        if len(maps) > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return losses(maps, targets)

    monkeypatch.setattr(learner, "map_losses", hungry)
    values = recipe(tmp_path, epochs=1)
    card = find_model(train(values.as_dict(), run_folder(tmp_path, values), lambda _: None, False)).card
    assert seen == [2, 1, 1, 1, 1]
    assert any("memory was too small" in note for note in card.recipe["notes"])


def test_an_estimate_tells_time_and_memory(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data")
    told: list[Progress] = []
    short = backend.estimate(recipe(tmp_path, steps=1).as_dict(), told.append)
    long = backend.estimate(recipe(tmp_path, epochs=500, steps=400).as_dict(), told.append)
    assert 0 < short.seconds < long.seconds
    assert short.memory > 10_000_000
    assert "core" in short.device
    assert {step.stage for step in told} == {"Estimating"}


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data")
    entry = find_model("phase")
    torch.manual_seed(0)
    other = load_weights(entry.path.with_suffix(".safetensors"))
    torch.nn.init.normal_(other.head.weight)
    for file in (entry.path, entry.path.with_suffix(".json")):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    save_weights(other, tmp_path / "phase.safetensors")
    values = recipe(tmp_path, start=str(tmp_path / "phase.onnx"))
    with pytest.raises(TrainingError, match="belong together"):
        train(values.as_dict(), run_folder(tmp_path, values), lambda _: None, False)
