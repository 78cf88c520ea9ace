"""Labels at the network's scale, in pixels of the plane."""

import numpy as np
import pytest

from napari_cellseg.labels.enlarging import Placement, border_levels, enlarge_labels
from napari_cellseg.labels.rasterising import paint_instances


def enlarged(labels, scale, shape, foreground=None, level=0.5):
    count = int(labels.max())
    levels = None if foreground is None else np.full(count, level, np.float32)
    found = enlarge_labels(
        labels,
        np.ones(count, np.float32),
        np.zeros(count, np.int16),
        np.arange(count),
        Placement(scale, (0, 0), shape),
        foreground,
        levels,
    )
    result = np.zeros(shape, np.int32)
    counts = paint_instances(result, found, np.arange(1, count + 1, dtype=np.int32))
    assert np.array_equal(counts, found.areas)
    return result


def disc(shape, centre, radius):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(y - centre[0], x - centre[1]) - radius


@pytest.mark.parametrize("scale", [0.23, 0.5, 1.0, 1.7, 3.0])
def test_a_disc_stays_a_disc(scale):
    shape = (130, 120)
    small = tuple(int(n * scale + 0.5) for n in shape)
    centre = ((60 + 0.5) * scale - 0.5, (55 + 0.5) * scale - 0.5)
    distance = disc(small, centre, 40 * scale)
    foreground = np.clip(0.5 - distance / 4, 0, 1).astype(np.float32)
    labels = (foreground >= 0.5).astype(np.int32)
    truth = disc(shape, (60, 55), 40) <= 0
    result = enlarged(labels, scale, shape, foreground) > 0
    assert np.count_nonzero(result & truth) / np.count_nonzero(result | truth) > 0.97


def test_halves_that_touch_share_no_pixel_and_leave_no_gap():
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:10], labels[5:15, 10:15] = 1, 2
    result = enlarged(labels, 0.25, (80, 80))
    inside = result[24:56, 24:56]
    assert set(np.unique(inside)) == {1, 2}
    assert np.all(result[:, :40] != 2)
    assert np.all(result[:, 40:] != 1)


def test_windows_give_the_same_pixels_as_the_whole():
    rng = np.random.default_rng(1)
    labels = np.kron(rng.integers(0, 2, (8, 8)), np.ones((5, 5), int)).astype(np.int32)
    labels *= np.arange(1, 41)[:, None] // 5 + 1
    ones = np.ones(20, np.float32), np.zeros(20, np.int16)
    whole = enlarge_labels(labels, *ones, np.array([2]), Placement(0.4, (0, 0), (100, 100)))
    part = enlarge_labels(labels[5:30, 5:], *ones, np.array([2]), Placement(0.4, (5, 5), (100, 100)))
    y, x = slice(40, 60), slice(20, 100)
    images = []
    for found in (whole, part):
        image = np.zeros((100, 100), np.int32)
        paint_instances(image, found, np.array([1], np.int32))
        images.append(image[y, x])
    np.testing.assert_array_equal(*images)


def test_an_object_smaller_than_a_pixel_has_an_empty_mask():
    labels = np.zeros((40, 40), np.int32)
    labels[10, 10] = 1
    found = enlarge_labels(
        labels, np.ones(1, np.float32), np.zeros(1, np.int16), np.array([0]), Placement(8.0, (0, 0), (5, 5))
    )
    assert found.areas.tolist() == [0]
    assert found.boxes.tolist() == [[0, 0, 0, 0]]


def test_border_level_is_the_least_foreground_next_to_background():
    labels = np.zeros((6, 6), np.int32)
    labels[1:4, 1:4] = 1
    foreground = np.full((6, 6), 0.9, np.float32)
    foreground[1, 1], foreground[2, 2] = 0.6, 0.1
    assert border_levels(labels, foreground, 1)[0] == np.float32(0.6)
    assert np.isinf(border_levels(np.ones((3, 3), np.int32), foreground[:3, :3], 1)[0])
