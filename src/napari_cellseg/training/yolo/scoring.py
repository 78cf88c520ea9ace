"""How good a trained YOLO network is on whole images, segmented as users will segment them."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.sample import Split
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import TrainingError
from napari_cellseg.evaluation.evaluating import evaluating
from napari_cellseg.evaluation.ranking import RECALLS, RankedPrecision
from napari_cellseg.evaluation.results import Report
from napari_cellseg.events import Job, Progress
from napari_cellseg.images.channels import Channel
from napari_cellseg.models.card import CalibrationBin, Score
from napari_cellseg.models.protocols import Model
from napari_cellseg.outputs import make_folder
from napari_cellseg.pipeline.results import Segmentation
from napari_cellseg.training.examination import labels_on_disk, segment_sample
from napari_cellseg.training.yolo.recipe import YoloRecipe
from napari_cellseg.training.yolo.tiles import Tiles, dataset_hashes

STAGE = "Scoring"

METRICS = {
    "precision": "precision",
    "recall": "recall",
    "F1": "F1",
    "mAP50": "mAP50",
    "mAP50_95": "mAP50-95",
    "AP50": "AP50",
    "AP50_95": "AP50-95",
    "ECE": "expected calibration error",
}
"""Numbers of an evaluation that go into a card, and their names there."""


@dataclass(frozen=True, slots=True)
class Scored:
    """How good a network is.

    Attributes
    ----------
    confidence : float
        Where F1 is highest on the validation images.
    scores : tuple of Score
        On the validation images (``val``) and, where there are some, the test images (``test``), with this
        confidence; of each class too (``val, CLASS``), where there are several.
    calibration : tuple of CalibrationBin
        What a confidence was worth on the validation images.
    """

    confidence: float
    scores: tuple[Score, ...]
    calibration: tuple[CalibrationBin, ...]


def scoring(model: Model, dataset: Dataset, tiles: Tiles, recipe: YoloRecipe, folder: Path) -> Job[Scored]:
    """Segment the validation and test images, choose the confidence, and evaluate.

    Only images count that the dataset had in the same split, with the same objects, when the training began.
    What nobody has reviewed is filled with background, as it was in training.

    Parameters
    ----------
    model : Model
        The network, with its card.
    dataset : Dataset
        What it was trained on.
    tiles : Tiles
        What the dataset was like then.
    recipe : YoloRecipe
        Its `channel` and `single_class` matter.
    folder : Path
        Takes label images for a while, and is removed.

    Raises
    ------
    TrainingError
        Where no validation image is left as it was.
    DatasetError
        Where a file of the dataset is damaged.
    """
    with _passing(folder):
        names = _unchanged(dataset, tiles)
        return (yield from _scoring(Examination(model, dataset, names, recipe, folder)))


class Seeing(Protocol):
    """Says which channel of an image a network sees; every recipe does."""

    @property
    def channel(self) -> Channel:
        """A number from 0, ``"mean"``, ``"max"``, or None for the first or for colours."""


@dataclass(frozen=True, slots=True)
class Examination:
    """A network, and the names of the images of each split that it is scored on; see `scoring`."""

    model: Model
    dataset: Dataset
    names: dict[str, list[str]]
    recipe: Seeing
    folder: Path

    def evaluating(self, split: Split, confidence: float | None) -> Job[Report]:
        """Segment the images of a split with a confidence, the card's where it is None, and evaluate."""
        names = self.names[split]
        predicted: dict[str, Segmentation] = {}
        truth: dict[str, NDArray[np.int32]] = {}
        classes: dict[str, Any] = {}
        for done, name in enumerate(names):
            yield Progress(STAGE, done, len(names), f"{split}: {name}")
            sample = self.dataset.sample(name)
            found = segment_sample(sample, self.model, channel=self.recipe.channel, confidence=confidence)
            labels = labels_on_disk(found.labels, self.folder / f"{done}_found.npy")
            predicted[name] = replace(found, labels=labels)
            truth[name] = labels_on_disk(sample.annotation.labels, self.folder / f"{done}_true.npy")
            classes[name] = sample.annotation.objects
        several = len(self.model.card.classes) > 1
        return (yield from evaluating(predicted, truth, truth_classes=classes if several else None))


def _unchanged(dataset: Dataset, tiles: Tiles) -> dict[str, list[str]]:
    """Images that have been in their split all the time, with the same pixels and objects."""
    now = dataset_hashes(dataset)
    return {
        split: [name for name, known in images.items() if now[split].get(name) == known]
        for split, images in tiles.images.items()
    }


def _scoring(seen: Examination) -> Job[Scored]:
    if not seen.names["val"]:
        raise TrainingError(
            "No validation image is as it was when the training began, so the model cannot be scored. "
            "Train anew with the dataset as it is now."
        )
    report = yield from seen.evaluating("val", None)
    confidence = None if report.ranking is None else best_confidence(report.ranking)
    if confidence is not None:
        report = yield from seen.evaluating("val", confidence)
    scores, bins = list(card_scores(report, "val")), calibration_bins(report)
    if seen.names["test"]:
        scores += card_scores((yield from seen.evaluating("test", confidence)), "test")
    chosen = seen.model.card.confidence if confidence is None else confidence
    return Scored(chosen, tuple(scores), bins)


def best_confidence(ranking: RankedPrecision) -> float | None:
    """Confidence at which F1, with masks that match at IoU 0.5, is highest; None where nothing matches."""
    precision, reached = ranking.precision[0], ranking.confidence[0]
    known = np.isfinite(reached) & (precision > 0)
    if not known.any():
        return None
    f1 = np.where(known, 2 * precision * RECALLS / np.where(known, precision + RECALLS, 1), -1)
    best = float(reached[int(np.argmax(f1))])
    return math.floor(best * 1000) / 1000


def card_scores(report: Report, data: str) -> Iterator[Score]:
    """Scores of an evaluation as a card holds them; undefined ones are left out."""
    images, objects = len(report.images), int(report.summary["true_objects"])
    rows: list[tuple[str, Mapping[str, Any], int]] = [(data, report.summary, objects)]
    if report.classes is not None and len(report.classes) > 1:
        rows += [
            (f"{data}, {row['class']}", row, int(row["true_objects"]))
            for row in report.classes.to_dict("records")
        ]
    for name, values, count in rows:
        for key, metric in METRICS.items():
            value = float(values.get(key, np.nan))
            if math.isfinite(value):
                yield Score(data=name, metric=metric, value=round(value, 4), images=images, objects=count)


def calibration_bins(report: Report) -> tuple[CalibrationBin, ...]:
    """What confidences were worth, as a card holds it."""
    found = report.reliability
    if found is None:
        return ()
    return tuple(
        CalibrationBin(confidence=round(float(c), 4), objects=int(n), precision=round(float(p), 4))
        for n, c, p in zip(found.counts, found.confidence, found.correct, strict=True)
    )


@contextmanager
def _passing(folder: Path) -> Iterator[None]:
    if folder.exists():
        rmtree(folder)
    make_folder(folder)
    try:
        yield
    finally:
        rmtree(folder, ignore_errors=True)  # Windows keeps what is still open; the next scoring removes it
