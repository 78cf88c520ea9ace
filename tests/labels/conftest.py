"""What tests of edits share: pictures of objects, and what must hold for every edit."""

import numpy as np
from hypothesis import strategies as st

from napari_cellseg.labels.edit import apply_edit
from napari_cellseg.labels.index import ObjectIndex


def assert_exact(index, labels):
    """The index says what counting the array says."""
    labels = np.asarray(labels)
    ids = [int(i) for i in np.unique(labels) if i]
    assert index.labels().tolist() == ids
    assert index.largest == max(ids, default=0)
    for i in ids:
        where = np.nonzero(labels == i)
        assert index.area(i) == len(where[0])
        assert index.boxes(i) == tuple(slice(w.min(), w.max() + 1) for w in where)


def edited(labels, edit_of, *arguments, touched=None, **options):
    """Labels after an edit, and the edit; what must hold for any edit was checked on the way.

    `touched` names the only objects that may change; the background may too.
    """
    original = labels.copy()
    index = ObjectIndex.build(labels)
    edit = edit_of(labels, index, *arguments, **options)
    np.testing.assert_array_equal(labels, original)
    apply_edit(labels, edit)
    index.update(edit)
    after = labels.copy()
    assert_exact(index, after)
    old, new = (set(np.unique(a).tolist()) - {0} for a in (original, after))
    assert (set(edit.removed), set(edit.added)) == (old - new, new - old)
    assert set(edit.parents) <= new
    assert {p for origins in edit.parents.values() for p in origins} <= old
    if touched is not None:
        others = ~np.isin(original, [0, *touched])
        np.testing.assert_array_equal(after[others], original[others])
        assert not set(edit.changed) - set(touched)
    back = edit.inverted()
    apply_edit(labels, back)
    index.update(back)
    np.testing.assert_array_equal(labels, original)
    assert_exact(index, labels)
    labels[...] = after
    return labels, edit


@st.composite
def crowds(draw, ndim=2, edge=24):
    """A label image of ellipsoids that may touch, cut each other off, or have specks and holes."""
    shape = tuple(draw(st.integers(6, edge)) for _ in range(ndim))
    labels = np.zeros(shape, np.int32)
    grid = np.indices(shape)
    for label in range(1, draw(st.integers(1, 5)) + 1):
        centre = [draw(st.integers(0, n - 1)) for n in shape]
        radii = [draw(st.integers(1, max(2, n // 2))) for n in shape]
        gap = sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True))
        labels[gap <= 1] = label
        if draw(st.booleans()):
            labels[gap <= 0.1] = 0
        if draw(st.booleans()):
            labels[tuple(draw(st.integers(0, n - 1)) for n in shape)] = label
    return labels


def disc(shape, centre, radius):
    """Mask of a ball."""
    return sum((g - c) ** 2 for g, c in zip(np.indices(shape), centre, strict=True)) <= radius**2
