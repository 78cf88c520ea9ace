"""Reports as files, plots and pictures."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from napari_cellseg.errors import OutputError
from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.evaluation.metrics import METRICS
from napari_cellseg.evaluation.mistakes import OUTCOME_COLOURS, Outcome
from napari_cellseg.evaluation.pictures import EDGE, outcome_pictures, plot_worst
from napari_cellseg.evaluation.plots import (
    plot_ap_over_iou,
    plot_images,
    plot_precision_recall,
    plot_reliability,
)
from napari_cellseg.evaluation.report import write_html
from napari_cellseg.evaluation.results import Report
from napari_cellseg.evaluation.writing import write_errors, write_images, write_json

Labels = NDArray[np.int32]
Pairs = Callable[..., tuple[Labels, Labels]]


@pytest.fixture
def rich(random_pair: Pairs) -> Report:
    """Four images in two groups, one of them empty, with confidences and classes."""
    pairs = [random_pair(k, (2, 30, 32), 20) for k in range(3)] + [(np.zeros((2, 9, 9), int),) * 2]
    ids = [[np.unique(side[side > 0]).tolist() for side in pair] for pair in pairs]
    return evaluate(
        [p for p, _ in pairs],
        [t for _, t in pairs],
        names=["a_1", "a_2", "b_1", "<b>_2"],
        pattern="{line}_",
        confidence=[{i: (i % 10) / 10 for i in p} for p, _ in ids],
        classes=[{i: "xy"[i % 2] for i in p} for p, _ in ids],
        truth_classes=[{i: "xy"[i % 2] for i in t} for _, t in ids],
    )


def test_json_holds_everything_and_no_nan(rich: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(rich, path)
    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    for name, value in rich.summary.items():
        assert found["summary"][name] == (pytest.approx(value) if np.isfinite(value) else None), name
    assert len(found["images"]) == 8
    assert len(found["errors"]) == len(rich.errors)
    assert found["errors"][0]["truth_ids"] == list(rich.errors.truth_ids[0])
    assert [row["line"] for row in found["groups"]["line"]][:: len(METRICS)] == ["a", "b", "<b>"]
    assert found["confusion"]["x"]["background"] == rich.confusion.loc["x", "background"]
    assert sum(found["reliability"]["counts"]) == rich.summary["predicted_objects"]
    assert found["table"]["F1"]["n"] == 6


def test_json_of_images_grouped_by_a_date(tmp_path: Path) -> None:
    labels = np.ones((4, 4), np.int32)
    groups = pd.DataFrame({"image": ["a", "b"], "day": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    report = evaluate({"a": labels, "b": labels}, {"a": labels, "b": labels}, groups=groups)
    write_json(report, tmp_path / "report.json")
    held = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [row["day"][:10] for row in held["images"]] == ["2024-01-01", "2024-01-02"]


def test_csv_of_images_and_errors(rich: Report, tmp_path: Path) -> None:
    write_images(rich, tmp_path / "images.csv")
    write_errors(rich, tmp_path / "errors.csv")
    with (tmp_path / "images.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows[::2]] == ["a_1", "a_2", "b_1", "<b>_2"]
    assert float(rows[0]["F1"]) == pytest.approx(rich.images["F1"][0])
    assert rows[-1]["F1"] == ""
    with (tmp_path / "errors.csv").open(encoding="utf-8") as file:
        errors = list(csv.DictReader(file))
    assert len(errors) == len(rich.errors)
    for column in ("truth_ids", "prediction_ids"):
        longest = int(rich.errors[column].map(len).argmax())
        assert len(rich.errors[column][longest]) > 1 or column == "prediction_ids"
        assert tuple(map(int, errors[longest][column].split())) == rich.errors[column][longest]


def test_html_stands_alone(rich: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    other = evaluate(
        [pair.truth for pair in rich.pairs],
        [pair.truth for pair in rich.pairs],
        names=[pair.name for pair in rich.pairs],
    )
    images = {"a_1": np.random.default_rng(0).normal(size=(2, 30, 32))}
    write_html(rich, path, title="Model <1>", others={"other": other}, baseline=0.4, images=images, worst=3)
    text = path.read_text(encoding="utf-8")
    assert "Model &lt;1&gt;" in text
    assert "<b>_2" not in text
    assert "&lt;NA&gt;" not in text
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert text.count("data:image/svg+xml") == 4
    assert text.count("data:image/png") == 1
    for words in (
        "Compared",
        "By line",
        "Against the baseline",
        "Cohen",
        "Classes",
        "Worst images",
        "Errors",
    ):
        assert words in text, words
    for metric in METRICS:
        assert metric.name in text, metric.name


def test_html_of_one_empty_image(tmp_path: Path) -> None:
    empty = np.zeros((20, 20), int)
    write_html(evaluate(empty, empty, confidence=[]), tmp_path / "report.html", baseline=0.5)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "A test needs two images" in text
    assert ">nan<" not in text.lower()


def test_a_missing_folder_is_said_in_words(rich: Report, tmp_path: Path) -> None:
    for write in (write_json, write_images, write_errors, write_html):
        with pytest.raises(OutputError, match="the folder does not exist"):
            write(rich, tmp_path / "no" / "report")


def test_plots_show_the_report(rich: Report) -> None:
    line = plot_ap_over_iou({"one": rich}).axes[0].lines[0]
    assert line.get_ydata() == pytest.approx(rich.by_iou["AP"].to_numpy())
    curve = plot_precision_recall(rich).axes[0].lines[0].get_ydata()
    assert np.nan_to_num(curve) == pytest.approx(rich.ranking.precision[0])
    assert f"ECE {rich.summary['ECE']:.3f}" in plot_reliability(rich).axes[0].get_legend_handles_labels()[1]
    ticks = [label.get_text() for label in plot_images(rich).axes[0].get_xticklabels()]
    assert ticks == ["a", "b", "<b>"]
    without = evaluate(rich.pairs[0].prediction, rich.pairs[0].truth)
    for plot in (plot_precision_recall, plot_reliability):
        with pytest.raises(ValueError, match="has none"):
            plot(without)


def test_pictures_are_coloured_by_outcome(random_pair: Pairs) -> None:
    truth = np.zeros((40, 40), int)
    truth[5:15, 5:15] = 1
    report = evaluate(np.zeros_like(truth), truth)
    pictures = outcome_pictures(report.pairs[0].read(0))
    red, _, blue = pictures[0][10, 10]
    assert OUTCOME_COLOURS[Outcome.MISSED] == "#D55E00"
    assert red > blue
    assert np.ptp(pictures[1]) == 0
    large = np.zeros((2000, 1000), int)
    assert outcome_pictures(evaluate(large, large).pairs[0].read(0))[0].shape == (667, 334, 3)
    assert EDGE >= 667


def test_worst_images_come_first_and_an_empty_one_is_none(rich: Report) -> None:
    figure = plot_worst(rich, 3)
    titles = [axes.get_title() for axes in figure.axes[::2]]
    worst = rich.worst(3)
    assert titles == [f"{i}, plane {p}: truth" for i, p in zip(worst["image"], worst["plane"], strict=True)]
    empty = np.zeros((9, 9), int)
    assert "No image" in plot_worst(evaluate(empty, empty)).get_suptitle()
