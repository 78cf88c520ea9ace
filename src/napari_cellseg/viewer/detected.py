"""Every object that a model found, shown or not, with its pixels and its id."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.pipeline import Segmentation


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of an object that lies in one plane.

    Attributes
    ----------
    plane : int
        Number of the plane.
    y, x : slice
        Box of the mask in the plane.
    mask : (h, w) ndarray of bool
        Its pixels.
    """

    plane: int
    y: slice
    x: slice
    mask: NDArray[np.bool_]

    def of(self, planes: NDArray[np.int32]) -> NDArray[np.int32]:
        """The box of the piece in a (planes, Y, X) array, a view."""
        return planes[self.plane, self.y, self.x]


@dataclass(frozen=True)
class DetectedObjects:
    """N objects, the kept ones first, in order of their ids.

    Attributes
    ----------
    features : DataFrame
        N rows: ``index``, ``confidence``, ``disagreement`` where the model gives it, ``class`` and the place
        along each outer axis.
    pieces : tuple of N tuples of Piece
        One piece per plane.
    kept : int
        How many of them are in the labels to begin with.
    """

    features: pd.DataFrame
    pieces: tuple[tuple[Piece, ...], ...]
    kept: int


def detected_objects(result: Segmentation, classes: Sequence[str]) -> DetectedObjects:
    """Kept objects and candidates of a segmentation.

    Parameters
    ----------
    result : Segmentation
        Labels must be a numpy array.
    classes : sequence of str
        Class names of the model's card.
    """
    planes = as_planes(result.labels)
    kept = _kept_pieces(planes, result.features["index"].to_numpy())
    ids, groups = _candidate_groups(result.candidates.ids)
    weak = tuple(tuple(_candidate_piece(result, i) for i in group) for group in groups)
    rows = _candidate_rows(result, ids, groups, classes)
    features = pd.concat([result.features, rows], ignore_index=True) if len(rows) else result.features
    return DetectedObjects(features.reset_index(drop=True), kept + weak, len(kept))


def as_planes(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Labels of any number of outer axes as (planes, Y, X), a view."""
    return labels.reshape(-1, *labels.shape[-2:])


def _kept_pieces(planes: NDArray[np.int32], ids: NDArray[Any]) -> tuple[tuple[Piece, ...], ...]:
    found: dict[int, list[Piece]] = {int(i): [] for i in ids}
    for number, plane in enumerate(planes):
        present = np.unique(plane)
        present = present[present > 0]
        if not len(present):
            continue
        lowest = int(present[0])
        boxes = ndimage.find_objects(np.maximum(plane, lowest - 1) - (lowest - 1))
        for label in present.tolist():
            if label in found:
                y, x = boxes[label - lowest]
                found[label].append(Piece(number, y, x, plane[y, x] == label))
    return tuple(tuple(pieces) for pieces in found.values())


def _candidate_groups(ids: NDArray[np.int32]) -> tuple[NDArray[np.int32], list[NDArray[np.intp]]]:
    """Ids of the candidates, rising, and the positions of the pieces of each."""
    order = np.argsort(ids, kind="stable")
    unique, first = np.unique(ids[order], return_index=True)
    bounds = [*first.tolist(), len(ids)]
    return unique, [order[a:b] for a, b in pairwise(bounds)]


def _candidate_piece(result: Segmentation, position: int) -> Piece:
    y0, x0, y1, x1 = (int(v) for v in result.candidates.instances.boxes[position])
    mask = result.candidates.instances.masks[position]
    return Piece(int(result.candidates.planes[position]), slice(y0, y1), slice(x0, x1), mask)


def _candidate_rows(
    result: Segmentation, ids: NDArray[np.int32], groups: list[NDArray[np.intp]], classes: Sequence[str]
) -> pd.DataFrame:
    instances, planes = result.candidates.instances, result.candidates.planes
    best = [group[np.argmax(instances.scores[group])] for group in groups]
    rows = pd.DataFrame({"index": ids.astype(np.int64)})
    rows["confidence"] = instances.scores[best].astype(np.float32) if best else np.zeros(0, np.float32)
    known = instances.disagreement
    if "disagreement" in result.features:
        rows["disagreement"] = np.nan if known is None else known[best].astype(np.float32)
    rows["class"] = [classes[int(instances.classes[i])] for i in best]
    outer_shape = result.labels.shape[:-2]
    first = np.array([int(planes[group].min()) for group in groups], np.int64)
    outer = [c for c in result.features.columns if c not in ("index", "confidence", "disagreement", "class")]
    if outer_shape:
        places = np.unravel_index(first, outer_shape)
        for name, place in zip(outer, places, strict=False):
            rows[name] = place
    return rows
