"""Instances of successive planes become 3-D objects."""

import numpy as np

from napari_cellseg.instances.instance import Instances
from napari_cellseg.instances.linking import PlaneLinker, match_planes


def squares(*boxes: tuple[int, int, int, int]) -> Instances:
    n = len(boxes)
    masks = tuple(np.ones((d - b, e - c), bool) for b, c, d, e in boxes)
    return Instances(
        np.array(boxes, np.int32).reshape(n, 4), np.ones(n, np.float32), np.zeros(n, np.int16), masks
    )


def test_the_best_overlap_is_taken_first_and_each_instance_once():
    above = squares((0, 0, 10, 10), (0, 10, 10, 20))
    below = squares((0, 4, 10, 14), (0, 9, 10, 20))
    assert match_planes(above, below) == [(1, 1), (0, 0)]


def test_too_little_overlap_is_no_match():
    assert match_planes(squares((0, 0, 10, 10)), squares((0, 7, 10, 17))) == []
    assert match_planes(squares((0, 0, 10, 10)), Instances.empty()) == []


def test_numbers_follow_objects_through_planes_and_not_into_the_next_stack():
    linker = PlaneLinker()
    assert linker.add(squares((0, 0, 10, 10), (20, 0, 30, 10))).tolist() == [0, 1]
    assert linker.add(squares((21, 0, 31, 10), (50, 0, 60, 10))).tolist() == [1, 2]
    assert linker.add(squares((0, 0, 10, 10), (50, 1, 60, 11))).tolist() == [3, 2]
    linker.restart()
    assert linker.add(squares((50, 1, 60, 11))).tolist() == [4]
