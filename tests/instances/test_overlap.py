"""Pairs of instances that share pixels, as a plain loop finds them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.instances.instance import Instances
from napari_cellseg.instances.overlap import overlap_ious, overlapping_pairs


def random_instances(seed: int, count: int, size: int = 30) -> Instances:
    rng = np.random.default_rng(seed)
    low = rng.integers(0, size, (count, 2))
    boxes = np.concatenate([low, low + rng.integers(1, 12, (count, 2))], axis=1).astype(np.int32)
    masks = tuple(rng.random((d - b, c - a)).T > 0.4 for a, b, c, d in boxes)
    return Instances(boxes, rng.random(count).astype(np.float32), np.zeros(count, np.int16), masks)


def drawn(instances: Instances, i: int) -> np.ndarray:
    canvas = np.zeros((60, 60), np.bool_)
    y0, x0, y1, x1 = instances.boxes[i]
    canvas[y0:y1, x0:x1] = instances.masks[i]
    return canvas


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 12), st.integers(0, 12))
def test_pairs_and_ious_equal_those_of_whole_images(seed, n, m):
    a, b = random_instances(seed, n), random_instances(seed + 1, m)
    expected = {}
    for i in range(n):
        for j in range(m):
            shared = np.count_nonzero(drawn(a, i) & drawn(b, j))
            if shared:
                expected[i, j] = shared, shared / np.count_nonzero(drawn(a, i) | drawn(b, j))
    found = {(i, j): shared for i, j, shared in overlapping_pairs(a, b).tolist()}
    assert found == {pair: shared for pair, (shared, _) in expected.items()}
    pairs, ious = overlap_ious(a, b)
    np.testing.assert_allclose(ious, [expected[i, j][1] for i, j in pairs.tolist()])


def test_more_pairs_than_expected_are_all_found():
    boxes = np.tile(np.array([[0, 0, 2, 2]], np.int32), (40, 1))
    pile = Instances(boxes, np.ones(40, np.float32), np.zeros(40, np.int16), (np.ones((2, 2), bool),) * 40)
    assert len(overlapping_pairs(pile, pile)) == 1600
