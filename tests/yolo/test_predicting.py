"""YOLO networks with ultralytics installed: weights, exports of every kind, and its own predictions."""

import shutil
import socket
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ultralytics")

import torch

from napari_cellseg.errors import ModelError, UntrustedFileError
from napari_cellseg.images.simulation.fluorescence import simulate_fluorescence
from napari_cellseg.models.embedded import embedded_card
from napari_cellseg.models.registry import find_model, load_model
from napari_cellseg.models.trust import trust_file
from napari_cellseg.models.ultralytics_import import import_ultralytics
from napari_cellseg.models.yolo import OnnxYoloModel
from napari_cellseg.pipeline import segment

EDGE = 256
CONFIDENCE = 0.25


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """Own settings, and no network: whoever tries fails."""
    monkeypatch.setenv("NAPARI_CELLSEG_HOME", str(tmp_path / "home"))

    def refuse(*arguments, **options):
        raise AssertionError("something tried to use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def pictures():
    """Simulated nuclei, 8-bit RGB, as large as the networks' input."""
    scenes = [simulate_fluorescence((EDGE, EDGE), bits=8, seed=seed) for seed in (1, 2)]
    return [np.repeat(np.asarray(scene.image)[..., None], 3, axis=2) for scene in scenes]


OBJECTS = 60
"""About as many objects as an awake network finds in a picture: fewer than any limit of an export."""


def awake(name, pictures):
    """An untrained network that finds something: statistics of real activations, bold last layers."""
    torch.manual_seed(0)
    model = import_ultralytics().YOLO(f"{name}.yaml")
    network, head = model.model, model.model.model[-1]
    batch = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32) / 255)
    with torch.no_grad():
        network.train()
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = 1.0
        network(batch)
        for branch in ("cv3", "one2one_cv3", "cv4", "one2one_cv4"):
            for layers in getattr(head, branch, None) or []:
                torch.nn.init.normal_(layers[-1].weight, std=0.2)
                torch.nn.init.constant_(layers[-1].bias, 0.0)
        network.eval()
        for end2end, branch in ((False, "cv3"), (True, "one2one_cv3")):
            if getattr(head, branch, None) is None:
                continue
            network.end2end = end2end
            boxes = network(batch)[0][0]
            scores = boxes[..., 4] if end2end else boxes[:, 4 : 4 + head.nc].amax(1)
            weakest = torch.logit(scores.sort(descending=True).values[:, OBJECTS]).min().item()
            for layers in getattr(head, branch):
                torch.nn.init.constant_(layers[-1].bias, -1.1 - weakest)
    return model


@pytest.fixture(scope="session")
def weights(pictures, tmp_path_factory):
    """A `.pt` file of each kind of head."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("yolov8n-seg", "yolo26n-seg"):
        awake(name, pictures).save(str(folder / f"{name}.pt"))
    return folder


def exported(weights, name, folder, **options):
    path = shutil.copy(weights / f"{name}.pt", folder)
    model = import_ultralytics().YOLO(path)
    return model.export(format="onnx", imgsz=EDGE, simplify=False, verbose=False, **options)


def full(mask, box):
    plane = np.zeros((EDGE, EDGE), bool)
    y0, x0, y1, x1 = box
    plane[y0:y1, x0:x1] = mask
    return plane


@pytest.mark.parametrize(
    "name, options",
    [
        ("yolov8n-seg", {}),
        ("yolov8n-seg", {"nms": True}),
        ("yolov8n-seg", {"dynamic": True}),
        ("yolo26n-seg", {}),
        ("yolo26n-seg", {"nms": False}),
    ],
)
def test_an_export_gives_what_ultralytics_predicts(weights, tmp_path, pictures, name, options):
    path = exported(weights, name, tmp_path, **options)
    card = embedded_card(path)
    plain = replace(card.prototypes, covered=1.0, margin=0.0, min_area=1)
    ours = OnnxYoloModel(card.model_copy(update={"confidence_floor": CONFIDENCE, "prototypes": plain}), path)
    theirs = import_ultralytics().YOLO(path, task="segment")
    pairs = 0
    for picture in pictures:
        predicted = theirs.predict(
            picture[..., ::-1], imgsz=EDGE, conf=CONFIDENCE, iou=0.7, max_det=10_000, verbose=False
        )[0]
        if predicted.masks is None:
            continue
        found = ours.predict_instances(picture.transpose(2, 0, 1)[None].astype(np.float32) / 255)[0]
        scores = predicted.boxes.conf.numpy()
        masks = predicted.masks.data.numpy().astype(bool)
        free = set(range(len(found)))
        for k in np.flatnonzero(scores >= CONFIDENCE + 0.02):
            near = [j for j in free if abs(found.scores[j] - scores[k]) < 0.01]
            planes = {j: full(found.masks[j], found.boxes[j]) for j in near}
            ious = {j: (p & masks[k]).sum() / (p | masks[k]).sum() for j, p in planes.items()}
            best = max(ious, key=lambda j: ious[j])
            assert ious[best] >= 0.99
            free.remove(best)
            pairs += 1
    assert pairs > 0


def test_weights_and_export_agree_in_segment(weights, tmp_path, pictures):
    path = exported(weights, "yolov8n-seg", tmp_path, dynamic=True)
    trust_file(weights / "yolov8n-seg.pt")
    by_weights = segment(pictures[0], model=str(weights / "yolov8n-seg.pt"), tile=EDGE)
    by_export = segment(pictures[0], model=path, tile=EDGE)
    assert len(by_export.features) > 0
    np.testing.assert_allclose(by_weights.features["confidence"], by_export.features["confidence"], atol=1e-3)
    assert np.mean(by_weights.labels == by_export.labels) > 0.999


def test_weights_must_be_trusted_and_give_masks(weights, tmp_path):
    with pytest.raises(UntrustedFileError):
        find_model(weights / "yolo26n-seg.pt")
    trust_file(weights / "yolo26n-seg.pt")
    card = find_model(weights / "yolo26n-seg.pt").card
    assert (card.backend, card.channels, card.tile_multiple) == ("ultralytics", 3, 32)
    boxes_only = tmp_path / "boxes.pt"
    import_ultralytics().YOLO("yolov8n.yaml").save(str(boxes_only))
    trust_file(boxes_only)
    with pytest.raises(ModelError, match="no masks"):
        load_model(boxes_only)


def test_what_is_no_checkpoint_is_told_in_words(tmp_path):
    path = tmp_path / "broken.pt"
    path.write_bytes(b"PK\x03\x04 nothing")
    trust_file(path)
    with pytest.raises(ModelError, match="cannot be opened as YOLO weights"):
        load_model(path)
