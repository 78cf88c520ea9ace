"""Several edits as one: the same pixels, the same fate of the objects."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.errors import CellSegError
from napari_cellseg.labels.combining import combine_edits, edits_together
from napari_cellseg.labels.edit import Edit, apply_edit
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.merging import merge
from napari_cellseg.labels.removing import delete
from napari_cellseg.labels.resizing import grow
from napari_cellseg.labels.splitting import split_by_line
from napari_cellseg.labels.whole_edit import apply_whole_edit, compress_edit


def field() -> np.ndarray:
    labels = np.zeros((20, 20), np.int32)
    for i in range(4):
        y, x = divmod(i, 2)
        labels[1 + 9 * y : 9 + 9 * y, 1 + 9 * x : 9 + 9 * x] = i + 1
    return labels


def make(step: tuple[int, int, int], index: ObjectIndex) -> Edit:
    kind, a, b = step
    if kind == 0:
        return delete(index.array, index, [a])
    if kind == 1:
        return merge(index.array, index, [a, b])
    if kind == 2:
        return grow(index.array, index, [a], 2)
    return split_by_line(index.array, index, None, [(3 * a, 0), (3 * b, 19)])


STEPS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(1, 6)), max_size=6)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_together_is_one_after_the_other(steps: list[tuple[int, int, int]]) -> None:
    labels, expected = field(), field()
    index, other = ObjectIndex.build(labels), ObjectIndex.build(expected)
    edit, problems = edits_together("all", labels, index, [partial(make, step) for step in steps])
    np.testing.assert_array_equal(labels, field())
    failed = 0
    for step in steps:
        try:
            single = make(step, other)
        except CellSegError:
            failed += 1
            continue
        apply_edit(expected, single)
        other.update(single)
    assert len(problems) == failed
    large = labels.copy()
    apply_edit(labels, edit)
    index.update(edit)
    np.testing.assert_array_equal(labels, expected)
    for mine, right in zip(index.extents(), ObjectIndex.build(expected).extents(), strict=True):
        np.testing.assert_array_equal(mine, right)
    assert set(edit.parents) <= set(index.labels().tolist())
    assert {p for parents in edit.parents.values() for p in parents} <= {1, 2, 3, 4}
    apply_whole_edit(large, compress_edit(large, edit))
    np.testing.assert_array_equal(large, expected)


def test_parents_go_back_to_the_first_objects() -> None:
    labels = field()
    index = ObjectIndex.build(labels)
    line = [(5.0, 0.0), (5.0, 19.0)]
    edit, problems = edits_together(
        "all",
        labels,
        index,
        [
            lambda index: merge(labels, index, [1, 2]),
            lambda index: split_by_line(labels, index, 1, line),
            lambda index: delete(labels, index, [3]),
        ],
    )
    assert not problems
    assert edit.parents == {1: (1, 2), 5: (1, 2)}
    assert edit.removed == (2, 3)
    assert edit.added == (5,)


def test_nothing_is_left_behind_by_an_error() -> None:
    labels = field()
    index = ObjectIndex.build(labels)

    def fail(index: ObjectIndex) -> Edit:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        edits_together("all", labels, index, [lambda index: delete(labels, index, [1]), fail])
    np.testing.assert_array_equal(labels, field())
    assert 1 in index
    assert combine_edits("none", index, []).is_empty
