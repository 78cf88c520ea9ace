"""How good a trained YOLO network is on whole images, segmented as users will segment them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.datasets.sample import Split
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import TrainingError
from napari_cellseg.evaluation.evaluating import evaluating
from napari_cellseg.evaluation.ranking import RECALLS, RankedPrecision
from napari_cellseg.evaluation.results import Report
from napari_cellseg.events import Job, Progress
from napari_cellseg.images.channels import Channel
from napari_cellseg.labels.rasterising import paint_instances
from napari_cellseg.models.card import CalibrationBin, Score
from napari_cellseg.models.protocols import Model
from napari_cellseg.outputs import make_folder
from napari_cellseg.pipeline.results import Candidates, Segmentation
from napari_cellseg.training.examination import labels_on_disk, segment_sample
from napari_cellseg.training.yolo.recipe import YoloRecipe
from napari_cellseg.training.yolo.tiles import Tiles, unchanged_images

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
        names = unchanged_images(dataset, tiles)
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
        return (yield from (yield from self.finding(split, confidence)).evaluating())

    def finding(self, split: Split, confidence: float | None) -> Job["Found"]:
        """Segment the images of a split with a confidence, the card's where it is None."""
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
        return Found(predicted, truth, classes if several else None, self.model.card.classes, self.folder)


@dataclass(frozen=True, slots=True)
class Found:
    """What a network found in images, and what is there, by the images' names."""

    predicted: dict[str, Segmentation]
    truth: dict[str, NDArray[np.int32]]
    true_classes: dict[str, Any] | None
    classes: tuple[str, ...]
    folder: Path

    def evaluating(self) -> Job[Report]:
        """Evaluate."""
        return (yield from evaluating(self.predicted, self.truth, truth_classes=self.true_classes))

    def with_candidates(self, confidence: float) -> "Found":
        """The same, where candidates of that confidence and more have become labels."""
        predicted = {}
        for number, (name, found) in enumerate(self.predicted.items()):
            kept = keep_candidates(found, confidence, self.classes)
            path = self.folder / f"{number}_kept.npy"
            predicted[name] = replace(kept, labels=labels_on_disk(kept.labels, path))
        return replace(self, predicted=predicted)


def keep_candidates(found: Segmentation, confidence: float, classes: Sequence[str]) -> Segmentation:
    """A segmentation of a plane where candidates of that confidence and more have become labels.

    The most confident are painted first, over background: as `segment` with that confidence does, but for
    pixels that objects of different rows of tiles both claim.

    Parameters
    ----------
    found : Segmentation
        Whose candidates are all objects below 1, where that is its confidence.
    confidence : float
        Objects at or above it become labels, 0 to 1.
    classes : sequence of str
        Names of the classes.
    """
    weak = found.candidates
    chosen = np.flatnonzero(weak.instances.scores >= confidence)
    labels = np.array(found.labels, np.int32)
    kept = chosen[paint_instances(labels, weak.instances.take(chosen), weak.ids[chosen]) > 0]
    added = pd.DataFrame(
        {
            "index": weak.ids[kept],
            "confidence": weak.instances.scores[kept].astype(np.float32),
            "class": [classes[int(number)] for number in weak.instances.classes[kept]],
        }
    )
    rest = np.setdiff1d(np.arange(len(weak)), chosen)
    left = Candidates(weak.ids[rest], weak.planes[rest], weak.instances.take(rest))
    known = found.features.astype({"class": object})
    features = pd.concat([known, added], ignore_index=True) if len(known) else added
    return replace(found, labels=labels, features=features, candidates=left)


def _scoring(seen: Examination) -> Job[Scored]:
    if not seen.names["val"]:
        raise TrainingError(
            "No validation image is as it was when the training began, so the model cannot be scored. "
            "Train anew with the dataset as it is now."
        )
    found = yield from seen.finding("val", 1.0)  # so that all objects are candidates, to choose from
    ranking = (yield from found.evaluating()).ranking
    best = None if ranking is None else best_confidence(ranking)
    confidence = seen.model.card.confidence if best is None else best
    report = yield from found.with_candidates(confidence).evaluating()
    scores, bins = list(card_scores(report, "val")), calibration_bins(report)
    if seen.names["test"]:
        scores += card_scores((yield from seen.evaluating("test", confidence)), "test")
    return Scored(confidence, tuple(scores), bins)


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
