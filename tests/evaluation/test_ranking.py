"""COCO's mean average precision against pycocotools, and what confidences tell besides."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.evaluation.matching import THRESHOLDS
from napari_cellseg.instances.instance import Instances

Labels = NDArray[np.int32]
Pairs = Callable[..., tuple[Labels, Labels]]


def encoded(mask: NDArray[np.bool_]) -> dict[str, object]:
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def pycocotools_ap(
    pairs: list[tuple[Labels, Labels]],
    confidences: list[dict[int, float]],
    classes: list[tuple[dict[int, int], dict[int, int]]],
) -> NDArray[np.float64]:
    """Precision (10, 101, classes) of pycocotools without a limit on detections."""
    truths, found = [], []
    for image, ((prediction, truth), confidence, (p_class, t_class)) in enumerate(
        zip(pairs, confidences, classes, strict=True), start=1
    ):
        for i in np.unique(truth[truth > 0]).tolist():
            mask = encoded(truth == i)
            truths.append(
                {
                    "id": len(truths) + 1,
                    "image_id": image,
                    "category_id": t_class[i],
                    "segmentation": mask,
                    "area": float((truth == i).sum()),
                    "iscrowd": 0,
                    "bbox": coco_mask.toBbox(mask).tolist(),
                }
            )
        for i in np.unique(prediction[prediction > 0]).tolist():
            mask = encoded(prediction == i)
            found.append(
                {
                    "image_id": image,
                    "category_id": p_class[i],
                    "segmentation": mask,
                    "score": confidence[i],
                }
            )
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [
                {"id": k + 1, "height": p[0].shape[0], "width": p[0].shape[1]} for k, p in enumerate(pairs)
            ],
            "annotations": truths,
            "categories": [{"id": k} for k in sorted({c for _, t in classes for c in t.values()})],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), "segm")
        evaluation.params.iouThrs = np.array(THRESHOLDS) - 1e-9
        evaluation.params.maxDets = [10**6]
        evaluation.params.areaRng = [[0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision: NDArray[np.float64] = evaluation.eval["precision"][..., 0, 0]
    return precision


@pytest.mark.parametrize("seed", range(12))
def test_mean_average_precision_is_pycocotools(seed: int, random_pair: Pairs) -> None:
    rng = np.random.default_rng(seed)
    pairs = [random_pair(100 * seed + k, (40, 50), 14) for k in range(3)]
    confidences = [{int(i): float(rng.integers(0, 12) / 11) for i in np.unique(p)[1:]} for p, _ in pairs]
    classes = [
        tuple({int(i): int(rng.integers(1, 3)) for i in np.unique(side)[1:]} for side in pair)
        for pair in pairs
    ]
    predictions, truths = zip(*pairs, strict=True)
    report = evaluate(list(predictions), list(truths), confidence=confidences)
    one = [(dict.fromkeys(p, 1), dict.fromkeys(t, 1)) for p, t in classes]
    expected = pycocotools_ap(pairs, confidences, one)
    assert np.allclose(report.ranking.precision, expected[..., 0], atol=1e-12)
    assert report.summary["mAP50_95"] == pytest.approx(expected.mean())
    report = evaluate(
        list(predictions),
        list(truths),
        confidence=confidences,
        classes=[p for p, _ in classes],
        truth_classes=[t for _, t in classes],
    )
    expected = pycocotools_ap(pairs, confidences, classes)
    assert report.summary["mAP50_95"] == pytest.approx(expected.mean())
    assert report.summary["mAP50"] == pytest.approx(expected[0].mean())
    assert report.classes["mAP50"].to_numpy() == pytest.approx(expected[0].mean(0))


def test_more_than_a_hundred_detections_count() -> None:
    truth = np.zeros((60, 60), int)
    truth[::3, ::3] = np.arange(1, 401).reshape(20, 20)
    assert evaluate(truth, truth, confidence=np.ones(400)).summary["mAP50_95"] == 1


def test_ranking_rewards_confident_hits() -> None:
    truth = np.zeros((10, 30), int)
    truth[1:5, 1:5], truth[1:5, 11:15] = 1, 2
    prediction = truth.copy()
    prediction[1:5, 21:25] = 3
    good = evaluate(prediction, truth, confidence={1: 0.9, 2: 0.8, 3: 0.1})
    bad = evaluate(prediction, truth, confidence={1: 0.2, 2: 0.1, 3: 0.9})
    assert good.summary["mAP50"] == 1
    assert bad.summary["mAP50"] == pytest.approx(2 / 3)
    assert good.summary["AP50"] == bad.summary["AP50"] == pytest.approx(2 / 3)
    assert good.reliability.counts.sum() == 3
    assert good.summary["ECE"] < bad.summary["ECE"]


def test_without_truth_or_without_detections() -> None:
    labels = np.zeros((8, 8), int)
    labels[2:4, 2:4] = 1
    assert np.isnan(evaluate(labels, labels * 0, confidence=[0.5]).summary["mAP50"])
    assert evaluate(labels * 0, labels, confidence=[]).summary["mAP50"] == 0
    assert evaluate(labels, labels).ranking is None


def test_confidences_must_be_complete_and_in_range() -> None:
    labels = np.zeros((8, 8), int)
    labels[2:4, 2:4], labels[6:, 6:] = 1, 5
    with pytest.raises(OptionError, match="1 have none, for example label 5"):
        evaluate(labels, labels, confidence={1: 0.5})
    with pytest.raises(OptionError, match="label 5 has nan"):
        evaluate(labels, labels, confidence={1: 0.5, 5: np.nan})
    with pytest.raises(OptionError, match="columns 'index' and 'confidence'"):
        evaluate(labels, labels, confidence=pd.DataFrame({"confidence": [1.0]}))
    with pytest.raises(OptionError, match="several for label 5"):
        evaluate(labels, labels, confidence=pd.DataFrame({"index": [1, 5, 5], "confidence": [0.2, 0.3, 0.4]}))
    table = pd.DataFrame({"index": [5, 1, 5], "confidence": [0.2, 0.9, 0.2]})
    assert evaluate(labels, labels, confidence=table).ranking.confidence[0, 0] == 0.9


class Result:
    """The shape of what `segment` returns."""

    class candidates:
        ids = np.array([9], np.int32)
        planes = np.array([0], np.int32)
        instances = Instances(
            np.array([[1, 11, 5, 15]], np.int32),
            np.array([0.2], np.float32),
            np.zeros(1, np.int16),
            (np.ones((4, 4), bool),),
        )

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.features = pd.DataFrame({"index": [1], "confidence": [0.9], "class": ["cell"]})


def test_a_segmentation_brings_its_confidences_and_candidates() -> None:
    truth = np.zeros((10, 30), np.int32)
    truth[1:5, 1:5], truth[1:5, 11:15] = 1, 2
    report = evaluate(Result(np.where(truth == 1, 1, 0)), truth)
    assert report.summary["recall"] == 0.5
    assert report.summary["mAP50"] == 1
    assert report.reliability.counts.sum() == 2
    named = evaluate(
        {"a": Result(np.where(truth == 1, 1, 0))}, {"a": truth}, truth_classes={"a": ["cell", "cell"]}
    )
    assert named.confusion.loc["cell", "background"] == 1


@pytest.mark.parametrize("volumes", [1, 2])
def test_candidates_of_a_linked_stack_are_objects_of_its_volumes(volumes: int) -> None:
    truth = np.zeros((volumes, 3, 10, 30), np.int32)
    truth[:, :, 1:5, 1:5], truth[:, :, 1:5, 11:15] = 1, 2
    result = Result(np.where(truth == 1, 1, 0))
    planes = np.arange(3 * volumes)
    one = Result.candidates.instances
    result.candidates = SimpleNamespace(
        ids=(9 + planes // 3).astype(np.int32),
        planes=planes.astype(np.int32),
        instances=Instances.concatenate([replace(one, scores=np.float32([0.1 * (k % 3)])) for k in planes]),
    )
    report = evaluate(result, truth, dimensions=3)
    assert report.summary["recall"] == 0.5
    assert report.summary["mAP50"] == 1
    assert report.ranking.confidence[0, -1] == pytest.approx(0.1)
    assert report.reliability.counts.sum() == 2 * volumes


def test_numbers_of_classes_are_the_same_as_whole_numbers_and_floats() -> None:
    labels = np.zeros((10, 30), np.int32)
    labels[1:5, 1:5], labels[1:5, 11:15] = 1, 2
    truth = pd.DataFrame({"index": [1, 2, 7], "class": [3, 4, np.nan]})
    report = evaluate(labels, labels, classes={1: 3, 2: 4}, truth_classes=truth)
    assert report.classes["class"].tolist() == ["3", "4"]
    assert report.classes["F1"].tolist() == [1, 1]


@pytest.mark.parametrize("nothing", [None, np.nan, ""])
def test_an_object_without_a_class_is_told(nothing: object) -> None:
    labels = np.zeros((10, 30), np.int32)
    labels[1:5, 1:5], labels[1:5, 11:15] = 1, 2
    classes = pd.DataFrame({"index": [1, 2], "class": ["a", nothing]})
    with pytest.raises(OptionError, match="needs a class; 1 have none, for example label 2"):
        evaluate(labels, labels, classes=classes, truth_classes=["a", "a"])


def test_classes_and_their_confusion() -> None:
    truth = np.zeros((10, 40), int)
    for k in range(4):
        truth[1:5, 10 * k + 1 : 10 * k + 5] = k + 1
    prediction = np.where(truth == 4, 0, truth)
    prediction[7:9, 7:9] = 9
    report = evaluate(
        prediction, truth, classes={1: "a", 2: "b", 3: "b", 9: "a"}, truth_classes=["a", "a", "b", "b"]
    )
    expected = {("a", "a"): 1, ("a", "b"): 1, ("b", "b"): 1, ("b", "background"): 1, ("background", "a"): 1}
    for (row, column), count in expected.items():
        assert report.confusion.loc[row, column] == count, (row, column)
    assert report.confusion.to_numpy().sum() == 5
    classes = report.classes.set_index("class")
    assert classes.loc["a", "precision"] == classes.loc["a", "recall"] == 0.5
    assert classes.loc["b", "AP50"] == pytest.approx(1 / 3)
    assert "misclassified" in set(report.errors.kind)
    sums = pd.concat(report.class_tallies)[["true_objects", "predicted_objects", "tp", "found"]]
    assert sums.loc["a"].to_numpy().tolist() == [[2, 2, 1, 2]]
    assert sums.loc["b"].to_numpy().tolist() == [[2, 2, 1, 1]]
    with pytest.raises(OptionError, match="predicted and the true"):
        evaluate(prediction, truth, classes={1: "a"})
    with pytest.raises(OptionError, match="must not be called 'background'"):
        evaluate(truth, truth, classes=["background"] * 4, truth_classes=["a"] * 4)
