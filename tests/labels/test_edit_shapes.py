"""Holes filled, borders smoothed, objects grown and shrunk."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import perimeter

from napari_cellseg.errors import OptionError
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.resizing import grow, shrink
from napari_cellseg.labels.shaping import fill_holes, smooth

from .conftest import crowds, disc, edited


@st.composite
def crowds_and_some(draw):
    labels = draw(crowds(draw(st.integers(2, 3))))
    ids = [int(i) for i in np.unique(labels) if i]
    chosen = draw(st.lists(st.sampled_from(ids), min_size=1, unique=True)) if ids else []
    plane = (draw(st.integers(0, len(labels) - 1)),) if labels.ndim == 3 and draw(st.booleans()) else None
    return labels, chosen, plane


@settings(deadline=None)
@given(crowds_and_some())
def test_holes_are_filled_with_background_only(case):
    labels, chosen, plane = case
    original = labels.copy()
    after, _ = edited(labels, fill_holes, chosen, touched=chosen, plane=plane)
    where = plane or ()
    for label in chosen:
        mask = original[where] == label
        filled = ndimage.binary_fill_holes(mask) & (original[where] == 0)
        assert np.all(np.isin(after[where][filled], chosen))
        assert np.all(after[where][mask] == label)
    np.testing.assert_array_equal(after[original > 0], original[original > 0])


def test_an_object_in_a_hole_stays_and_large_holes_can_stay():
    ring = disc((40, 40), (20, 20), 15) & ~disc((40, 40), (20, 20), 10)
    labels = ring.astype(np.int32)
    labels[18:22, 18:22], labels[20, 7] = 2, 0
    after, _ = edited(labels.copy(), fill_holes, [1], touched=[1])
    assert np.count_nonzero(after == 2) == 16
    assert np.count_nonzero(after == 0) == np.count_nonzero(~disc((40, 40), (20, 20), 15))
    small, _ = edited(labels.copy(), fill_holes, [1], max_area=3)
    assert small[20, 7] == 1
    assert small[20, 14] == 0


@settings(deadline=None)
@given(crowds_and_some(), st.floats(0.5, 3))
def test_smoothing_keeps_every_object(case, radius):
    labels, chosen, plane = case
    _, edit = edited(labels, smooth, chosen, radius, touched=chosen, plane=plane)
    assert not edit.added


def test_smoothing_shortens_a_ragged_border_and_keeps_the_size():
    rng = np.random.default_rng(0)
    labels = disc((60, 60), (30, 30), 18).astype(np.int32)
    ring = disc((60, 60), (30, 30), 20) & ~disc((60, 60), (30, 30), 16)
    labels[ring] = rng.integers(0, 2, np.count_nonzero(ring))
    area, length = np.count_nonzero(labels), perimeter(labels > 0)
    after, _ = edited(labels, smooth, [1])
    assert perimeter(after > 0) < 0.8 * length
    assert abs(np.count_nonzero(after) - area) < 0.1 * area


def test_smoothing_leaves_no_gap_where_objects_touch():
    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 10:30], labels[10:30, 30:50] = 1, 2
    after, _ = edited(labels, smooth, [1, 2])
    assert np.all(after[15:25, 20:40] > 0)


@settings(deadline=None)
@given(crowds_and_some(), st.floats(0.5, 5))
def test_growth_takes_background_within_reach_and_nothing_else(case, pixels):
    labels, chosen, plane = case
    original = labels.copy()
    after, _ = edited(labels, grow, chosen, pixels, touched=chosen, plane=plane)
    np.testing.assert_array_equal(after[original > 0], original[original > 0])
    where = plane or ()
    before, grown = original[where], after[where]
    if np.isin(before, chosen).any():
        distance = ndimage.distance_transform_edt(~np.isin(before, chosen))
        assert np.all(distance[grown != before] <= pixels)
        for label in chosen:
            mask = (before == label).astype(int)
            connected = ndimage.label(grown == label, np.ones((3,) * mask.ndim))[0]
            assert set(np.unique(connected)) == {0, *np.unique(connected[mask > 0])}


def test_a_disc_grows_and_shrinks_by_its_radius():
    labels = disc((60, 60), (30, 30), 15).astype(np.int32)
    grown, _ = edited(labels.copy(), grow, [1], 5)
    assert np.mean(grown.astype(bool) == disc((60, 60), (30, 30), 20)) > 0.99
    shrunk, _ = edited(labels.copy(), shrink, [1], 5)
    assert np.mean(shrunk.astype(bool) == disc((60, 60), (30, 30), 10)) > 0.99


def test_two_that_grow_meet_midway_and_do_not_leap_over_a_third():
    labels = np.zeros((9, 21), np.int32)
    labels[:, 2:5], labels[:, 16:19] = 1, 2
    after, _ = edited(labels.copy(), grow, [1, 2], 20)
    assert after[4].tolist() == [1] * 10 + [after[4, 10]] + [2] * 10
    labels[:, 8] = 3
    after, _ = edited(labels, grow, [1], 20, touched=[1])
    assert after[4].tolist() == [1] * 8 + [3] + [0] * 7 + [2] * 3 + [0] * 2


@settings(deadline=None)
@given(crowds_and_some(), st.floats(0.5, 4))
def test_shrinking_says_which_objects_vanish(case, pixels):
    labels, chosen, plane = case
    original = labels.copy()
    after, edit = edited(labels, shrink, chosen, pixels, touched=chosen, plane=plane)
    assert not edit.added
    assert np.all((after == original) | (after == 0))
    gone = {i for i in chosen if not np.any(after == i)}
    assert set(edit.removed) == gone


def test_an_object_does_not_shrink_from_the_border_of_the_array():
    labels = np.zeros((20, 20), np.int32)
    labels[:10, :] = 1
    after, _ = edited(labels, shrink, [1], 2)
    assert np.count_nonzero(after) == 8 * 20
    assert edited(np.ones((5, 5), np.int32), shrink, [1], 2)[1].is_empty


@pytest.mark.parametrize("edit_of", [grow, shrink, smooth])
@pytest.mark.parametrize("distance", [0, -1, np.nan, np.inf])
def test_distances_that_are_none_are_refused(edit_of, distance):
    labels = np.ones((3, 3), np.int32)
    with pytest.raises(OptionError, match="positive"):
        edit_of(labels, ObjectIndex.build(labels), [1], distance)


def test_a_long_pixel_counts_as_long():
    labels = np.zeros((9, 40, 40), np.int32)
    labels[3:6, 15:25, 15:25] = 1
    grown, _ = edited(labels.copy(), grow, [1], 4, spacing=(2.0, 1.0, 1.0))
    extent = [np.ptp(w) + 1 for w in np.nonzero(grown)]
    assert extent == [3 + 4, 18, 18]
    shrunk, _ = edited(grown, shrink, [1], 4, spacing=(2.0, 1.0, 1.0))
    assert np.ptp(np.nonzero(shrunk)[0]) + 1 == 3
    with pytest.raises(OptionError, match="spacing"):
        smooth(labels, ObjectIndex.build(labels), [1], spacing=(1.0, 1.0))
    flat = np.zeros((9, 40, 40), np.int32)
    flat[4, 10:30, 10:30] = 1
    assert edited(flat.copy(), smooth, [1], 2.0)[1].changed == ()
    assert edited(flat.copy(), smooth, [1], 2.0, spacing=(9.0, 1.0, 1.0))[1].changed == (1,)


def test_thousands_grow_at_once():
    labels = np.zeros((600, 600), np.int32)
    labels[5::10, 5::10] = np.arange(1, 3601).reshape(60, 60)
    after, edit = edited(labels, grow, range(1, 3601), 1)
    assert np.count_nonzero(after) == 3600 * 5
    assert len(edit.changed) == 3600
