"""evaluate(): a prediction against the truth."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.candidates import SegmentationLike, is_segmentation, weaker_objects
from napari_cellseg.evaluation.classes import Confusion, check_classes, confusion_table
from napari_cellseg.evaluation.error_rows import error_table
from napari_cellseg.evaluation.groups import group_columns
from napari_cellseg.evaluation.image_scores import (
    Criteria,
    ImageScore,
    ObjectFacts,
    class_names,
    score_image,
)
from napari_cellseg.evaluation.object_values import object_values
from napari_cellseg.evaluation.pairs import Dimensions, ImagePair, image_pairs
from napari_cellseg.evaluation.ranking import (
    Detections,
    RankedPrecision,
    pool_detections,
    ranked_precision,
)
from napari_cellseg.evaluation.results import Report
from napari_cellseg.evaluation.tables import class_table, image_values, iou_table, metric_table
from napari_cellseg.evaluation.tallies import Tally
from napari_cellseg.evaluation.thresholds import check_threshold
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.statistics.calibration import Reliability, reliability


def evaluating(
    prediction: Any,
    truth: Any,
    *,
    names: Sequence[str] | None = None,
    groups: Any = None,
    pattern: str | None = None,
    confidence: Any = None,
    classes: Any = None,
    truth_classes: Any = None,
    iou: float = 0.5,
    dimensions: Dimensions = 2,
    spacing: Sequence[float] | None = None,
    boundary_tolerance: float = 2.0,
) -> Job[Report]:
    """`evaluate` as a long job: yields `Progress` after each plane and returns the report."""
    criteria = _criteria(iou, dimensions, spacing, boundary_tolerance)
    prediction, segmentations = _labels_of(prediction, truth)
    pairs = image_pairs(prediction, truth, names, dimensions)
    table = group_columns([p.name for p in pairs], groups, pattern)
    facts = _image_facts(segmentations, dimensions, truth, confidence, classes, truth_classes)
    total = sum(len(pair) for pair in pairs)
    scores: list[ImageScore] = []
    for pair, known in zip(pairs, facts, strict=True):
        for plane in range(len(pair)):
            scores.append(score_image(pair.read(plane), known, criteria))
            yield Progress("Evaluating", len(scores), total, pair.name)
    settings = {
        "iou": iou,
        "dimensions": dimensions,
        "boundary_tolerance": boundary_tolerance,
        "spacing": None if spacing is None else [float(s) for s in spacing],
    }
    return _report(scores, pairs, table, settings)


def evaluate(
    prediction: Any,
    truth: Any,
    *,
    names: Sequence[str] | None = None,
    groups: Any = None,
    pattern: str | None = None,
    confidence: Any = None,
    classes: Any = None,
    truth_classes: Any = None,
    iou: float = 0.5,
    dimensions: Dimensions = 2,
    spacing: Sequence[float] | None = None,
    boundary_tolerance: float = 2.0,
    progress: Callable[[Progress], object] | None = None,
) -> Report:
    """Compare predicted with true objects.

    Parameters
    ----------
    prediction, truth : (…, Y, X) array-like of int, or sequences or mappings of them
        Label images, 0 is background: one image, as many images each, or images by name. Axes before Y and X
        are planes, each an image of its own. A prediction can also be the result of `segment`: then its
        confidences and candidates take part, and its classes if `truth_classes` are given.
    names : sequence of str, optional
        Names of the images; for mappings their keys.
    groups : sequence, mapping or DataFrame, optional
        The group of each image, or a table with the column ``image`` and others.
    pattern : str, optional
        Pattern of the names from which groups are read, for example ``"{line}_Phase_{well}_*"``.
    confidence : mapping, DataFrame or sequence, optional
        Confidence of each predicted object: by label, a table with ``index`` and ``confidence``, or N values
        for the labels 1 … N. For several images one of these each, in the form of `truth`.
    classes, truth_classes : mapping, DataFrame or sequence, optional
        Class of each predicted and true object, in the same forms (column ``class``).
    iou : float
        IoU from which a predicted object is a hit, for everything but AP.
    dimensions : 2 or 3
        3: the last three axes are Z, Y, X and objects are volumes.
    spacing : sequence of float, optional
        Size of a pixel along the last two (or three) axes; distances are then in its unit, else in pixels.
    boundary_tolerance : float
        Pixels by which a boundary may be off.
    progress : callable, optional
        Called with every `Progress`.

    Returns
    -------
    Report
        The numbers, the images, the list of errors.

    Raises
    ------
    OptionError
        If prediction and truth do not fit together, or an option is outside what is allowed.

    Notes
    -----
    Definitions, sources and edge cases: `napari_cellseg.evaluation.metrics.METRICS`.
    """
    job = evaluating(
        prediction,
        truth,
        names=names,
        groups=groups,
        pattern=pattern,
        confidence=confidence,
        classes=classes,
        truth_classes=truth_classes,
        iou=iou,
        dimensions=dimensions,
        spacing=spacing,
        boundary_tolerance=boundary_tolerance,
    )
    return drain(job, progress)


def _criteria(
    iou: float, dimensions: Dimensions, spacing: Sequence[float] | None, tolerance: float
) -> Criteria:
    if not tolerance >= 0:
        raise OptionError(f"boundary_tolerance must be at least 0 pixels, not {tolerance}.")
    size = None if spacing is None else tuple(float(s) for s in spacing)
    if size is not None and (len(size) != dimensions or not min(size) > 0):
        raise OptionError(f"spacing needs {dimensions} numbers above 0, one per axis, not {size}.")
    return Criteria(check_threshold(iou), tolerance, size)


def _labels_of(prediction: Any, truth: Any) -> tuple[Any, list[SegmentationLike | None]]:
    """Label images, and the segmentations that they come from in the order of the images."""
    if isinstance(prediction, Mapping):
        labels = {key: _labels(value) for key, value in prediction.items()}
        order = truth if isinstance(truth, Mapping) else prediction
        return labels, [_segmentation(prediction.get(key)) for key in order]
    if isinstance(prediction, list | tuple):
        return [_labels(value) for value in prediction], [_segmentation(value) for value in prediction]
    return _labels(prediction), [_segmentation(prediction)]


def _labels(source: Any) -> Any:
    return source.labels if is_segmentation(source) else source


def _segmentation(source: Any) -> SegmentationLike | None:
    return source if is_segmentation(source) else None


def _per_image(option: Any, truth: Any, n: int, what: str) -> list[Any]:
    """An option of each image, in the order of the images."""
    if option is None:
        return [None] * n
    if isinstance(truth, Mapping):
        missing = [key for key in truth if not isinstance(option, Mapping) or key not in option]
        if missing:
            raise OptionError(f"{what} must be given for each image by name; {missing[0]!r} has none.")
        return [option[key] for key in truth]
    if not isinstance(truth, list | tuple):
        return [option]
    if isinstance(option, Mapping) or len(option) != n:
        raise OptionError(f"{what} must be given once per image, as a sequence of {n}.")
    return list(option)


def _image_facts(
    segmentations: Sequence[SegmentationLike | None],
    dimensions: Dimensions,
    truth: Any,
    confidence: Any,
    classes: Any,
    truth_classes: Any,
) -> list[ObjectFacts]:
    """What is known about the objects of each image."""
    n = len(segmentations)
    given = (
        _per_image(confidence, truth, n, "confidence"),
        _per_image(classes, truth, n, "classes"),
        _per_image(truth_classes, truth, n, "truth_classes"),
    )
    facts = [_facts(dimensions, *each) for each in zip(segmentations, *given, strict=True)]
    _check_complete(facts)
    return facts


def _facts(
    dimensions: Dimensions,
    segmentation: SegmentationLike | None,
    confidence: Any,
    classes: Any,
    truth_classes: Any,
) -> ObjectFacts:
    candidates = {}
    if segmentation is not None:
        table = segmentation.features
        confidence = table if confidence is None else confidence
        if classes is None and truth_classes is not None and "class" in table:
            classes = table
        depth = int(segmentation.labels.shape[-3]) if dimensions == 3 else None
        candidates = weaker_objects(segmentation.candidates, depth)
    return ObjectFacts(
        None if confidence is None else object_values(confidence, "confidence"),
        None if classes is None else object_values(classes, "class"),
        None if truth_classes is None else object_values(truth_classes, "class"),
        candidates,
    )


def _check_complete(facts: Sequence[ObjectFacts]) -> None:
    """Refuse confidences or classes of some images only."""
    if len({f.confidence is None for f in facts}) > 1:
        raise OptionError("Confidences must be known for every image, or for none.")
    kinds = {(f.predicted_classes is None, f.true_classes is None) for f in facts}
    if kinds - {(True, True), (False, False)} or len(kinds) > 1:
        raise OptionError("Classes must be known for the predicted and the true objects of every image.")


def _report(
    scores: Sequence[ImageScore], pairs: Sequence[ImagePair], groups: pd.DataFrame, settings: dict[str, Any]
) -> Report:
    tallies = pd.DataFrame([score.tally for score in scores])
    images = pd.DataFrame({"image": [s.image for s in scores], "plane": [s.plane for s in scores]})
    place = {pair.name: i for i, pair in enumerate(pairs)}
    of_image = groups.iloc[images["image"].map(place).to_numpy()].reset_index(drop=True)
    values = image_values(tallies)
    table = metric_table(tallies, list(images["image"]))
    ranking, calibration, extra, by_class = _ranked(scores)
    names = class_names(scores)
    check_classes(names)
    pooled = {name: _add([s.classes[name] for s in scores if name in s.classes]) for name in names}
    confusion: Confusion = sum((s.confusion for s in scores), Counter())
    has_classes = bool(names)
    classes = class_table(pooled)
    for column in by_class.columns:
        classes[column] = classes["class"].map(by_class[column])
    rows = [row for score in scores for row in score.errors]
    return Report(
        {**table["pooled"].to_dict(), **extra},
        table,
        pd.concat([images, of_image, values], axis=1),
        error_table(rows, settings["dimensions"] == 3),
        iou_table(tallies),
        classes if has_classes else None,
        confusion_table(confusion, names) if has_classes else None,
        ranking,
        calibration,
        settings,
        tallies,
        tuple(pairs),
        {name: _class_tallies(scores, name) for name in names},
    )


def _class_tallies(scores: Sequence[ImageScore], name: str) -> pd.DataFrame:
    """Sums of a class in each image, 0 where neither prediction nor truth has it."""
    return pd.DataFrame([score.classes.get(name, {}) for score in scores]).fillna(0.0)


def _ranked(
    scores: Sequence[ImageScore],
) -> tuple[RankedPrecision | None, Reliability | None, dict[str, float], pd.DataFrame]:
    """What confidences tell: ranking, calibration, mean average precision, and it by class."""
    parts = [s.detections for s in scores if s.detections is not None]
    if not parts:
        return None, None, {}, pd.DataFrame()
    detections = pool_detections(parts)
    ranking = ranked_precision(detections)
    calibration = reliability(detections.confidence, detections.matched[:, 0])
    aps = {name: ranked_precision(_of(scores, name)).ap for name in class_names(scores)}
    columns = {name: _coco(ap[None]) for name, ap in aps.items()}
    ap = np.stack(list(aps.values())) if aps else ranking.ap[None]
    summary = {**_coco(ap), "ECE": calibration.ece}
    return ranking, calibration, summary, pd.DataFrame.from_dict(columns, orient="index")


def _of(scores: Sequence[ImageScore], name: str) -> Detections:
    return pool_detections([s.class_detections[name] for s in scores if name in s.class_detections])


def _coco(ap: Any) -> dict[str, float]:
    """Mean average precision over classes that have truth, from AP (classes, thresholds)."""
    known = ap[~np.isnan(ap).any(1)]
    if len(known) == 0:
        return {"mAP50": np.nan, "mAP75": np.nan, "mAP50_95": np.nan}
    return {
        "mAP50": float(known[:, 0].mean()),
        "mAP75": float(known[:, 5].mean()),
        "mAP50_95": float(known.mean()),
    }


def _add(tallies: Sequence[Tally]) -> Tally:
    return {key: sum(t[key] for t in tallies) for key in tallies[0]}
