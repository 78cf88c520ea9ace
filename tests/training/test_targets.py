"""Targets of a pixel model."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from napari_cellseg.training.targets import (
    OFFSET_UNIT,
    border_distance,
    connected_pieces,
    pixel_targets,
    touching,
)


def two_touching() -> np.ndarray:
    labels = np.zeros((40, 50), np.int32)
    labels[10:30, 5:20] = 4
    labels[10:30, 20:41] = 9
    return labels


def test_offsets_lead_to_the_centre_of_the_object() -> None:
    labels = two_touching()
    targets = pixel_targets(labels)
    y, x = np.mgrid[:40, :50]
    for label, centre in ((4, (19.5, 12.0)), (9, (19.5, 30.0))):
        inside = labels == label
        landed = np.stack([y, x]) + targets.offsets * OFFSET_UNIT
        assert np.allclose(landed[:, inside].T, centre, atol=1e-4)
    assert not targets.offsets[:, labels == 0].any()


def test_the_centre_lies_inside_a_curved_object() -> None:
    y, x = np.mgrid[:60, :60] - 30
    radius = np.hypot(y, x)
    labels = ((radius < 25) & (radius > 18) & (y < 5)).astype(np.int32)
    targets = pixel_targets(labels)
    py, px = np.argwhere(labels)[0]
    centre = np.array([py, px]) + targets.offsets[:, py, px] * OFFSET_UNIT
    assert labels[tuple(np.round(centre).astype(int))] == 1


def test_distance_is_one_at_most_and_counts_other_objects_as_outside() -> None:
    labels = two_touching()
    targets = pixel_targets(labels)
    assert targets.distance.max() == 1
    assert targets.distance[19, 19] < 0.2
    for label in (4, 9):
        padded = np.pad(labels == label, 1)
        exact = distance_transform_edt(padded)[1:-1, 1:-1]
        found = border_distance((labels == label).astype(np.int32))
        assert np.abs(found - exact).max() < 0.1 * exact.max()


def test_pieces_of_one_label_are_objects_of_their_own() -> None:
    labels = np.zeros((10, 20), np.int32)
    labels[2:5, 2:5] = labels[2:5, 10:14] = 3
    pieces, count = connected_pieces(labels)
    assert count == 2
    assert set(np.unique(pieces)) == {0, 1, 2}
    assert np.array_equal(pieces > 0, labels > 0)


def test_border_marks_only_where_two_objects_meet() -> None:
    pieces = two_touching()
    border = touching(pieces)
    assert border[15, 19:21].all()
    assert not border[15, 5:15].any()
    assert not border[:5].any()


def test_no_object_gives_zero_targets() -> None:
    targets = pixel_targets(np.zeros((16, 24), np.uint16))
    for values in (targets.foreground, targets.distance, targets.offsets, targets.border, targets.weight):
        assert not values.any()


def test_crumbs_have_no_weight() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[2, 2:7] = 1
    labels[10:16, 10:16] = 2
    weight = pixel_targets(labels).weight
    assert not weight[2].any()
    assert (weight[10:16, 10:16] > 1).all()


def test_small_objects_count_as_much_as_large_ones() -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[2:5, 2:6] = 1  # 12 pixels
    labels[10:18, 10:18] = 2  # 64
    labels[30:50, 30:50] = 3  # 400
    weight = pixel_targets(labels).weight
    assert weight[labels == 1].mean() == pytest.approx(12)
    assert weight[labels == 2].sum() == pytest.approx(260)
    assert weight[labels == 3].mean() == pytest.approx(1)
