"""Weaker objects that a model found but did not keep; they complete the ranking of its detections."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.evaluation.numbering import NumberedLabels
from napari_cellseg.evaluation.overlaps import Ids, Overlaps
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


@dataclass(frozen=True, slots=True)
class Weaker:
    """Weaker objects of one plane or volume.

    Attributes
    ----------
    pieces : Instances
        Their pieces (M,), one of each in a plane; in a volume a piece per plane that an object is in.
    slices : (M,) ndarray of int
        Place of each piece along Z; 0 in a plane.
    owners : (M,) ndarray of int
        Which object each piece is of, from 0.
    """

    pieces: Instances
    slices: Ids
    owners: Ids

    @property
    def areas(self) -> Ids:
        """Pixels of each object, (N,)."""
        areas: Ids = np.bincount(self.owners, self.pieces.areas).astype(np.int64)
        return areas

    @property
    def scores(self) -> NDArray[np.float64]:
        """Confidence of each object, (N,): the mean over its pixels."""
        scores, areas = self.pieces.scores.astype(float), self.pieces.areas
        means = scores[np.unique(self.owners, return_index=True)[1]]
        several = (np.bincount(self.owners) > 1) & (self.areas > 0)
        sums = np.bincount(self.owners, scores * areas)
        means[several] = sums[several] / self.areas[several]
        return means


def weaker_objects(candidates: CandidatesLike, depth: int | None = None) -> dict[int, Weaker]:
    """Candidates by the number of their plane, or of their volume.

    Parameters
    ----------
    candidates : CandidatesLike
        Of a whole stack.
    depth : int, optional
        Planes of a volume, in which pieces of one id are one object; None: each plane is looked at by itself.
    """
    places = np.asarray(candidates.planes, np.int64)
    volumes = places if depth is None else places // depth
    found = {}
    for volume in np.unique(volumes).tolist():
        rows = np.flatnonzero(volumes == volume)
        slices, owners = np.zeros(len(rows), np.int64), np.arange(len(rows))
        if depth is not None:
            slices = places[rows] % depth
            owners = np.unique(np.asarray(candidates.ids)[rows], return_inverse=True)[1]
        found[volume] = Weaker(candidates.instances.take(rows), slices, owners.astype(np.int64))
    return found


def add_candidates(overlaps: Overlaps, weaker: Weaker, truth: NumberedLabels) -> Overlaps:
    """Overlaps with more predictions, which may overlap each other and the labels.

    Parameters
    ----------
    overlaps : Overlaps
        Of the labels with the truth.
    weaker : Weaker
        More objects of the same plane or volume.
    truth : NumberedLabels
        The true label image, (Y, X) or (Z, Y, X).

    Returns
    -------
    Overlaps
        The predictions of `overlaps`, then the candidates, with ids that follow the largest.
    """
    areas, stride = weaker.areas, len(truth) + 1
    shared: dict[int, int] = {}
    pieces = zip(weaker.pieces.boxes, weaker.pieces.masks, weaker.slices, weaker.owners, strict=True)
    for box, mask, z, owner in pieces:
        y0, x0, y1, x1 = (int(edge) for edge in box)
        numbers, counts = np.unique(truth.volume[z, y0:y1, x0:x1][mask], return_counts=True)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            if number > 0:
                key = int(owner) * stride + number
                shared[key] = shared.get(key, 0) + count
    pairs = np.array(sorted(shared), np.int64)
    first = int(overlaps.prediction.max(initial=0)) + 1
    ids = np.arange(first, first + len(areas), dtype=np.int64)
    return Overlaps(
        np.concatenate([overlaps.prediction, ids]),
        overlaps.truth,
        np.concatenate([overlaps.prediction_areas, areas]),
        overlaps.truth_areas,
        np.concatenate([overlaps.rows, len(overlaps.prediction) + pairs // stride]),
        np.concatenate([overlaps.columns, pairs % stride - 1]),
        np.concatenate([overlaps.shared, np.array([shared[k] for k in pairs.tolist()], np.int64)]),
    )
