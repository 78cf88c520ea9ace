"""Edits as values, and the index of the objects that they change."""

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_cellseg.errors import LabelsError
from napari_cellseg.labels.blocks import block_windows, label_runs
from napari_cellseg.labels.edit import apply_edit, edit_of_pixels, edit_of_strokes, edit_of_window
from napari_cellseg.labels.index import ObjectIndex

from .conftest import assert_exact

shapes = array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9)
label_arrays = shapes.flatmap(lambda shape: arrays(np.int32, shape, elements=st.integers(0, 5)))


def whole(labels):
    return tuple(slice(0, n) for n in labels.shape)


@settings(deadline=None)
@given(label_arrays, st.integers(1, 40))
def test_blocks_cover_every_pixel_once(labels, limit):
    seen = np.zeros(labels.shape, int)
    for window in block_windows(labels, limit):
        seen[window] += 1
        assert seen[window].size <= max(limit, 1)
    assert np.all(seen == 1)


def test_blocks_keep_chunks_whole():
    store = zarr.create_array({}, shape=(50, 40), chunks=(8, 16), dtype="int32")
    assert {w[0].start % 8 for w in block_windows(store, 500)} == {0}
    lazy = da.zeros((50, 40), chunks=(8, 16), dtype="int32")
    assert {w[0].start % 8 for w in block_windows(lazy, 500)} == {0}


@settings(deadline=None)
@given(label_arrays)
def test_runs_rebuild_the_labels(labels):
    values, places = label_runs(labels)
    rebuilt = np.zeros((int(np.prod(labels.shape[:-1])), labels.shape[-1]), np.int32)
    for value, (row, start, stop) in zip(values, places, strict=True):
        rebuilt[row, start:stop] = value
    np.testing.assert_array_equal(rebuilt.reshape(labels.shape), labels)


@settings(deadline=None)
@given(label_arrays)
def test_the_index_is_exact(labels):
    assert_exact(ObjectIndex.build(labels), labels)


@pytest.mark.parametrize("wide", [1, 10**6])
@settings(deadline=None)
@given(st.data())
def test_edits_keep_the_index_exact_and_their_inverses_are_identity(wide, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_cellseg.labels.index.WIDE", wide)
        check_edits_and_inverses(data)


def check_edits_and_inverses(data):
    labels = data.draw(label_arrays)
    original = labels.copy()
    index = ObjectIndex.build(labels)
    done = []
    for _ in range(data.draw(st.integers(1, 4))):
        target = data.draw(arrays(np.int32, labels.shape, elements=st.integers(0, 7)))
        before = labels.copy()
        edit = edit_of_window("paint", index, whole(labels), before, target)
        apply_edit(labels, edit)
        index.update(edit)
        np.testing.assert_array_equal(labels, target)
        assert_exact(index, labels)
        old, new = set(np.unique(before)) - {0}, set(np.unique(target)) - {0}
        assert set(edit.removed) == old - new
        assert set(edit.added) == new - old
        assert set(edit.changed) <= old & new
        assert edit.is_empty == np.array_equal(before, target)
        done.append(edit)
    for edit in reversed(done):
        back = edit.inverted()
        apply_edit(labels, back)
        index.update(back)
        again = back.inverted()
        assert (again.removed, again.added, again.parents) == (edit.removed, edit.added, edit.parents)
    np.testing.assert_array_equal(labels, original)
    assert_exact(index, labels)


def test_a_huge_or_negative_label_costs_no_more_than_a_small_one():
    labels = np.zeros((4, 4), np.int64)
    labels[0, 0], labels[1:3, 2] = 10**12, -4
    index = ObjectIndex.build(labels)
    assert index.labels().tolist() == [-4, 10**12]
    assert index.next_label == 10**12 + 1


def test_labels_run_out_where_the_dtype_is_small():
    labels = np.full((3, 3), 255, np.uint8)
    with pytest.raises(LabelsError, match="up to 255"):
        _ = ObjectIndex.build(labels).next_label


def test_free_labels_skip_reserved_and_deleted_ones():
    labels = np.array([[1, 1, 3]], np.int32)
    assert ObjectIndex.build(labels, reserved=20).next_label == 21
    index = ObjectIndex.build(labels)
    edit = edit_of_pixels("delete", index, ([0], [2]), np.array([3], np.int32), np.array([0], np.int32))
    apply_edit(labels, edit)
    index.update(edit)
    assert edit.removed == (3,)
    assert index.largest == 1
    assert index.next_labels(2) == [4, 5]


def test_an_unknown_object_and_labels_that_are_none_are_refused():
    with pytest.raises(LabelsError, match="no object 7"):
        ObjectIndex.build(np.zeros((2, 2), np.int32)).area(7)
    with pytest.raises(LabelsError, match="integers"):
        ObjectIndex.build(np.zeros((2, 2)))


def test_an_array_without_pixels_has_no_objects():
    assert len(ObjectIndex.build(np.zeros((0, 5), np.int32))) == 0
    assert len(ObjectIndex.build(np.zeros((5, 0), np.int32))) == 0


def test_an_index_that_is_out_of_date_says_so():
    labels = np.ones((3, 3), np.int32)
    index = ObjectIndex.build(labels)
    one, zero = np.array([1], np.int32), np.array([0], np.int32)
    edit = edit_of_pixels("erase", index, ([0], [0]), one, zero)
    labels[:, 0] = 0
    with pytest.raises(LabelsError, match="out of date"):
        index.update(edit)


def test_parents_of_a_split_and_of_its_inverse():
    labels = np.array([[4, 4, 4, 4]], np.int32)
    index = ObjectIndex.build(labels)
    after = np.array([[4, 4, 5, 5]], np.int32)
    edit = edit_of_window("split", index, whole(labels), labels, after, {4: (4,), 5: (4,)})
    assert (edit.added, edit.changed, edit.removed) == ((5,), (4,), ())
    assert edit.window == (slice(0, 1), slice(2, 4))
    assert edit.inverted().parents == {4: (4, 5)}
    assert edit.inverted().removed == (5,)


def test_crossing_strokes_are_one_edit():
    labels = np.zeros((3, 3), np.int32)
    index = ObjectIndex.build(labels)
    first = (([0, 0, 0], [0, 1, 2]), np.array([0, 0, 0]), 1)
    second = (([0, 1], [1, 1]), np.array([1, 0]), np.array([2, 0]))
    edit = edit_of_strokes("paint", index, [first, second])
    apply_edit(labels, edit)
    np.testing.assert_array_equal(labels[0], [1, 2, 1])
    assert edit.before.tolist() == [0, 0, 0]
    assert edit_of_strokes("paint", index, []).is_empty


def test_zarr_is_edited_in_place():
    store = zarr.create_array({}, shape=(20, 20), chunks=(8, 8), dtype="int32")
    store[5:15, 5:15] = 3
    index = ObjectIndex.build(store)
    before = store[5:15, 5:15]
    window = (slice(5, 15), slice(5, 15))
    edit = edit_of_window("shrink", index, window, before, np.pad(before[1:-1, 1:-1], 1))
    apply_edit(store, edit)
    index.update(edit)
    assert_exact(index, store)
    assert index.area(3) == 64


def test_arrays_that_cannot_be_edited_are_refused():
    labels = np.ones((4, 4), np.int32)
    index = ObjectIndex.build(labels)
    edit = edit_of_window("delete", index, whole(labels), labels, labels * 0)
    frozen = labels.copy()
    frozen.flags.writeable = False
    closed = zarr.open_array(zarr.create_array({}, data=labels).store, mode="r")
    for array, reason in ((frozen, "read-only"), (da.from_array(labels), "dask"), (closed, "for reading")):
        with pytest.raises(LabelsError, match=reason):
            apply_edit(array, edit)
    with pytest.raises(LabelsError, match="have changed"):
        apply_edit(labels * 2, edit)
