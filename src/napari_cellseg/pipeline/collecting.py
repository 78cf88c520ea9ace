"""From found instances to labels: ids, painting, features and candidates of a whole stack."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.images.planes import Planes
from napari_cellseg.instances.instance import Instances
from napari_cellseg.labels.rasterising import paint_instances
from napari_cellseg.pipeline.outputs import LabelTarget
from napari_cellseg.pipeline.results import Candidates, FinishedRegion


class Collector:
    """Paints objects as they are found, numbers them, and keeps the weaker ones as candidates.

    Parameters
    ----------
    planes : Planes
        The image.
    target : LabelTarget
        Where labels go.
    confidence : float
        Objects at or above it are kept.
    floor : float
        Objects below it are forgotten.
    disagreement : bool
        Whether the table says how far the members of an ensemble disagree.

    Attributes
    ----------
    count : int
        Labels given so far.
    """

    def __init__(
        self,
        planes: Planes,
        target: LabelTarget,
        confidence: float,
        floor: float,
        disagreement: bool = False,
    ) -> None:
        self.planes = planes
        self.disagreement = disagreement
        self.target = target
        self.confidence = confidence
        self.floor = floor
        self.count = 0
        self._kept: list[tuple[int, Instances]] = []
        self._weak: list[tuple[int, Instances]] = []
        self._mark = (0, 0, 0)

    def start_plane(self, plane: int) -> None:
        """Remember where a plane begins, so that it can be done again."""
        self._mark = (self.count, len(self._kept), len(self._weak))

    def restart_plane(self, plane: int) -> FinishedRegion:
        """Erase all that was found since `start_plane`."""
        self.count, kept, weak = self._mark
        del self._kept[kept:], self._weak[weak:]
        index = self.planes.index(plane)
        self.target.clear(index)
        height, width = self.planes.shape
        empty = np.broadcast_to(np.zeros((), np.int32), (height, width))
        return FinishedRegion(plane, index, slice(0, height), slice(0, width), empty, replace=True)

    def finish_plane(self, plane: int) -> None:
        """Say that all objects of a plane were added."""

    def add(self, plane: int, instances: Instances) -> FinishedRegion | None:
        """Take the objects that were found in a plane; returns what was painted, if anything."""
        instances = instances.take(instances.scores >= self.floor)
        strong = instances.scores >= self.confidence
        if not strong.all():
            self._weak.append((plane, _own_masks(instances.take(~strong))))
        if not strong.any():
            return None
        kept = instances.take(strong)
        region, painted = paint_region(self.target, plane, self.planes.index(plane), kept, self.count + 1)
        kept = kept.take(painted > 0)
        self.count += len(kept)
        self._keep(plane, kept)
        return region

    def _keep(self, plane: int, kept: Instances) -> None:
        """Remember what the table needs; the masks are in the labels."""
        self._kept.append((plane, without_masks(kept)))

    def finish(self, class_names: Sequence[str]) -> tuple[pd.DataFrame, Candidates]:
        """Features of all labels, and the candidates with their ids."""
        kept, planes = _stacked(self._kept)
        disagreement = known_disagreement(kept) if self.disagreement else None
        features = features_table(self.planes, class_names, kept.scores, kept.classes, planes, disagreement)
        weak, planes = _stacked(self._weak)
        order = np.argsort(-weak.scores, kind="stable")
        ids = np.arange(self.count + 1, self.count + len(weak) + 1, dtype=np.int32)
        return features, Candidates(ids, planes[order], weak.take(order))


def paint_region(
    target: LabelTarget, plane: int, index: tuple[int, ...], instances: Instances, first: int
) -> tuple[FinishedRegion, NDArray[np.int64]]:
    """Paint instances over background with the ids from `first` on, without gaps.

    Returns
    -------
    region : FinishedRegion
        What was painted.
    painted : (N,) ndarray of int64
        Pixels that each instance got; those without any got no id.
    """
    y0, x0 = instances.boxes[:, :2].min(axis=0).tolist()
    y1, x1 = instances.boxes[:, 2:].max(axis=0).tolist()
    y, x = slice(y0, y1), slice(x0, x1)
    labels = target.read(index, y, x)
    taken = labels > 0
    ids = np.arange(first, first + len(instances), dtype=np.int32)
    painted = paint_instances(labels, instances, ids, (y0, x0))
    labels[taken] = 0
    if not painted.all():
        lookup = np.zeros(first + len(instances), np.int32)
        lookup[ids[painted > 0]] = ids[: np.count_nonzero(painted)]
        labels = lookup[labels]
    target.paint(index, y, x, labels)
    return FinishedRegion(plane, index, y, x, labels), painted


def features_table(
    planes: Planes,
    class_names: Sequence[str],
    scores: NDArray[np.float32],
    classes: NDArray[np.int16],
    at: NDArray[np.int32],
    disagreement: NDArray[np.float32] | None = None,
) -> pd.DataFrame:
    """Features of the labels 1 to N.

    Parameters
    ----------
    planes : Planes
        The image.
    class_names : sequence of str
        Names of the classes.
    scores, classes, at : (N,) ndarray
        Confidence, class and plane of each label.
    disagreement : (N,) ndarray, optional
        How far the members of an ensemble disagree on each label.

    Returns
    -------
    DataFrame
        ``index``, ``confidence``, ``disagreement`` where it is given, ``class``, then the place along each
        outer axis (``t``, ``z``).
    """
    columns: dict[str, Any] = {
        "index": np.arange(1, len(scores) + 1, dtype=np.int32),
        "confidence": scores.astype(np.float32),
        **({} if disagreement is None else {"disagreement": disagreement.astype(np.float32)}),
        "class": pd.Categorical.from_codes(classes.astype(int), categories=list(class_names)),
    }
    if planes.outer_shape:
        places = np.unravel_index(at.astype(np.int64), planes.outer_shape)
        columns |= {
            axis.lower(): place.astype(np.int32)
            for axis, place in zip(planes.outer_axes, places, strict=True)
        }
    return pd.DataFrame(columns)


def known_disagreement(instances: Instances) -> NDArray[np.float32]:
    """How far the members of an ensemble disagree on each object, (N,); NaN where that is not known."""
    known = instances.disagreement
    return np.full(len(instances), np.nan, np.float32) if known is None else known


def without_masks(instances: Instances) -> Instances:
    """The same instances with empty masks, which take no memory."""
    empty = np.zeros((0, 0), np.bool_)
    return replace(instances, masks=(empty,) * len(instances))


def _own_masks(instances: Instances) -> Instances:
    """Copies of the masks, which do not keep alive the larger array that they are views of."""
    return replace(instances, masks=tuple(m.copy() for m in instances.masks))


def _stacked(parts: list[tuple[int, Instances]]) -> tuple[Instances, NDArray[np.int32]]:
    planes = [np.full(len(part), plane, np.int32) for plane, part in parts]
    joined = np.concatenate(planes) if planes else np.zeros(0, np.int32)
    return Instances.concatenate([part for _, part in parts]), joined
