"""Weaker objects that a model found but did not keep; they complete the ranking of its detections."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.evaluation.numbering import NumberedLabels
from napari_cellseg.evaluation.overlaps import Overlaps
from napari_cellseg.instances.instance import Instances


class CandidatesLike(Protocol):
    """What `napari_cellseg.pipeline.Candidates` is: ids (M,), planes (M,) and instances of M pieces."""

    @property
    def ids(self) -> NDArray[np.int32]: ...
    @property
    def planes(self) -> NDArray[np.int32]: ...
    @property
    def instances(self) -> Instances: ...


class SegmentationLike(Protocol):
    """What `napari_cellseg.pipeline.Segmentation` is: labels, a table of them, and candidates."""

    @property
    def labels(self) -> Any: ...
    @property
    def features(self) -> Any: ...
    @property
    def candidates(self) -> CandidatesLike: ...


def is_segmentation(source: object) -> bool:
    """Whether something is the result of `segment` rather than a label image."""
    return all(hasattr(source, name) for name in ("labels", "features", "candidates"))


def add_candidates(overlaps: Overlaps, candidates: Instances, truth: NumberedLabels) -> Overlaps:
    """Overlaps with more predictions, which may overlap each other and the labels.

    Parameters
    ----------
    overlaps : Overlaps
        Of the labels with the truth.
    candidates : Instances
        More objects of the same plane.
    truth : NumberedLabels
        The true label image, (Y, X).

    Returns
    -------
    Overlaps
        The predictions of `overlaps`, then the candidates, with ids that follow the largest.
    """
    rows, columns, shared = [overlaps.rows], [overlaps.columns], [overlaps.shared]
    for i, (box, mask) in enumerate(zip(candidates.boxes, candidates.masks, strict=True)):
        y0, x0, y1, x1 = (int(edge) for edge in box)
        numbers, counts = np.unique(truth.numbers[y0:y1, x0:x1][mask], return_counts=True)
        real = numbers > 0
        rows.append(np.full(int(real.sum()), len(overlaps.prediction) + i, np.int64))
        columns.append(numbers[real].astype(np.int64) - 1)
        shared.append(counts[real].astype(np.int64))
    first = int(overlaps.prediction.max(initial=0)) + 1
    ids = np.arange(first, first + len(candidates), dtype=np.int64)
    return Overlaps(
        np.concatenate([overlaps.prediction, ids]),
        overlaps.truth,
        np.concatenate([overlaps.prediction_areas, candidates.areas]),
        overlaps.truth_areas,
        np.concatenate(rows),
        np.concatenate(columns),
        np.concatenate(shared),
    )
