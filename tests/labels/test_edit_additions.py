"""Objects added: regions drawn, candidates promoted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_cellseg.errors import LabelsError, OptionError
from napari_cellseg.labels.adding import add_instance, add_region
from napari_cellseg.labels.index import ObjectIndex

from .conftest import crowds, edited


@settings(deadline=None)
@given(st.data())
def test_a_region_takes_what_is_free_and_inside(data):
    labels = data.draw(crowds())
    mask = data.draw(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)))
    origin = data.draw(st.tuples(st.integers(-15, 30), st.integers(-15, 30)))
    overwrite = data.draw(st.booleans())
    original = labels.copy()
    canvas = np.zeros((80, 80), bool)
    canvas[origin[0] + 20 :, origin[1] + 20 :][: mask.shape[0], : mask.shape[1]] = mask
    region = canvas[20 : 20 + labels.shape[0], 20 : 20 + labels.shape[1]]
    new = int(original.max()) + 1
    after, edit = edited(labels, add_region, mask, origin, overwrite=overwrite)
    expected = np.where(region if overwrite else region & (original == 0), new, original)
    np.testing.assert_array_equal(after, expected)
    assert edit.parents == ({new: ()} if new in expected else {})


def test_a_region_can_join_an_object():
    labels = np.zeros((10, 10), np.int32)
    labels[2:5, 2:5], labels[2:5, 7:9] = 4, 6
    after, edit = edited(labels, add_region, np.ones((2, 6), bool), (3, 3), label=4, touched=[4])
    assert edit.added == ()
    assert edit.changed == (4,)
    assert np.count_nonzero(after == 6) == 6


def test_a_candidate_is_what_others_leave_of_it_in_one_piece():
    labels = np.zeros((10, 20), np.int32)
    labels[:, 6] = 3
    after, edit = edited(labels, add_instance, np.ones((4, 10), bool), (3, 4), label=9, touched=[])
    assert edit.added == (9,)
    assert np.count_nonzero(after == 9) == 4 * 7
    assert np.all(after[3:7, 4:6] == 0)
    assert edited(after, add_instance, np.ones((2, 2), bool), (3, 10))[1].is_empty


def test_a_region_lies_in_its_plane():
    labels = np.zeros((3, 8, 8), np.int32)
    after, _ = edited(labels, add_region, np.ones((2, 2), bool), (1, 1), plane=(1,))
    assert [np.count_nonzero(p) for p in after] == [0, 4, 0]
    with pytest.raises(OptionError, match="3 axes"):
        add_region(labels, ObjectIndex.build(labels), np.ones((2, 2), bool), (1, 1))


def test_a_label_must_fit():
    labels = np.zeros((4, 4), np.uint8)
    for label in (0, 256):
        with pytest.raises(LabelsError, match="1 to 255"):
            add_region(labels, ObjectIndex.build(labels), np.ones((2, 2), bool), (0, 0), label=label)
