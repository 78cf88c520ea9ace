"""The convex hull of objects in three dimensions, and how far apart its ends are."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from napari_cellseg.features.feature import Columns, Feature
from napari_cellseg.features.objects import Objects

_FLAT = (
    "scikit-image has no value where all voxels lie in one plane (0, infinity, an error); here they have one."
)
_HALF_STEPS = np.concatenate([np.eye(3), -np.eye(3)]) / 2
_TOLERANCE = 1e-10

FEATURES = (
    Feature(
        name="area_convex",
        group="hull",
        quantity="volume",
        dtype="float64",
        dims=(3,),
        definition="Volume of the voxels whose centre is in the convex hull of the object.",
        formula="N(hull of the centres of all sides of voxels) · s_z · s_y · s_x",
        source="scikit-image `area_convex`",
        default=False,
        note=_FLAT,
    ),
    Feature(
        name="solidity",
        group="hull",
        quantity="ratio",
        dtype="float64",
        dims=(3,),
        definition="Volume of the object over that of its convex hull.",
        formula="V / area_convex",
        source="scikit-image `solidity`",
        default=False,
        note=_FLAT,
    ),
    Feature(
        name="feret_diameter_max",
        group="hull",
        quantity="length",
        dtype="float64",
        dims=(3,),
        definition="Largest distance between two points of the surface of the object's convex hull.",
        formula="max |p − q| over the vertices of marching cubes of the hull's voxels",
        source="scikit-image `feret_diameter_max`",
        default=False,
        note=_FLAT,
    ),
)


def hull(objects: Objects) -> Columns:
    """Measure the hull group, of objects in three dimensions; columns as in `FEATURES`."""
    spacing = np.array(objects.spacing)
    boxes = np.ascontiguousarray(objects.boxes)
    convex, feret = np.empty(len(objects)), np.empty(len(objects))
    for i, label in enumerate(objects.ids.tolist()):
        sides = boxes[i, 3:] - boxes[i, :3]
        ends = _ends_of_lines(objects.labels, label, boxes[i])
        inside = _lines_in_hull(_hull_equations(ends), sides[0], sides[1], sides[2])
        convex[i] = (inside[..., 1] - inside[..., 0]).sum()
        points = _surface_points(inside, sides[2]) * spacing
        feret[i] = pdist(points[ConvexHull(points).vertices]).max()
    return {
        "area_convex": convex * spacing.prod(),
        "solidity": objects.areas / convex,
        "feret_diameter_max": feret,
    }


def _hull_equations(points: NDArray[np.int64]) -> NDArray[np.float64]:
    """Planes (F, 4) of the hull of the centres of the voxels' sides: normal and offset, below 0 inside."""
    if len(points) > 4 and np.linalg.matrix_rank(points - points[0]) == 3:
        points = points[ConvexHull(points).vertices]
    sides = (points[:, None] + _HALF_STEPS).reshape(-1, 3)
    equations: NDArray[np.float64] = ConvexHull(np.unique(sides, axis=0)).equations
    return equations


@njit(cache=True, nogil=True)
def _ends_of_lines(labels: Any, label: int, box: Any) -> Any:
    """First and last voxel (M, 3) of each line of the object along x, in coordinates of its box."""
    lines = (box[3] - box[0]) * (box[4] - box[1])
    ends, size = np.empty((2 * lines, 3), np.int64), 0
    for z in range(box[0], box[3]):
        for y in range(box[1], box[4]):
            first, last = -1, -1
            for x in range(box[2], box[5]):
                if labels[z, y, x] == label:
                    first = x if first < 0 else first
                    last = x
            for x in (first, last):
                if x >= 0:
                    ends[size, 0], ends[size, 1], ends[size, 2] = z - box[0], y - box[1], x - box[2]
                    size += 1
    return ends[:size]


@njit(cache=True, nogil=True)
def _lines_in_hull(planes: Any, depth: int, height: int, width: int) -> Any:
    """Start and stop (Z, Y, 2) of each line's voxels inside of the planes; equal where there are none."""
    found = np.zeros((depth, height, 2), np.int64)
    for z in range(depth):
        for y in range(height):
            low, high = 0.0, float(width - 1)
            for f in range(len(planes)):
                room = _TOLERANCE - planes[f, 0] * z - planes[f, 1] * y - planes[f, 3]
                if planes[f, 2] > 1e-12:
                    high = min(high, room / planes[f, 2])
                elif planes[f, 2] < -1e-12:
                    low = max(low, room / planes[f, 2])
                elif room <= 0:
                    high = -1.0
            if np.floor(high) >= np.ceil(low):
                found[z, y, 0], found[z, y, 1] = int(np.ceil(low)), int(np.floor(high)) + 1
    return found


@njit(cache=True, nogil=True)
def _surface_points(lines: Any, width: int) -> Any:
    """Points (P, 3) half a voxel beyond the first and last voxel of each line along each axis."""
    depth, height = lines.shape[0], lines.shape[1]
    along_y = np.full((depth, width, 2), -1, np.int64)
    along_z = np.full((height, width, 2), -1, np.int64)
    points, size = np.empty((2 * (depth * height + depth * width + height * width), 3)), 0
    for z in range(depth):
        for y in range(height):
            for x in range(lines[z, y, 0], lines[z, y, 1]):
                if along_y[z, x, 0] < 0:
                    along_y[z, x, 0] = y
                along_y[z, x, 1] = y
                if along_z[y, x, 0] < 0:
                    along_z[y, x, 0] = z
                along_z[y, x, 1] = z
            if lines[z, y, 1] > lines[z, y, 0]:
                for x in (lines[z, y, 0] - 0.5, lines[z, y, 1] - 0.5):
                    points[size, 0], points[size, 1], points[size, 2] = z, y, x
                    size += 1
    for x in range(width):
        for z in range(depth):
            for k in range(2):
                if along_y[z, x, 0] >= 0:
                    points[size, 0], points[size, 1], points[size, 2] = z, along_y[z, x, k] + k - 0.5, x
                    size += 1
        for y in range(height):
            for k in range(2):
                if along_z[y, x, 0] >= 0:
                    points[size, 0], points[size, 1], points[size, 2] = along_z[y, x, k] + k - 0.5, y, x
                    size += 1
    return points[:size]
