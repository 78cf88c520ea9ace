"""What the rules find is there, and the edit that they name puts it right."""

import numpy as np
import pytest

from napari_cellseg.errors import OptionError
from napari_cellseg.events import drain
from napari_cellseg.labels.edit import apply_edit
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.removing import delete
from napari_cellseg.review.quality import check_labels, checking


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.zeros((80, 80), np.int32)
    for label, (y, x) in enumerate([(5, 5), (5, 25), (5, 45), (30, 5), (30, 25), (55, 5)], 1):
        labels[y : y + 12, x : x + 12] = label
    return labels


def found(labels: np.ndarray) -> list[tuple[str, tuple[int, ...], str]]:
    return [(f.rule, f.objects, f.fix) for f in check_labels(labels, ObjectIndex.build(labels))]


def put_right(labels: np.ndarray) -> np.ndarray:
    index = ObjectIndex.build(labels)
    (finding,) = check_labels(labels, index)
    apply_edit(labels, finding.edit(labels, index))
    assert found(labels) == []
    return labels


def test_good_labels_have_no_findings(labels: np.ndarray) -> None:
    assert found(labels) == []
    assert found(np.zeros_like(labels)) == []


def test_a_hole_is_filled(labels: np.ndarray) -> None:
    labels[8:10, 8:11] = 0
    assert found(labels) == [("holes", (1,), "fill holes")]
    (finding,) = check_labels(labels, ObjectIndex.build(labels))
    assert finding.words == "Object 1 has a hole of 6 pixels."
    assert np.count_nonzero(put_right(labels) == 1) == 144


def test_an_object_may_be_deleted_in_the_meantime(labels: np.ndarray) -> None:
    labels[8:10, 8:11] = 0
    index = ObjectIndex.build(labels)
    job = checking(labels, index)
    next(job)
    edit = delete(labels, index, [2])
    apply_edit(labels, edit)
    index.update(edit)
    assert [f.objects for f in drain(job)] == [(1,)]


def test_a_gap_by_the_border_of_the_image_is_no_hole(labels: np.ndarray) -> None:
    labels[0:5, 5:17] = 1
    labels[0, 8:10] = 0
    assert {f[0] for f in found(labels)} == {"border"}


def test_a_crumb_is_dropped_and_a_large_piece_becomes_an_object(labels: np.ndarray) -> None:
    labels[70, 70] = 2
    assert found(labels) == [("fragments", (2,), "keep largest piece")]
    assert put_right(labels)[70, 70] == 0
    labels[60:70, 60:70] = 2
    assert found(labels) == [("fragments", (2,), "separate pieces")]
    assert put_right(labels)[65, 65] == 7
    assert labels[6, 26] == 2


def test_pieces_that_touch_by_a_corner_are_one(labels: np.ndarray) -> None:
    labels[17:20, 17:20] = 1
    assert found(labels) == []


def test_a_speck_is_deleted(labels: np.ndarray) -> None:
    labels[70:72, 70:72] = 9
    assert found(labels) == [("specks", (9,), "delete")]
    assert 9 not in put_right(labels)


def test_an_object_inside_another_is_merged(labels: np.ndarray) -> None:
    labels[8:14, 8:14] = 9
    assert found(labels) == [("duplicates", (9, 1), "merge")]
    assert np.count_nonzero(put_right(labels) == 1) == 144


def test_an_object_between_two_others_is_no_duplicate(labels: np.ndarray) -> None:
    labels[5:17, 17:25] = 9
    assert found(labels) == []


def test_an_object_cut_by_the_border_is_deleted(labels: np.ndarray) -> None:
    labels[55:67, 0:5] = 6
    assert found(labels) == [("border", (6,), "delete")]
    assert 6 not in put_right(labels)


def test_a_hole_in_one_plane_of_a_stack_names_the_plane(labels: np.ndarray) -> None:
    stack = np.stack([labels, labels, labels])
    stack[1, 8:10, 8:10] = 0
    (finding,) = check_labels(stack, ObjectIndex.build(stack), ["holes"])
    assert finding.plane == (1,)
    put_right(stack)
    np.testing.assert_array_equal(stack[1], labels)


def test_one_object_with_two_ids_in_neighbouring_planes_is_merged(labels: np.ndarray) -> None:
    stack = np.stack([labels, labels])
    stack[1][labels == 3] = 9
    assert found(stack) == [("duplicates", (3, 9), "merge")]
    np.testing.assert_array_equal(put_right(stack)[1], labels)


def test_planes_with_ids_of_their_own_have_no_duplicates(labels: np.ndarray) -> None:
    assert found(np.stack([labels, np.where(labels > 0, labels + 10, 0)])) == []


def test_only_the_rules_asked_for(labels: np.ndarray) -> None:
    labels[8, 8], labels[70, 70] = 0, 2
    index = ObjectIndex.build(labels)
    assert [f.rule for f in check_labels(labels, index, ["holes"])] == ["holes"]
    assert [f.rule for f in check_labels(labels, index)] == ["holes", "fragments"]
    with pytest.raises(OptionError, match="must be one of"):
        check_labels(labels, index, ["wrong"])
