"""Instances painted and cut out again."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_cellseg.labels.rasterising import cut_instances, label_boxes, paint_instances

label_images = arrays(
    np.int32, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20), elements=st.integers(0, 6)
)


@settings(deadline=None)
@given(label_images)
def test_cutting_and_painting_are_inverse(labels):
    found = cut_instances(labels, np.ones(6, np.float32), np.zeros(6, np.int16))
    painted = np.zeros_like(labels)
    counts = paint_instances(painted, found, np.arange(1, 7, dtype=np.int32))
    np.testing.assert_array_equal(painted, labels)
    np.testing.assert_array_equal(counts, [np.count_nonzero(labels == i) for i in range(1, 7)])


@settings(deadline=None)
@given(label_images)
def test_boxes_are_tight(labels):
    for i, (y0, x0, y1, x1) in enumerate(label_boxes(labels, 6), 1):
        ys, xs = np.nonzero(labels == i)
        expected = (ys.min(), xs.min(), ys.max() + 1, xs.max() + 1) if ys.size else (0, 0, 0, 0)
        assert (y0, x0, y1, x1) == expected


def test_earlier_labels_are_not_painted_over_and_parts_outside_are_left_out():
    labels = np.zeros((10, 10), np.int32)
    labels[2:6, 2:6] = 7
    square = np.zeros((20, 20), np.int32)
    square[4:9, 4:9] = 1
    found = cut_instances(square, np.ones(1, np.float32), np.zeros(1, np.int16))
    counts = paint_instances(labels, found, np.array([9], np.int32), origin=(1, 1))
    assert np.all(labels[2:6, 2:6] == 7)
    assert counts[0] == 25 - 9
    corner = np.zeros((10, 10), np.int32)
    assert paint_instances(corner, found, np.array([3], np.int32), origin=(6, 6)).tolist() == [9]
    assert np.all(corner[:3, :3] == 3)
    assert np.count_nonzero(corner) == 9
