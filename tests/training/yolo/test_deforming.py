"""Distorting pictures and polygons together: exact, without folds, reproducible."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from skimage.draw import polygon2mask

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.formats.polygons import corner_polygons, fill_pixel_polygon, pixel_polygon
from napari_cellseg.training.yolo.deforming import (
    STEEPEST,
    Deformation,
    Deforming,
    draw_deformation,
    elastic_shift,
    insert_deforming,
    steepness,
)

KINDS = [{"elastic": 1.0}, {"grid": 1.0}, {"elastic": 1.0, "grid": 1.0}]
sizes = st.integers(8, 90)


class Boxes:
    """Objects as Ultralytics hands them to a step of its training."""

    def __init__(self, segments):
        self.segments = np.asarray(segments, np.float32)
        self.bboxes = np.zeros((len(self.segments), 4), np.float32)

    def convert_bbox(self, format):
        assert format == "xyxy"

    def denormalize(self, w, h):
        self.size = w, h

    def update(self, bboxes, segments):
        self.bboxes, self.segments = bboxes, segments


def blobs(size, shape=(200, 240), spread=1.4):
    """Lobed objects of about this diameter, some of them cut by the border."""
    labels = np.zeros(shape, np.int32)
    rows, columns = np.indices(shape)
    for y in np.arange(size * 0.4, shape[0], size * spread):
        for x in np.arange(size * 0.4, shape[1], size * spread):
            angle = np.arctan2(rows - y, columns - x)
            radius = size / 2 * (1 + 0.2 * np.cos(3 * angle + x))
            labels[np.hypot(rows - y, columns - x) < radius] = labels.max() + 1
    return labels


def along(ring, step=0.5):
    """A closed line with points set closely, as Ultralytics does before its steps."""
    ring = np.concatenate([ring, ring[:1]]).astype(np.float64)
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(ring, axis=0).T))])
    new = np.linspace(0, at[-1], int(at[-1] / step) + 2)
    return np.stack([np.interp(new, at, ring[:, k]) for k in (0, 1)], axis=1)


def sources(deformation):
    """Row and column that each pixel's content comes from."""
    return np.indices(deformation.shift.shape[1:]) + deformation.shift


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_polygons_move_with_the_picture(kind, seed):
    labels = blobs(24)
    deformation = draw_deformation(labels.shape, np.random.default_rng(seed), **kind)
    assert np.abs(deformation.shift).max() > 1.5
    distorted = map_coordinates(labels, sources(deformation), order=0, mode="nearest")
    for mask in Annotation.from_labels(labels).masks():
        outline = deformation.points(along(corner_polygons(mask)[0][0]))
        assert iou(polygon2mask(labels.shape, outline[:, ::-1] - 0.5), distorted == mask.index) > 0.98


@pytest.mark.parametrize("kind", KINDS)
def test_larger_objects_survive_the_way_that_ultralytics_fills(kind):
    labels = blobs(70)
    deformation = draw_deformation(labels.shape, np.random.default_rng(3), **kind)
    distorted = map_coordinates(labels, sources(deformation), order=0, mode="nearest")
    for mask in Annotation.from_labels(labels).masks():
        if mask.pixels.sum() < 2500:
            continue
        points = deformation.points(along(pixel_polygon(mask)) + 0.5)
        filled = fill_pixel_polygon(1, np.floor(points).astype(int), labels.shape)
        found = np.zeros(labels.shape, bool)
        found[filled.top :, filled.left :][: filled.pixels.shape[0], : filled.pixels.shape[1]] = filled.pixels
        assert iou(found, distorted == mask.index) >= 0.97


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, st.integers(0, 10**6), st.sampled_from(KINDS))
def test_nothing_folds_and_nothing_leaves(height, width, seed, kind):
    deformation = draw_deformation((height, width), np.random.default_rng(seed), **kind)
    assert steepness(deformation.shift) <= STEEPEST * 1.001
    y, x = sources(deformation)
    turned = np.diff(y, axis=0)[:, :-1] * np.diff(x, axis=1)[:-1]
    turned = turned - np.diff(y, axis=1)[:-1] * np.diff(x, axis=0)[:, :-1]
    assert (turned > 0).all()
    for places, size in ((y, height), (x, width)):
        assert places.min() > -0.5
        assert places.max() < size - 0.5


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, st.integers(0, 10**6), st.sampled_from(KINDS))
def test_points_go_where_their_content_goes(height, width, seed, kind):
    rng = np.random.default_rng(seed)
    deformation = draw_deformation((height, width), rng, **kind)
    points = rng.uniform(0, 1, (3, 50, 2)) * (width, height)
    moved = deformation.points(points)
    assert moved.shape == points.shape
    assert ((moved >= 0) & (moved <= (width, height))).all()
    at = moved.reshape(-1, 2)[:, ::-1].T - 0.5
    shifts = [map_coordinates(s, at, order=1, mode="nearest", output=np.float64) for s in deformation.shift]
    back = (at + shifts + 0.5).T[:, ::-1].reshape(points.shape)
    inner = ((moved > 0.5) & (moved < (width - 0.5, height - 0.5))).all(axis=-1)
    np.testing.assert_allclose(back[inner], points[inner], atol=0.01)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_pictures_keep_their_kind_and_are_interpolated(dtype):
    rng = np.random.default_rng(5)
    picture = (rng.uniform(0, 200, (40, 50, 3))).astype(dtype)
    deformation = draw_deformation((40, 50), rng, elastic=1.0, grid=1.0)
    distorted = deformation.picture(picture)
    assert (distorted.dtype, distorted.shape) == (picture.dtype, picture.shape)
    for channel in range(3):
        plane = picture[..., channel].astype(np.float64)
        expected = map_coordinates(plane, sources(deformation), order=1, mode="nearest")
        np.testing.assert_allclose(
            distorted[..., channel], expected, atol=0.51 if dtype != np.float32 else 1e-3
        )
    np.testing.assert_array_equal(deformation.picture(picture[..., 1]), distorted[..., 1])


def test_no_shift_changes_nothing():
    still = Deformation(np.zeros((2, 20, 30), np.float32))
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(still.picture(picture), picture)
    points = np.array([[0.0, 0.0], [30.0, 20.0], [4.25, 7.5], [-3.0, 25.0]])
    np.testing.assert_allclose(still.points(points), points)


def test_draws_are_seeded_and_as_often_as_asked():
    shape = (32, 40)
    drawn = [draw_deformation(shape, np.random.default_rng(k), elastic=0.3) for k in range(400)]
    again = [draw_deformation(shape, np.random.default_rng(k), elastic=0.3) for k in range(400)]
    assert 85 < sum(d is not None for d in drawn) < 155
    for one, other in zip(drawn, again, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one.shift, other.shift)
    assert draw_deformation(shape, np.random.default_rng(0)) is None


def test_elastic_fields_vary():
    fields = [elastic_shift((64, 64), np.random.default_rng(k)) for k in (1, 2)]
    assert np.abs(fields[0] - fields[1]).max() > 0.5


def test_a_step_distorts_picture_objects_and_boxes():
    labels = blobs(30, (120, 130))
    masks = Annotation.from_labels(labels).masks()
    outlines = [along(corner_polygons(mask)[0][0], 0.1)[:700] for mask in masks]
    shortest = min(map(len, outlines))
    segments = np.stack([line[np.linspace(0, len(line) - 1, shortest).astype(int)] for line in outlines])
    picture = np.repeat((labels > 0).astype(np.uint8)[..., None] * 200, 3, axis=2)
    random.seed(4)
    result = Deforming(1.0, 1.0)({"img": picture, "instances": Boxes(segments), "cls": np.zeros((9, 1))})
    objects = result["instances"]
    assert objects.size == (130, 120)
    assert np.abs(objects.segments - segments).max() > 2
    np.testing.assert_array_equal(objects.bboxes[:, :2], objects.segments.min(axis=1))
    np.testing.assert_array_equal(objects.bboxes[:, 2:], objects.segments.max(axis=1))
    random.seed(4)
    twin = Deforming(1.0, 1.0)({"img": picture, "instances": Boxes(segments)})
    np.testing.assert_array_equal(twin["img"], result["img"])
    assert (result["img"] != picture).any()


def test_a_step_takes_pictures_without_objects_and_leaves_some_alone():
    picture = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    empty = Boxes(np.zeros((0, 1000, 2)))
    result = Deforming(1.0, 0.0)({"img": picture, "instances": empty})
    assert result["instances"] is empty
    assert (result["img"] != picture).any()
    assert Deforming(0.0, 0.0)({"img": picture, "instances": empty})["img"] is picture


@pytest.mark.parametrize("elastic, grid, steps", [(0.0, 0.0, 2), (0.5, 0.0, 3), (0.0, 0.1, 3)])
def test_it_stands_behind_the_geometry_where_it_is_wanted(elastic, grid, steps):
    transforms = [["mosaic", "affine"], "mixup"]
    insert_deforming(transforms, elastic, grid)
    assert len(transforms[0]) == steps
    assert len(transforms) == 2
