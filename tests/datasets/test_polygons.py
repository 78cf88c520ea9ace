"""Polygons give back the masks that they were made of, and are filled as OpenCV fills them."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cellseg.datasets.annotation import ObjectMask
from napari_cellseg.datasets.formats.polygons import (
    MaskBudget,
    corner_polygons,
    fill_corner_polygons,
    fill_pixel_polygon,
    pixel_polygon,
)
from napari_cellseg.errors import DatasetError

from .nasty import masks, nasty_annotations, painted

MASKS = {
    f"{name} {mask.index}": (mask, annotation.shape)
    for name, annotation in nasty_annotations().items()
    for mask in annotation.masks()
    if len(annotation) < 4 or mask.index < 3
}
EIGHT = np.ones((3, 3))


def whole(plane, index=1):
    return ObjectMask(index, 0, 0, np.asarray(plane, bool))


def steps(points):
    """Pixels that a straight bridge between two pixels needs, besides both."""
    return int(np.abs(np.diff(points, axis=0)).max()) - 1


@settings(deadline=None, max_examples=100)
@given(masks())
def test_a_pixel_polygon_adds_nothing_but_bridges_between_pieces(mask):
    filled = painted(fill_pixel_polygon(1, pixel_polygon(whole(mask)), mask.shape), mask.shape)
    assert not (mask & ~filled).any()
    pieces, count = ndimage.label(mask, EIGHT)
    if count == 1:
        np.testing.assert_array_equal(filled, mask)
    added = filled & ~mask
    assert ndimage.label(filled, EIGHT)[1] == 1
    assert added.sum() <= shortest_bridges(pieces, count)


def shortest_bridges(pieces, count):
    """Pixels of the least bridges that join all pieces, by brute force."""
    joined, rest, total = {1}, set(range(2, count + 1)), 0
    while rest:
        found = []
        for a in joined:
            for b in rest:
                gaps = np.abs(np.argwhere(pieces == a)[:, None] - np.argwhere(pieces == b)[None]).max(-1)
                found.append((int(gaps.min()) - 1, b))
        length, b = min(found)
        total += length
        joined.add(b)
        rest.remove(b)
    return total


@pytest.mark.parametrize("name", MASKS)
def test_nasty_masks_survive_pixel_polygons(name):
    mask, shape = MASKS[name]
    filled = painted(fill_pixel_polygon(1, pixel_polygon(mask), shape), shape)
    truth = painted(mask, shape)
    assert not (truth & ~filled).any()
    if ndimage.label(truth, EIGHT)[1] == 1:
        np.testing.assert_array_equal(filled, truth)


@settings(deadline=None, max_examples=50)
@given(masks())
def test_steps_of_a_pixel_polygon_are_straight_or_diagonal(mask):
    points = pixel_polygon(whole(mask))
    dx, dy = np.abs(np.diff(np.vstack([points, points[:1]]), axis=0)).T
    assert ((dx == 0) | (dy == 0) | (dx == dy)).all()
    assert mask[points[:, 1], points[:, 0]].all() or ndimage.label(mask, EIGHT)[1] > 1


def test_small_pixel_polygons():
    assert pixel_polygon(ObjectMask(1, 4, 7, np.ones((1, 1), bool))).tolist() == [[7, 4]]
    assert pixel_polygon(ObjectMask(1, 0, 2, np.ones((1, 5), bool))).tolist() == [[2, 0], [6, 0]]
    assert len(pixel_polygon(ObjectMask(1, 0, 0, np.zeros((0, 0), bool)))) == 0
    assert len(pixel_polygon(ObjectMask(1, 0, 0, np.ones((3, 4), bool)))) == 4


polygons = st.lists(st.tuples(st.integers(-9, 25), st.integers(-9, 21)), min_size=1, max_size=9)


@settings(deadline=None, max_examples=100)
@given(polygons, st.tuples(st.integers(1, 16), st.integers(1, 20)))
def test_any_pixel_polygon_is_filled_as_opencv_fills_it(points, shape):
    cv2 = pytest.importorskip("cv2")
    expected = np.zeros(shape, np.uint8)
    cv2.fillPoly(expected, [np.array(points, np.int32)], 1)
    found = painted(fill_pixel_polygon(1, points, shape), shape)
    np.testing.assert_array_equal(found, expected.astype(bool))


FROZEN = {
    "line that OpenCV rounds down": ([(6, 8), (1, 0)], (9, 8), [2, 4, 4, 8, 8, 16, 32, 32, 64]),
    "concave": ([(0, 0), (7, 1), (2, 3), (6, 6), (1, 7)], (8, 8), [15, 255, 63, 15, 30, 62, 126, 14]),
    "crossing itself": ([(0, 0), (6, 6), (6, 0), (0, 6)], (7, 7), [65, 99, 119, 127, 119, 99, 65]),
    "cut at the border": ([(-9, 4), (5, -3), (16, 5), (2, 11)], (7, 9), [511, 511, 511, 511, 511, 511, 511]),
    "steep": ([(0, 0), (3, 11), (5, 2), (8, 9)], (12, 9), [1, 3, 38, 46, 126, 126, 252, 220, 412, 268, 8, 8]),
}
"""Points, size, and the rows that OpenCV 5.0 fills, as bits from the left."""


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_cases_of_opencv(name):
    points, shape, rows = FROZEN[name]
    found = painted(fill_pixel_polygon(1, points, shape), shape)
    assert (found * (1 << np.arange(shape[1]))).sum(1).tolist() == rows


@settings(deadline=None, max_examples=100)
@given(masks())
def test_corner_polygons_are_exact_and_valid(mask):
    found = corner_polygons(whole(mask))
    np.testing.assert_array_equal(painted(fill_corner_polygons(1, found, mask.shape), mask.shape), mask)
    shapes = [shapely.Polygon(rings[0], rings[1:]) for rings in found]
    multi = shapely.MultiPolygon(shapes)
    assert shapely.is_valid(multi), shapely.is_valid_reason(multi)
    assert multi.area == mask.sum()
    assert len(shapes) == ndimage.label(mask)[1]


@pytest.mark.parametrize("name", MASKS)
def test_nasty_masks_survive_corner_polygons(name):
    mask, shape = MASKS[name]
    found = fill_corner_polygons(1, corner_polygons(mask), shape)
    np.testing.assert_array_equal(painted(found, shape), painted(mask, shape))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 21)), min_size=3, max_size=8))
def test_smooth_polygons_hold_the_pixels_whose_centre_is_inside(points):
    shape = (14, 18)
    polygon = shapely.Polygon(points)
    if not polygon.is_valid:
        return
    found = painted(fill_corner_polygons(1, [[points]], shape), shape)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = shapely.contains_xy(polygon, x, y)
    clear = ~shapely.dwithin(polygon.exterior, shapely.points(x, y), 1e-9)
    np.testing.assert_array_equal(found[clear], inside[clear])


def test_polygons_far_outside_are_empty():
    assert fill_pixel_polygon(1, [(50, 50), (60, 50), (60, 60)], (10, 10)).area == 0
    assert fill_corner_polygons(1, [[[(-9, -9), (-1, -9), (-1, -1)]]], (10, 10)).area == 0
    assert fill_corner_polygons(1, [], (10, 10)).area == 0


def test_a_small_file_cannot_fill_the_memory():
    budget = MaskBudget("a.txt", 100)
    budget.spend(whole(np.ones((9, 10))))
    with pytest.raises(DatasetError, match=r"a\.txt"):
        budget.spend(whole(np.ones((9, 10))))
