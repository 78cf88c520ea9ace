"""Edits that make several objects of one: by a line, by seeds, by its shape."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_cellseg.errors import OptionError
from napari_cellseg.labels.blocks import read_window
from napari_cellseg.labels.crop import Changes, Crop, Plane, check_plane, crop_objects
from napari_cellseg.labels.drawn_line import line_pixels, line_points, wall
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.flooding import bulging_parts
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.pieces import connected_pieces, spread, touched_pieces
from napari_cellseg.labels.spacing import Spacing

SEED_REACH = 3.0
"""A seed this close to the object, in pixels, counts as one in it."""

STRETCH = 256
"""Pixels of a line that are looked up at once."""


def split_by_line(
    labels: Any, index: ObjectIndex, label: int | None, points: ArrayLike, *, plane: Plane = None
) -> Edit:
    """Cut objects in two along a line that crosses them right through.

    The pixels under the line go to the nearer part. The largest part keeps the label.

    Parameters
    ----------
    labels : (…, Y, X) ndarray or zarr array of int
        The whole array; it is not changed.
    index : ObjectIndex
        Its objects.
    label : int or None
        The object to cut; None for every one that the line crosses.
    points : (N, 2) array-like of float
        The line's points, y and x, in pixels of the array.
    plane : tuple of int, optional
        Leading indices of the plane to stay in; None cuts a volume through all its planes.

    Returns
    -------
    Edit
        Empty where the line crosses no object right through.

    Raises
    ------
    LabelsError
        Where there is no such object, or no label is left for the new ones.
    OptionError
        Where the points are no line.
    """
    pixels = line_pixels(line_points(points))
    crossed = _labels_under(labels, pixels, plane) if label is None else [label]
    crops = [crop_objects(labels, index, [i], plane=plane) for i in crossed]
    parts = [
        _cut(crop.labels == i, wall(pixels, crop.origin, crop.labels.shape))
        for i, crop in zip(crossed, crops, strict=True)
    ]
    return _split_edit(index, crossed, crops, parts)


def split_by_seeds(
    labels: Any,
    index: ObjectIndex,
    label: int,
    seeds: ArrayLike,
    *,
    spacing: Spacing = None,
    plane: Plane = None,
) -> Edit:
    """Split an object into one part for each seed, at its necks and else midway between the seeds.

    Parameters
    ----------
    labels, index, plane
        As in `split_by_line`.
    label : int
        The object to split.
    seeds : (N, D) array-like of float
        Points, in pixels along the axes that the plane leaves; those away from the object are left out.
    spacing : sequence of float, optional
        Length of a pixel along each axis that the plane leaves, in any unit; equal ones by default.

    Returns
    -------
    Edit
        Empty where fewer than two seeds lie on the object.

    Raises
    ------
    LabelsError
        Where there is no such object, or no label is left for the new ones.
    OptionError
        Where the seeds are no points of the plane.
    """
    crop = crop_objects(labels, index, [label], plane=plane)
    places = np.asarray(seeds, np.float64)
    if places.ndim != 2 or places.shape[1] != crop.labels.ndim or not np.all(np.isfinite(places)):
        raise OptionError(f"Seeds must be points of {crop.labels.ndim} coordinates, not {places.shape}.")
    mask = crop.labels == label
    markers = _markers(mask, places - crop.origin)
    parts = _divided(mask, markers, spacing) if markers.max() > 1 else markers
    return _split_edit(index, [label], [crop], [parts])


def split_automatically(
    labels: Any,
    index: ObjectIndex,
    label: int,
    min_diameter: float | None = None,
    *,
    spacing: Spacing = None,
    plane: Plane = None,
) -> Edit:
    """Split an object at its necks, as its outline alone suggests.

    Parameters
    ----------
    labels, index, plane
        As in `split_by_line`.
    label : int
        The object to split.
    min_diameter : float, optional
        Diameter, in pixels, of the smallest thing that counts as an object; None derives it from this one.
    spacing : sequence of float, optional
        As in `split_by_seeds`.

    Returns
    -------
    Edit
        Empty where the object is one convex thing.

    Raises
    ------
    LabelsError
        Where there is no such object, or no label is left for the new ones.
    """
    crop = crop_objects(labels, index, [label], plane=plane)
    parts = bulging_parts(crop.labels == label, min_diameter, spacing)
    return _split_edit(index, [label], [crop], [parts])


def _labels_under(labels: Any, pixels: NDArray[np.intp], plane: Plane) -> list[int]:
    """Objects under a line, ascending; the line is looked up in stretches, so that little is read."""
    check_plane(tuple(labels.shape), plane)
    fixed = tuple(slice(i, i + 1) for i in plane or ())
    between = tuple(slice(0, n) for n in labels.shape[len(fixed) : -2])
    inside = pixels[np.all((pixels >= 0) & (pixels < labels.shape[-2:]), axis=1)]
    found: set[int] = set()
    for start in range(0, len(inside), STRETCH):
        stretch = inside[start : start + STRETCH]
        low, high = stretch.min(axis=0), stretch.max(axis=0) + 1
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        block = read_window(labels, (*fixed, *between, *box))
        found.update(np.unique(block[..., stretch[:, 0] - low[0], stretch[:, 1] - low[1]]).tolist())
    return sorted(found - {0})


def _cut(mask: NDArray[np.bool_], barrier: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Parts of a mask beside a barrier; 0 for pieces that it does not cut in two, and outside."""
    pieces, areas = connected_pieces(mask)
    parts = np.zeros(mask.shape, np.int32)
    for piece in np.unique(pieces[barrier & mask]).tolist():
        own = pieces == piece
        sides, sizes = connected_pieces(own & ~barrier)
        crumbs = np.concatenate([[False], sizes <= min(4, areas[piece - 1] // 8)])
        sides[crumbs[sides]] = 0
        if np.count_nonzero(~crumbs[1:]) > 1:
            grown = _filled(sides, own)
            parts[own] = grown[own] + (grown[own] > 0) * parts.max()
    return parts


def _filled(sides: NDArray[np.int32], mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Parts grown over the rest of a mask: each pixel to the nearest part, and every part in one piece."""
    nearest = ndimage.distance_transform_edt(sides == 0, return_distances=False, return_indices=True)
    grown = np.where(mask, sides[tuple(nearest)], 0)
    for part in np.unique(sides[sides > 0]).tolist():
        own = grown == part
        grown[own & ~touched_pieces(own, sides == part)] = 0
    filled: NDArray[np.int32] = spread(grown, mask)
    return filled


def _markers(mask: NDArray[np.bool_], places: NDArray[np.float64]) -> NDArray[np.int32]:
    """Seeds as pixels 1 to N of a mask; those of one pixel are one."""
    markers = np.zeros(mask.shape, np.int32)
    pixels = np.argwhere(mask)
    for place in places:
        if len(pixels) == 0:
            break
        gaps = np.linalg.norm(pixels - place, axis=1)
        nearest = tuple(pixels[gaps.argmin()])
        if gaps.min() <= SEED_REACH and markers[nearest] == 0:
            markers[nearest] = markers.max() + 1
    return markers


def _divided(mask: NDArray[np.bool_], markers: NDArray[np.int32], spacing: Spacing) -> NDArray[np.int32]:
    """Parts around markers: whole bulges where a bulge holds one marker, else what is nearest to each."""
    bulges = bulging_parts(mask, spacing=spacing)
    parts = markers.copy()
    for bulge in np.unique(bulges[markers > 0]).tolist():
        own = bulges == bulge
        parts[own] = spread(markers * own, own, straight=True)[own]
    result: NDArray[np.int32] = spread(parts, mask)
    return result


def _split_edit(
    index: ObjectIndex, objects: list[int], crops: list[Crop], parts: list[NDArray[np.int32]]
) -> Edit:
    """The edit that numbers parts; the largest part of each object, and what is in none, keeps its label."""
    fresh = iter(index.next_labels(sum(max(0, int(p.max(initial=0)) - 1) for p in parts)))
    changes, parents = Changes(index), dict[int, tuple[int, ...]]()
    for label, crop, own in zip(objects, crops, parts, strict=True):
        areas = np.bincount(own.ravel())[1:]
        numbers = np.full(areas.size + 1, label, crop.labels.dtype)
        keeper = int(areas.argmax()) if areas.size else -1
        for part in range(areas.size):
            if part != keeper and areas[part]:
                numbers[part + 1] = next(fresh)
                parents[int(numbers[part + 1])] = (label,)
        if areas.size > 1:
            parents[label] = (label,)
        changes.add(crop, np.where(own > 0, numbers[own], crop.labels))
    return changes.edit("split", parents)
