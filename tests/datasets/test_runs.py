"""Runs against pycocotools, and there and back; broken ones are refused in words."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from napari_cellseg.datasets.annotation import ObjectMask
from napari_cellseg.datasets.formats.runs import (
    compress_counts,
    counts_to_runs,
    decompress_counts,
    mask_to_runs,
    runs_to_counts,
    runs_to_mask,
)
from napari_cellseg.errors import DatasetError

from .nasty import masks, nasty_annotations, painted


def whole(plane, index=1):
    return ObjectMask(index, 0, 0, plane)


@st.composite
def placed(draw):
    """An object somewhere in a plane, and the plane's shape."""
    pixels = draw(masks())
    before, after = (draw(st.tuples(st.integers(0, 3), st.integers(0, 3))) for _ in range(2))
    shape = tuple(a + n + b for a, n, b in zip(before, pixels.shape, after, strict=True))
    return ObjectMask(draw(st.integers(1, 9)), *before, pixels), shape


@settings(deadline=None)
@given(placed(), st.sampled_from(["rows", "columns"]))
def test_runs_are_those_of_the_unfolded_plane_and_come_back(given_mask, order):
    mask, shape = given_mask
    plane = painted(mask, shape)
    runs = mask_to_runs(mask, shape, order)
    flat = np.zeros(plane.size, bool)
    for start, stop in runs:
        flat[start:stop] = True
    np.testing.assert_array_equal(flat.reshape(shape, order="C" if order == "rows" else "F"), plane)
    assert (np.diff(runs.ravel()) > 0).all()
    again = runs_to_mask(np.random.default_rng(0).permutation(runs), shape, order, mask.index)
    expected = mask.trimmed()
    assert (again.index, again.box) == (expected.index, expected.box)
    np.testing.assert_array_equal(again.pixels, expected.pixels)


@settings(deadline=None)
@given(placed())
def test_texts_are_those_of_pycocotools(given_mask):
    mask, shape = given_mask
    plane = painted(mask, shape)
    counts = runs_to_counts(mask_to_runs(mask, shape, "columns"), plane.size)
    assert counts.sum() == plane.size
    text = compress_counts(counts)
    assert text == coco_mask.encode(np.asfortranarray(plane.astype(np.uint8)))["counts"].decode()
    np.testing.assert_array_equal(decompress_counts(text, plane.size, "here"), counts)
    again = counts_to_runs(counts, plane.size, "here")
    np.testing.assert_array_equal(runs_to_mask(again, shape, "columns", 1).pixels, mask.trimmed().pixels)


@pytest.mark.parametrize("name", nasty_annotations())
def test_nasty_masks_come_back(name):
    annotation = nasty_annotations()[name]
    for mask in annotation.masks():
        runs = mask_to_runs(mask, annotation.shape, "columns")
        text = compress_counts(runs_to_counts(runs, annotation.labels.size))
        again = counts_to_runs(decompress_counts(text, annotation.labels.size, "here"), 10**6, "here")
        np.testing.assert_array_equal(again, runs)


def test_an_empty_mask_has_no_runs():
    empty = np.zeros((0, 2), np.int64)
    assert runs_to_counts(empty, 12).tolist() == [12]
    assert runs_to_mask(empty, (3, 4), "rows", 5).pixels.size == 0
    assert len(counts_to_runs(np.zeros(0, np.int64), 12, "here")) == 0


def test_counts_may_leave_out_the_end_and_be_zero():
    assert counts_to_runs(np.array([0, 2, 0, 1, 3, 0]), 12, "here").tolist() == [[0, 2], [2, 3]]


@pytest.mark.parametrize(
    ("counts", "words"),
    [([2, -1], "run 1 has a negative"), ([2, 11], "past the last of 12"), ([2**62] * 4, "past")],
)
def test_counts_outside_the_plane_are_refused(counts, words):
    with pytest.raises(DatasetError, match=f"here: .*{words}"):
        counts_to_runs(np.array(counts), 12, "here")


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**45), max_size=9))
def test_long_counts_come_back(counts):
    given_counts = np.array(counts, np.int64)
    again = decompress_counts(compress_counts(given_counts), 2**50, "here")
    np.testing.assert_array_equal(again, given_counts)


@settings(deadline=None)
@given(st.one_of(st.text(), st.text(st.characters(min_codepoint=48, max_codepoint=111))))
def test_any_text_is_counts_or_refused(text):
    with suppress(DatasetError):
        counts = decompress_counts(text, 1000, "here")
        assert (counts >= 0).all()
        assert counts.sum() <= 1000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("~", "character 0"),
        ("é", "character 0"),
        ("P", "within a number"),
        ("O", "negative"),
        ("o" * 20, "too large"),
    ],
)
def test_broken_texts_are_refused(text, words):
    with pytest.raises(DatasetError, match=words):
        decompress_counts(text, 12, "here")
