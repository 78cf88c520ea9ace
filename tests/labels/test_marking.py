"""The picture of selected objects."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from napari_cellseg.labels.marking import BORDER, INSIDE, LARGEST_LOOKUP, mark_objects


@given(
    arrays.arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 4)),
    st.sets(st.integers(0, 6)),
    st.integers(1, 2),
)
def test_marks_exactly_the_objects_and_their_borders(
    plane: np.ndarray, objects: set[int], width: int
) -> None:
    picture = mark_objects(plane, objects, width)
    chosen = np.isin(plane, list(objects - {0}))
    np.testing.assert_array_equal(picture > 0, chosen)
    inside = np.zeros(plane.shape, bool)
    cross = ndimage.generate_binary_structure(2, 1)
    line = np.zeros((2 * width + 1,) * 2, bool)
    line[width], line[:, width] = True, True
    for label in objects - {0}:
        inside |= ndimage.binary_erosion(plane == label, line if width > 1 else cross)
    np.testing.assert_array_equal(picture == INSIDE, inside)
    np.testing.assert_array_equal(picture == BORDER, chosen & ~inside)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, ">i4"])
def test_any_type_of_labels(dtype: Any) -> None:
    plane = np.zeros((8, 8), dtype)
    plane[1:7, 1:7] = 3
    assert (mark_objects(plane, [3]) == INSIDE).sum() == 4


def test_huge_numbers_need_no_huge_table() -> None:
    plane = np.zeros((8, 8), np.int64)
    plane[1:7, 1:7] = LARGEST_LOOKUP * 100
    assert (mark_objects(plane, [LARGEST_LOOKUP * 100]) > 0).sum() == 36
    assert not mark_objects(plane, []).any()
