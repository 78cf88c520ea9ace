"""Boxes and prototype masks: suppression without a limit, masks at full resolution, covered objects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cellseg.instances.instance import Instances
from napari_cellseg.instances.prototypes import (
    Detections,
    PrototypeDecoding,
    decode_masks,
    decode_prototypes,
    drop_covered,
    suppress_boxes,
)

SHAPE = (64, 96)


def detections(boxes, scores, classes=None, coefficients=None):
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.array(scores, np.float32),
        np.zeros(n, np.int16) if classes is None else np.array(classes, np.int16),
        np.eye(n, dtype=np.float32) if coefficients is None else np.array(coefficients, np.float32),
    )


def box_iou(a, b):
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0, height) * max(0, width)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 20), st.integers(0, 20), st.integers(1, 15), st.integers(1, 15), st.integers(0, 1)
        ),
        max_size=15,
    ),
    st.sampled_from([0.3, 0.5, 0.7]),
)
def test_suppression_keeps_the_best_of_what_overlaps(drawn, iou):
    boxes = [(y, x, y + h, x + w) for y, x, h, w, _ in drawn]
    scores = np.linspace(0.9, 0.1, len(drawn))
    kept = suppress_boxes(detections(boxes, scores, [d[4] for d in drawn]), iou)
    expected = []
    for i, box in enumerate(boxes):
        if all(drawn[i][4] != drawn[j][4] or box_iou(boxes[j], box) <= iou for j in expected):
            expected.append(i)
    assert kept.boxes.tolist() == [list(boxes[i]) for i in expected]


def test_no_limit_to_the_number_of_objects():
    y, x = np.mgrid[0:50, 0:50] * 10
    boxes = np.stack([y, x, y + 8, x + 8], axis=-1).reshape(-1, 4)
    assert (
        len(suppress_boxes(detections(boxes, np.full(2500, 0.5), coefficients=np.zeros((2500, 1))), 0.7))
        == 2500
    )


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_masks_are_the_interpolated_sum_cut_at_the_box(factor):
    rng = np.random.default_rng(0)
    rows, columns = SHAPE[0] // factor, SHAPE[1] // factor
    prototypes = ndimage.gaussian_filter(rng.normal(size=(3, rows, columns)), (0, 2, 2)).astype(np.float32)
    coefficients = rng.normal(size=(4, 3)).astype(np.float32)
    boxes = [(3.2, 4.9, 40.1, 60.0), (-5, -3, 20, 20.5), (30, 80, 70, 99), (10, 10, 10.2, 10.3)]
    found = decode_masks(
        detections(boxes, [0.9, 0.8, 0.7, 0.6], coefficients=coefficients), prototypes, SHAPE
    )
    y = (np.arange(SHAPE[0]) + 0.5) / factor - 0.5
    x = (np.arange(SHAPE[1]) + 0.5) / factor - 0.5
    for i, (y0, x0, y1, x1) in enumerate(boxes):
        logits = np.tensordot(coefficients[i], prototypes, 1)
        full = ndimage.map_coordinates(logits, np.meshgrid(y, x, indexing="ij"), order=1, mode="nearest")
        rows_in, columns_in = np.arange(SHAPE[0]), np.arange(SHAPE[1])
        inside = ((rows_in >= y0) & (rows_in < y1))[:, None] & ((columns_in >= x0) & (columns_in < x1))
        expected = (full > 0) & inside
        mask = np.zeros(SHAPE, bool)
        top, left, bottom, right = found.boxes[i]
        mask[top:bottom, left:right] = found.masks[i]
        different = mask != expected
        assert (np.abs(full[different]) < 1e-5).all()
        assert mask.sum() == found.areas[i]


def disc_prototypes(discs):
    """A prototype per disc (y, x, radius), positive inside, at a quarter of the resolution."""
    y, x = np.mgrid[0 : SHAPE[0] // 4, 0 : SHAPE[1] // 4] * 4 + 1.5
    return np.stack([r - np.hypot(y - a, x - b) for a, b, r in discs]).astype(np.float32)


def test_an_expanded_box_gives_the_whole_object_without_its_neighbour():
    prototypes = disc_prototypes([(30, 40, 12), (30, 68, 12)])
    tight = [(20, 30, 40, 50)]
    coefficients = [[1.0, 0.0]]
    exact = decode_masks(detections(tight, [0.9], coefficients=coefficients), prototypes, SHAPE)
    whole = decode_masks(detections(tight, [0.9], coefficients=coefficients), prototypes, SHAPE, 0.25)
    assert exact.areas[0] < 0.9 * np.pi * 144 < whole.areas[0] * 1.03
    both = np.max(prototypes, axis=0)[None]
    wide = decode_masks(detections([(18, 28, 42, 56)], [0.9], coefficients=[[1.0]]), both, SHAPE, 0.2)
    assert wide.boxes[0, 3] <= 54
    assert wide.areas[0] == pytest.approx(np.pi * 144, rel=0.05)


def test_covered_objects_go_and_overlapping_ones_stay():
    def square(y, x, edge, score):
        return Instances(
            np.array([[y, x, y + edge, x + edge]], np.int32),
            np.array([score], np.float32),
            np.zeros(1, np.int16),
            (np.ones((edge, edge), bool),),
        )

    found = Instances.concatenate([square(0, 0, 10, 0.5), square(0, 4, 10, 0.6), square(2, 2, 4, 0.4)])
    kept = drop_covered(found, SHAPE, 0.5)
    assert kept.scores.tolist() == pytest.approx([0.6, 0.4])
    assert drop_covered(found, SHAPE, 0.6).scores.tolist() == pytest.approx([0.6, 0.5])


def test_decoding_as_a_whole_drops_specks_and_empty_masks():
    prototypes = disc_prototypes([(30, 40, 12), (10, 80, 1)])
    boxes = [(18, 28, 42, 52), (18, 28, 42, 53), (9, 79, 11, 81), (0, 0, 5, 5)]
    coefficients = [[1, 0], [1, 0], [0, 1], [1, 0]]
    found = decode_prototypes(
        detections(boxes, [0.9, 0.8, 0.7, 0.6], coefficients=coefficients),
        prototypes,
        SHAPE,
        PrototypeDecoding(min_area=10),
    )
    assert found.scores.tolist() == pytest.approx([0.9])


def test_nothing_found_is_no_error():
    empty = detections(np.zeros((0, 4)), [], coefficients=np.zeros((0, 3)))
    assert len(decode_prototypes(empty, np.zeros((3, 4, 4), np.float32), SHAPE, PrototypeDecoding())) == 0
