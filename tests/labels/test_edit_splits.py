"""Objects split by a line, by seeds, and by their outline."""

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cellseg.errors import LabelsError, OptionError
from napari_cellseg.labels.drawn_line import line_pixels, line_points
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.splitting import split_automatically, split_by_line, split_by_seeds

from .conftest import crowds, disc, edited

coordinates = st.floats(-5, 30, allow_nan=False)
lines = st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=5, unique=True)


def two_discs(gap=30):
    return (disc((60, 90), (30, 25), 18) | disc((60, 90), (30, 25 + gap), 14)).astype(np.int32) * 7


@settings(deadline=None)
@given(lines)
def test_line_pixels_are_connected_by_edges(points):
    pixels = line_pixels(line_points(points))
    assert np.all(np.abs(np.diff(pixels, axis=0)).sum(axis=1) == 1)


@settings(deadline=None)
@given(st.data())
def test_no_pixel_is_lost_by_a_line(data):
    labels = data.draw(crowds(data.draw(st.integers(2, 3))))
    ids = [int(i) for i in np.unique(labels) if i]
    original = labels.copy()
    after, edit = edited(labels, split_by_line, None, data.draw(lines), touched=ids)
    np.testing.assert_array_equal(after > 0, original > 0)
    for label, origins in edit.parents.items():
        assert set(np.unique(original[after == label])) == set(origins)
    for label in edit.added:
        assert ndimage.label(after == label, np.ones((3,) * after.ndim))[1] == 1
        parent = edit.parents[label][0]
        assert np.count_nonzero(after == label) <= np.count_nonzero(after == parent)


@pytest.mark.parametrize("points", [[(0, 44), (59, 44)], [(5, 30), (30, 44.4), (58, 59)]])
def test_a_line_makes_two_of_one(points):
    after, edit = edited(two_discs(), split_by_line, 7, points, touched=[7])
    assert edit.parents == {7: (7,), 8: (7,)}
    assert after[30, 20] == 7
    assert after[30, 62] == 8


def test_a_line_that_stops_inside_cuts_nothing():
    assert edited(two_discs(), split_by_line, 7, [(0, 25), (30, 25)])[1].is_empty
    assert edited(two_discs(), split_by_line, 7, [(0, 3), (59, 3)])[1].is_empty


def test_a_line_cuts_the_chosen_object_or_all_that_it_crosses():
    labels = np.zeros((20, 70), np.int32)
    for k in range(3):
        labels[5:15, 20 * k + 2 : 20 * k + 18] = k + 1
    line = [(10, 0), (10, 50)]
    _, all_crossed = edited(labels.copy(), split_by_line, None, line)
    assert all_crossed.added == (4, 5)
    assert all_crossed.changed == (1, 2)
    _, one = edited(labels.copy(), split_by_line, 2, line, touched=[2])
    assert one.parents == {2: (2,), 4: (2,)}


def test_pieces_beside_the_line_stay_with_their_object():
    labels = np.zeros((20, 40), np.int32)
    labels[2:18, 2:18], labels[2:18, 30:34] = 1, 1
    after, _ = edited(labels, split_by_line, 1, [(0, 8), (19, 8)])
    assert set(np.unique(after[:, 30:])) == {0, 1}
    assert np.count_nonzero(after == 2) in (16 * 6, 16 * 7)


def test_a_volume_is_cut_through_or_in_one_plane():
    labels = np.zeros((4, 12, 12), np.int32)
    labels[:, 2:10, 2:10] = 3
    line = [(0, 5), (11, 5)]
    whole, _ = edited(labels.copy(), split_by_line, 3, line)
    assert all(set(np.unique(plane)) == {0, 3, 4} for plane in whole)
    one, edit = edited(labels.copy(), split_by_line, None, line, plane=(1,))
    assert [4 in plane for plane in one] == [False, True, False, False]
    assert edit.changed == (3,)


def test_zarr_and_small_dtypes_are_split_too():
    labels = zarr.create_array({}, data=two_discs().astype(np.uint8), chunks=(16, 16))
    edit = split_by_line(labels, ObjectIndex.build(labels), None, [(0, 44), (59, 44)])
    assert edit.after.dtype == np.uint8
    assert edit.added == (8,)
    full = np.where(np.arange(64).reshape(8, 8) > 0, 255, 1).astype(np.uint8)
    with pytest.raises(LabelsError, match="up to 255"):
        split_by_line(full, ObjectIndex.build(full), 255, [(0, 4), (7, 4)])


@pytest.mark.parametrize("points", [[(1, 1)], [(1, 1), (1, 1)], [(0, np.nan), (1, 1)], [1, 2, 3]])
def test_what_is_no_line_is_refused(points):
    labels = two_discs()
    with pytest.raises(OptionError, match="line"):
        split_by_line(labels, ObjectIndex.build(labels), 7, points)


@settings(deadline=None)
@given(st.data())
def test_no_pixel_is_lost_by_seeds(data):
    ndim = data.draw(st.integers(2, 3))
    labels = data.draw(crowds(ndim))
    ids = [int(i) for i in np.unique(labels) if i]
    if not ids:
        return
    label = data.draw(st.sampled_from(ids))
    original = labels.copy()
    seeds = data.draw(st.lists(st.tuples(*[coordinates] * ndim), min_size=1, max_size=4))
    after, edit = edited(labels, split_by_seeds, label, seeds, touched=[label])
    np.testing.assert_array_equal(after > 0, original > 0)
    assert len(edit.added) < len(seeds)


def test_seeds_split_at_the_neck():
    after, _ = edited(two_discs(), split_by_seeds, 7, [(22, 12), (30, 64)])
    neck = np.flatnonzero(np.diff(after[30]) == 1)
    assert after[30, 25] == 7
    assert after[30, 60] == 8
    assert neck.size == 1
    assert abs(neck[0] - 41) <= 2


def test_seeds_in_a_convex_object_split_midway():
    labels = np.zeros((30, 60), np.int32)
    labels[5:25, 5:55] = 1
    after, edit = edited(labels, split_by_seeds, 1, [(15, 10), (15, 30), (15, 50)])
    assert edit.added == (2, 3)
    assert after[15, 20] != after[15, 22] or after[15, 18] != after[15, 21]
    assert abs(np.count_nonzero(after == 1) - 400) < 60


def test_a_seed_away_from_the_object_does_not_count():
    assert edited(two_discs(), split_by_seeds, 7, [(30, 25), (2, 88)])[1].is_empty
    assert edited(two_discs(), split_by_seeds, 7, [(30, 25), (30, 25.2)])[1].is_empty
    labels = two_discs()
    with pytest.raises(OptionError, match="2 coordinates"):
        split_by_seeds(labels, ObjectIndex.build(labels), 7, [(1, 2, 3)])


@settings(deadline=None)
@given(st.data())
def test_no_pixel_is_lost_by_splitting_automatically(data):
    labels = data.draw(crowds(data.draw(st.integers(2, 3))))
    ids = [int(i) for i in np.unique(labels) if i]
    if not ids:
        return
    label = data.draw(st.sampled_from(ids))
    original = labels.copy()
    after, _ = edited(labels, split_automatically, label, touched=[label])
    np.testing.assert_array_equal(after > 0, original > 0)


def test_two_touching_discs_are_found():
    after, edit = edited(two_discs(), split_automatically, 7)
    assert edit.added == (8,)
    expected = disc((60, 90), (30, 55), 14) & ~disc((60, 90), (30, 25), 18)
    overlap = np.count_nonzero((after == 8) & expected) / np.count_nonzero((after == 8) | expected)
    assert overlap > 0.9


def test_two_touching_balls_are_found():
    labels = (disc((30, 30, 50), (15, 15, 15), 11) | disc((30, 30, 50), (15, 15, 33), 10)).astype(np.int32)
    assert edited(labels, split_automatically, 1)[1].added == (2,)


@settings(deadline=None)
@given(st.floats(4, 20), st.floats(0.3, 1), st.floats(0, 3.2), st.booleans())
def test_one_convex_thing_stays_one(length, ratio, angle, round_ends):
    y, x = np.indices((50, 50)) - 24.6
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    width = max(2.0, length * ratio)
    ellipse = (u / length) ** 2 + (v / width) ** 2 <= 1
    mask = ellipse if round_ends else (np.abs(u) <= length) & (np.abs(v) <= width)
    assert edited(mask.astype(np.int32), split_automatically, 1)[1].is_empty


def test_parts_below_the_smallest_diameter_are_none():
    labels = (disc((60, 90), (30, 30), 18) | disc((60, 90), (30, 54), 8)).astype(np.int32)
    assert edited(labels.copy(), split_automatically, 1, 10)[1].added == (2,)
    assert edited(labels.copy(), split_automatically, 1, 25)[1].is_empty


def test_planes_far_apart_do_not_hide_a_neck():
    y, x = np.indices((40, 60))
    planes = []
    for z in range(5):
        radius = np.sqrt(max(0.0, 12.0**2 - (5 * (z - 2)) ** 2))
        planes.append((np.hypot(y - 20, x - 18) <= radius) | (np.hypot(y - 20, x - 38) <= radius))
    labels = np.stack(planes).astype(np.int32)
    assert edited(labels, split_automatically, 1, spacing=(5.0, 1.0, 1.0))[1].added == (2,)
