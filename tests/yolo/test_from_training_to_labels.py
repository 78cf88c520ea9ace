"""From a dataset to labels without a network: train an epoch, export, segment where there is no torch."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile

pytest.importorskip("ultralytics")
pytest.importorskip("onnxslim")

from napari_cellseg.cli import main
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.images.reading import read_image
from napari_cellseg.images.simulation.fluorescence import simulate_fluorescence
from napari_cellseg.models.card import read_card, write_card
from napari_cellseg.models.registry import find_model
from napari_cellseg.pipeline import segment

CUT_OFF = """
import os, socket, sys

def refuse(*arguments, **options):
    raise RuntimeError("something tried to use the network")

socket.socket.connect = socket.getaddrinfo = refuse

class Blocked:
    names = os.environ.get("BLOCKED", "").split()

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
"""
EDGE = 96


@pytest.fixture
def cut_off(tmp_path, monkeypatch):
    """Processes that are started have no network, and not what ``BLOCKED`` names."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(CUT_OFF, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, sys.path)]))
    monkeypatch.setenv("NAPARI_CELLSEG_THREADS", "1")


def called(*arguments):
    with pytest.raises(SystemExit) as done:
        main([str(argument) for argument in arguments])
    return done.value.code


def test_a_model_trained_here_segments_where_there_is_no_torch(cut_off, tmp_path, monkeypatch, capfd):
    dataset = Dataset.create(tmp_path / "data", classes=["cell"])
    scenes = [simulate_fluorescence((EDGE, EDGE), seed=seed) for seed in range(3)]
    for scene, split in zip(scenes, ("train", "train", "val"), strict=True):
        dataset.add(scene.image, scene.labels, name=f"{split}{len(dataset)}", split=split)
    model, folder = tmp_path / "cells.pt", tmp_path / "images"
    code = called(
        "train", tmp_path / "data", "-o", model, "--arch", "yolo11n-seg", "--epochs", 1, "--batch", 2,
        "--imgsz", 64, "--device", "cpu", "--set", "threads=1",
    )  # fmt: skip
    assert code == 0, capfd.readouterr().err
    out, err = capfd.readouterr()
    assert "epoch 1/1: loss" in err
    assert f"{model}: " in out

    # After one epoch nothing is certain: everything counts, so that there is something to compare.
    write_card(
        read_card(tmp_path / "cells.json").model_copy(update={"confidence_floor": 0.0}),
        tmp_path / "cells.json",
    )
    assert called("export", model, "--dynamic") == 0, capfd.readouterr().err
    out, _ = capfd.readouterr()
    assert "compared on 1 image: validation images of the dataset 'data'" in out
    card = find_model(tmp_path / "cells.onnx").card
    assert (card.backend, card.classes, card.tile) == ("onnx", ("cell",), 64)
    assert card.scores == find_model(model).card.scores != ()
    assert card.data[0].train_images == 2

    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", scenes[0].image)
    arguments = [
        "segment",
        str(folder),
        "-o",
        str(tmp_path / "out"),
        "--device",
        "cpu",
        "--confidence",
        "0.001",
    ]
    monkeypatch.setenv("BLOCKED", "torch ultralytics cv2 onnx")
    start = "import sys; from napari_cellseg.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", start, *arguments, "--model", str(tmp_path / "cells.onnx")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    labels = np.asarray(read_image(tmp_path / "out" / "a_labels.tif").data)
    provenance = json.loads((tmp_path / "out" / "a_provenance.json").read_text(encoding="utf-8"))
    assert provenance["model"]["sha256"] == card.sha256
    by_source = segment(scenes[0].image, str(model), confidence=0.001, device="cpu").labels
    assert labels.max() > 0
    assert np.mean((labels > 0) == (by_source > 0)) > 0.99
