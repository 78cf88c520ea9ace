"""YOLO networks with ultralytics installed: weights, exports of every kind, and its own predictions."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ultralytics")

from napari_cellseg.errors import ModelError, UntrustedFileError
from napari_cellseg.models.embedded import embedded_card
from napari_cellseg.models.registry import find_model, load_model
from napari_cellseg.models.trust import trust_file
from napari_cellseg.models.ultralytics_import import import_ultralytics
from napari_cellseg.models.yolo import OnnxYoloModel
from napari_cellseg.pipeline import segment

EDGE = 256
CONFIDENCE = 0.25


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
