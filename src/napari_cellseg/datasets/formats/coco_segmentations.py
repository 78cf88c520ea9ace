"""Segmentations of COCO: polygons, and run lengths as numbers or as text.

Polygons run along the edges of pixels: pycocotools rasterises those to exactly the mask that they came from.
It fills by the even-odd rule, so that a hole is kept by a bridge to it and back on the same line.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from scipy.spatial import cKDTree

from napari_cellseg.datasets.annotation import ObjectMask
from napari_cellseg.datasets.formats.coco_json import Entry
from napari_cellseg.datasets.formats.polygons import Ring, corner_polygons
from napari_cellseg.datasets.formats.runs import (
    Runs,
    compress_counts,
    counts_to_runs,
    decompress_counts,
    mask_to_runs,
    runs_to_counts,
    runs_to_mask,
)
from napari_cellseg.errors import DatasetError

Segmentation: TypeAlias = Entry | list[list[int]]
Encoder: TypeAlias = Callable[[ObjectMask, tuple[int, int]], Segmentation]
"""Segmentation of an object in a plane of that many rows and columns."""

LONGEST_OUTLINE = 1 << 22
"""Pixels that a polygon may be long."""
FAR = 1000
"""Pixels that a polygon may lie outside of its image, besides the image's longer side."""
_FARTHEST = 400_000_000
"""A fifth of what pycocotools' integers hold: it counts in fifths of pixels."""


def text_segmentation(mask: ObjectMask, shape: tuple[int, int]) -> Entry:
    """Compressed run lengths."""
    return {"size": list(shape), "counts": compress_counts(_counts(mask, shape))}


def counts_segmentation(mask: ObjectMask, shape: tuple[int, int]) -> Entry:
    """Run lengths as numbers."""
    return {"counts": _counts(mask, shape).tolist(), "size": list(shape)}


def polygon_segmentation(mask: ObjectMask, shape: tuple[int, int]) -> list[list[int]]:
    """A polygon along pixel edges for each piece of the object that is connected by edges of pixels."""
    return [_keyhole(rings).ravel().tolist() for rings in corner_polygons(mask)]


def read_segmentation(value: Any, shape: tuple[int, int], index: int, where: str) -> ObjectMask | None:
    """The mask of a segmentation, without an empty border.

    Parameters
    ----------
    value : dict or list
        ``{"size", "counts"}`` or polygons; one polygon without brackets around it, and points as pairs, too.
    shape : tuple of int
        Rows and columns of the image.
    index : int
        Label of the object.
    where : str
        File and key of the segmentation.

    Returns
    -------
    ObjectMask or None
        None where there is no outline at all: nothing, or polygons of fewer than three points.

    Raises
    ------
    DatasetError
        Where it is none of these, or does not fit the image.
    """
    if value is None:
        return None
    if isinstance(value, dict):
        runs = _runs_of_entry(value, shape, where)
    elif isinstance(value, list):
        polygons = [p for p in _polygons(value, where) if len(p) >= 6]
        if not polygons:
            return None
        runs = _runs_of_polygons(polygons, shape, where)
    else:
        raise DatasetError(f"{where} must be a list of polygons, or an object with 'size' and 'counts'.")
    return runs_to_mask(runs, shape, "columns", index)


def _counts(mask: ObjectMask, shape: tuple[int, int]) -> NDArray[np.int64]:
    return runs_to_counts(mask_to_runs(mask, shape, "columns"), shape[0] * shape[1])


def _keyhole(rings: list[Ring]) -> Ring:
    """One ring of an outline and its holes, each reached from the outline's nearest point, and left to it."""
    outline = path = rings[0]
    if len(rings) == 1:
        return outline
    tree = cKDTree(outline)
    for hole in rings[1:]:
        distances, nearest = tree.query(hole)
        start = int(np.argmin(distances))
        place = int(np.flatnonzero((path == outline[nearest[start]]).all(1))[0])
        inner = np.roll(hole, -start, 0)
        path = np.concatenate([path[: place + 1], inner, inner[:1], path[place:]])
    return path


def _runs_of_entry(entry: Entry, shape: tuple[int, int], where: str) -> Runs:
    size = entry.get("size")
    if not isinstance(size, list) or [str(n) for n in size] != [str(n) for n in shape]:
        raise DatasetError(f"{where}.size must be {list(shape)}, the image's height and width.")
    counts, pixels = entry.get("counts"), shape[0] * shape[1]
    if isinstance(counts, str):
        numbers = decompress_counts(counts, pixels, f"{where}.counts")
    elif isinstance(counts, np.ndarray) and bool((counts == np.floor(counts)).all()):
        numbers = np.clip(counts, -1, pixels + 1).astype(np.int64)
    elif isinstance(counts, list) and not counts:
        numbers = np.zeros(0, np.int64)
    else:
        raise DatasetError(f"{where}.counts must be a list of whole numbers, or a text.")
    return counts_to_runs(numbers, pixels, f"{where}.counts")


def _polygons(value: list[Any], where: str) -> Iterable[NDArray[np.float64]]:
    """Flat coordinates of each polygon."""
    if value and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):
        value = [_floats(value, where)]
    elif len(value) > 2 and all(isinstance(v, np.ndarray) and len(v) == 2 for v in value):
        value = [np.concatenate(value)]
    for k, polygon in enumerate(value):
        if isinstance(polygon, list) and polygon and all(isinstance(p, list) for p in polygon):
            polygon = _floats([number for point in polygon for number in point], f"{where}[{k}]")
        if isinstance(polygon, list) and not polygon:
            continue
        if not isinstance(polygon, np.ndarray) or len(polygon) % 2:
            raise DatasetError(f"{where}[{k}] must be a list of x and y by turns.")
        yield polygon.astype(np.float64)


def _floats(values: list[Any], where: str) -> NDArray[np.float64]:
    if not all(type(v) in (int, float) for v in values):
        raise DatasetError(f"{where} must be a list of x and y by turns.")
    try:
        return np.array(values, np.float64)
    except OverflowError as error:
        raise DatasetError(f"{where} holds a number that is too large.") from error


def _runs_of_polygons(polygons: list[NDArray[np.float64]], shape: tuple[int, int], where: str) -> Runs:
    """Runs of all polygons, each rasterised as pycocotools does; they may overlap."""
    far = min(2 * max(shape) + FAR, _FARTHEST)
    for points in polygons:
        if not np.isfinite(points).all() or np.abs(points).max() > far:
            raise DatasetError(f"{where} has a point far outside of its image.")
        steps = np.abs(np.diff(points.reshape(-1, 2), axis=0, append=points[None, :2]))
        if steps.max(1).sum() > LONGEST_OUTLINE:
            raise DatasetError(f"{where} has a polygon that is longer than {LONGEST_OUTLINE:,} pixels.")
    found = coco_mask.frPyObjects(polygons, *shape)
    pixels = shape[0] * shape[1]
    counts = (decompress_counts(f["counts"], pixels, where) for f in found)
    return np.concatenate([counts_to_runs(c, pixels, where) for c in counts])
