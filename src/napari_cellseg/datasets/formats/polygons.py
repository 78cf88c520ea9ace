"""Masks to polygons and back, for all formats that hold polygons.

Two kinds. A *pixel polygon* runs through the centres of the pixels at an object's border, its points are
pixels: what OpenCV finds and fills, so what trainers of the YOLO family rasterise. A *corner polygon* runs
along the edges of pixels, its points are their corners, and pixel (0, 0) spans 0 to 1: what QuPath and ImageJ
draw.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_cellseg.datasets.annotation import ObjectMask
from napari_cellseg.datasets.formats.centre_chains import centre_chain
from napari_cellseg.datasets.formats.cracks import corner_loops
from napari_cellseg.datasets.formats.filling import fill_by_centres, fill_by_pixels
from napari_cellseg.errors import DatasetError

Ring: TypeAlias = NDArray[Any]
"""Points (P, 2), x and y (column and row), of a closed line; the last point is not the first one again."""
RingPolygon: TypeAlias = Sequence[Ring]
"""The outline of a piece, then its holes."""

MOST_MASK_PIXELS = 1 << 30
"""Pixels in the boxes of all objects of one image, above which a file is taken for broken or hostile."""
_EDGES = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])


class MaskBudget:
    """Counts the pixels in the boxes of an image's objects, so that a small file cannot fill the memory."""

    def __init__(self, where: str, most: int = MOST_MASK_PIXELS) -> None:
        self._where, self._most, self._spent = where, most, 0

    def spend(self, mask: ObjectMask) -> ObjectMask:
        """The mask, once it is counted.

        Raises
        ------
        DatasetError
            Where the objects of the image need more pixels than allowed.
        """
        self._spent += mask.pixels.size
        if self._spent > self._most:
            raise DatasetError(
                f"{self._where}: the boxes of its objects hold more than {self._most:,} pixels in all; "
                f"the file is broken, or the image must be cut into smaller ones."
            )
        return mask


def pixel_polygon(mask: ObjectMask) -> Ring:
    """One pixel polygon for all of an object.

    Holes are joined to the outline by bridges inside of the object, pieces that do not touch by the shortest
    bridges between them. `fill_pixel_polygon` gives back the object, with the bridges between its pieces.

    Parameters
    ----------
    mask : ObjectMask
        Any shape, with holes and pieces.

    Returns
    -------
    (P, 2) ndarray of int64
        Column and row in the plane. One point for one pixel, two for a straight line, none for no pixels;
        consecutive points lie in one row, column or diagonal.
    """
    points: Ring = centre_chain(_padded(mask)) + np.array([mask.left, mask.top], np.int64)
    return points


def fill_pixel_polygon(index: int, points: ArrayLike, shape: tuple[int, int]) -> ObjectMask:
    """The pixels of a pixel polygon, exactly as OpenCV's ``fillPoly`` fills them.

    Parameters
    ----------
    index : int
        Label of the object.
    points : (P, 2) array-like of int
        Column and row of each point, at least one.
    shape : tuple of int
        Rows and columns of the plane; what is outside is cut off.

    Returns
    -------
    ObjectMask
        Without pixels, (0, 0), where the polygon lies outside.
    """
    path = np.asarray(points, np.int64)
    y0, x0, y1, x1 = _box(path, path + 1, shape)
    pixels = np.zeros((y1 - y0, x1 - x0), np.uint8)
    if pixels.size:
        fill_by_pixels(path, shape, (y0, x0), pixels)
    return ObjectMask(index, y0, x0, pixels.view(np.bool_))


def corner_polygons(mask: ObjectMask) -> list[list[Ring]]:
    """Corner polygons of an object, one for each piece that is connected by edges of pixels.

    All are valid in the sense of the OGC: no ring crosses or meets itself; an outline, which has a positive
    area in the order of its points, comes before its holes. Pieces and holes may touch in points.

    Parameters
    ----------
    mask : ObjectMask
        Any shape, with holes and pieces.

    Returns
    -------
    list of list of (P, 2) ndarray of int64
        Column and row of corners in the plane, without points on straight edges; empty for no pixels.
    """
    padded = _padded(mask)
    points, rows = corner_loops(padded, padded.astype(np.int32))
    count = int(np.count_nonzero(rows[:, 2] == 0))
    if count > 1:
        points, rows = corner_loops(padded, ndimage.label(padded, _EDGES)[0])
    rings = np.split(points + np.array([mask.left, mask.top], np.int64), rows[:-1, 0])
    polygons: list[list[Ring]] = [[] for _ in range(count)]
    for ring, (_, piece, is_hole) in zip(rings, rows.tolist(), strict=False):
        if is_hole:
            polygons[piece - 1].append(ring)
        else:
            polygons[piece - 1].insert(0, ring)
    return polygons


def fill_corner_polygons(index: int, polygons: Iterable[RingPolygon], shape: tuple[int, int]) -> ObjectMask:
    """The pixels whose centre lies in one of the polygons.

    Within a polygon by the even-odd rule, so that rings inside of rings are holes. A centre that lies exactly
    on an edge counts where the polygon lies to its right or below.

    Parameters
    ----------
    index : int
        Label of the object.
    polygons : iterable of sequence of (P, 2) array-like of float
        Finite columns and rows; smooth outlines are fine.
    shape : tuple of int
        Rows and columns of the plane; what is outside is cut off.

    Returns
    -------
    ObjectMask
        Without pixels, (0, 0), where no centre lies inside.
    """
    given = [[np.asarray(ring, np.float64) for ring in polygon if len(ring)] for polygon in polygons]
    every = [ring for polygon in given for ring in polygon]
    y0, x0, y1, x1 = _around(every, shape)
    pixels = np.zeros((y1 - y0, x1 - x0), np.uint8)
    for rings in given:
        top, left, bottom, right = _around(rings, shape)
        if top < bottom and left < right:
            piece = np.zeros((bottom - top, right - left), np.uint8)
            ends = np.cumsum([len(ring) for ring in rings])
            fill_by_centres(np.concatenate(rings), ends, (top, left), piece)
            pixels[top - y0 : bottom - y0, left - x0 : right - x0] |= piece
    return ObjectMask(index, y0, x0, pixels.view(np.bool_))


def _around(rings: Sequence[Ring], shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """``y0, x0, y1, x1`` of whole pixels around rings, cut at the plane."""
    if not rings:
        return 0, 0, 0, 0
    path = np.concatenate(rings) if len(rings) > 1 else rings[0]
    return _box(np.floor(path), np.ceil(path), shape)


def _padded(mask: ObjectMask) -> NDArray[np.uint8]:
    height, width = mask.pixels.shape
    padded = np.zeros((height + 2, width + 2), np.uint8)
    padded[1:-1, 1:-1] = mask.pixels
    return padded


def _box(low: Ring, high: Ring, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """``y0, x0, y1, x1`` of points, cut at the plane; empty where they lie outside."""
    (x0, y0), (x1, y1) = low.min(0).tolist(), high.max(0).tolist()
    top, left = (int(min(max(v, 0), n)) for v, n in ((y0, shape[0]), (x0, shape[1])))
    bottom, right = (int(min(max(v, 0), n)) for v, n in ((y1, shape[0]), (x1, shape[1])))
    return top, left, max(top, bottom), max(left, right)
