"""Which images of a dataset are listed, in which order, and what is said of them."""

from hypothesis import given
from hypothesis import strategies as st

from napari_cellseg.viewer.dataset_rows import DatasetRow, Order, Reviewed, RowFilter, listed, summary

ROWS = [
    DatasetRow("well 10", "train", "plate A", (20, 30), 8, 8, {"cell": 8}, {"edited": 8}, updated="2026-02"),
    DatasetRow("well 2", "val", "plate A", (20, 30), 4, 1, {"cell": 3, "debris": 1}, updated="2026-03"),
    DatasetRow("Übersicht", "train", "", (20, 30), 5, 0, {"debris": 5}, updated="2026-01"),
    DatasetRow("blank", "test", "plate B", (20, 30), updated="2026-01"),
]


def names(chosen: RowFilter, order: Order = Order.NAME) -> list[str]:
    return [row.name for row in listed(ROWS, chosen, order)]


def test_how_far_an_image_was_reviewed() -> None:
    assert [row.state for row in ROWS] == [Reviewed.ALL, Reviewed.PART, Reviewed.NONE, Reviewed.EMPTY]
    assert [row.line for row in ROWS] == ["● 8 · train", "◐ 3 left · val", "○ 0/5 · train", "– empty · test"]
    assert "partly reviewed: 1 of 4" in ROWS[1].words
    assert "3 cell, 1 debris" in ROWS[1].words


def test_filters() -> None:
    assert names(RowFilter(text="PLATE well")) == ["well 2", "well 10"]
    assert names(RowFilter(text="übersicht")) == ["Übersicht"]
    assert names(RowFilter(split="train")) == ["well 10", "Übersicht"]
    assert names(RowFilter(class_name="debris")) == ["well 2", "Übersicht"]
    assert names(RowFilter(state=Reviewed.EMPTY)) == ["blank"]
    assert names(RowFilter(text="plate", split="val", state=Reviewed.ALL)) == []


def test_orders() -> None:
    assert names(RowFilter()) == ["blank", "well 2", "well 10", "Übersicht"]
    assert names(RowFilter(), Order.LEFT)[:2] == ["Übersicht", "well 2"]
    assert names(RowFilter(), Order.OBJECTS) == ["well 10", "Übersicht", "well 2", "blank"]
    assert names(RowFilter(), Order.UPDATED)[:2] == ["well 2", "well 10"]


def test_a_dataset_in_a_line() -> None:
    assert summary([]).startswith("No images yet")
    assert summary(ROWS) == "4 images, 17 objects, 9 reviewed; train 2, val 1, test 1."
    assert summary(ROWS[:1]) == "1 image, 8 objects, 8 reviewed; train 1, val 0, test 0."


@given(st.lists(st.text(max_size=6), unique=True, max_size=20))
def test_every_name_can_be_sorted_and_none_is_lost(found: list[str]) -> None:
    rows = [DatasetRow(name, "train") for name in found]
    assert sorted(row.name for row in listed(rows, RowFilter())) == sorted(found)
