"""A comparison in one line."""

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.statistics.group_summary import effect_words, group_sizes, result_line, sizes_words
from napari_cellseg.statistics.groups import compare_groups


def cells(groups: str = "ab", shift: float = 2.0) -> pd.DataFrame:
    """Thirty cells in three wells of each group; a group's size is `shift` above the one before."""
    rng = np.random.default_rng(2)
    n = 30
    parts = [
        pd.DataFrame(
            {
                "group": name,
                "well": [f"{name}{k % 3}" for k in range(n)],
                "size": rng.normal(shift * i, 1, n),
                "noise": rng.normal(0, 1, n),
            }
        )
        for i, name in enumerate(groups)
    ]
    return pd.concat(parts, ignore_index=True)


def test_what_differs_and_on_what_it_rests() -> None:
    found = compare_groups(cells(), "group", replicates="well")
    line = result_line(found)
    assert line.startswith("b against a: 1 of 2 features differs (corrected p < 0.05), most clearly size (")
    assert line.endswith("; n = 3 and 3 replicates, 60 cells.")
    assert "; 60 cells taken as independent." in result_line(compare_groups(cells(), "group"))


def test_no_difference_is_not_called_equality() -> None:
    found = compare_groups(cells(shift=0), "group", correction="none")
    assert "no difference was shown in 2 features (p < 0.05)" in result_line(found)


def test_three_groups_and_one_feature() -> None:
    line = result_line(compare_groups(cells("abc"), "group", features=["size"]))
    assert line.startswith("a, b and c: size (eta squared 0.7")
    assert "differs; 90 cells" in line


def test_nothing_to_test() -> None:
    table = cells().groupby("group", as_index=False).first()
    line = result_line(compare_groups(table, "group", features=["size"]))
    assert "no feature could be tested (" in line


def test_sizes_in_words() -> None:
    table = cells()
    sizes = group_sizes(table, ["a", "b"], "group", "well")
    assert sizes == {"a": (3, 30), "b": (3, 30)}
    assert sizes_words(sizes) == "a: 3 replicates, 30 cells; b: 3 replicates, 30 cells"
    assert sizes_words({"a": (0, 1)}) == "a: 1 cell"


def test_effects_in_a_few_words() -> None:
    row = {"effect": "Hedges' g", "effect_value": -1.234, "effect_low": np.nan, "effect_high": np.nan}
    assert effect_words(row) == "g −1.23"
    assert effect_words(row | {"effect_low": -2, "effect_high": 0.5}) == "g −1.23 [−2, 0.5]"
    assert effect_words(row, digits=2) == "g −1.2"
    assert effect_words(row | {"effect_value": np.nan}) == ""


@pytest.mark.parametrize("replicates", [None, "well"])
def test_every_row_of_a_comparison_has_words(replicates: str | None) -> None:
    found = compare_groups(cells("abc"), "group", replicates=replicates)
    assert all(effect_words(row) for row in found.table.to_dict("records"))
