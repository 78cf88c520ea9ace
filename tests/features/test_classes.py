"""Distances to and contacts with classes, and contacts against chance."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.errors import OptionError
from napari_cellseg.events import Progress
from napari_cellseg.features.classes import classes, contact_enrichment, enriching
from napari_cellseg.features.measuring import measure
from napari_cellseg.features.neighbours import neighbours
from napari_cellseg.features.objects import Objects


def tiles(rows, columns, size=4):
    """Square cells that all touch, numbered line by line with gaps."""
    numbers = np.arange(1, rows * columns + 1).reshape(rows, columns) * 3
    return np.kron(numbers, np.ones((size, size))).astype(np.int32)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
def test_distances_and_contacts_are_those_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    labels = tiles(5, 6)
    labels[rng.random(labels.shape) < 0.3] = 0
    everyone = Objects.found_in(labels, spacing=(2.0, 0.5))
    names = rng.choice(np.array(["a", "b-c", None], object), len(everyone)).tolist()
    found = classes(everyone, everyone, names)
    centres = np.array([np.argwhere(labels == i).mean(axis=0) for i in everyone.ids]) * (2, 0.5)
    distance = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    for kind in {n for n in names if n is not None}:
        nearest = distance[:, [n == kind for n in names]].min(axis=1)
        nearest[np.isinf(nearest)] = np.nan
        assert found[f"nearest_distance_to-{kind}"] == pytest.approx(nearest, nan_ok=True)
    classified = sum(found[f"contacts_with-{k}"] for k in {n for n in names if n is not None})
    assert (classified <= neighbours(everyone)["neighbours_touching"]).all()


def test_contacts_of_a_board():
    labels = tiles(2, 3)
    everyone = Objects.found_in(labels)
    found = classes(everyone, everyone, ["x", "x", "y", "x", None, "y"])
    assert found["contacts_with-x"].tolist() == [2, 2, 1, 2, 3, 1]
    assert found["contacts_with-y"].tolist() == [0, 2, 1, 0, 2, 1]
    some = everyone.take(np.array([2, 4]))
    for name, values in classes(some, everyone, ["x", "x", "y", "x", None, "y"]).items():
        assert values.tolist() == found[name][[2, 4]].tolist()


def test_a_class_with_one_member_is_not_near_itself():
    everyone = Objects.found_in(tiles(1, 2))
    found = classes(everyone, everyone, ["x", "y"])
    assert np.isnan(found["nearest_distance_to-x"][0])
    assert found["nearest_distance_to-y"][0] == 4


def test_objects_without_classes_have_no_columns():
    everyone = Objects.found_in(tiles(1, 2))
    assert classes(everyone, everyone, [None, None]) == {}
    assert len(contact_enrichment(everyone, [None, None], shuffles=2)) == 0


def test_classes_apart_avoid_each_other():
    everyone = Objects.found_in(tiles(12, 12))
    names = ["left" if i % 12 < 6 else "right" for i in range(144)]
    table = contact_enrichment(everyone, names, shuffles=300).set_index(["class", "other"])
    assert table["contacts"].sum() == 11 * 12 * 2 + 11 * 11 * 2
    assert table.loc[("left", "right"), "contacts"] == 12 + 11 * 2
    assert table.loc[("left", "right"), "z_score"] < -5
    assert table.loc[("left", "left"), "z_score"] > 5
    assert table.loc[("left", "right"), "p"] == pytest.approx(2 / 301)


def test_expected_contacts_are_those_of_drawing_without_replacement():
    everyone = Objects.found_in(tiles(8, 9))
    names = ["a"] * 20 + ["b"] * 52
    table = contact_enrichment(everyone, names, shuffles=4000, seed=3).set_index(["class", "other"])
    pairs = table["contacts"].sum()
    assert table.loc[("a", "a"), "expected"] == pytest.approx(pairs * 20 * 19 / (72 * 71), rel=0.03)
    assert table.loc[("a", "b"), "expected"] == pytest.approx(pairs * 2 * 20 * 52 / (72 * 71), rel=0.03)


def test_p_is_even_where_there_is_nothing_to_find():
    everyone = Objects.found_in(tiles(7, 7))
    rng = np.random.default_rng(1)
    p = [
        contact_enrichment(everyone, rng.permutation(["a"] * 24 + ["b"] * 25).tolist(), shuffles=99)["p"][1]
        for _ in range(60)
    ]
    assert 0.0 <= np.mean(np.array(p) <= 0.1) <= 0.2


def test_the_same_seed_gives_the_same_table():
    everyone = Objects.found_in(tiles(6, 6))
    names = ["a", "b", None] * 12
    one, same = (contact_enrichment(everyone, names, shuffles=50, seed=9) for _ in range(2))
    assert one.equals(same)
    assert not one.equals(contact_enrichment(everyone, names, shuffles=50, seed=10))


def test_shuffling_can_be_followed_and_left():
    job = enriching(Objects.found_in(tiles(3, 3)), ["a", "b", "c"] * 3, shuffles=10)
    assert next(job) == Progress("Shuffling classes", 1, 10)
    job.close()


def test_one_class_for_each_object():
    everyone = Objects.found_in(tiles(2, 2))
    with pytest.raises(OptionError, match="4 objects"):
        contact_enrichment(everyone, ["a"])
    with pytest.raises(OptionError, match="at least one shuffle"):
        contact_enrichment(everyone, ["a"] * 4, shuffles=0)


def test_what_is_measured_again_sees_all_objects():
    labels = tiles(3, 4)
    known = pd.DataFrame({"index": np.unique(labels), "class": ["a", "b", "b"] * 4})
    every = measure(labels, table=known, features=["neighbours", "classes"], scale=0.5, unit="µm")
    some = measure(labels, table=known, features=["neighbours", "classes"], scale=0.5, only=[9, 30])
    assert some.equals(every[every["index"].isin([9, 30])].reset_index(drop=True))
    assert every.attrs["units"]["nearest_distance_to-a"] == "µm"
    assert every.columns[-4:].tolist() == [
        "nearest_distance_to-a",
        "contacts_with-a",
        "nearest_distance_to-b",
        "contacts_with-b",
    ]


def test_a_class_has_its_columns_in_planes_without_it():
    labels = np.stack([tiles(1, 3), tiles(1, 3)])
    known = pd.DataFrame({"index": [3, 6, 9] * 2, "t": [0, 0, 0, 1, 1, 1], "class": list("aabaaa")})
    found = measure(labels, axes="TYX", table=known, features="classes")
    assert found["contacts_with-b"].tolist() == [0, 1, 0, 0, 0, 0]
    assert found["contacts_with-b"].dtype == np.int64
    assert found["nearest_distance_to-b"].tolist()[3:] == pytest.approx([np.nan] * 3, nan_ok=True)


def test_classes_that_are_not_listed_are_refused():
    everyone = Objects.found_in(tiles(1, 2))
    with pytest.raises(OptionError, match="objects of"):
        classes(everyone, everyone, ["a", "b"], ["a"])
