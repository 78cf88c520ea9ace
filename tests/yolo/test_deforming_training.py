"""Distortion among the steps of Ultralytics' own training data."""

import random

import numpy as np
import pytest

pytest.importorskip("ultralytics")

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.formats.yolo import write_yolo
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.models.ultralytics_import import import_ultralytics
from napari_cellseg.training.yolo.deforming import Deforming, insert_deforming

EDGE = 160


def bright_discs(seed):
    """Bright discs on black, and their labels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((EDGE, EDGE))
    labels = np.zeros((EDGE, EDGE), np.int32)
    for k, (y, x) in enumerate(np.ndindex(3, 3), 1):
        middle = (27 + 53 * y, 27 + 53 * x)
        labels[np.hypot(rows - middle[0], columns - middle[1]) < rng.uniform(14, 22)] = k
    return np.where(labels > 0, 250, 5).astype(np.uint8), labels


@pytest.fixture(scope="module")
def hyperparameters():
    """Ultralytics' defaults, with masks as large as pictures and no changes of colour."""
    import_ultralytics()
    from ultralytics.cfg import DEFAULT_CFG

    plain = {
        "hsv_h": 0.0,
        "hsv_s": 0.0,
        "hsv_v": 0.0,
        "mask_ratio": 1,
        "augmentations": [],
        "task": "segment",
    }
    return {**vars(DEFAULT_CFG), **plain}


@pytest.fixture(scope="module")
def dataset(hyperparameters, tmp_path_factory):
    """Four pictures with discs and one with none, as Ultralytics' trainer reads them."""
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.utils import IterableSimpleNamespace

    folder = tmp_path_factory.mktemp("discs")
    samples = []
    for k in range(5):
        picture, labels = bright_discs(k)
        if k == 4:
            picture, labels = np.full_like(picture, 5), np.zeros_like(labels)
        annotation = Annotation.from_labels(labels)
        samples.append(Sample(f"discs_{k}", annotation, lambda pixels=picture: pixels, split="train"))
    assert len(list(write_yolo(samples, folder, ["cell"]))) == 5
    return YOLODataset(
        str(folder / "images" / "train"),
        data={"names": {0: "cell"}, "channels": 3},
        task="segment",
        imgsz=EDGE,
        hyp=IterableSimpleNamespace(**hyperparameters),
    )


def with_steps(dataset, hyperparameters, elastic, grid, **changes):
    """The data set with its steps built anew, as where the mosaics end."""
    from ultralytics.utils import IterableSimpleNamespace

    dataset.transforms = dataset.build_transforms(IterableSimpleNamespace(**{**hyperparameters, **changes}))
    insert_deforming(dataset.transforms, elastic, grid)
    return dataset


def agreement(dataset):
    """IoU of the objects' masks with what is bright, over all pictures, drawn several times."""
    shared = either = 0
    for k in [0, 1, 2, 3, 4] * 4:
        item = dataset[k]
        bright, masks = item["img"][0].numpy() > 127, item["masks"][0].numpy() > 0
        shared += (bright & masks).sum()
        either += (bright | masks).sum()
    return shared / either


@pytest.mark.parametrize("mosaic", [1.0, 0.0])
def test_masks_stay_on_their_objects_through_all_steps(dataset, hyperparameters, mosaic):
    random.seed(1)
    plain = agreement(with_steps(dataset, hyperparameters, 0.0, 0.0, mosaic=mosaic))
    random.seed(1)
    distorted = agreement(with_steps(dataset, hyperparameters, 1.0, 1.0, mosaic=mosaic))
    assert distorted > 0.95
    assert distorted > plain - 0.015


def test_pictures_that_are_mixed_in_are_distorted_too(dataset, hyperparameters, monkeypatch):
    calls = []
    plain = Deforming.__call__
    monkeypatch.setattr(Deforming, "__call__", lambda self, labels: (calls.append(1), plain(self, labels))[1])
    item = with_steps(dataset, hyperparameters, 1.0, 0.0, mixup=1.0)[0]
    assert len(calls) == 2
    assert item["img"].shape == (3, EDGE, EDGE)


def test_draws_follow_the_seed_of_ultralytics(dataset, hyperparameters):
    with_steps(dataset, hyperparameters, 0.5, 0.5, mosaic=0.0)
    pictures = []
    for seed in (3, 3, 4):
        random.seed(seed)
        pictures.append(dataset[0]["img"].numpy())
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert (pictures[0] != pictures[2]).any()


def test_an_empty_picture_passes(dataset, hyperparameters):
    item = with_steps(dataset, hyperparameters, 1.0, 1.0, mosaic=0.0)[4]
    assert item["img"].shape == (3, EDGE, EDGE)
    assert len(item["cls"]) == 0
