"""Moving the threshold: what comes and goes, and what never does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.viewer.detected import as_planes, detected_objects
from napari_cellseg.viewer.refilter import Refilter

from .conftest import SIZE, squares

CONFIDENCE = [0.9, 0.8, 0.7, 0.6, 0.45, 0.4, 0.3, 0.2, 0.1]


def make(
    confidence: list[float] = CONFIDENCE, shape: tuple[int, ...] = (40, 40)
) -> tuple[Refilter, np.ndarray]:
    result = squares(shape, confidence)
    planes = as_planes(result.labels)
    return Refilter(planes, detected_objects(result, ["cell"]), 0.5), planes


def shown(planes: np.ndarray) -> set[int]:
    return set(np.unique(planes).tolist()) - {0}


def test_raising_removes_the_weaker_ones() -> None:
    refilter, planes = make()
    refilter.move(0.75)
    assert shown(planes) == {1, 2}


def test_lowering_adds_candidates_under_their_reserved_ids() -> None:
    refilter, planes = make()
    step = refilter.move(0.35)
    assert shown(planes) == {1, 2, 3, 4, 5, 6}
    assert [refilter.ids[p] for p in step.added] == [5, 6]


@settings(max_examples=40, deadline=None)
@given(path=st.lists(st.floats(0, 1), min_size=1, max_size=6), end=st.floats(0, 1))
def test_only_the_last_threshold_counts(path: list[float], end: float) -> None:
    direct, expected = make()
    direct.move(end)
    refilter, planes = make()
    for threshold in [*path, end]:
        refilter.move(threshold)
    np.testing.assert_array_equal(planes, expected)


@settings(max_examples=30, deadline=None)
@given(path=st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_taking_back_every_step_restores_the_labels(path: list[float]) -> None:
    refilter, planes = make(shape=(2, 40, 40))
    before = planes.copy()
    steps = [refilter.move(threshold) for threshold in path]
    for step in reversed(steps):
        refilter.revert_pixels(step)
        refilter.forget(step)
    np.testing.assert_array_equal(planes, before)
    assert refilter.threshold == 0.5


def test_locked_labels_stay() -> None:
    refilter, planes = make()
    refilter.move(0.95, locked=[3])
    assert shown(planes) == {3}


@pytest.mark.parametrize("at", [(1, 1), (SIZE + 1, 1)], ids=["inside", "just outside"])
def test_labels_whose_pixels_were_changed_stay(at: tuple[int, int]) -> None:
    refilter, planes = make()
    planes[0][at] = 0 if planes[0][at] else 1
    step = refilter.move(0.95)
    assert shown(planes) == {1}
    assert step.touched == [1]


def test_objects_are_added_onto_background_only() -> None:
    refilter, planes = make()
    y, x = np.argwhere(squares((40, 40), CONFIDENCE, 0.0).labels == 5)[0]
    planes[0, y : y + 2, x : x + SIZE] = 77
    refilter.move(0.42)
    assert np.count_nonzero(planes == 77) == 2 * SIZE
    assert np.count_nonzero(planes == 5) == (SIZE - 2) * SIZE


def test_an_object_whose_place_is_taken_is_not_added() -> None:
    refilter, planes = make()
    y, x = np.argwhere(squares((40, 40), CONFIDENCE, 0.0).labels == 5)[0]
    planes[0, y : y + SIZE - 2, x : x + SIZE] = 77
    refilter.move(0.42)
    assert 5 not in shown(planes)


def test_pieces_of_a_linked_object_go_together() -> None:
    result = squares((2, 40, 40), [0.9, 0.6])
    result.labels[result.labels == 2] = 1
    linked = replace(result, features=result.features.drop(index=1))
    planes = as_planes(linked.labels)
    refilter = Refilter(planes, detected_objects(linked, ["cell"]), 0.5)
    refilter.move(0.95)
    assert not planes.any()
    refilter.move(0.5)
    assert planes[0].any()
    assert planes[1].any()
