"""Pieces that tiles saw become objects, once and whole."""

import numpy as np

from napari_cellseg.instances.instance import Instances
from napari_cellseg.instances.merging import TileMerger, clip_instances, unite_instances


def rectangle(y0: int, x0: int, y1: int, x1: int, score: float = 0.9) -> Instances:
    mask = np.ones((y1 - y0, x1 - x0), bool)
    return Instances(
        np.array([[y0, x0, y1, x1]], np.int32), np.array([score], np.float32), np.zeros(1, np.int16), (mask,)
    )


def test_the_whole_piece_stands_for_the_cut_one():
    merger = TileMerger((100, 180))
    merger.add(rectangle(10, 60, 30, 100, 0.95), slice(0, 100), slice(0, 100))
    merger.add(rectangle(10, 60, 30, 120, 0.80), slice(0, 100), slice(50, 180))
    found = merger.finish()
    assert found.boxes.tolist() == [[10, 60, 30, 120]]
    assert found.scores.tolist() == [np.float32(0.80)]


def test_pieces_that_are_all_cut_are_united():
    merger = TileMerger((100, 260))
    merger.add(rectangle(10, 20, 30, 100), slice(0, 100), slice(0, 100))
    merger.add(rectangle(10, 80, 30, 180), slice(0, 100), slice(80, 180))
    merger.add(rectangle(10, 160, 30, 240), slice(0, 100), slice(160, 260))
    found = merger.finish()
    assert found.boxes.tolist() == [[10, 20, 30, 240]]
    assert found.areas.tolist() == [20 * 220]


def test_neighbours_that_only_touch_stay_apart():
    merger = TileMerger((100, 180))
    for tile in (slice(0, 100), slice(50, 180)):
        merger.add(rectangle(10, 60, 30, 75), slice(0, 100), tile)
        merger.add(rectangle(10, 75, 30, 90), slice(0, 100), tile)
    assert sorted(merger.finish().boxes[:, 1].tolist()) == [60, 75]


def test_objects_come_out_when_no_later_row_can_touch_them():
    merger = TileMerger((200, 100))
    merger.add(rectangle(10, 10, 30, 30), slice(0, 100), slice(0, 100))
    merger.add(rectangle(80, 10, 100, 30), slice(0, 100), slice(0, 100))
    assert merger.finish(next_row=70).boxes.tolist() == [[10, 10, 30, 30]]
    merger.add(rectangle(80, 10, 130, 30), slice(70, 200), slice(0, 100))
    assert merger.finish().boxes.tolist() == [[80, 10, 130, 30]]
    assert len(merger.finish()) == 0


def test_parts_beyond_the_plane_are_cut_off():
    clipped = clip_instances(
        Instances.concatenate([rectangle(-5, 2, 5, 8), rectangle(20, 20, 30, 30)]), (0, 0, 10, 10)
    )
    assert clipped.boxes.tolist() == [[0, 2, 5, 8]]
    assert clipped.masks[0].shape == (5, 6)


def test_a_union_has_the_mean_score_by_area():
    pieces = [rectangle(0, 0, 10, 30, 0.9), rectangle(0, 20, 10, 30, 0.5)]
    both = unite_instances(Instances.concatenate(pieces))
    assert both.boxes.tolist() == [[0, 0, 10, 30]]
    np.testing.assert_allclose(both.scores, [0.8], rtol=1e-6)
