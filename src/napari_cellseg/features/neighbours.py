"""The surroundings of each object: what touches it, what is nearest, how crowded it is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from napari_cellseg.features.contacts import TOUCHING_GAP, find_contacts
from napari_cellseg.features.feature import Columns, Feature
from napari_cellseg.features.gaps import nearest_gaps
from napari_cellseg.features.objects import Objects, stack_boxes
from napari_cellseg.features.reach import within_reach

DENSITY_RADIUS = 100
"""Radius of the disc in which the local density is counted, in pixels of the last axis."""
FEW = 4
"""Where objects are fewer than one in so many, those that are out of their reach are sorted out first."""

_TOUCHING = (
    f"Up to {TOUCHING_GAP} pixel of background may lie between, straight or diagonally, as a watershed leaves"
    " (MorphoLibJ's region adjacency); CellProfiler's adjacent objects allow none."
)
_ALONE = "NaN for an object alone."

FEATURES = (
    Feature(
        name="neighbours_touching",
        group="neighbours",
        quantity="count",
        dtype="int64",
        dims=(2, 3),
        definition="Number of other objects that the object touches.",
        formula="#{j ≠ i : touching(i, j)}",
        source="CellProfiler `MeasureObjectNeighbors`; Legland et al. 2016 (MorphoLibJ)",
        default=False,
        note=_TOUCHING,
    ),
    Feature(
        name="contact_fraction",
        group="neighbours",
        quantity="ratio",
        dtype="float64",
        dims=(2, 3),
        definition="Share of the object's border pixels that touch another object.",
        formula="border pixels that touch / border pixels",
        source="CellProfiler `PercentTouching`",
        default=False,
        note=f"{_TOUCHING} The image's own border is no border of an object; NaN without any border.",
    ),
    Feature(
        name="nearest_distance",
        group="neighbours",
        quantity="length",
        dtype="float64",
        dims=(2, 3),
        definition="Distance from the object's centroid to that of the nearest other object.",
        formula="min over j ≠ i of |c_j − c_i|",
        source="Clark & Evans 1954; CellProfiler `FirstClosestDistance`",
        default=False,
        note=_ALONE,
    ),
    Feature(
        name="nearest_index",
        group="neighbours",
        quantity="id",
        dtype="int64",
        dims=(2, 3),
        definition="Label of the object whose centroid is nearest.",
        formula="argmin over j ≠ i of |c_j − c_i|",
        source="CellProfiler `FirstClosestObjectNumber`",
        default=False,
        note="The lowest label of those that are equally near; 0 for an object alone.",
    ),
    Feature(
        name="nearest_gap",
        group="neighbours",
        quantity="length",
        dtype="float64",
        dims=(2, 3),
        definition="Distance from the object's border to that of the nearest other object.",
        formula="min over j ≠ i of the distance between the pixels' squares",
        source="Distance between sets (Hausdorff 1914)",
        default=False,
        note=f"0 where two objects share a pixel's side or corner. {_ALONE}",
    ),
    Feature(
        name="local_density",
        group="neighbours",
        quantity="density",
        dtype="float64",
        dims=(2,),
        definition=f"Other objects with their centroid within {DENSITY_RADIUS} px, per area.",
        formula=f"#{{j ≠ i : |c_j − c_i| ≤ r}} / area of the disc in the image, r = {DENSITY_RADIUS} px",
        source="Ripley 1977, with the border corrected by area",
        default=False,
        note="The radius is counted in pixels of the last axis.",
    ),
)


def neighbours(objects: Objects, everyone: Objects | None = None) -> Columns:
    """Measure the neighbours group; columns as in `FEATURES`.

    Parameters
    ----------
    objects : Objects
        What to measure.
    everyone : Objects, optional
        All objects in the same labels. None: they are looked for.
    """
    if everyone is None:
        everyone = Objects.found_in(objects.labels, spacing=objects.spacing)
    if FEW * len(objects) < len(everyone):
        seen = within_reach(objects, everyone, DENSITY_RADIUS * objects.spacing[-1])
        everyone = everyone.take(seen | np.isin(everyone.ids, objects.ids))
    contacts = find_contacts(objects)
    share = np.full(len(objects), np.nan)
    np.divide(contacts.touching, contacts.border, out=share, where=contacts.border > 0)
    centres = centroids(everyone)
    rows = np.searchsorted(everyone.ids, objects.ids)
    distance, nearest = nearest_of(centres[rows], centres, rows)
    columns: Columns = {
        "neighbours_touching": np.bincount(contacts.rows, minlength=len(objects)),
        "contact_fraction": share,
        "nearest_distance": distance,
        "nearest_index": np.append(everyone.ids, 0)[nearest],
        "nearest_gap": nearest_gaps(objects, everyone),
    }
    if objects.ndim == 2:
        columns["local_density"] = _local_density(centres, rows, objects)
    return columns


def neighbours_to_measure(
    objects: Objects, changed: ArrayLike, previous: Mapping[str, ArrayLike]
) -> NDArray[np.int64]:
    """Objects whose columns about neighbours can differ after an edit.

    Parameters
    ----------
    objects : Objects
        All objects after the edit.
    changed : (M, 2 * D) array-like of int
        Boxes, first and last-plus-one coordinates, around what changed: of each edited object before and
        after the edit, or of objects whose class changed.
    previous : mapping of str to (N,) array-like
        What was measured before the edit, aligned with ``objects.ids``; columns that begin with ``nearest_``
        say how far each object sees, NaN without limit, as does a ``nearest_index`` without its distance.
        Without such columns only contacts and density count.

    Returns
    -------
    (K,) ndarray of int64
        Labels, increasing; edited objects among them. The others keep their values. A few may be among them
        that keep theirs too: distances are taken between boxes.
    """
    ndim, size = objects.ndim, np.array(objects.spacing)
    boxes = np.asarray(changed, np.float64).reshape(-1, 2 * ndim)
    reach = np.full(len(objects), max(DENSITY_RADIUS * size[-1], (TOUCHING_GAP + 1) * np.linalg.norm(size)))
    if "nearest_index" in previous and "nearest_distance" not in previous:
        return objects.ids
    for name, values in previous.items():
        if name.startswith("nearest_") and not name.startswith("nearest_index"):
            reach = np.fmax(reach, np.where(np.isnan(values), np.inf, values))
    affected = np.zeros(len(objects), np.bool_)
    _mark_affected(objects.boxes, boxes, size, reach, affected)
    return objects.ids[affected]


def centroids(objects: Objects) -> NDArray[np.float64]:
    """Centroids (N, D) of the objects, in units of the spacing."""
    found = np.empty((len(objects), 3))
    labels = objects.labels if objects.ndim == 3 else objects.labels[None]
    _find_centroids(labels, objects.ids, stack_boxes(objects), found)
    centres: NDArray[np.float64] = found[:, 3 - objects.ndim :] * np.array(objects.spacing)
    return centres


def nearest_of(
    points: NDArray[np.float64], others: NDArray[np.float64], own: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distance to, and row of, the nearest of some other points.

    Parameters
    ----------
    points : (N, D) ndarray
        From where.
    others : (M, D) ndarray
        To where.
    own : (N,) ndarray of int
        Row among the others that is the point itself and does not count; -1 where there is none.

    Returns
    -------
    distance, row : (N,) ndarray
        NaN and M where there is no other point. The first row of those that are equally near.
    """
    distance, row = np.full(len(points), np.nan), np.full(len(points), len(others), np.int64)
    if len(points) == 0 or len(others) == 0:
        return distance, row
    tree, every = cKDTree(others), np.arange(len(points))
    distances, found = tree.query(points, k=[1, 2, 3])
    first = (found[:, 0] == own).astype(np.intp)
    there = found[every, first] < len(others)
    distance[there], row[there] = distances[every, first][there], found[every, first][there]
    for i in np.flatnonzero(there & (distances[every, first] == distances[every, first + 1])):
        row[i] = min(j for j in tree.query_ball_point(points[i], distance[i] * (1 + 1e-12)) if j != own[i])
    return distance, row


def _local_density(centres: NDArray[np.float64], rows: NDArray[np.int64], objects: Objects) -> NDArray[Any]:
    if len(rows) == 0:
        return np.zeros(0)
    radius = DENSITY_RADIUS * objects.spacing[-1]
    size = np.array(objects.spacing)
    points = centres[rows]
    count = cKDTree(centres).query_ball_point(points, radius, return_length=True) - 1
    before, after = points + size / 2, (np.array(objects.labels.shape) - 0.5) * size - points
    area = sum(
        _quarter_disc(dy, dx, radius)
        for dy in (before[:, 0], after[:, 0])
        for dx in (before[:, 1], after[:, 1])
    )
    density: NDArray[np.float64] = count / area
    return density


def _quarter_disc(
    height: NDArray[np.float64], width: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """Area of a quarter of a disc inside of a rectangle that has a corner in its centre."""
    height, width = np.minimum(height, radius), np.minimum(width, radius)
    flat = np.minimum(np.sqrt(radius**2 - height**2), width)

    def below(x: NDArray[np.float64]) -> NDArray[np.float64]:
        area: NDArray[np.float64] = (x * np.sqrt(radius**2 - x**2) + radius**2 * np.arcsin(x / radius)) / 2
        return area

    return height * flat + below(width) - below(flat)


@njit(cache=True, nogil=True)
def _mark_affected(boxes: Any, changed: Any, size: Any, reach: Any, affected: Any) -> None:
    """Mark the boxes that are no farther from one of the changed ones than they see."""
    ndim = len(size)
    for i in range(len(boxes)):
        for k in range(len(changed)):
            total = 0.0
            for axis in range(ndim):
                gap = max(changed[k, axis] - boxes[i, axis + ndim], boxes[i, axis] - changed[k, axis + ndim])
                total += (max(gap, 0.0) * size[axis]) ** 2
            if np.sqrt(total) <= reach[i]:
                affected[i] = True
                break


@njit(cache=True, nogil=True)
def _find_centroids(labels: Any, ids: Any, boxes: Any, found: Any) -> None:
    for i in range(len(ids)):
        area, sum_z, sum_y, sum_x = 0, 0, 0, 0
        for z in range(boxes[i, 0], boxes[i, 3]):
            for y in range(boxes[i, 1], boxes[i, 4]):
                for x in range(boxes[i, 2], boxes[i, 5]):
                    if labels[z, y, x] == ids[i]:
                        area += 1
                        sum_z += z
                        sum_y += y
                        sum_x += x
        found[i, 0], found[i, 1], found[i, 2] = sum_z / area, sum_y / area, sum_x / area
