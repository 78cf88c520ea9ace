"""The command that evaluates, called as a user does, on real files."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_cellseg.cli import terminal
from napari_cellseg.cli.evaluate import evaluating_files, parse_spacing
from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.files import pair_label_files

NAMES = ("A172_1", "A172_2", "BV2_1")


@pytest.fixture
def run(run):
    """Call the command; returns exit code, stdout and stderr."""
    return partial(run, "evaluate")


def write_labels(folder: Path, boxes: int, ending: str, table: bool = False) -> Path:
    """Three label images with some of four boxes of 8 × 8 pixels."""
    folder.mkdir()
    for name in NAMES:
        labels = np.zeros((40, 40), np.uint16)
        for k in range(boxes):
            y, x = divmod(k, 2)
            labels[4 + 20 * y : 12 + 20 * y, 4 + 20 * x : 12 + 20 * x] = k + 1
        if ending.endswith(".png"):
            iio.imwrite(folder / f"{name}{ending}", labels)
        else:
            tifffile.imwrite(folder / f"{name}{ending}", labels)
        if table:
            confidence = np.linspace(0.6, 0.9, boxes)
            rows = pd.DataFrame({"index": np.arange(1, boxes + 1), "confidence": confidence})
            rows.to_csv(folder / f"{name}_features.csv", index=False)
    return folder


@pytest.fixture
def truth(tmp_path):
    return write_labels(tmp_path / "truth", 4, "_mask.png")


@pytest.fixture
def three(tmp_path):
    """A prediction that misses one box of four in every image."""
    return write_labels(tmp_path / "three", 3, "_labels.tif")


def cells(out: str) -> dict[str, list[str]]:
    """The printed rows by their first column."""
    rows = (line.split("   ") for line in out.splitlines() if "   " in line)
    return {row[0].strip(): [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}


def test_folders(run, three, truth):
    code, out, err = run(three, truth)
    assert (code, err) == (0, "")
    assert out.startswith("3 images, 12 true and 9 predicted objects; found means IoU 0.5 or more\n")
    table = cells(out)
    assert table["AP50"] == ["0.750", "0.750 to 0.750", "0.750 ± 0.000"]
    assert {name: row[0] for name, row in table.items() if name} == {
        "AP50": "0.750",
        "AP50_95": "0.750",
        "F1": "0.857",
        "precision": "1.000",
        "recall": "0.750",
        "PQ": "0.857",
        "AJI": "0.750",
        "Dice": "0.857",
        "count error": "-3",
        "missed": "3",
        "invented": "0",
        "split": "0",
        "merged": "0",
    }
    assert table["missed"][-1] == "1.0 ± 0.0"


def test_two_files_whatever_their_names(run, three, truth):
    code, out, err = run(three / "BV2_1_labels.tif", truth / "A172_1_mask.png")
    assert (code, err) == (0, "")
    assert out.startswith("1 image, 4 true and 3 predicted objects")
    assert cells(out)["recall"] == ["0.750"]


def test_a_strict_overlap_and_distances(run, three, truth):
    for path in three.iterdir():
        labels = tifffile.imread(path)
        tifffile.imwrite(path, np.roll(labels, 1, axis=1))
    assert cells(run(three, truth)[1])["recall"][0] == "0.750"
    code, out, _ = run(three, truth, "--iou", "0.8", "--spacing", "0.5,0.25")
    assert code == 0
    assert "found means IoU 0.8 or more" in out
    assert cells(out)["recall"][0] == "0.000"
    # from the right column of the missed box, x = 31, to that of the box at its left, shifted to x = 12
    assert cells(out)["Hausdorff (µm)"][0] == f"{(31 - 12) * 0.25:.3f}"


def test_confidences_beside_the_predictions_take_part(run, tmp_path, truth):
    table = cells(run(write_labels(tmp_path / "p", 3, "_labels.tif", table=True), truth)[1])
    assert table["mAP50"] == [f"{76 / 101:.3f}"]
    assert float(table["ECE"][0]) == pytest.approx(0.25)


def test_missing_partners(run, three, truth, tmp_path):
    (truth / "BV2_1_mask.png").unlink()
    code, out, err = run(three, truth)
    assert code == 0
    assert out.startswith("2 images")
    assert err == "Warning: 1 predictions have no truth and are left out, for example 'BV2_1'.\n"
    (three / "A172_1_labels.tif").unlink()
    code, out, err = run(three, truth, "--json", tmp_path / "report.json")
    assert (code, out) == (terminal.FAILURE, "")
    assert err.splitlines()[-1] == (
        f"Error: Every truth needs a prediction of the same name in '{three}'; 1 have none, "
        "for example 'A172_1'."
    )
    assert not (tmp_path / "report.json").exists()


def test_a_file_that_cannot_be_read(run, three, truth):
    broken = three / "A172_2_labels.tif"
    broken.write_bytes(b"this is no picture")
    code, out, err = run(three, truth)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert str(broken) in err
    assert len(err.splitlines()) == 1


def test_wrong_arguments_are_said_in_a_sentence(run, three, truth, tmp_path):
    for arguments, text in (
        ((tmp_path / "nowhere", truth), "There is no file or folder"),
        ((three, truth / "A172_1_mask.png"), "both be folders"),
        ((three, truth, "--iou", "1.5"), "1.5"),
        ((three, truth, "--baseline", "75"), "between 0 and 1, not 75"),
        ((three, truth, "--spacing", "0.5,x"), "--spacing must be"),
        ((three, truth, "--pattern", "{line}-"), "does not fit the pattern"),
        ((three, truth, "--compare", "other"), "--compare needs a name and a folder"),
        ((three, truth, "--compare", f"three={truth}"), "'three' is there twice"),
        ((three,), "TRUTH"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("Error: ")
        assert text in err
        assert len(err.splitlines()) == 1


def test_files_are_written(run, three, truth, tmp_path):
    out = tmp_path / "new" / "reports"
    code, _, err = run(
        *(three, truth, "--json", out / "r.json", "--csv", out / "r.csv", "--html", out / "r.html")
    )
    assert (code, err) == (0, "")
    values = json.loads((out / "r.json").read_text(encoding="utf-8"))
    assert values["summary"]["AP50"] == 0.75
    assert len(values["errors"]) == 3
    assert "others" not in values
    table = pd.read_csv(out / "r.csv")
    assert table["image"].tolist() == list(NAMES)
    assert table["missed"].tolist() == [1, 1, 1]
    html = (out / "r.html").read_text(encoding="utf-8")
    assert "<h1>three</h1>" in html
    assert html.count("<img") >= 3
    assert "Compared" not in html


def test_an_output_that_is_in_the_way_is_said_before_the_work(run, three, truth, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = run(three, truth, "--csv", tmp_path / "file" / "r.csv")
    assert (code, out) == (2, "")
    assert "a file is in the way of the folder" in err


def test_groups_of_a_pattern(run, three, truth):
    code, out, _ = run(three, truth, "--pattern", "{line}_{field}")
    assert code == 0
    groups = [line.split() for line in out.splitlines()]
    assert ["line", "images", "AP50", "AP50_95", "F1", "PQ", "Dice", "count", "error"] in groups
    assert ["A172", "2", "0.750", "0.750", "0.857", "0.857", "0.857", "-2"] in groups
    assert ["BV2", "1", "0.750", "0.750", "0.857", "0.857", "0.857", "-1"] in groups
    assert ["1", "2", "0.750", "0.750", "0.857", "0.857", "0.857", "-2"] in groups


def test_compared_with_others(run, three, truth, tmp_path):
    all_four = write_labels(tmp_path / "four", 4, "_pred.tif", table=True)
    two = write_labels(tmp_path / "two", 2, ".png")
    files = ("--json", tmp_path / "r.json", "--csv", tmp_path / "r.csv", "--html", tmp_path / "r.html")
    code, out, err = run(*(three, truth, "--compare", f"all={all_four}", "--compare", f"half={two}"), *files)
    assert (code, err) == (0, "")
    table = cells(out)
    assert table[""] == ["three", "all", "half"]
    assert table["AP50"] == ["0.750", "1.000", "0.500"]
    assert table["mAP50"] == ["-", "1.000", "-"]
    assert (
        "F1 of all minus three: +0.143 (95 % interval 0.143 to 0.143), better in 3 and worse in 0 images"
        in out
    )
    assert "F1 of half minus three: -0.190" in out
    values = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert values["summary"]["AP50"] == 0.75
    assert {name: v["summary"]["AP50"] for name, v in values["others"].items()} == {"all": 1.0, "half": 0.5}
    rows = pd.read_csv(tmp_path / "r.csv")
    assert rows.groupby("prediction", sort=False)["TP"].sum().to_dict() == {"three": 9, "all": 12, "half": 6}
    assert "Compared" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_against_a_baseline(run, three, truth):
    tifffile.imwrite(three / "BV2_1_labels.tif", np.zeros((40, 40), np.uint8))
    out = run(three, truth, "--baseline", "0.75")[1]
    last = out.splitlines()[-1]
    # F1 of 6/7, 6/7 and 0: mean 4/7, standard deviation 6/7 / sqrt(3)
    assert last.startswith(
        "Mean F1 0.571 ± 0.495 of 3 images against 0.75: t = -0.62, p = 0.6, d = -0.36; 2 reach it (67 %, "
    )
    one = run(three / "A172_1_labels.tif", truth / "A172_1_mask.png", "--baseline", "0.75")[1]
    assert one.splitlines()[-1] == "A test against the baseline 0.75 needs two images or more."


def test_without_any_object(run, tmp_path):
    for name in ("a_pred.tif", "a_gt.tif", "b_pred.tif"):
        tifffile.imwrite(tmp_path / name, np.zeros((20, 20), np.uint8))
    code, out, err = run(
        tmp_path / "a_pred.tif", tmp_path / "a_gt.tif", "--compare", f"b={tmp_path / 'b_pred.tif'}"
    )
    assert (code, err) == (0, "")
    assert cells(out)["AP50"] == ["-", "-"]
    assert "F1 of b minus a_pred.tif: -, better in 0" in out


def test_progress_goes_on_through_all_predictions(three, truth):
    files = pair_label_files(three, truth)
    job = evaluating_files({"a": files, "b": files}, {"iou": 0.5})
    steps = list(job)
    assert [step.done for step in steps] == [1, 2, 3, 4, 5, 6]
    assert {step.total for step in steps} == {6}
    assert steps[3].detail == "b: A172_1"


@pytest.mark.parametrize(("text", "size"), [("0.5", (0.5, 0.5)), ("0.5, 0.4", (0.5, 0.4)), (None, None)])
def test_spacing(text, size):
    assert parse_spacing(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "1,2,3", "a"])
def test_spacing_that_is_none(text):
    with pytest.raises(OptionError, match="--spacing must be"):
        parse_spacing(text)


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom napari_cellseg.cli import main\n"
        "try:\n    main(['evaluate', '--help'])\nexcept SystemExit as done:\n    assert done.code == 0\n"
        "print('heavy:', sorted({'numpy', 'pandas', 'matplotlib', 'numba', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"
    assert "--compare" in done.stdout
