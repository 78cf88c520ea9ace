"""Which images, and which part of each, are shown while something is trained."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_cellseg.training.shown import evenly, shown_window


@given(st.integers(0, 50), st.integers(1, 20))
def test_places_are_spread_evenly(count: int, most: int) -> None:
    found = evenly(count, most)
    assert len(found) == min(count, most)
    assert found == sorted(set(found))
    assert all(0 <= place < count for place in found)
    if len(found) > 1:
        assert (found[0], found[-1]) == (0, count - 1)
        assert np.ptp(np.diff(found)) <= 1


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 60), st.integers(0, 8000))
def test_windows_lie_inside_around_the_objects(height: int, width: int, largest: int, place: int) -> None:
    labels = np.zeros((height, width), np.int32)
    labels.flat[place % labels.size] = 1
    y, x = shown_window(labels, largest)
    assert labels[y, x].shape == (min(height, largest), min(width, largest))
    assert labels[y, x].any()


def test_the_middle_of_an_empty_image_is_shown() -> None:
    assert shown_window(np.zeros((100, 40), np.int32), 50) == (slice(25, 75), slice(0, 50))
