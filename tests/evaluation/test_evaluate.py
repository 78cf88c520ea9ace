"""evaluate(): what it takes, how images pool, groups, intervals, comparisons."""

from collections.abc import Callable

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.comparison import compare, comparison_table, evaluate_many
from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.evaluation.groups import name_fields
from napari_cellseg.evaluation.metrics import METRICS
from napari_cellseg.events import Progress

Labels = NDArray[np.int32]
Pairs = Callable[..., tuple[Labels, Labels]]


@pytest.fixture
def many(random_pair: Pairs) -> tuple[list[Labels], list[Labels]]:
    """Ten images of different sizes, the last without objects."""
    pairs = [random_pair(seed, (30 + seed, 40), 5 + seed) for seed in range(9)]
    pairs.append((np.zeros((20, 20), np.int32), np.zeros((20, 20), np.int32)))
    return [p for p, _ in pairs], [t for _, t in pairs]


def test_images_pool_by_their_counts(many: tuple[list[Labels], list[Labels]]) -> None:
    report = evaluate(*many)
    singles = [evaluate(p, t).summary for p, t in zip(*many, strict=True)]
    for name in ("TP", "FP", "FN", "missed", "pixel_TP", "true_objects"):
        assert report.summary[name] == sum(s[name] for s in singles), name
        assert report.images[name].tolist() == [s[name] for s in singles], name
    tp, fp, fn = (report.summary[k] for k in ("TP", "FP", "FN"))
    assert report.summary["F1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    row = report.table.loc["F1"]
    values = np.array([s["F1"] for s in singles[:9]])
    assert (row["n"], row["left_out"]) == (9, 1)
    assert (row["mean"], row["std"]) == pytest.approx((values.mean(), values.std(ddof=1)))
    assert (row["p5"], row["p95"]) == pytest.approx(tuple(np.percentile(values, (5, 95))))
    assert row["low"] < row["pooled"] < row["high"]
    assert report.summary["SSIM"] == pytest.approx(np.mean([s["SSIM"] for s in singles]))
    assert set(report.summary) == {m.name for m in METRICS}
    assert report.by_iou["AP"][0] == report.summary["AP50"]
    assert report.by_iou["AP"].mean() == pytest.approx(report.summary["AP50_95"])
    assert report.by_iou["AP"].is_monotonic_decreasing


def test_a_stack_is_its_planes(random_pair: Pairs) -> None:
    prediction, truth = random_pair(3, (2, 3, 30, 31), 40)
    report = evaluate(prediction, truth)
    assert report.images["plane"].tolist() == list(range(6))
    flat = evaluate(list(prediction.reshape(6, 30, 31)), list(truth.reshape(6, 30, 31)))
    assert report.summary == pytest.approx(flat.summary, nan_ok=True)
    lazy = evaluate(da.from_array(prediction, chunks=(1, 1, 30, 31)), truth)
    pd.testing.assert_frame_equal(lazy.images, report.images)
    assert evaluate(prediction, truth, dimensions=3).images.shape[0] == 2


def test_progress_counts_planes(random_pair: Pairs) -> None:
    steps: list[Progress] = []
    evaluate(*random_pair(1, (4, 20, 20)), names=["movie"], progress=steps.append)
    assert [(s.done, s.total, s.detail) for s in steps] == [(k, 4, "movie") for k in range(1, 5)]


def test_images_by_name_are_paired_by_name(random_pair: Pairs) -> None:
    one, two = random_pair(1), random_pair(2)
    report = evaluate({"b": two[0], "a": one[0]}, {"a": one[1], "b": two[1]})
    assert report.images["image"].tolist() == ["a", "b"]
    assert report.images["F1"][0] == evaluate(*one).summary["F1"]
    with pytest.raises(OptionError, match=r"only one has \['c'\]"):
        evaluate({"a": one[0], "c": one[0]}, {"a": one[1]})


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((np.zeros((3, 3), int), np.zeros((3, 4), int)), "one shape, not"),
        ((np.zeros(3, int), np.zeros(3, int)), "at least 2 axes"),
        (([np.zeros((3, 3), int)], []), "as many images"),
        (({"a": np.zeros((3, 3), int)}, np.zeros((3, 3), int)), "both be mappings"),
        ((np.zeros((0, 3), int), np.zeros((0, 3), int)), "a pixel"),
        ((np.zeros((3, 3)), np.zeros((3, 3), int)), "whole numbers"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple[object, object], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        evaluate(*arguments)


def test_wrong_options_are_refused(random_pair: Pairs) -> None:
    prediction, truth = random_pair(0)
    with pytest.raises(OptionError, match="IoU threshold"):
        evaluate(prediction, truth, iou=0)
    with pytest.raises(OptionError, match="dimensions must be 2 or 3"):
        evaluate(prediction, truth, dimensions=4)
    with pytest.raises(OptionError, match="name of its own"):
        evaluate([prediction] * 2, [truth] * 2, names=["a", "a"])
    with pytest.raises(OptionError, match="must be one of AP50"):
        evaluate(prediction, truth).against_baseline(0.5, "f1")


def test_groups_from_names(many: tuple[list[Labels], list[Labels]]) -> None:
    names = [f"{'A172' if k < 4 else 'BV2'}_Phase_A{k}_1_00d00h" for k in range(10)]
    report = evaluate(*many, names=names, pattern="{line}_Phase_{well}_*")
    assert report.group_columns == ["line", "well"]
    table = report.by_group("line").set_index(["line", "metric"])
    first = evaluate(many[0][:4], many[1][:4])
    assert table.loc[("A172", "F1"), "pooled"] == first.summary["F1"]
    assert table.loc[("A172", "F1"), "low"] == first.table.loc["F1", "low"]
    paper = report.literature_table()
    assert paper.index.tolist() == ["A172", "BV2", "all"]
    assert paper.loc["A172", "images"] == "4"
    dice = report.images["Dice"][:4]
    assert paper.loc["A172", "Dice"] == f"{dice.mean():.3f} ± {dice.std():.3f}"
    assert report.by_group("image").shape[0] == 10 * len(METRICS)
    with pytest.raises(OptionError, match="not by 'cell'"):
        report.by_group("cell")


def test_groups_given(many: tuple[list[Labels], list[Labels]]) -> None:
    names = [f"i{k}" for k in range(10)]
    kinds = ["x", "y"] * 5
    as_list = evaluate(*many, names=names, groups=kinds)
    as_mapping = evaluate(*many, names=names, groups=dict(zip(names, kinds, strict=True)))
    table = pd.DataFrame({"image": names[::-1], "group": kinds[::-1]})
    as_table = evaluate(*many, names=names, groups=table)
    for other in (as_mapping, as_table):
        pd.testing.assert_frame_equal(other.by_group(), as_list.by_group())
    with pytest.raises(OptionError, match="'i9' has none"):
        evaluate(*many, names=names, groups=table[1:])
    with pytest.raises(OptionError, match="some are missing"):
        evaluate(*many, names=names, groups=table.replace("x", np.nan))
    with pytest.raises(OptionError, match="other than 'image', 'plane' and those of metrics; got 'F1'"):
        evaluate(*many, names=names, groups=table.rename(columns={"group": "F1"}))
    with pytest.raises(OptionError, match="names of their own"):
        evaluate(*many, names=names, groups=kinds, pattern="{group}*")
    with pytest.raises(OptionError, match="needs a group, got 2"):
        evaluate(*many, groups=["x", "y"])
    with pytest.raises(OptionError, match="no groups"):
        evaluate(*many).by_group()
    assert evaluate(*many).literature_table().index.tolist() == ["all"]


def test_patterns_of_names() -> None:
    names = ["A172_Phase_A7_1_00d", "SkBr3_Phase_H3_2_01d"]
    assert name_fields(names, "{line}_")["line"].tolist() == ["A172", "SkBr3"]
    assert name_fields(names, "*_Phase_{well}")["well"].tolist() == ["A7", "H3"]
    assert name_fields(names, r"_(?P<day>\d+)d")["day"].tolist() == ["00", "01"]
    with pytest.raises(OptionError, match="does not fit"):
        name_fields(["b.tif"], "{line}_")
    with pytest.raises(OptionError, match="has none"):
        name_fields(names, "A*")
    with pytest.raises(OptionError, match="cannot be read"):
        name_fields(names, "(?P<a>")


def test_baseline_success_and_strata(many: tuple[list[Labels], list[Labels]]) -> None:
    report = evaluate(*many)
    values = report.images["F1"].to_numpy()
    found = report.against_baseline(0.5)
    assert found.test.n == found.success.n == 9
    assert found.success.successes == (values >= 0.5).sum()
    assert found.test.mean == pytest.approx(np.nanmean(values))
    nearer = report.against_baseline(3.0, "Hausdorff")
    assert nearer.success.successes == (report.images["Hausdorff"] <= 3).sum()
    strata = report.strata(edges=(0.5, 0.8))
    assert strata["images"].sum() == 10
    assert strata["share"].sum() == pytest.approx(1)
    assert strata.loc[strata["from"] == 0.5, "images"].item() == ((values >= 0.5) & (values < 0.8)).sum()
    assert strata["images"].iloc[-1] == 1
    assert report.worst(2)["F1"].tolist() == sorted(values[:9])[:2]


def test_groups_are_the_independent_pieces(many: tuple[list[Labels], list[Labels]]) -> None:
    predictions, truths = many
    kept = [t.copy() if k < 6 else p for k, (p, t) in enumerate(zip(*many, strict=True))]
    wells = [k // 3 for k in range(10)]
    reports = evaluate_many({"old": predictions, "new": kept}, truths, groups=wells)
    alone, grouped = (compare(reports["old"], reports["new"], by=by) for by in (None, "group"))
    assert (alone.units, grouped.units) == (10, 4)
    assert grouped.difference == alone.difference
    assert grouped.jackknife.high > alone.jackknife.high
    one = evaluate_many({"old": predictions, "new": kept}, truths, groups=["a"] * 10)
    assert np.isnan(compare(one["old"], one["new"], by="group").jackknife.low)


def test_two_models_on_the_same_images(many: tuple[list[Labels], list[Labels]]) -> None:
    predictions, truths = many
    perfect = [t.copy() for t in truths]
    perfect[2][:] = 0
    reports = evaluate_many({"old": predictions, "new": perfect}, truths)
    found = compare(reports["old"], reports["new"])
    assert found.difference == reports["new"].summary["F1"] - reports["old"].summary["F1"]
    assert found.interval.low <= found.difference <= found.interval.high
    assert found.worse["image"].tolist() == ["image 3"]
    assert len(found.images) == 10
    assert found.units == 10
    assert found.jackknife.low < found.interval.low < found.interval.high < found.jackknife.high
    nearer = compare(reports["old"], reports["new"], "Hausdorff")
    assert set(nearer.images["image"][nearer.paired.better]) == {f"image {k}" for k in (1, 2, *range(4, 10))}
    table = comparison_table(reports, ("F1", "Dice"))
    assert table["prediction"].tolist() == ["old", "old", "new", "new"]
    assert np.isnan(table["difference"][0])
    assert table["worse"][2] == 1
    with pytest.raises(OptionError, match="same images and truth"):
        compare(reports["old"], evaluate(truths, perfect))
    with pytest.raises(OptionError, match="must be a column of groups, not 'well'; there are: none"):
        compare(reports["old"], reports["new"], by="well")
    with pytest.raises(OptionError, match="must be one of old, new"):
        comparison_table(reports, reference="x")
    with pytest.raises(OptionError, match="at least one prediction"):
        evaluate_many({}, truths)


def test_planes_of_one_image_are_resampled_together(random_pair: Pairs) -> None:
    stacks = [random_pair(k, (4, 24, 24), 10) for k in range(3)]
    report = evaluate([p for p, _ in stacks], [t for _, t in stacks])
    same = evaluate([p.reshape(96, 24) for p, _ in stacks], [t.reshape(96, 24) for _, t in stacks])
    for name in ("pixel_recall", "Dice", "pixel_FPR"):
        for column in ("pooled", "low", "high"):
            assert report.table.loc[name, column] == pytest.approx(same.table.loc[name, column]), name
