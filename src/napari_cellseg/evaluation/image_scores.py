"""Everything that is learnt from one image, before images are put together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.evaluation.candidates import Weaker, add_candidates
from napari_cellseg.evaluation.classes import (
    Confusion,
    class_tally,
    confusion_counts,
    found_of_class,
    of_class,
)
from napari_cellseg.evaluation.error_rows import Row, error_rows
from napari_cellseg.evaluation.matching import match_overlaps
from napari_cellseg.evaluation.mistakes import find_mistakes
from napari_cellseg.evaluation.object_values import ObjectValues, classes_of, confidences_of
from napari_cellseg.evaluation.overlaps import Overlaps
from napari_cellseg.evaluation.pairs import LabelPair
from napari_cellseg.evaluation.ranking import Detections, rank_detections
from napari_cellseg.evaluation.tallies import Tally, image_tally


@dataclass(frozen=True, slots=True)
class Criteria:
    """How images are scored.

    Attributes
    ----------
    iou : float
        Threshold of hits: precision, recall, F1, PQ, mistakes, classes.
    boundary_tolerance : float
        Distance in pixels up to which a boundary pixel counts as found.
    spacing : tuple of float or None
        Size of a pixel along each axis, for distances.
    """

    iou: float = 0.5
    boundary_tolerance: float = 2.0
    spacing: tuple[float, ...] | None = None


@dataclass(frozen=True)
class ObjectFacts:
    """What is known about the objects of one image besides their pixels.

    Attributes
    ----------
    confidence : mapping or None
        Confidence by predicted label.
    predicted_classes, true_classes : mapping or None
        Class by label.
    candidates : mapping
        By plane or volume, weaker predictions that take part in the ranking only.
    """

    confidence: ObjectValues | None = None
    predicted_classes: ObjectValues | None = None
    true_classes: ObjectValues | None = None
    candidates: Mapping[int, Weaker] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageScore:
    """Scores of one plane or volume.

    Attributes
    ----------
    image, plane
        See `LabelPair`.
    tally : dict
        Its sums.
    errors : list of dict
        Its error rows.
    detections : Detections or None
        Its ranked detections, where there are confidences.
    classes : dict
        Sums by class, where there are classes.
    class_detections : dict
        Ranked detections by class, where there are both.
    confusion : Counter
        Pairs of true and predicted class.
    """

    image: str
    plane: int
    tally: Tally
    errors: list[Row]
    detections: Detections | None
    classes: dict[str, Tally]
    class_detections: dict[str, Detections]
    confusion: Confusion


def score_image(pair: LabelPair, facts: ObjectFacts, criteria: Criteria) -> ImageScore:
    """Score one plane or volume.

    Parameters
    ----------
    pair : LabelPair
        Prediction and truth.
    facts : ObjectFacts
        Confidences and classes of the objects.
    criteria : Criteria
        How to score.
    """
    overlaps = pair.overlaps
    matching = match_overlaps(overlaps, criteria.iou)
    mistakes = find_mistakes(overlaps, matching)
    tally = image_tally(
        pair, matching, mistakes, spacing=criteria.spacing, boundary_tolerance=criteria.boundary_tolerance
    )
    classes = object_classes(overlaps, facts)
    detections = None
    if facts.confidence is not None:
        detections = _rank(pair, facts.confidence, facts.candidates.get(pair.plane))
    by_class: dict[str, Tally] = {}
    ranked: dict[str, Detections] = {}
    confusion: Confusion = Counter()
    if classes is not None:
        confusion = confusion_counts(overlaps, matching, *classes)
        for name in sorted({*classes[0], *classes[1]}):
            own = of_class(overlaps, *classes, name)
            by_class[name] = class_tally(own, criteria.iou) | {"found": found_of_class(confusion, name)}
            if facts.confidence is not None:
                ranked[name] = rank_detections(own, confidences_of(own.prediction, facts.confidence))
    errors = error_rows(pair, mistakes, matching, classes)
    return ImageScore(pair.image, pair.plane, tally, errors, detections, by_class, ranked, confusion)


def object_classes(overlaps: Overlaps, facts: ObjectFacts) -> tuple[list[str], list[str]] | None:
    """Class of each predicted and each true object, where both are known."""
    if facts.predicted_classes is None or facts.true_classes is None:
        return None
    predicted = classes_of(overlaps.prediction, facts.predicted_classes)
    return predicted, classes_of(overlaps.truth, facts.true_classes)


def _rank(pair: LabelPair, values: ObjectValues, candidates: Weaker | None) -> Detections:
    confidence: NDArray[np.float64] = confidences_of(pair.overlaps.prediction, values)
    if candidates is None:
        return rank_detections(pair.overlaps, confidence)
    overlaps = add_candidates(pair.overlaps, candidates, pair.truth)
    return rank_detections(overlaps, np.concatenate([confidence, candidates.scores]))


def class_names(scores: Sequence[ImageScore]) -> list[str]:
    """All classes that occur, sorted."""
    return sorted({name for score in scores for name in score.classes})
