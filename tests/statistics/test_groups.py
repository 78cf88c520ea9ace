"""Groups of cells compared, with and without replicates."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from napari_cellseg.errors import OptionError
from napari_cellseg.statistics.effects import cliffs_delta, cohens_d
from napari_cellseg.statistics.group_design import Settings, make_design
from napari_cellseg.statistics.groups import compare_groups, comparing_groups
from napari_cellseg.statistics.replicates import clustered_intervals, group_values


def cells(
    effect: float = 1.0, wells: int = 6, per_well: int = 40, groups: tuple[str, ...] = ("control", "drug")
) -> pd.DataFrame:
    """Cells in wells that differ more among each other than their cells do."""
    rng = np.random.default_rng(7)
    parts = []
    for k, group in enumerate(groups):
        for w in range(wells):
            area = 100 + rng.normal(0, 5) + effect * 5 * k + rng.normal(0, 4, per_well)
            parts.append(pd.DataFrame({"condition": group, "well": f"{group[0]}{w}", "area": area}))
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "index", np.arange(1, len(table) + 1))
    table["eccentricity"] = rng.beta(2, 5, len(table))
    table["touches_border"] = rng.random(len(table)) < 0.2
    table["centroid-0"] = rng.uniform(0, 100, len(table))
    table["orientation"] = rng.uniform(-1.5, 1.5, len(table))
    table.attrs["units"] = {"area": "µm²", "orientation": "rad"}
    return table


def test_cells_taken_as_independent_are_named_so() -> None:
    table = cells()
    found = compare_groups(table, "condition")
    assert found.table["feature"].tolist() == ["area", "eccentricity", "touches_border"]
    row = found.table.iloc[0]
    a, b = (table["area"][table["condition"] == g] for g in ("control", "drug"))
    expected = stats.ttest_ind(b, a, equal_var=False)
    assert (row["test"], row["level"], row["unit"]) == ("Welch's t", "cells", "µm²")
    assert (row["statistic"], row["p"]) == pytest.approx((expected.statistic, expected.pvalue))
    interval = expected.confidence_interval()
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((interval.low, interval.high))
    assert row["cells_cohens_d"] == pytest.approx(cohens_d(a, b).value)
    assert row["cells_cliffs_delta"] == cliffs_delta(a, b).value
    assert np.isnan(row["replicates_cohens_d"])
    assert (row["n_cells"], row["n_replicates"]) == (480, 0)
    assert "Cells were taken as independent" in found.warnings[0]
    assert "not given" in found.warnings[0]
    assert found.warnings[0] in found.text


def test_tests_run_over_replicates() -> None:
    table = cells()
    found = compare_groups(table, "condition", replicates="well")
    assert not any("independent replicates (" in words for words in found.warnings)
    row = found.table.iloc[0]
    means = table.groupby(["condition", "well"])["area"].mean()
    expected = stats.ttest_ind(means["drug"], means["control"], equal_var=False)
    assert row["level"] == "replicates"
    assert (row["n_first"], row["n_replicates"], row["n_cells"]) == (6, 12, 480)
    assert (row["statistic"], row["p"]) == pytest.approx((expected.statistic, expected.pvalue))
    assert row["p"] > 100 * compare_groups(table, "condition").table["p"][0]
    assert row["replicates_cohens_d"] == pytest.approx(cohens_d(means["control"], means["drug"]).value)
    assert row["effect_value"] == row["replicates_hedges_g"]
    assert row["cells_cohens_d_low"] < row["cells_cohens_d"] < row["cells_cohens_d_high"]
    assert row["cells_cliffs_delta_low"] < row["cells_cliffs_delta"] < row["cells_cliffs_delta_high"]
    assert "n = 6 replicates" in row["words"]
    assert "among cells" in row["words"]
    by_median = compare_groups(table, "condition", replicates="well", average="median").table.iloc[0]
    medians = table.groupby(["condition", "well"])["area"].median()
    assert by_median["mean_first"] == pytest.approx(medians["control"].mean())


def test_few_replicates_are_said_to_be_few() -> None:
    table = cells(wells=2)
    found = compare_groups(table, "condition", replicates="well")
    assert any("few independent replicates (control: 2, drug: 2)" in words for words in found.warnings)
    assert np.isnan(found.table["cells_cohens_d_low"][0])
    one = compare_groups(cells(wells=1), "condition", replicates="well").table
    assert one["p"].isna().all()
    assert one["words"].str.contains("No test: a test needs at least two values").all()


def test_three_groups_have_one_test_of_all_and_one_per_pair() -> None:
    table = cells(groups=("control", "drug", "other"))
    found = compare_groups(table, "condition", replicates="well", features=["area", "eccentricity"])
    assert len(found.overall) == 2
    assert found.pairs["groups"].tolist()[:3] == ["control, drug", "control, other", "drug, other"]
    means = table.groupby(["condition", "well"])["area"].mean()
    expected = stats.f_oneway(*(means[g] for g in ("control", "drug", "other")))
    assert found.overall["p"][0] == pytest.approx(expected.pvalue)
    for rows in (found.overall, found.pairs):
        assert rows["p_corrected"].to_numpy() == pytest.approx(stats.false_discovery_control(rows["p"]))
    holm = compare_groups(table, "condition", replicates="well", correction="holm").pairs
    assert (holm["p_corrected"] >= holm["p"]).all()
    against = compare_groups(table, "condition", control="drug").pairs
    assert set(against["first"]) == {"drug"}
    assert set(against["second"]) == {"control", "other"}


def test_same_replicates_in_both_groups_can_be_paired() -> None:
    table = cells()
    table["day"] = table["well"].str[1:]
    unpaired = compare_groups(table, "condition", replicates="day")
    assert any("more than one group" in words for words in unpaired.warnings)
    table = table[~((table["condition"] == "drug") & (table["day"] == "3"))]
    row = compare_groups(table, "condition", replicates="day", paired=True).table.iloc[0]
    means = table.groupby(["condition", "day"])["area"].mean().unstack("condition").dropna()
    expected = stats.ttest_rel(means["drug"], means["control"])
    assert (row["test"], row["n_replicates"], row["effect"]) == ("Paired t", 5, "Cohen's dz")
    assert (row["statistic"], row["p"]) == pytest.approx((expected.statistic, expected.pvalue))
    assert row["difference"] == pytest.approx((means["drug"] - means["control"]).mean())
    with pytest.raises(OptionError, match="replicates that are paired"):
        compare_groups(table, "condition", paired=True)


def test_paired_blocks() -> None:
    table = cells(groups=("control", "drug", "other"))
    table["day"] = table["well"].str[1:]
    found = compare_groups(table, "condition", replicates="day", paired=True, features=["area"])
    means = table.groupby(["day", "condition"])["area"].mean().unstack("condition")
    assert found.overall["test"][0] == "Friedman"
    assert found.overall["p"][0] == pytest.approx(stats.friedmanchisquare(*means.to_numpy().T).pvalue)


def test_degenerate_features_are_told_in_words() -> None:
    table = cells(wells=3, per_well=4)
    drug = table["condition"] == "drug"
    table["same"] = 0.1
    table["separate"] = np.where(drug, 2.0, 1.0)
    table["missing"] = np.where(drug, np.nan, table["area"])
    table["infinite"] = np.where(drug, np.inf, np.nan)
    table["some"] = table["area"].where(np.arange(len(table)) % 3 > 0)
    features = ["same", "separate", "missing", "infinite", "some"]
    for replicates in (None, "well"):
        found = compare_groups(table, "condition", features=features, replicates=replicates)
        rows = found.table.set_index("feature")
        assert rows["p"]["same"] == 1
        assert rows["cells_cohens_d"]["same"] == 0
        assert rows["cells_cohens_d"]["separate"] == np.inf
        assert rows["cells_cliffs_delta"]["separate"] == 1
        assert 0 < rows["p"]["separate"] <= 0.1
        assert rows["words"]["missing"].startswith("missing: no values in drug. No test:")
        assert "no values in control and drug" in rows["words"]["infinite"]
        assert np.isfinite(rows["p"]["some"])
        left_out = found.groups.set_index(["feature", "group"])["left_out"]
        assert left_out["missing", "drug"] == 12
        assert left_out["some", "control"] == 4
        assert not rows["words"].str.contains("nan").any()


def test_rows_without_a_group_or_replicate_take_no_part() -> None:
    table = cells()
    table["well"] = table["well"].astype("category")
    table.loc[:9, "condition"] = np.nan
    table.loc[470:, "well"] = np.nan
    found = compare_groups(table, "condition", groups=["drug", "control"], replicates="well")
    assert found.table["first"][0] == "drug"
    assert found.table["n_cells"][0] == 460
    assert any(words.startswith("10 rows took no part: no replicate") for words in found.warnings)
    absent = compare_groups(table, "condition", groups=["drug", "placebo"]).table
    assert absent["n_second"].tolist() == [0, 0, 0]
    assert absent["words"][0].startswith("area: no values in placebo")


@pytest.mark.parametrize("kind", ["category", "int", "bool", "float", "Int64"])
def test_groups_of_any_type_keep_their_order(kind: str) -> None:
    table = cells().iloc[:, :4]
    drug = table["condition"] == "drug"
    values: dict[str, Any] = {
        "category": pd.Categorical(table["condition"], categories=["unused", "drug", "control"]),
        "int": np.where(drug, 10, 9),
        "bool": drug,
        "float": np.where(drug, 10.5, 9.5),
        "Int64": pd.array(np.where(drug, 10, 9), "Int64"),
    }
    table["group"] = values[kind]
    expected = {"category": ("drug", "control"), "bool": ("False", "True"), "float": ("9.5", "10.5")}
    found = compare_groups(table, "group", features=["area"])
    assert (found.table["first"][0], found.table["second"][0]) == expected.get(kind, ("9", "10"))


@pytest.mark.parametrize("dtype", [int, float, "Int64", "Float64"])
@pytest.mark.parametrize("named", [[1, 2], [1.0, 2.0], np.array([1, 2])])
def test_numbered_groups_are_found_by_their_numbers(dtype: Any, named: Any) -> None:
    table = cells()
    table["day"] = np.arange(len(table)) % 4
    if dtype is float:
        table["day"] = table["day"].where(table.index > 3)
    table["day"] = table["day"].astype(dtype)
    found = compare_groups(table, "day", groups=named, control=named[1], features=["area"])
    assert found.table["n_cells"].tolist() == [2 * 120 - 2 * (dtype is float)]
    assert found.table["first"][0] in ("2", "2.0")


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"by": "treatment"}, "no column 'treatment'"),
        ({"by": "condition", "replicates": "plate"}, "no column 'plate'"),
        ({"by": "condition", "features": ["volume"]}, "no column 'volume'"),
        ({"by": "condition", "features": ["well"]}, "column of numbers"),
        ({"by": "condition", "replicates": "condition"}, "another column than the groups"),
        ({"by": "condition", "groups": ["drug"]}, "at least two groups"),
        ({"by": "condition", "control": "placebo"}, "control must be one of"),
        ({"by": "index"}, "480 different values"),
        ({"by": "condition", "test": "t"}, "test must be one of"),
        ({"by": "condition", "correction": "bh"}, "correction must be one of"),
        ({"by": "condition", "level": 95}, "level must be"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        compare_groups(cells(), **arguments)


def test_intervals_among_cells_know_the_replicates() -> None:
    rng = np.random.default_rng(11)
    hits, naive, runs = np.zeros(2), 0, 80
    for run in range(runs):
        values, wells = [], []
        for shift in (0.0, 1.0):
            means = rng.normal(shift, 1, 12)
            values.append((means[:, None] + rng.normal(0, 1, (12, 15))).ravel())
            wells.append(np.repeat(np.arange(12), 15))
        a, b = (group_values("", v, w) for v, w in zip(values, wells, strict=True))
        found = clustered_intervals(a, b, resamples=300, seed=run)
        true = 1 / np.sqrt(2), 2 * stats.norm.cdf(0.5) - 1
        hits += [i.low <= t <= i.high for i, t in zip((found.d, found.delta), true, strict=True)]
        interval = cohens_d(a.cells, b.cells).interval
        naive += interval.low <= true[0] <= interval.high
    assert (hits / runs > 0.85).all()
    assert naive / runs < 0.65


def test_clustered_dominance_of_single_cells_is_plain_resampling() -> None:
    rng = np.random.default_rng(12)
    a, b = rng.normal(0, 1, 30), rng.normal(1, 1, 25)
    found = clustered_intervals(
        group_values("a", a, np.arange(30)), group_values("b", b, np.arange(25)), seed=1
    )
    plain = cliffs_delta(a, b).interval
    assert found.delta.low == pytest.approx(plain.low, abs=0.1)
    assert found.delta.high == pytest.approx(plain.high, abs=0.1)


def test_comparing_yields_progress_and_is_the_same_again() -> None:
    design = make_design(cells(), Settings("condition", replicates="well"), None, None)
    steps = list(comparing_groups(design))
    assert [step.detail for step in steps] == ["area", "eccentricity", "touches_border", ""]
    again = [compare_groups(cells(), "condition", replicates="well").table for _ in range(2)]
    pd.testing.assert_frame_equal(*again)
