"""Doubt rises with what is odd, and says why."""

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.review.doubt import doubt
from napari_cellseg.review.seams import on_seams, tile_seams
from napari_cellseg.review.shapes import measure_shapes


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "index": np.arange(1, 21),
            "confidence": np.full(20, 0.9),
            "disagreement": np.zeros(20),
            "area": rng.normal(100, 10, 20).round(),
            "roundness": rng.normal(0.9, 0.02, 20),
            "contact": np.zeros(20),
            "seam": np.zeros(20, bool),
        }
    )


def test_usual_objects_are_doubted_as_little_as_their_confidence_says(table: pd.DataFrame) -> None:
    found = doubt(table)
    assert found["doubt"].to_numpy() == pytest.approx(0.1)
    assert found["index"].tolist() == table["index"].tolist()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("confidence", 0.31, "confidence 0.31"),
        ("disagreement", 0.55, "the networks disagree (0.55)"),
        ("area", 310.0, "3.1 times the usual size"),
        ("area", 20.0, "only 20 % of the usual size"),
        ("roundness", 0.5, "odd outline (roundness 0.50, usually 0.9"),
        ("contact", 0.4, "touches others along 40 % of its outline"),
        ("seam", True, "where two tiles of the segmentation met"),
    ],
)
def test_each_ground_raises_doubt_and_is_said(
    table: pd.DataFrame, column: str, value: float, words: str
) -> None:
    table["area"] = np.where(np.arange(20) % 2, 101.0, 99.0)
    table[column] = [value, *table[column][1:]]
    found = doubt(table)
    assert found["doubt"].idxmax() == 0
    assert found["doubt"].between(0, 1).all()
    assert words in found["reason"][0]


def test_the_strongest_reason_comes_first(table: pd.DataFrame) -> None:
    table.loc[0, ["confidence", "contact"]] = 0.85, 1.0
    assert doubt(table)["reason"][0].startswith("touches others along 100 %")
    table.loc[0, "confidence"] = 0.2
    assert doubt(table)["reason"][0].startswith("confidence 0.20; touches")


def test_unknown_values_and_missing_columns_cast_no_doubt(table: pd.DataFrame) -> None:
    assert (doubt(table[["index"]])["doubt"] == 0).all()
    table["confidence"] = np.nan
    assert (doubt(table)["doubt"] == 0).all()
    assert doubt(table.iloc[:0]).empty


def test_two_objects_are_not_odd_to_each_other() -> None:
    found = doubt(pd.DataFrame({"index": [1, 2], "area": [5, 5000]}))
    assert (found["doubt"] == 0).all()
    assert (found["reason"] == "").all()


def test_shapes_of_known_objects() -> None:
    labels = np.zeros((60, 60), np.uint16)
    y, x = np.ogrid[:60, :60]
    labels[(y - 20) ** 2 + (x - 20) ** 2 <= 12**2] = 5
    labels[50:52, 0:40] = 7
    labels[40:44, 50:54], labels[40:44, 54:58] = 8, 9
    shapes = measure_shapes(labels, ObjectIndex.build(labels)).set_index("index")
    assert shapes.loc[5, "area"] == np.count_nonzero(labels == 5)
    assert shapes.loc[5, "roundness"] == pytest.approx(0.9, abs=0.05)
    assert shapes.loc[7, "roundness"] < 0.3
    assert shapes["border"].to_dict() == {5: False, 7: True, 8: False, 9: False}
    assert shapes.loc[8, "contact"] == shapes.loc[9, "contact"] == 0.25
    assert shapes.loc[5, "contact"] == 0
    some = measure_shapes(labels, ObjectIndex.build(labels), [7])
    assert some["index"].tolist() == [7]


def test_shapes_in_a_stack_are_those_in_its_planes() -> None:
    plane = np.zeros((20, 20), np.int32)
    plane[4:12, 4:12] = 1
    flat = measure_shapes(plane, ObjectIndex.build(plane)).iloc[0]
    stack = np.stack([plane] * 3)
    deep = measure_shapes(stack, ObjectIndex.build(stack)).iloc[0]
    assert deep["area"] == 3 * flat["area"]
    assert deep["roundness"] == pytest.approx(flat["roundness"])


def test_objects_on_seams() -> None:
    assert len(tile_seams(400, 512, 64)) == 0
    assert tile_seams(100, 60, 20).tolist() == [50]
    assert tile_seams(200, 60, 20, 0.5).tolist() == [100]
    low, high = np.array([[10, 10], [45, 10], [10, 45]]), np.array([[20, 20], [55, 20], [20, 49]])
    resolved = {"tile": [60, 60], "overlap": 20, "scale": 1.0}
    assert on_seams(low, high, (100, 100), resolved).tolist() == [False, True, False]
