"""Which objects there are, where, and how large."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import regionprops

from napari_cellseg.errors import LabelsError, OptionError
from napari_cellseg.features.objects import Objects


def random_labels(seed, shape=(20, 24), count=9, dtype=np.int32):
    """Labels of several pieces with gaps in their numbering."""
    rng = np.random.default_rng(seed)
    ids = rng.choice(200 if np.dtype(dtype).itemsize == 1 else 2000, count, replace=False) + 1
    return np.where(rng.random(shape) < 0.4, 0, ids[rng.integers(0, count, shape)]).astype(dtype)


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 10**6),
    st.sampled_from([(20, 24), (1, 9), (9, 1), (4, 6, 8)]),
    st.sampled_from([np.uint8, np.uint16, np.int32]),
)
def test_boxes_and_areas_are_those_of_regionprops(seed, shape, dtype):
    labels = random_labels(seed, shape, dtype=dtype)
    objects = Objects.found_in(labels)
    props = regionprops(labels)
    assert objects.ids.tolist() == [p.label for p in props]
    assert objects.boxes.tolist() == [list(p.bbox) for p in props]
    assert objects.areas.tolist() == [p.num_pixels for p in props]


def test_labels_are_seen_not_copied():
    labels = random_labels(1)
    assert np.shares_memory(Objects.found_in(labels).labels, labels)
    assert np.shares_memory(Objects.found_in(labels[3:9]).labels, labels)


def test_memory_does_not_grow_with_the_numbers():
    labels = np.zeros((8, 8), np.int64)
    labels[0, 0], labels[7, 7], labels[3, 3] = 10**8, 2**40, 5
    objects = Objects.found_in(labels)
    assert objects.ids.tolist() == [5, 10**8, 2**40]
    assert objects.boxes.tolist() == [[3, 3, 4, 4], [0, 0, 1, 1], [7, 7, 8, 8]]


def test_thousands_of_objects_keep_their_boxes():
    labels = np.zeros((300, 300), np.int32)
    ids = np.random.default_rng(3).permutation(np.arange(1, 10_001) * 17)
    labels[::3, ::3] = ids.reshape(100, 100)
    objects = Objects.found_in(labels)
    assert np.array_equal(objects.ids, np.sort(ids))
    assert np.array_equal(labels[objects.boxes[:, 0], objects.boxes[:, 1]], objects.ids)


def test_some_objects_from_the_whole_or_from_boxes_are_the_same():
    labels = random_labels(5)
    everything = Objects.found_in(labels)
    rows = np.array([6, 1, 3])
    only = [*everything.ids[rows].tolist(), 99999]
    around = np.concatenate([everything.boxes[rows] + [-2, -1, 3, 1], [[0, 0, 5, 5]]])
    for found in (Objects.found_in(labels, only=only), Objects.found_in(labels, only=only, boxes=around)):
        expected = everything.take(np.sort(rows))
        assert found.ids.tolist() == expected.ids.tolist()
        assert found.boxes.tolist() == expected.boxes.tolist()
        assert found.areas.tolist() == expected.areas.tolist()


def test_chunks_are_all_objects_once():
    objects = Objects.found_in(random_labels(7, count=30))
    parts = list(objects.chunks(400))
    assert len(parts) > 2
    assert np.concatenate([p.ids for p in parts]).tolist() == objects.ids.tolist()
    assert list(Objects.found_in(np.zeros((4, 4), np.int32)).chunks()) == []


def test_negative_numbers_and_background_are_no_objects():
    assert Objects.found_in(np.array([[0, -3], [-1, 2]])).ids.tolist() == [2]


@pytest.mark.parametrize("labels", [np.zeros((4, 4)), np.zeros(4, int), np.zeros((1, 1, 2, 2), int)])
def test_what_are_no_labels_is_refused(labels):
    with pytest.raises(LabelsError, match="whole numbers"):
        Objects.found_in(labels)


def test_a_mask_is_refused_with_the_way_out():
    with pytest.raises(LabelsError, match=r"skimage\.measure\.label"):
        Objects.found_in(np.ones((4, 4), bool))


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 0.0), (1.0, np.nan), (1.0, 1.0, 1.0)])
def test_a_wrong_spacing_is_refused(spacing):
    with pytest.raises(OptionError, match="2 positive numbers"):
        Objects.found_in(np.ones((4, 4), int), spacing=spacing)
