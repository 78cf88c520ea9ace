"""Collecting the objects of a z stack, joined from plane to plane."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.images.planes import Planes
from napari_cellseg.instances.instance import Instances
from napari_cellseg.instances.linking import PlaneLinker
from napari_cellseg.labels.rasterising import paint_instances
from napari_cellseg.pipeline.collecting import (
    Collector,
    features_table,
    known_disagreement,
    without_masks,
)
from napari_cellseg.pipeline.outputs import LabelTarget
from napari_cellseg.pipeline.results import Candidates, FinishedRegion

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _PlanePieces:
    """Pieces of one plane: masks of the weak ones only; `painted` is the label of the strong ones, else 0."""

    plane: int
    instances: Instances
    areas: NDArray[np.int64]
    numbers: NDArray[np.int64]
    painted: Ids


@dataclass(frozen=True, slots=True)
class _Objects:
    """Linked objects, by number: means over their pieces, class of the largest, first plane, final label."""

    scores: NDArray[np.float32]
    disagreement: NDArray[np.float32]
    classes: NDArray[np.int16]
    planes: NDArray[np.int32]
    kept: NDArray[np.bool_]
    ids: Ids


class LinkedCollector(Collector):
    """A `Collector` that joins the instances of neighbouring z planes, candidates included.

    While planes come in, objects are painted with labels of their own plane; `finish` paints the final
    ones. An object has the mean confidence of its pieces, weighted by area, so too their disagreement, and
    the class of its largest.

    Parameters
    ----------
    planes, target, confidence, floor, disagreement
        As of `Collector`. Planes must come in the order of `linking_order`.
    """

    def __init__(
        self,
        planes: Planes,
        target: LabelTarget,
        confidence: float,
        floor: float,
        disagreement: bool = False,
    ) -> None:
        super().__init__(planes, target, confidence, floor, disagreement)
        self._linker = PlaneLinker()
        self._last: tuple[tuple[int, ...], int] | None = None
        self._current: list[Instances] = []
        self._pieces: list[_PlanePieces] = []

    def start_plane(self, plane: int) -> None:
        """Remember where a plane begins, so that it can be done again."""
        super().start_plane(plane)
        self._current = []

    def restart_plane(self, plane: int) -> FinishedRegion:
        """Erase all that was found since `start_plane`."""
        self._current = []
        return super().restart_plane(plane)

    def _keep(self, plane: int, kept: Instances) -> None:
        self._current.append(kept)

    def finish_plane(self, plane: int) -> None:
        """Join the plane's instances to those of the plane before."""
        where = _place(self.planes, plane)
        if self._last is None or (where[0], where[1] - 1) != self._last:
            self._linker.restart()
        self._last = where
        strong = Instances.concatenate(self._current)
        weak = Instances.concatenate([w for _, w in self._weak])
        everything = Instances.concatenate([strong, weak])
        numbers = self._linker.add(everything)
        painted = np.zeros(len(everything), np.int32)
        painted[: len(strong)] = np.arange(self._mark[0] + 1, self.count + 1)
        light = Instances.concatenate([without_masks(strong), weak])
        self._pieces.append(_PlanePieces(plane, light, everything.areas, numbers, painted))
        self._weak.clear()

    def finish(self, class_names: Sequence[str]) -> tuple[pd.DataFrame, Candidates]:
        """Paint the final labels; features of all objects, and the candidates with their ids."""
        objects = _unite(self._pieces, self.confidence)
        weak = [self._repaint(pieces, objects) for pieces in self._pieces]
        self.count = int(np.count_nonzero(objects.kept))
        features = features_table(
            self.planes,
            class_names,
            objects.scores[objects.kept],
            objects.classes[objects.kept],
            objects.planes[objects.kept],
            objects.disagreement[objects.kept] if self.disagreement else None,
        )
        ids = np.concatenate([i for i, _, _ in weak]) if weak else np.zeros(0, np.int32)
        planes = np.concatenate([p for _, p, _ in weak]) if weak else np.zeros(0, np.int32)
        instances = Instances.concatenate([w for _, _, w in weak])
        order = np.argsort(ids, kind="stable")
        return features, Candidates(ids[order], planes[order], instances.take(order))

    def _repaint(self, pieces: _PlanePieces, objects: _Objects) -> tuple[Ids, Ids, Instances]:
        """Give a plane its final labels; ids, planes and masks of the pieces that are candidates."""
        index = self.planes.index(pieces.plane)
        kept = objects.kept[pieces.numbers]
        final = objects.ids[pieces.numbers]
        weak = self._with_masks(index, pieces.instances.take(~kept), pieces.painted[~kept])
        weak_ids = final[~kept]
        lookup = np.zeros(self.count + 1, np.int32)
        painted = pieces.painted > 0
        lookup[pieces.painted[painted & kept]] = final[painted & kept]
        added, columns = kept & ~painted, slice(0, self.planes.shape[1])
        for rows in self.target.bands():
            labels = lookup[self.target.read(index, rows, columns)]
            paint_instances(labels, pieces.instances.take(added), final[added], (rows.start, 0))
            self.target.write(index, rows, columns, labels)
        return weak_ids, np.full(len(weak), pieces.plane, np.int32), weak

    def _with_masks(self, index: tuple[int, ...], found: Instances, painted: Ids) -> Instances:
        """Instances with the masks of those that were painted taken from the labels."""
        masks = list(found.masks)
        for i in np.flatnonzero(painted > 0).tolist():
            y0, x0, y1, x1 = found.boxes[i].tolist()
            masks[i] = self.target.read(index, slice(y0, y1), slice(x0, x1)) == painted[i]
        return replace(found, masks=tuple(masks))


def linking_order(planes: Planes, chosen: Sequence[int]) -> list[int]:
    """Planes sorted so that the z planes of one stack follow each other."""
    return sorted(chosen, key=lambda plane: _place(planes, plane))


def _place(planes: Planes, plane: int) -> tuple[tuple[int, ...], int]:
    """Position along the other outer axes, and along z."""
    index = planes.index(plane)
    z = planes.outer_axes.index("Z")
    return (*index[:z], *index[z + 1 :]), index[z]


def _unite(parts: list[_PlanePieces], confidence: float) -> _Objects:
    """Confidence, class, first plane and final label of each linked object."""
    numbers = np.concatenate([p.numbers for p in parts]) if parts else np.zeros(0, np.int64)
    pieces = Instances.concatenate([p.instances for p in parts])
    areas = np.concatenate([p.areas for p in parts]).astype(float) if parts else np.zeros(0)
    at = [np.full(len(p.numbers), p.plane, np.int32) for p in parts]
    planes = np.concatenate(at) if at else np.zeros(0, np.int32)
    total = np.maximum(np.bincount(numbers, areas), 1.0)
    scores, disagreement = (
        (np.bincount(numbers, areas * values) / total).astype(np.float32)
        for values in (pieces.scores, known_disagreement(pieces))
    )
    by_area = np.lexsort((-areas, numbers))
    largest = by_area[np.flatnonzero(np.diff(numbers[by_area], prepend=-1))]
    first = np.unique(numbers, return_index=True)[1]
    kept = scores >= np.float32(confidence)
    ids = np.zeros(len(scores), np.int32)
    ids[kept] = np.arange(1, np.count_nonzero(kept) + 1)
    weak = np.flatnonzero(~kept)
    weak = weak[np.argsort(-scores[weak], kind="stable")]
    ids[weak] = np.count_nonzero(kept) + 1 + np.arange(len(weak))
    return _Objects(scores, disagreement, pieces.classes[largest], planes[first], kept, ids)
