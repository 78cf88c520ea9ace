"""Jobs on whole label arrays, applied and taken back from compressed runs."""

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.errors import LabelsError, OptionError
from napari_cellseg.events import Progress, drain
from napari_cellseg.labels.adding import add_region
from napari_cellseg.labels.edit import apply_edit
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.merging import merge
from napari_cellseg.labels.shaping import smooth
from napari_cellseg.labels.whole import (
    removing_border_touching,
    removing_small,
    renumbering,
    smoothing_all,
)
from napari_cellseg.labels.whole_edit import apply_whole_edit, compress_edit

from .conftest import crowds, disc


def done(labels, job_of, *arguments):
    """Labels after a job, and its edit, which was also taken back and done again."""
    original = labels.copy()
    steps = []
    edit = drain(job_of(labels, ObjectIndex.build(labels), *arguments), steps.append)
    assert all(isinstance(step, Progress) and step.done <= step.total for step in steps)
    np.testing.assert_array_equal(labels, original)
    apply_whole_edit(labels, edit)
    after = labels.copy()
    old, new = (set(np.unique(a).tolist()) - {0} for a in (original, after))
    assert (set(edit.removed), set(edit.added)) == (old - new, new - old)
    assert edit.is_empty == np.array_equal(after, original)
    back = edit.inverted()
    apply_whole_edit(labels, back)
    np.testing.assert_array_equal(labels, original)
    assert back.inverted().parents == edit.parents
    apply_whole_edit(labels, back.inverted())
    np.testing.assert_array_equal(labels, after)
    return labels, edit


@settings(deadline=None)
@given(st.data())
def test_renumbered_objects_keep_their_pixels_and_order(data):
    labels = data.draw(crowds(data.draw(st.integers(2, 3)))) * data.draw(st.integers(1, 1000))
    original = labels.copy()
    after, edit = done(labels, renumbering)
    ids = np.unique(original)
    np.testing.assert_array_equal(after, np.searchsorted(np.union1d([0], ids), original))
    for new, (old,) in edit.parents.items():
        np.testing.assert_array_equal(after == new, original == old)


@pytest.mark.parametrize("dtype", [">u2", ">i4"])
def test_labels_in_the_byte_order_of_other_machines(dtype):
    labels = np.zeros((12, 20), dtype)
    labels[2:9, 2:9], labels[4:8, 12:18], labels[0, 0] = 300, 700, 9
    after, _ = done(labels.copy(), renumbering)
    assert np.unique(after).tolist() == [0, 1, 2, 3]
    after, _ = done(labels.copy(), removing_small, 5)
    assert np.unique(after).tolist() == [0, 300, 700]
    index, original = ObjectIndex.build(labels), labels.copy()
    edit = merge(labels, index, [300, 700], bridge=4)
    apply_edit(labels, edit)
    assert (index.dtype.isnative, edit.after.dtype.isnative) == (True, True)
    assert np.unique(labels).tolist() == [0, 9, 300]
    apply_whole_edit(labels, compress_edit(labels, edit.inverted()))
    np.testing.assert_array_equal(labels, original)


def test_a_label_of_another_type_is_kept_in_that_of_the_labels():
    labels = np.zeros((12, 20), np.uint16)
    labels[2:9, 2:9] = 3
    index, mask = ObjectIndex.build(labels), np.ones((3, 3), np.bool_)
    edit = add_region(labels, index, mask, (2, 9), label=np.int64(3))
    assert edit.after.dtype == np.uint16
    apply_whole_edit(labels, compress_edit(labels, edit))
    assert np.count_nonzero(labels == 3) == 49 + 9


@settings(deadline=None)
@given(crowds(), st.integers(0, 200))
def test_small_objects_are_removed(labels, min_area):
    original = labels.copy()
    after, edit = done(labels, removing_small, min_area)
    counts = np.bincount(original.ravel())
    np.testing.assert_array_equal(after, np.where(counts[original] < min_area, 0, original))
    assert not edit.parents


@settings(deadline=None)
@given(crowds(3, 12))
def test_objects_at_the_border_of_the_planes_are_removed(labels):
    original = labels.copy()
    after, _ = done(labels, removing_border_touching)
    inner = np.zeros(labels.shape, bool)
    inner[:, 1:-1, 1:-1] = True
    cut = np.unique(original[~inner])
    np.testing.assert_array_equal(after, np.where(np.isin(original, cut), 0, original))


@settings(deadline=None)
@given(crowds())
def test_smoothing_all_is_smoothing_each(labels):
    index = ObjectIndex.build(labels)
    expected = labels.copy()
    apply_edit(expected, smooth(labels, index, index.labels().tolist()))
    after, _ = done(labels, smoothing_all)
    np.testing.assert_array_equal(after, expected)


def test_planes_of_a_time_lapse_are_smoothed_one_by_one():
    labels = np.zeros((4, 30, 30), np.int32)
    labels[:, 5:20, 5:20] = 1
    labels[2, 8:25, 8:25] = 1
    index = ObjectIndex.build(labels)
    expected = labels.copy()
    for t in range(4):
        apply_edit(expected, smooth(labels, index, [1], plane=(t,)))
    after, _ = done(labels, lambda *given: smoothing_all(*given, leading=1))
    np.testing.assert_array_equal(after, expected)


def test_zarr_is_changed_too_and_the_runs_are_small():
    labels = np.zeros((300, 300), np.int32)
    for k in range(9):
        centre = (50 + 100 * (k // 3), 50 + 100 * (k % 3))
        labels[disc(labels.shape, centre, 40)] = 10 * k + 10
    store = zarr.create_array({}, data=labels, chunks=(64, 64))
    edit = drain(renumbering(store, ObjectIndex.build(store)))
    apply_whole_edit(store, edit)
    assert set(np.unique(store[:])) == set(range(10))
    assert edit.nbytes < labels.nbytes / 50


def test_labels_that_changed_meanwhile_are_left_alone(monkeypatch):
    monkeypatch.setattr("napari_cellseg.labels.blocks.BLOCK_PIXELS", 64)
    labels = np.repeat(np.arange(2, 18, dtype=np.int32)[:, None], 16, axis=1)
    edit = drain(removing_small(labels, ObjectIndex.build(labels), 17))
    assert len(edit.blocks) == 4
    labels[-1, 3] = 99
    original = labels.copy()
    with pytest.raises(LabelsError, match="have changed"):
        apply_whole_edit(labels, edit)
    np.testing.assert_array_equal(labels, original)
    labels.flags.writeable = False
    with pytest.raises(LabelsError, match="read-only"):
        apply_whole_edit(labels, edit)


def test_options_that_make_no_sense_are_refused():
    labels = np.ones((4, 4), np.int32)
    index = ObjectIndex.build(labels)
    with pytest.raises(OptionError, match="0 or more"):
        drain(removing_small(labels, index, -1))
    with pytest.raises(OptionError, match="positive"):
        drain(smoothing_all(labels, index, 0))
