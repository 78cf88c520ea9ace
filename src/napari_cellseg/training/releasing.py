"""Make a trained model ready to ship: calibrate its confidence, score it as users run it, fill its card."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import CellSegWarning
from napari_cellseg.evaluation.matching import AveragePrecision, average_precision
from napari_cellseg.events import drain
from napari_cellseg.images.planes import open_planes
from napari_cellseg.models.card import CalibrationBin, ModelCard, Score, file_hash
from napari_cellseg.models.onnx import OnnxPixelModel
from napari_cellseg.models.protocols import PixelModel
from napari_cellseg.pipeline import segment
from napari_cellseg.pipeline.options import scale_for
from napari_cellseg.pipeline.sizing import estimate_diameter
from napari_cellseg.pipeline.view import PlaneView, measure_intensities
from napari_cellseg.statistics.calibration import Reliability, reliability
from napari_cellseg.training.calibration import (
    Candidates,
    best_threshold,
    calibration_error,
    collect_candidates,
    cross_validate,
    fit_confidence,
    leave_sets_out,
    predict_confidence,
)
from napari_cellseg.training.samples import Sample
from napari_cellseg.training.scoring import SetScore, pool_scores, predict_maps

BINS = 15
"""Bins of the expected calibration error, of equal mass."""

ALL = "all"
"""Name of all sets together."""


@dataclass(frozen=True, slots=True)
class SegmentedSample:
    """A sample as the product segments it by default.

    Attributes
    ----------
    sample : Sample
        The image and its truth.
    labels : (H, W) ndarray of int32
        Objects at or above the card's confidence.
    counts : AveragePrecision
        Matches at each threshold.
    scale : float
        Network pixels per image pixel that was chosen.
    """

    sample: Sample
    labels: NDArray[np.int32]
    counts: AveragePrecision
    scale: float


def segment_samples(
    model: PixelModel, samples: Sequence[Sample], diameter: float | None = None
) -> Iterator[SegmentedSample]:
    """Segment labelled images as `napari_cellseg.segment` does when nothing is chosen."""
    import warnings

    for sample in samples:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CellSegWarning)
            found = segment(_pixels(sample), model, axes=_axes(sample), diameter=diameter)
        counts = average_precision(found.labels, sample.labels)
        yield SegmentedSample(sample, found.labels, counts, found.provenance["resolved"]["scale"])


def scaled_maps(model: PixelModel, samples: Sequence[Sample]) -> Iterator[NDArray[np.float32]]:
    """Maps of each sample at the scale that `segment` chooses, (K, h, w)."""
    card = model.card
    for sample in samples:
        planes = open_planes(_pixels(sample), axes=_axes(sample))
        limits = measure_intensities(planes, 0, card.scaling).range
        view = PlaneView(planes, 0, limits, 1.0, card.channels)
        found = drain(estimate_diameter(model, view)) if card.default_diameter == "auto" else None
        view = replace(view, scale=scale_for(found, card) if found else 1.0)
        image = view.read(slice(0, view.shape[0]), slice(0, view.shape[1])).transpose(1, 2, 0)
        yield predict_maps(model.predict_maps, image, card.tile_multiple)


def _pixels(sample: Sample) -> NDArray[np.integer]:
    return sample.image if sample.image.shape[2] > 1 else sample.image[..., 0]


def _axes(sample: Sample) -> str:
    return "YXS" if sample.image.shape[2] > 1 else "YX"


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """How well a confidence holds.

    Attributes
    ----------
    candidates : Candidates
        Objects that it was fitted on.
    confidence : (N,) ndarray of float64
        Cross-validated by image.
    coefficients : tuple of float
        Fitted on all.
    rows : dict
        By set: objects, error, error by chance, error of the fit without the set. ``"all"`` is every set.
    threshold, f1 : float
        Confidence of the highest F1, and that F1.
    """

    candidates: Candidates
    confidence: NDArray[np.float64]
    coefficients: tuple[float, ...]
    rows: dict[str, dict[str, float]]
    threshold: float
    f1: float

    def curve(self, name: str = ALL) -> Reliability:
        """Reliability of a set, or of all, in bins of equal mass."""
        chosen = of_set(self.candidates, name)
        return reliability(self.confidence[chosen], self.candidates.correct[chosen], BINS)

    def bins(self) -> list[CalibrationBin]:
        """Reliability of all objects, as a card holds it."""
        curve = self.curve()
        return [
            CalibrationBin(confidence=round(float(c), 4), objects=int(n), precision=round(float(p), 4))
            for n, c, p in zip(curve.counts, curve.confidence, curve.correct, strict=True)
        ]


def of_set(candidates: Candidates, name: str) -> NDArray[np.bool_]:
    """Which candidates belong to a set, (N,); every one to `ALL`."""
    if name == ALL:
        return np.ones(len(candidates.sets), np.bool_)
    return np.asarray(candidates.sets == name)


def calibrate(model: PixelModel, samples: Sequence[Sample]) -> CalibrationReport:
    """Fit the confidence on the objects that a model finds in labelled images.

    Objects below the card's floor, which nobody sees, take part in the fit but not in the errors.
    """
    decoder = model.card.decoder
    if decoder is None:
        raise ValueError("only a pixel model with a decoder can be calibrated")
    candidates = collect_candidates(samples, scaled_maps(model, samples), decoder)
    coefficients = tuple(round(v, 4) for v in fit_confidence(candidates))
    shown = predict_confidence(candidates.features, coefficients) >= model.card.confidence_floor
    confidence, foreign = cross_validate(candidates), leave_sets_out(candidates)
    threshold, f1 = best_threshold(candidates, confidence)
    candidates = candidates.take(shown)
    confidence, foreign = confidence[shown], foreign[shown]
    rows = {}
    names = sorted(set(candidates.sets.tolist()))
    for name in [ALL, *names]:
        chosen = of_set(candidates, name)
        error, chance = calibration_error(confidence[chosen], candidates.correct[chosen], bins=BINS)
        rows[name] = {"objects": int(chosen.sum()), "ece": round(error, 4), "by_chance": round(chance, 4)}
        if name != ALL and len(names) > 1:
            left_out = calibration_error(foreign[chosen], candidates.correct[chosen], bins=BINS)[0]
            rows[name]["left_out"] = round(left_out, 4)
    return CalibrationReport(candidates, confidence, coefficients, rows, threshold, f1)


def release(card: ModelCard, onnx: Path, samples: Sequence[Sample]) -> "Release":
    """Calibrate and score a network; its card with the numbers filled in.

    Parameters
    ----------
    card : ModelCard
        Texts, decoder, sizes and thresholds; hash, scores and calibration are replaced.
    onnx : Path
        The network.
    samples : sequence of Sample
        Validation images.
    """
    card = card.model_copy(update={"sha256": file_hash(onnx)})
    report = calibrate(OnnxPixelModel(card, onnx, "cpu"), samples)
    decoder = replace(card.decoder, confidence=report.coefficients)  # type: ignore[type-var]
    card = card.model_copy(update={"decoder": decoder, "calibration": tuple(report.bins())})
    segmented = list(segment_samples(OnnxPixelModel(card, onnx, "cpu"), samples))
    scores = pool_scores([(s.sample, s.counts) for s in segmented])
    card = card.model_copy(update={"scores": _card_scores(scores, report)})
    return Release(ModelCard.model_validate(card.model_dump()), report, segmented, scores)


@dataclass(frozen=True, slots=True)
class Release:
    """A card with its numbers, and what they rest on."""

    card: ModelCard
    calibration: CalibrationReport
    segmented: list[SegmentedSample]
    scores: dict[str, SetScore]

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return {
            "scores": {name: score.as_dict() for name, score in self.scores.items()},
            "calibration": self.calibration.rows,
            "threshold": round(self.calibration.threshold, 3),
            "f1": round(self.calibration.f1, 4),
            "decoder": asdict(self.card.decoder),  # type: ignore[arg-type]
            "scaled": {
                f"{s.sample.source}/{s.sample.name}": round(s.scale, 3)
                for s in self.segmented
                if s.scale != 1
            },
        }


def _card_scores(scores: dict[str, SetScore], report: CalibrationReport) -> tuple[Score, ...]:
    found = []
    for name, score in scores.items():
        by_threshold = dict(zip(score.counts.thresholds, score.counts.ap, strict=True))
        values = {
            "AP50": by_threshold[0.5],
            "AP75": by_threshold[0.75],
            "AP50_95": score.counts.mean,
            "expected calibration error": report.rows[name]["ece"] if name in report.rows else None,
        }
        for metric, value in values.items():
            if value is not None:
                found.append(
                    Score(
                        data=name,
                        metric=metric,
                        value=round(float(value), 4),
                        images=score.images,
                        objects=score.objects,
                    )
                )
    return tuple(found)
