"""The report: Table 1 against the paper's own numbers, the tables of a model on images, the files."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cellseg.cli import main
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import OptionError, TrainingError
from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.events import Progress, drain
from napari_cellseg.images.simulation import simulate_brightfield
from napari_cellseg.models.card import DISAGREEMENT, ModelCard
from napari_cellseg.models.registry import load_model
from napari_cellseg.pipeline import segment
from napari_cellseg.training.runs.run import Epoch, RunFolder, append_metrics
from napari_cellseg.training.unets.recipe import UnetRecipe
from napari_cellseg.training.unets.report import ReportOptions, write_report
from napari_cellseg.training.unets.report_backbones import (
    backbone_table,
    convergence_rate,
    loss_gap,
    loss_gradient,
    overfitting_coefficient,
    overfitting_risk,
    stability,
)
from napari_cellseg.training.unets.report_confidence import MapTally, area_under_roc
from napari_cellseg.training.unets.report_images import ImageSet, group_table, trying_model
from napari_cellseg.training.unets.report_robustness import trying_degradations
from napari_cellseg.training.unets.report_sections import _confidence_words
from napari_cellseg.training.unets.report_tables import markdown_table

PAPER = pd.DataFrame(
    {
        "L_final": [0.1535, 0.1812, 0.1722, 0.2130, 0.3674, 0.4334],
        "gradient": [0.0282, 0.0315, 0.0184, 0.0219, 0.0166, 0.0157],
        "L_train": [0.1535, 0.1812, 0.1722, 0.2130, 0.3674, 0.4334],
        "L_val": [0.2351, 0.2866, 0.2765, 0.2876, 0.3492, 0.4255],
        "dL": [0.0816, 0.1054, 0.1043, 0.0746, -0.0182, -0.0079],
        "epochs": [30, 26, 45, 36, 38, 36],
        "F1_train": [0.9603, 0.9542, 0.9436, 0.9365, 0.8728, 0.8520],
        "F1_val": [0.9356, 0.9181, 0.9064, 0.9079, 0.8749, 0.8555],
        "dF1": [0.0247, 0.0361, 0.0372, 0.0286, -0.0021, -0.0035],
        "ORI": [0.0797, 0.1017, 0.1005, 0.0725, -0.0181, -0.0078],
        "sd_F1_val": [0.0068, 0.0092, 0.0111, 0.0074, 0.0126, 0.0133],
        "sd_L_val": [0.0075, 0.0097, 0.0105, 0.0082, 0.0142, 0.0128],
        "S_F1": [147.06, 108.70, 90.09, 135.14, 79.37, 75.19],
        "S_L": [133.33, 103.09, 95.24, 121.95, 70.42, 78.13],
        "O": [0.087, 0.118, 0.052, 0.109, -0.027, -0.036],
    },
    index=["DenseNet121", "InceptionV3", "VGG16", "MobileNetV2", "ResNet50", "EfficientNetB0"],
)
"""Table 1 of the paper as it is printed."""

SMALL = {"shape": (96, 96), "diameter": (16.0, 26.0), "severities": (0.0, 1.0), "seeds": (1,)}


@pytest.mark.parametrize("network", PAPER.index)
def test_gaps_gradient_and_stability_are_those_that_the_paper_prints(network: str) -> None:
    printed = PAPER.loc[network]
    assert loss_gap(printed.L_train, printed.L_val) == pytest.approx(printed.dL, abs=1e-9)
    assert printed.F1_train - printed.F1_val == pytest.approx(printed.dF1, abs=1e-9)
    assert loss_gradient(printed.L_final, int(printed.epochs)) == pytest.approx(printed.gradient, abs=5.1e-5)
    assert stability(printed.sd_F1_val) == pytest.approx(printed.S_F1, abs=5.1e-3)
    assert stability(printed.sd_L_val) == pytest.approx(printed.S_L, abs=5.1e-3)


def test_the_overfitting_risk_is_the_paper_s_to_one_in_the_last_digit() -> None:
    found = [overfitting_risk(row.dL, row.dF1) for row in PAPER.itertuples()]
    off = np.round(found, 4) - PAPER.ORI.to_numpy()
    assert np.abs(off).max() < 1.01e-4
    exact = PAPER.index[np.abs(off) < 1e-9]
    assert list(exact) == ["InceptionV3", "MobileNetV2"]


def test_our_overfitting_coefficient_has_the_sign_of_the_paper_s() -> None:
    found = [overfitting_coefficient(row.L_train, row.L_val) for row in PAPER.itertuples()]
    assert (np.sign(found) == np.sign(PAPER.O)).all()


@given(first=st.floats(0.01, 5), rate=st.floats(-0.5, 0.5), epochs=st.integers(2, 60))
def test_the_convergence_rate_is_that_of_an_exponential_fall(first: float, rate: float, epochs: int) -> None:
    losses = [first * math.exp(-rate * epoch) for epoch in range(epochs)]
    assert convergence_rate(losses) == pytest.approx(rate, abs=1e-9)


def test_what_cannot_be_known_of_a_network_is_not_a_number() -> None:
    assert math.isnan(convergence_rate([0.5]))
    assert math.isnan(convergence_rate([0.5, 0.0]))
    assert stability(0.0) == math.inf
    assert math.isnan(stability(math.nan))
    assert math.isnan(overfitting_coefficient(0.0, 0.0))


def make_run(folder: Path, names: tuple[str, ...], epochs: int = 3, **recipe: Any) -> RunFolder:
    """A run as a training leaves it, without weights."""
    run = RunFolder(folder)
    values = {"data": str(folder / "data"), "model": str(folder / "cells.onnx")} | recipe
    run.begin(UnetRecipe.from_dict(values))
    for k, name in enumerate(names):
        for number in range(1, epochs + 1):
            loss, f1 = 0.8 / (number + k), 0.5 + 0.1 * number
            metrics = {"F1": f1, "IoU": 0.4, "val_total": 1.25 * loss, "train_F1": f1 + 0.05}
            metrics |= {"GPU_GB": 1.0 + k + number}
            epoch = Epoch(k * 10 + number, 20, {"total": loss}, metrics, f1, True, 1e-4, 2.0 * number, name)
            append_metrics(run.metrics, epoch)
        history = run.checkpoints / name / "history.json"
        history.parent.mkdir()
        history.write_text(json.dumps({"parameters": {"total": 3_000_000, "trainable": 1_500_000}}))
    return run


def test_table_1_is_made_from_the_epochs_of_runs(tmp_path: Path) -> None:
    together = make_run(tmp_path / "both", ("unet-vgg16", "unet-resnet50"))
    alone = make_run(tmp_path / "alone", ("unet-mobilenet_v2",), epochs=2)
    table = backbone_table([together, str(alone.path)]).set_index("network")
    assert list(table.index) == ["unet-vgg16", "unet-resnet50", "unet-mobilenet_v2"]
    assert table.epochs.tolist() == [3, 3, 2]
    row = table.loc["unet-resnet50"]
    losses = [0.8 / 2, 0.8 / 3, 0.8 / 4]
    assert row.L_train == row.L_final == pytest.approx(0.2)
    assert row.dL == pytest.approx(0.05)
    assert row.dF1 == pytest.approx(0.05)
    assert pytest.approx(0.05 / 1.05) == row.ORI
    assert pytest.approx(math.log(2) / 2) == row.CR
    assert row.gradient == pytest.approx(0.8 / 3)
    assert pytest.approx(0.2) == row.O
    assert pytest.approx(1 / np.std([1.25 * loss for loss in losses], ddof=1)) == row.S_L
    assert pytest.approx(10) == row.S_F1
    assert (row.best_epoch, row.seconds, row.GPU_GB) == (3, 4.0, 5.0)
    assert (row.trainable_M, row.total_M) == (1.5, 3.0)


def test_runs_that_are_none_of_u_nets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no epochs"):
        backbone_table([tmp_path / "nothing"])
    other = RunFolder(tmp_path)
    append_metrics(other.metrics, Epoch(1, 1, {"box": 0.1}, {"mAP50": 0.2}))
    with pytest.raises(TrainingError, match="no training of bright-field U-Nets"):
        backbone_table([other])


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=30))
def test_the_area_under_the_curve_counts_pairs(cases: list[tuple[int, bool]]) -> None:
    bins = np.zeros((2, 10))
    for value, positive in cases:
        bins[int(positive), value] += 1
    yes, no = ([v for v, p in cases if p is kind] for kind in (True, False))
    pairs = [(a > b) + (a == b) / 2 for a in yes for b in no]
    found = area_under_roc(*bins)
    assert math.isnan(found) if not pairs else found == pytest.approx(np.mean(pairs))


def test_maps_are_described_by_what_pixels_turned_out_to_be() -> None:
    rng = np.random.default_rng(0)
    tally = MapTally(("foreground", DISAGREEMENT))
    every = []
    for _ in range(2):
        truth = (rng.random((20, 30)) > 0.5).astype(np.int32)
        probability = np.clip(0.3 + 0.4 * truth + rng.normal(0, 0.2, truth.shape), 0, 1)
        found = (probability > 0.5).astype(np.int32)
        doubt = np.where(found == truth, 0.1, 0.9)
        tally.add(found, truth, {"foreground": probability, DISAGREEMENT: doubt})
        every.append((found, truth, probability))
    table = tally.table().set_index(["map", "pixels are"])
    missed = np.concatenate([p[(f == 0) & (t == 1)] for f, t, p in every])
    row = table.loc[("foreground", "FN")]
    assert row.pixels == len(missed)
    assert row["mean"] == pytest.approx(missed.mean())
    assert row.sd == pytest.approx(missed.std(ddof=1))
    assert table.loc[("foreground", "all")].pixels == 1200
    assert table.loc[(DISAGREEMENT, "all")].tells_errors == 1
    assert 0.5 < table.loc[("foreground", "all")].tells_errors < 1


class Copying:
    """A pixel model whose foreground is the image, and whose disagreement is what is grey in it."""

    device = "cpu"

    def __init__(self, disagreement: bool = True) -> None:
        card = load_model("nuclei", "cpu").card.model_dump()
        maps = ("foreground", "distance", DISAGREEMENT) if disagreement else ("foreground", "distance")
        card |= {"name": "copying", "maps": maps, "channels": 1, "default_diameter": None}
        card |= {"decoder": {"method": "mask", "min_area": 1}, "scaling": {"keep_8bit": True}}
        self.card = ModelCard.model_validate(card)

    def predict_maps(self, tiles: Any) -> Any:
        grey = 1 - np.abs(2 * tiles - 1)
        return np.concatenate([tiles, tiles, grey][: len(self.card.maps)], axis=1)


SQUARES = {"A1": (8, 16), "A2": (8, 12), "B1": (9, 16)}
"""First row of a true square of 16 pixels, and how many of its rows are found, by image."""


@pytest.fixture
def squares(tmp_path: Path) -> Dataset:
    """Images with a square each, parts of which are dim; two of a group and one of another."""
    made = Dataset.create(tmp_path / "squares", ("cell",))
    for name, (top, found) in SQUARES.items():
        image, labels = np.zeros((32, 40), np.uint8), np.zeros((32, 40), np.int32)
        labels[top : top + 16, 8:24] = 1
        image[top : top + 16, 8:24] = 60
        image[top : top + found, 8:24] = 255
        made.add(image, labels, name=name, split="test", group=f"line {name[0]}")
    return made


def test_a_model_is_scored_by_image_and_by_group(squares: Dataset) -> None:
    result = drain(trying_model("copy", Copying(), ImageSet.of(squares), pattern="(?P<well>[0-9])"))
    images = result.report.images.set_index("image")
    assert images.Dice.to_dict() == pytest.approx({"A1": 1, "A2": 2 * 12 / (12 + 16), "B1": 1})
    table = group_table([result]).set_index(["by", "group"])
    row = table.loc[("group", "line A")]
    assert row.images == 2
    assert row.Dice == pytest.approx((1 + 24 / 28) / 2)
    assert row.Dice_sd == pytest.approx(np.std([1, 24 / 28], ddof=1))
    assert table.loc["group"].index.tolist() == ["line B", "line A"]
    assert table.loc["group"].high.tolist() == [True, False]
    assert table.loc[("well", "1")].images == 2
    assert "set" not in table.index.get_level_values("by")
    assert len(result.seconds) == 3


def test_fields_of_names_make_groups_alone_and_together(tmp_path: Path) -> None:
    made = Dataset.create(tmp_path / "data", ("cell",))
    shots = ("A_Phase_1_1", "A_Phase_1_2", "A_Phase_2_1", "B_Phase_1_1", "B_Phase_2_1", "B_Phase_2_2")
    for number, name in enumerate(shots):
        image, labels = np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.int32)
        labels[2:10, 2:10] = 1
        image[2 : 10 if name.endswith("1") else 8, 2:10] = 255
        image[0, number] = 1  # images of the same pixels are the same image
        made.add(image, labels, name=name, split="test")
    result = drain(trying_model("copy", Copying(), ImageSet.of(made), pattern="{line}_Phase_{well}"))
    table = group_table([result]).set_index(["by", "group"])
    assert sorted(table.loc["line, well"].index) == ["A, 1", "A, 2", "B, 1", "B, 2"]
    row = table.loc[("line, well", "B, 2")]
    assert (row.images, row.Dice) == (2, pytest.approx((1 + 2 * 48 / (48 + 64)) / 2))
    assert table.loc[("line", "A")].images == table.loc[("well", "1")].images == 3


def test_disagreement_tells_the_missed_pixels(squares: Dataset) -> None:
    result = drain(trying_model("copy", Copying(), ImageSet.of(squares)))
    assert result.maps is not None
    table = result.maps.table().set_index(["map", "pixels are"])
    missed = table.loc[(DISAGREEMENT, "FN")]
    assert missed.pixels == 4 * 16
    assert missed["mean"] == pytest.approx(1 - abs(2 * 60 / 255 - 1), abs=1e-3)
    assert table.loc[(DISAGREEMENT, "all")].tells_errors == pytest.approx(1)


def test_the_images_of_a_report_are_those_that_were_held_out(tmp_path: Path) -> None:
    made = Dataset.create(tmp_path / "data", ("cell", "dead"))
    for number, split in enumerate(("train", "val", "val")):
        scene = simulate_brightfield((48, 48), diameter=(12, 18), seed=number)
        made.add(
            scene.image, scene.labels, name=f"{number}", split=split, classes="dead" if number else "cell"
        )
    assert ImageSet.of(made).names == ("1", "2")
    assert ImageSet.of(made, "all").groups.main_class.tolist() == ["cell", "dead", "dead"]
    with pytest.raises(OptionError, match="no images in the split 'test'"):
        ImageSet.of(made, "test")
    with pytest.raises(OptionError, match="held-out"):
        ImageSet.of(made, "best")


def test_degraded_images_are_scored_like_any_others() -> None:
    model = load_model("phase", "cpu")
    options = {"degradations": ("contrast", "defocus"), "severities": (0.0, 1.0), "seeds": (3, 4)}
    small = {"shape": (96, 96), "diameter": (16.0, 26.0)}
    table = drain(trying_degradations({"phase": model}, **options, **small))
    assert table[["degradation", "severity"]].to_numpy().tolist() == [
        ["contrast", 0.0], ["contrast", 1.0], ["defocus", 0.0], ["defocus", 1.0],
    ]  # fmt: skip
    assert table.value.tolist() == [0.8, 0.05, 0.0, 1.0]
    dice = []
    for seed in (3, 4):
        scene = simulate_brightfield((96, 96), diameter=(16, 26), contrast=0.8, seed=seed)
        found = segment(scene.image, model, axes="YX")
        dice.append(evaluate(found, scene.labels).summary["Dice"])
    assert table.Dice[0] == pytest.approx(np.mean(dice))
    assert table.Dice_sd[0] == pytest.approx(np.std(dice, ddof=1))


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.774349, "77.435 %"), (1.0, "> 99.999 %"), (1e-9, "< 0.001 %"), (0.5, "50.000 %")],
)
def test_no_confidence_is_told_as_certain(share: float, words: str) -> None:
    assert _confidence_words(share) == words


def test_cells_of_markdown_tables_keep_to_their_columns() -> None:
    table = pd.DataFrame({"a|b": ["x|y", "z"], "n": [1234, 5], "v": [np.nan, 96.005]})
    assert markdown_table(table).splitlines() == [
        r"| a\|b | n | v |",
        "| --- | --- | --- |",
        r"| x\|y | 1,234 | – |",
        "| z | 5 | 96 |",
    ]


def comparison(run: RunFolder) -> None:
    """Write the table that a training ends with."""
    row = dict.fromkeys(("Dice", "IoU", "accuracy", "pixel_precision", "AP50", "AP50_95", "F1", "PQ"), 0.5)
    rows = [
        {
            "model": "ensemble",
            "epoch": "",
            "votes": 2,
            "set": "val",
            **row,
            "Dice": 0.8,
            "pixel_recall": 0.9,
            "pixel_precision": None,
        },
        {"model": "unet-vgg16", "epoch": 2, "votes": 1, "set": "val", **row, "pixel_recall": 0.8},
        {"model": "unet-resnet50", "epoch": 3, "votes": 1, "set": "val", **row, "pixel_recall": 0.85},
    ]
    pd.DataFrame(rows).to_csv(run.path / "comparison.csv", index=False)


def test_one_call_writes_all_tables_and_figures(squares: Dataset, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ("unet-vgg16", "unet-resnet50"))
    comparison(run)
    told: list[Progress] = []
    page = write_report(
        tmp_path / "out",
        models=[Copying(), Copying(disagreement=False)],
        dataset=squares,
        runs=[run],
        options=ReportOptions(**SMALL),
        progress=told.append,
    )
    text, values = page.read_text(encoding="utf-8"), json.loads((page.parent / "report.json").read_text())
    tables = {path.stem: pd.read_csv(path) for path in page.parent.glob("*.csv")}
    assert set(tables) == {
        "table_1_backbones", "ablation", "table_2_images", "table_3_groups", "table_5_metrics", "models",
        "table_6_baseline", "table_6_maps", "table_6_objects", "resources", "robustness",
    }  # fmt: skip
    assert {name: len(values[name]) for name in tables} == {name: len(t) for name, t in tables.items()}
    assert all(
        f"]({path.name})" in text
        for path in page.parent.iterdir()
        if path.suffix != ".md" and path.suffix != ".json"
    )
    for figure in ("table_1_backbones.png", "robustness.png"):
        assert (page.parent / figure).read_bytes().startswith(b"\x89PNG")
    assert "Dice +0.300 (unet-vgg16), pixel_recall +0.050 (unet-resnet50), pixel_precision undefined" in text
    assert tables["ablation"].GPU_GB.tolist()[1:] == [4.0, 5.0]
    assert tables["table_2_images"].groupby("image").model.agg(list).A1 == ["copying", "copying (2)"]
    assert set(tables["table_6_maps"].loc[lambda t: t["map"] == DISAGREEMENT].model) == {"copying"}
    assert len(tables["robustness"]) == 2 * 6 * 2
    test = tables["table_6_baseline"].iloc[0]
    mean = tables["table_2_images"].query("model == 'copying'").Dice.mean()
    assert (test.n, test["mean"]) == (3, pytest.approx(mean))
    assert {step.stage for step in told} >= {"Loading model", "Reporting", "Evaluating", "Degrading"}


def test_a_run_brings_its_own_dataset_and_does_without_its_model(squares: Dataset, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ("unet-vgg16",), data=str(squares.folder))
    page = write_report(tmp_path / "out", runs=[run])
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "report.json", "report.md", "table_1_backbones.csv", "table_1_backbones.png",
    ]  # fmt: skip
    about = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))["about"]
    assert about["options"] == {"robustness": True, "device": "auto"}
    page = write_report(
        tmp_path / "tried", models=[Copying()], runs=[run], options=ReportOptions(robustness=False)
    )
    assert len(pd.read_csv(page.parent / "table_2_images.csv")) == 3


def test_models_see_the_channel_that_the_run_learnt_from(tmp_path: Path) -> None:
    made = Dataset.create(tmp_path / "data", ("cell",))
    image, labels = np.zeros((32, 40, 2), np.uint8), np.zeros((32, 40), np.int32)
    labels[8:24, 8:24] = 1
    image[8:24, 8:24, 1] = 255
    made.add(image, labels, name="two channels", split="test", axes="YXC")
    run = make_run(tmp_path / "run", ("unet-vgg16",), data=str(made.folder), channel=1)
    for channel, dice in ((None, 1), (0, 0)):
        options = ReportOptions(robustness=False, channel=channel)
        page = write_report(tmp_path / f"out {channel}", models=[Copying()], runs=[run], options=options)
        assert pd.read_csv(page.parent / "table_2_images.csv").Dice.tolist() == [dice]


def test_a_report_on_nothing_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="needs a model, or a training run"):
        write_report(tmp_path / "out")
    with pytest.raises(OptionError, match="needs a dataset"):
        write_report(tmp_path / "out", models=["phase"], options=ReportOptions(robustness=False))
    with pytest.raises(OptionError, match="baseline"):
        ReportOptions(baseline=75)
    assert not (tmp_path / "out").exists()


def test_the_command_reports_on_a_bundled_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = simulate_brightfield((96, 96), diameter=(16, 26), seed=1)
    made = Dataset.create(tmp_path / "data", ("cell",))
    made.add(scene.image, scene.labels, name="a", split="val")
    out = tmp_path / "out"
    call = [
        "report",
        str(made.folder),
        "--model",
        "phase",
        "-o",
        str(out),
        "--fields",
        "1",
        "--device",
        "cpu",
    ]
    with pytest.raises(SystemExit) as done:
        main([*call, "--no-robustness"])
    assert done.value.code == 0
    assert capsys.readouterr().out.strip() == str(out / "report.md")
    row = pd.read_csv(out / "table_2_images.csv").iloc[0]
    found = evaluate(segment(scene.image, "phase", device="cpu"), scene.labels).summary
    assert row.Dice == pytest.approx(found["Dice"])
    assert pytest.approx(found["AP50"]) == row.AP50
    assert "needs two images or more" in (out / "report.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit) as done:
        main([*call, "--size", "wide"])
    assert done.value.code == 2
    assert "--size must be rows and columns" in capsys.readouterr().err
