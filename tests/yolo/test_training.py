"""Training of a small YOLO network: model and card, going on, what can go wrong; all without the internet."""

import json
import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ultralytics")

import torch

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import CellSegWarning, OutputError, TrainingError, UntrustedFileError
from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.events import drain
from napari_cellseg.images.simulation.fluorescence import simulate_fluorescence
from napari_cellseg.models.card import file_hash
from napari_cellseg.models.registry import find_model
from napari_cellseg.models.trust import trust_file
from napari_cellseg.models.ultralytics_import import import_ultralytics
from napari_cellseg.pipeline import segment
from napari_cellseg.training.runs.previews import read_previews
from napari_cellseg.training.runs.process import resuming, training
from napari_cellseg.training.runs.run import Epoch, RunFolder
from napari_cellseg.training.yolo import estimating
from napari_cellseg.training.yolo.deforming import Deforming
from napari_cellseg.training.yolo.recipe import YoloRecipe
from napari_cellseg.training.yolo.tiles import making_tiles
from napari_cellseg.training.yolo.training import card_path, estimate, train

SPLITS = ("train", "train", "train", "val", "test")


def make_dataset(folder, classes=("cell", "dead cell")):
    made = Dataset.create(folder, classes)
    for number, split in enumerate(SPLITS):
        scene = simulate_fluorescence((64, 80), diameter=(12, 20), bits=16, seed=number)
        known = {int(k): classes[int(k) % len(classes)] for k in np.unique(scene.labels)[1:]}
        made.add(scene.image, scene.labels, name=f"image {number}", split=split, classes=known)
    nothing = simulate_fluorescence((64, 80), objects=0, bits=16, seed=9)
    made.add(nothing.image, nothing.labels, name="nothing", split="val")
    return made


def recipe(tmp_path, **changes):
    values = {"start": "yolov8n-seg", "epochs": 2, "batch": 4, "imgsz": 64, "device": "cpu", "threads": 1}
    values |= {"data": str(tmp_path / "data"), "model": str(tmp_path / "out" / "my cells.pt")}
    return YoloRecipe.from_dict({**values, **changes})


def run_here(made, folder, resume=False):
    """Train in this process; all that was told."""
    run, told = RunFolder(folder), []
    if not resume:
        run.begin(made)
    train(made.as_dict(), run, told.append, resume)
    return told


def epochs(told):
    return [step.payload for step in told if isinstance(step.payload, Epoch)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A dataset to train on, and an empty working folder."""
    make_dataset(tmp_path / "data")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "settings"))
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder in which a network with two classes was trained once."""
    folder = tmp_path_factory.mktemp("trained")
    make_dataset(folder / "data")
    told = run_here(recipe(folder), folder / "run")
    return folder, told


@pytest.fixture
def weights(trained):
    """Its weights, trusted by the user of this test."""
    path = trained[0] / "out" / "my cells.pt"
    trust_file(path)
    return path


def test_the_card_says_what_was_trained_and_how_good_it_is(trained, weights):
    folder, _ = trained
    card = find_model(weights).card
    assert (card.name, card.weights, card.sha256) == ("my-cells", "my cells.pt", file_hash(weights))
    assert (card.backend, card.classes, card.tile) == ("ultralytics", ("cell", "dead cell"), 64)
    assert (card.data[0].train_images, card.data[0].validation_images) == (3, 2)
    known = {(score.data, score.metric) for score in card.scores}
    for data in ("val", "test"):
        assert {(data, name) for name in ("recall", "F1", "mAP50", "mAP50-95", "AP50", "AP50-95")} <= known
        assert (f"{data}, dead cell", "recall") in known
    assert 10 < card.diameter < 22
    assert card.recipe["start"] == "yolov8n-seg"
    assert card.recipe["epochs_trained"] == 2
    assert len(card.recipe["data_sha256"]) == 64
    pixels = {entry.name: entry.pixels for entry in Dataset.open(folder / "data").entries()}
    assert card.trained_on == tuple(sorted(pixels[f"image {i}"] for i in (0, 1, 2)))
    assert card.validated_on == tuple(sorted((pixels["image 3"], pixels["nothing"])))
    assert card.author
    assert str(folder) not in card.model_dump_json()


def test_the_model_segments(weights):
    scene = simulate_fluorescence((64, 80), bits=16, seed=7)
    with pytest.warns(CellSegWarning, match="No objects"):  # two epochs teach little
        found = segment(scene.image, model=weights, confidence=0.9)
    assert found.labels.shape == (64, 80)


def test_weights_hold_nobodys_paths(trained, weights):
    folder, _ = trained
    with zipfile.ZipFile(weights) as archive:
        pickled = next(archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))
    assert str(folder).encode() not in pickled
    assert b"branch" not in pickled


def test_every_epoch_is_told_with_its_losses_and_scores(trained):
    _, told = trained
    found = epochs(told)
    assert [(epoch.number, epoch.planned) for epoch in found] == [(1, 2), (2, 2)]
    for epoch in found:
        parts = {name: value for name, value in epoch.losses.items() if name != "total"}
        assert epoch.losses["total"] == pytest.approx(sum(parts.values()))
        assert {"precision", "recall", "F1", "mAP50", "mAP50-95", "val_box"} <= set(epoch.metrics)
        assert epoch.score == epoch.metrics["mAP50-95"]
    details = [step.detail for step in told if step.stage == "Training"]
    assert any(detail.startswith("epoch 1 of 2, batch 1 of ") for detail in details)
    last = [step for step in told if step.stage == "Training"][-1]
    assert last.done == last.total
    scored = [step.detail for step in told if step.stage == "Scoring"]
    assert scored == ["val: image 3", "val: nothing", "test: image 4"]


def test_previews_show_what_the_network_finds(trained):
    folder, _ = trained
    dataset, shown = Dataset.open(folder / "data"), read_previews(RunFolder(folder / "run"))
    assert [(preview.image, preview.epoch) for preview in shown] == [("image 3", 2), ("nothing", 2)]
    for preview in shown:
        np.testing.assert_array_equal(preview.truth, dataset.sample(preview.image).annotation.labels)
        assert (preview.picture.shape, preview.found.shape) == ((64, 80), (64, 80))
    assert shown[0].picture.max() > 200


def test_nothing_is_left_but_the_run_and_the_model(folder):
    run_here(recipe(folder, epochs=1), folder / "run")
    assert {path.name for path in folder.iterdir()} <= {"data", "here", "home", "out", "run", "user"}
    assert list((folder / "here").iterdir()) == []
    assert {path.name for path in (folder / "out").iterdir()} == {"my cells.pt", "my cells.json"}
    assert {path.name for path in (folder / "run" / "checkpoints").iterdir()} == {"last.pt", "best.pt"}
    assert not (folder / "run" / "scoring").exists()
    assert not (folder / "run" / "tiles" / "images").exists()


def test_a_finished_training_is_only_scored_again(trained, weights):
    folder, _ = trained
    before = file_hash(weights)
    told = run_here(recipe(folder), folder / "run", resume=True)
    assert epochs(told) == []
    assert any(step.stage == "Scoring" for step in told)
    assert file_hash(weights) == before


def refusing(folder):
    """Environment of a process that notes down whoever wants the network, and refuses."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import socket, traceback\n"
        "def refuse(*arguments, **options):\n"
        f"    with open({str(folder / 'wanted.txt')!r}, 'a') as file:\n"
        "        file.write(''.join(traceback.format_stack()))\n"
        "    raise OSError('no network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n",
        encoding="utf-8",
    )
    return os.pathsep.join([str(site), *filter(None, sys.path)])


@pytest.mark.slow
def test_a_cancelled_training_goes_on_where_it_was(folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", refusing(folder))
    (folder / "users home").mkdir()
    monkeypatch.setenv("HOME", str(folder / "users home"))
    monkeypatch.delenv("YOLO_CONFIG_DIR")
    job = training(recipe(folder, epochs=3), folder / "run")
    for step in job:
        if isinstance(step.payload, Epoch):
            break
    job.close()
    assert (folder / "run" / "checkpoints" / "last.pt").exists()
    assert not (folder / "out" / "my cells.pt").exists()
    told = list(resuming(folder / "run"))
    numbers = {epoch.number for epoch in epochs(told)}
    assert numbers in ({2, 3}, {3})
    rows = (folder / "run" / "metrics.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["1", "2", "3"]
    assert find_model(folder / "out" / "my cells.pt").card.recipe["epochs_trained"] == 3
    assert not (folder / "wanted.txt").exists()
    assert list((folder / "users home").iterdir()) == []


@pytest.mark.slow
def test_a_network_learns_to_find_cells_from_scratch(tmp_path):
    dataset = Dataset.create(tmp_path / "data")
    for number in range(20):
        scene = simulate_fluorescence((128, 128), diameter=(16, 26), bits=16, seed=number)
        split = "train" if number < 14 else "val" if number < 17 else "test"
        dataset.add(scene.image, scene.labels, name=f"image {number}", split=split)
    made = recipe(tmp_path, epochs=30, nominal_batch=4, imgsz=128, patience=0)
    found = epochs(run_here(made, tmp_path / "run"))
    assert found[-1].losses["total"] < 0.6 * found[0].losses["total"]
    card = find_model(tmp_path / "out" / "my cells.pt").card
    scores = {(score.data, score.metric): score.value for score in card.scores}
    assert min(scores["val", "F1"], scores["test", "F1"]) > 0.6
    scene = simulate_fluorescence((200, 300), diameter=(16, 26), bits=16, seed=99)
    report = evaluate(segment(scene.image, model=tmp_path / "out" / "my cells.pt"), scene.labels)
    assert report.summary["F1"] > 0.6


def test_what_was_trained_on_stays_when_the_dataset_changes(folder):
    made = recipe(folder, epochs=2)
    run = RunFolder(folder / "run")
    run.begin(made)

    class Enough(Exception):
        pass

    def report(step):
        if isinstance(step.payload, Epoch):
            raise Enough

    with pytest.raises(Enough):
        train(made.as_dict(), run, report, False)
    dataset = Dataset.open(folder / "data")
    dataset.move("image 0", "test")
    told = run_here(made, folder / "run", resume=True)
    assert [epoch.number for epoch in epochs(told)] == [2]
    scored = [step.detail for step in told if step.stage == "Scoring"]
    assert {detail for detail in scored if detail.startswith("test")} == {"test: image 4"}


def test_training_goes_on_from_weights_with_other_classes(folder, weights, monkeypatch):
    others = make_dataset(folder / "others", ("nucleus",))
    others.move("image 0", "test")
    calls = []
    distort = Deforming.__call__
    monkeypatch.setattr(Deforming, "__call__", lambda self, labels: calls.append(1) or distort(self, labels))
    made = recipe(
        folder,
        data=str(folder / "others"),
        start=str(weights),
        epochs=1,
        freeze=2,
        elastic=0.5,
        optimizer="SGD",
        rate=0.01,
        best_by="F1",
    )
    (epoch,) = epochs(run_here(made, folder / "run"))
    assert epoch.score == epoch.metrics["F1"]
    card = find_model(folder / "out" / "my cells.pt").card
    parent = find_model(weights).card
    assert (card.classes, card.parent) == (("nucleus",), file_hash(weights))
    assert card.trained_on == parent.trained_on
    assert card.recipe["notes"] == [
        "'my-cells' had learnt from 1 image(s) of the split test: their scores flatter."
    ]
    before, after = (parameters(path) for path in (weights, folder / "out" / "my cells.pt"))
    frozen = [name for name in after if name.startswith(("model.0.", "model.1."))]
    assert frozen
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert any(not torch.equal(before[name], after[name]) for name in after if name.startswith("model.4."))
    assert calls


def parameters(path):
    from ultralytics.nn.tasks import torch_safe_load

    network = torch_safe_load(str(path), safe_only=True)[0]["model"]
    return {name: value for name, value in network.named_parameters() if "cv3" not in name}


def test_too_little_memory_halves_the_batch_and_says_so(folder, monkeypatch):
    import_ultralytics()
    from ultralytics.nn.tasks import SegmentationModel

    loss = SegmentationModel.loss

    def starving(self, batch, preds=None):
        if self.training and len(batch["img"]) > 2:
            raise RuntimeError("CUDA out of memory.")
        return loss(self, batch, preds)

    monkeypatch.setattr(SegmentationModel, "loss", starving)
    told = run_here(recipe(folder, epochs=1), folder / "run")
    assert any("batches of 2 pictures" in step.detail for step in told)
    recorded = find_model(folder / "out" / "my cells.pt").card.recipe
    assert (recorded["batch"], recorded["batch_used"]) == (4, 2)
    assert "memory" in recorded["notes"][0]


def test_notes_on_too_little_memory_in_a_later_epoch_outlast_a_cancel(folder, monkeypatch):
    import_ultralytics()
    from ultralytics.nn.tasks import SegmentationModel

    loss, last = SegmentationModel.loss, folder / "run" / "checkpoints" / "last.pt"

    def starving(self, batch, preds=None):
        if last.exists() and self.training and len(batch["img"]) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate a lot")
        return loss(self, batch, preds)

    class Enough(Exception):
        pass

    def report(step):
        if isinstance(step.payload, Epoch) and step.payload.number == 2:
            raise Enough

    monkeypatch.setattr(SegmentationModel, "loss", starving)
    made, run = recipe(folder, epochs=3, batch=2), RunFolder(folder / "run")
    run.begin(made)
    with pytest.raises(Enough):
        train(made.as_dict(), run, report, False)
    told = run_here(made, folder / "run", resume=True)
    assert [epoch.number for epoch in epochs(told)] == [3]
    recorded = find_model(folder / "out" / "my cells.pt").card.recipe
    assert (recorded["batch"], recorded["batch_used"]) == (2, 1)
    assert recorded["notes"] == ["The memory was too small: batches of 1 pictures were used."]


def test_far_too_little_memory_is_told_in_words(folder, monkeypatch):
    import_ultralytics()
    from ultralytics.nn.tasks import SegmentationModel

    def starving(self, batch, preds=None):
        raise RuntimeError("CUDA out of memory.")

    monkeypatch.setattr(SegmentationModel, "loss", starving)
    with pytest.raises(TrainingError, match=r"too little memory.*smaller"):
        run_here(recipe(folder), folder / "run")


def test_a_folder_that_cannot_be_written_is_told_before_the_training(folder):
    (folder / "out").write_text("in the way", encoding="utf-8")
    with pytest.raises(OutputError, match="out"):
        run_here(recipe(folder), folder / "run")


def test_objects_that_do_not_fit_into_tiles_are_told(folder):
    import_ultralytics()
    from napari_cellseg.training.yolo.trainer import size_notes

    tiles = drain(making_tiles(Dataset.open(folder / "data"), recipe(folder), folder / "tiles"))
    assert size_notes(recipe(folder), tiles) == []
    large = replace(tiles, diameters=(30.0, 20.0, 90.0))
    assert "larger tiles" in size_notes(recipe(folder), large)[0]
    assert size_notes(recipe(folder, scale="fit"), large) == []


def test_an_ultralytics_that_is_too_old_is_told(folder, monkeypatch):
    monkeypatch.setattr(import_ultralytics(), "__version__", "8.3.99")
    with pytest.raises(TrainingError, match=r"8\.4\.190 or newer, 8\.3\.99 is installed"):
        run_here(recipe(folder), folder / "run")


def test_missing_weights_are_named_with_what_to_do(folder):
    with pytest.raises(
        TrainingError, match=r"yolo11n-seg\.pt.*nothing is downloaded.*begin with 'yolo11n-seg'"
    ):
        run_here(recipe(folder, start=str(folder / "yolo11n-seg.pt")), folder / "run")


def test_weights_to_begin_with_must_be_trusted_whole_and_for_segmentation(folder):
    boxes = folder / "boxes.pt"
    import_ultralytics().YOLO("yolov8n.yaml").save(str(boxes))
    with pytest.raises(UntrustedFileError):
        run_here(recipe(folder, start=str(boxes)), folder / "run")
    trust_file(boxes)
    with pytest.raises(TrainingError, match="not for segmentation"):
        run_here(recipe(folder, start=str(boxes)), folder / "run 2")
    broken = folder / "broken.pt"
    broken.write_bytes(b"PK\x03\x04 nothing")
    trust_file(broken)
    with pytest.raises(TrainingError, match="cannot be opened as YOLO weights"):
        run_here(recipe(folder, start=str(broken)), folder / "run 3")


def test_the_card_of_another_file_stays(folder):
    other = folder / "out" / "my cells.json"
    other.parent.mkdir()
    other.write_text("{}", encoding="utf-8")
    assert card_path(folder / "out" / "my cells.pt").name == "my cells.pt.json"
    other.unlink()
    assert card_path(folder / "out" / "my cells.pt") == other


def test_training_stops_early_and_says_so(folder, monkeypatch):
    import_ultralytics()
    from napari_cellseg.training.yolo.trainer import YoloTrainer

    scores = iter((0.3, 0.2, 0.1, 0.1, 0.1))
    validate = YoloTrainer.validate

    def worse_and_worse(self):
        found, score = validate(self)[0], next(scores)
        self.best_fitness = max(self.best_fitness or score, score)
        return found, score

    monkeypatch.setattr(YoloTrainer, "validate", worse_and_worse)
    told = run_here(recipe(folder, epochs=5, patience=2), folder / "run")
    assert [(epoch.number, epoch.is_best) for epoch in epochs(told)] == [(1, True), (2, False), (3, False)]
    recorded = find_model(folder / "out" / "my cells.pt").card.recipe
    assert (recorded["best_epoch"], recorded["epochs_trained"]) == (1, 3)
    assert recorded["notes"] == ["Stopped after epoch 3 of 5: 2 epochs without a better mAP50-95."]


def test_time_and_memory_are_estimated_by_real_steps(folder, monkeypatch):
    monkeypatch.setattr(estimating, "FEW", 2 * 64**2)
    told = []
    found = estimate(recipe(folder, batch=3, epochs=7).as_dict(), told.append)
    assert found.seconds > estimating.BESIDE
    assert found.memory > 10**8
    assert found.words.startswith("2 steps of 2 pictures; a batch of 3 takes ")
    assert any("batch 1 of 3" in step.detail for step in told)
    assert not any(isinstance(step.payload, Epoch) for step in told)
    assert not (folder / "out").exists()


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_checkpoint_in_a_strangers_run_cannot_run_code(folder):
    made = recipe(folder)
    run = RunFolder(folder / "run")
    run.begin(made)
    torch.save({"epoch": 0, "ema": Trap(folder / "sprung")}, run.checkpoints / "last.pt")
    with pytest.raises(TrainingError, match="cannot be read"):
        train(made.as_dict(), run, lambda step: None, True)
    assert not (folder / "sprung").exists()


def test_the_run_holds_the_recipe(trained):
    folder, _ = trained
    content = json.loads((folder / "run" / "recipe.json").read_text(encoding="utf-8"))
    assert content["backend"] == YoloRecipe.backend
    assert YoloRecipe.from_dict(content["recipe"]) == recipe(folder)
