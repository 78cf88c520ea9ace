"""Packed labels and pixel runs are what they were made of."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from napari_cellseg.errors import JournalError
from napari_cellseg.events import drain
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.whole import renumbering
from napari_cellseg.labels.whole_edit import apply_whole_edit
from napari_cellseg.review import packing, pixel_runs
from napari_cellseg.review.packing import PackedLabels, pack_labels
from napari_cellseg.review.pixel_runs import PixelRuns

shapes = array_shapes(min_dims=1, max_dims=3, max_side=7)
dtypes = st.sampled_from([np.uint8, np.int32, np.uint16, np.int64])
pairs = st.tuples(shapes, dtypes).flatmap(
    lambda kind: st.tuples(*[arrays(kind[1], kind[0], elements=st.integers(0, 90))] * 2)
)


@settings(deadline=None)
@given(pairs, st.integers(1, 40))
def test_packing_is_exact(pair: tuple[NDArray[np.int32], ...], slab: int) -> None:
    labels = pair[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "SLAB_PIXELS", slab)
        packed = PackedLabels.from_bytes(pack_labels(labels).to_bytes())
        found = packed.unpack()
    assert found.dtype == labels.dtype
    np.testing.assert_array_equal(found, labels)


@settings(deadline=None)
@given(pairs)
def test_runs_lead_from_before_to_after(pair: tuple[NDArray[np.int32], ...]) -> None:
    before, after = pair
    changed = np.nonzero(before != after)
    made = PixelRuns.of_pixels(changed, before[changed], after[changed], before.shape)
    runs = PixelRuns.from_bytes(*made.to_bytes(), before.shape, before.dtype.str)
    labels = before.copy()
    assert runs.apply(labels) == 0
    np.testing.assert_array_equal(labels, after)
    assert len(runs) <= len(changed[0])


def test_runs_count_pixels_that_are_not_as_before() -> None:
    runs = PixelRuns.of_pixels(
        (np.array([0, 0]), np.array([1, 2])), np.array([5, 5]), np.array([6, 6]), (2, 4)
    )
    labels = np.array([[5, 5, 7, 5], [5, 5, 5, 5]])
    assert runs.apply(labels) == 1
    assert labels.tolist() == [[5, 6, 6, 5], [5, 5, 5, 5]]


def test_zarr_is_packed_and_changed_in_place(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 4, (3, 20, 30), np.int32)
    stored = zarr.create_array(str(tmp_path / "a.zarr"), shape=labels.shape, chunks=(1, 8, 8), dtype="int32")
    stored[:] = labels
    packed = pack_labels(stored)
    changed = np.nonzero(labels == 2)
    PixelRuns.of_pixels(changed, labels[changed], labels[changed] * 0, labels.shape).apply(stored)
    np.testing.assert_array_equal(stored[:], np.where(labels == 2, 0, labels))
    packed.unpack_into(stored)
    np.testing.assert_array_equal(stored[:], labels)


@pytest.mark.parametrize("shape", [(40, 30), (3, 20, 30)])
def test_edits_of_the_whole_array_are_runs_too(shape: tuple[int, ...], tmp_path: Path) -> None:
    labels = np.random.default_rng(1).integers(0, 9, shape, np.uint16) * 3
    edit = drain(renumbering(labels, ObjectIndex.build(labels)))
    after = labels.copy()
    apply_whole_edit(after, edit)
    stored = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=shape, chunks=(1, 8, 8)[-len(shape) :], dtype="u2"
    )
    stored[:] = labels
    for target in (labels.copy(), np.asfortranarray(labels), stored):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pixel_runs, "_BATCH", 100)
            assert PixelRuns.of_whole_edit(edit).apply(target) == 0
            np.testing.assert_array_equal(target[:], after)
            assert PixelRuns.of_whole_edit(edit.inverted()).apply(target) == 0
        np.testing.assert_array_equal(target[:], labels)


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(JournalError, match=r"shape \(2, 3\), not \(3, 2\)"):
        pack_labels(np.zeros((2, 3), int)).unpack_into(np.zeros((3, 2), int))
