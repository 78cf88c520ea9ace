"""Objects deleted, merged, and freed of small pieces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.errors import LabelsError, OptionError
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.merging import merge
from napari_cellseg.labels.removing import delete, keep_largest_piece
from napari_cellseg.labels.resizing import grow, shrink
from napari_cellseg.labels.shaping import fill_holes, smooth

from .conftest import crowds, edited


def some_of(data, labels):
    ids = [int(i) for i in np.unique(labels) if i]
    return data.draw(st.lists(st.sampled_from(ids), min_size=1, unique=True)) if ids else []


@settings(deadline=None)
@given(st.data())
def test_deleted_objects_are_gone_and_others_stay(data):
    labels = data.draw(crowds(data.draw(st.integers(2, 3))))
    objects = some_of(data, labels)
    expected = np.where(np.isin(labels, objects), 0, labels)
    after, edit = edited(labels, delete, objects, touched=objects)
    np.testing.assert_array_equal(after, expected)
    assert edit.removed == tuple(sorted(objects))


def test_an_object_is_deleted_in_one_plane_only():
    labels = np.ones((4, 5, 5), np.int32)
    labels[2, 0, 0] = 2
    after, edit = edited(labels, delete, [1], plane=(2,))
    assert [np.count_nonzero(plane == 1) for plane in after] == [25, 25, 0, 25]
    assert edit.removed == ()
    assert edit.changed == (1,)
    with pytest.raises(OptionError, match="leading indices"):
        edited(labels, delete, [1], plane=(4,))


@settings(deadline=None)
@given(st.data())
def test_merged_objects_are_one_and_hold_all_pixels(data):
    labels = data.draw(crowds(data.draw(st.integers(2, 3))))
    objects = some_of(data, labels)
    if len(objects) < 2:
        with pytest.raises(OptionError, match="two or more"):
            merge(labels, ObjectIndex.build(labels), objects)
        return
    keep, covered = min(objects), np.isin(labels, objects)
    background = labels == 0
    bridge = data.draw(st.integers(0, 2))
    after, edit = edited(labels, merge, objects, touched=objects, bridge=bridge)
    assert np.all(after[covered] == keep)
    assert not np.any((after == keep) & ~covered & ~background)
    if bridge == 0:
        np.testing.assert_array_equal(after == keep, covered)
    assert edit.parents == {keep: tuple(sorted(objects))}


@pytest.mark.parametrize("gap", [1, 2, 3])
def test_a_gap_is_bridged_up_to_its_width(gap):
    labels = np.zeros((12, 20), np.int32)
    labels[2:10, 1:8], labels[2:10, 8 + gap : 18] = 4, 9
    after, _ = edited(labels, merge, [9, 4], bridge=2, touched=[4, 9])
    assert np.all(after[3:9, 8 : 8 + gap] == (4 if gap <= 2 else 0))


def test_objects_that_touch_get_no_rim():
    labels = np.zeros((9, 20), np.int32)
    labels[2:7, 2:10], labels[2:7, 10:18] = 1, 2
    after, _ = edited(labels, merge, [1, 2], touched=[1, 2])
    np.testing.assert_array_equal(after > 0, labels > 0)


@pytest.mark.parametrize("through_planes", [False, True])
def test_touching_volumes_get_no_rim_across_planes(through_planes):
    labels = np.zeros((7, 9, 20), np.int32)
    labels[2:5, 2:7, 2:10], labels[2:5, 2:7, 10:18] = 1, 2
    labels[3, 4, 9:11] = 0
    after, _ = edited(labels, merge, [1, 2], bridge=2, through_planes=through_planes, touched=[1, 2])
    expected = labels > 0
    expected[3, 4, 9:11] = True
    np.testing.assert_array_equal(after > 0, expected)


@pytest.mark.parametrize("through_planes", [False, True])
def test_a_missing_plane_is_filled_on_demand(through_planes):
    labels = np.zeros((5, 9, 9), np.int32)
    labels[:2, 2:7, 2:7], labels[3:, 2:7, 2:7] = 1, 2
    after, _ = edited(labels, merge, [1, 2], through_planes=through_planes, touched=[1, 2])
    assert np.count_nonzero(after[2]) == (25 if through_planes else 0)


def test_a_bridge_does_not_take_what_lies_between():
    labels = np.array([[1, 1, 7, 2, 2]] * 3, np.int32)
    after, _ = edited(labels, merge, [1, 2], bridge=2, touched=[1, 2])
    assert np.all(after[:, 2] == 7)


def test_the_largest_piece_stays():
    labels = np.zeros((10, 10), np.int32)
    labels[1:4, 1:4], labels[4, 4], labels[7:9, 6:9], labels[0, 9] = 3, 3, 3, 2
    after, edit = edited(labels, keep_largest_piece, [3], touched=[3])
    assert np.count_nonzero(after == 3) == 10
    assert after[4, 4] == 3
    assert edit.changed == (3,)
    assert edited(after, keep_largest_piece, [2, 3])[1].is_empty


def test_no_objects_are_no_change():
    labels = np.ones((3, 3), np.int32)
    for edit_of in (delete, keep_largest_piece, fill_holes, smooth, grow, shrink):
        assert edited(labels, edit_of, [])[1].is_empty


def test_unknown_objects_are_named():
    labels = np.ones((3, 3), np.int32)
    with pytest.raises(LabelsError, match="no object 8"):
        delete(labels, ObjectIndex.build(labels), [8])


def test_an_edit_far_away_reads_no_more_than_the_boxes():
    labels = np.zeros((3000, 3000), np.int32)
    labels[:5, :5], labels[-5:, -5:] = 1, 2
    _, edit = edited(labels, delete, [1, 2])
    assert edit.before.size == 50
