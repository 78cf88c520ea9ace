"""Annotations: what overlaps is kept whole, and what a label image shows follows one rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_cellseg.datasets.annotation import Annotation, ObjectMask, object_table
from napari_cellseg.errors import DatasetError

SHAPE = (9, 11)


@st.composite
def masks(draw):
    count = draw(st.integers(0, 5))
    index = draw(st.lists(st.integers(1, 2**31 - 1), min_size=count, max_size=count, unique=True))
    result = []
    for i in index:
        pixels = draw(arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))))
        top, left = draw(st.integers(-3, 9)), draw(st.integers(-3, 11))
        result.append(ObjectMask(i, top, left, pixels))
    return result


def painted(mask):
    """The mask in a plane of its own, cut at the plane's border."""
    wide = np.zeros((SHAPE[0] + 20, SHAPE[1] + 20), bool)
    y0, x0, y1, x1 = mask.box
    wide[y0 + 10 : y1 + 10, x0 + 10 : x1 + 10] = mask.pixels
    return wide[10:-10, 10:-10]


@settings(deadline=None)
@given(masks())
def test_overlapping_masks_come_back_whole(given_masks):
    annotation = Annotation.from_masks(SHAPE, given_masks)
    truth = {m.index: painted(m) for m in given_masks if painted(m).any()}
    found = {m.index: painted(m) for m in annotation.masks()}
    assert found.keys() == truth.keys() == set(annotation.objects["index"])
    assert all((found[i] == truth[i]).all() for i in truth)
    assert ((annotation.labels > 0) == np.any([*truth.values(), np.zeros(SHAPE, bool)], axis=0)).all()


@settings(deadline=None)
@given(masks())
def test_the_smaller_object_is_on_top(given_masks):
    annotation = Annotation.from_masks(SHAPE, given_masks)
    areas = {m.index: m.area for m in annotation.masks()}
    for mask in annotation.masks():
        above = set(annotation.labels[painted(mask)].tolist()) - {mask.index}
        assert all((areas[i], i) < (mask.area, mask.index) for i in above)
        assert bool(above) == (mask.index in annotation.covered)


@settings(deadline=None)
@given(masks(), st.integers(0, 4), st.integers(0, 4), st.integers(5, 9), st.integers(5, 11))
def test_a_crop_shows_what_lies_inside(given_masks, y0, x0, y1, x1):
    annotation = Annotation.from_masks(SHAPE, given_masks)
    part = annotation.crop((y0, x0, y1, x1))
    inside = {m.index: painted(m)[y0:y1, x0:x1] for m in annotation.masks()}
    inside = {i: pixels for i, pixels in inside.items() if pixels.any()}
    found = {m.index: m for m in part.masks()}
    assert found.keys() == inside.keys()
    for i, mask in found.items():
        assert mask.area == inside[i].sum()
        assert inside[i][mask.window][mask.pixels].all()


def test_rows_follow_the_pixels():
    labels = np.array([[0, 7], [3, 3]], np.uint16)
    table = object_table([3, 9], classes=["dead", "live"], origin="model:nuclei@3")
    annotation = Annotation.from_labels(labels, table)
    assert annotation.objects["index"].tolist() == [3, 7]
    assert annotation.objects["class"].tolist() == ["dead", "cell"]
    assert annotation.objects["origin"].tolist() == ["model:nuclei@3", "person"]
    assert annotation.class_names() == ["cell", "dead"]
    assert [m.area for m in annotation.take([3]).masks()] == [2]


@pytest.mark.parametrize(
    "labels", [np.zeros((2, 2, 2), int), np.zeros((2, 2)), np.array([[-1]]), np.array([[2**31]])]
)
def test_what_is_no_label_image_is_refused(labels):
    with pytest.raises(DatasetError, match="Labels must be"):
        Annotation.from_labels(labels)


@pytest.mark.parametrize("index", [[1, 1], [0], [2**31]])
def test_labels_of_masks_are_distinct_and_in_range(index):
    with pytest.raises(DatasetError, match="distinct"):
        Annotation.from_masks(SHAPE, [ObjectMask(i, 0, 0, np.ones((1, 1), bool)) for i in index])
