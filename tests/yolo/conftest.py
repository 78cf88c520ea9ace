"""Untrained YOLO networks that find something, own settings for each test, and no network."""

import socket

import numpy as np
import pytest

from napari_cellseg.images.simulation.fluorescence import simulate_fluorescence
from napari_cellseg.models.ultralytics_import import import_ultralytics

EDGE = 256
OBJECTS = 60
"""About as many objects as an awake network finds in a picture: fewer than any limit of an export."""


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


def awake(name, pictures):
    """An untrained network that finds something: statistics of real activations, bold last layers."""
    import torch

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
