"""Statuses and origins follow the edits of a person."""

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.labels.adding import add_region
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.merging import merge
from napari_cellseg.labels.removing import delete
from napari_cellseg.labels.resizing import grow
from napari_cellseg.labels.splitting import split_by_seeds
from napari_cellseg.review.status import (
    Status,
    cells_after_edit,
    cells_with_class,
    cells_with_status,
    model_origin,
)

ORIGIN = model_origin("nuclei", "2")


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.zeros((30, 40), np.int32)
    labels[5:15, 5:15], labels[5:15, 15:25], labels[20:26, 20:26] = 1, 2, 3
    return labels


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "index": [1, 2, 3, 4],
            "confidence": [0.9, 0.4, 0.8, 0.3],
            "class": ["cell", "cell", "debris", "cell"],
            "status": ["predicted", "accepted", "added", "filtered"],
            "origin": [ORIGIN, ORIGIN, "person", ORIGIN],
        }
    )


def test_deleted_objects_lose_status_and_origin(labels: np.ndarray, rows: pd.DataFrame) -> None:
    cells = cells_after_edit(delete(labels, ObjectIndex.build(labels), [2]), rows)
    assert cells == {2: {"status": "", "origin": ""}}


def test_merging_makes_the_kept_object_edited(labels: np.ndarray, rows: pd.DataFrame) -> None:
    cells = cells_after_edit(merge(labels, ObjectIndex.build(labels), [1, 2]), rows)
    assert cells[1] == {"status": "edited"}
    assert cells[2]["status"] == ""


def test_an_accepted_object_that_changes_is_edited_an_added_one_stays_added(
    labels: np.ndarray, rows: pd.DataFrame
) -> None:
    cells = cells_after_edit(grow(labels, ObjectIndex.build(labels), [2, 3], 1), rows)
    assert cells == {2: {"status": "edited"}, 3: {"status": "added"}}


def test_pieces_of_a_split_inherit(labels: np.ndarray, rows: pd.DataFrame) -> None:
    index = ObjectIndex.build(labels)
    cells = cells_after_edit(split_by_seeds(labels, index, 2, np.array([[10, 17], [10, 23]])), rows)
    assert cells[2] == {"status": "edited"}
    assert cells[4] == {"status": "edited", "class": "cell", "origin": ORIGIN, "confidence": 0.4}
    cells = cells_after_edit(split_by_seeds(labels, index, 3, np.array([[22, 22], [22, 25]])), rows)
    assert [c["status"] for c in cells.values()] == ["added", "added"]


def test_drawn_and_promoted_objects_are_added(labels: np.ndarray, rows: pd.DataFrame) -> None:
    edit = add_region(labels, ObjectIndex.build(labels), np.ones((3, 3), bool), (0, 30))
    (drawn,) = edit.added
    cells = cells_after_edit(edit, rows.iloc[:3], new_class="cell")
    assert cells[drawn].items() >= {"status": "added", "origin": "person", "class": "cell"}.items()
    assert np.isnan(cells[drawn]["confidence"])
    assert cells_after_edit(edit, rows) == {4: {"status": "added", "origin": ORIGIN}}


def test_the_place_of_a_new_object_is_its_first_plane() -> None:
    stack = np.zeros((3, 8, 8), np.uint8)
    index = ObjectIndex.build(stack)
    edit = add_region(stack, index, np.ones((2, 3, 3), bool), (1, 2, 2))
    table = pd.DataFrame({"index": [0], "status": [""], "z": [0.0]})
    assert cells_after_edit(edit, table, outer=("z",))[1]["z"] == 1


def test_an_edit_of_nothing_changes_no_row(labels: np.ndarray, rows: pd.DataFrame) -> None:
    edit = delete(labels, ObjectIndex.build(labels), [])
    assert isinstance(edit, Edit)
    assert cells_after_edit(edit, rows) == {}


def test_only_objects_that_are_there_get_a_status_or_a_class(rows: pd.DataFrame) -> None:
    accepted = cells_with_status(rows, Status.ACCEPTED)
    assert accepted == {1: {"status": "accepted"}, 3: {"status": "accepted"}}
    named = cells_with_class(rows, "debris")
    assert named == {1: {"class": "debris", "status": "edited"}, 2: {"class": "debris"}}
