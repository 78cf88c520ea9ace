"""The command that compares groups of cells, called as a user does, on real files."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.features.tables import read_table, sidecar_path, write_table


@pytest.fixture
def run(run):
    """Call the command; returns exit code, stdout and stderr."""
    return partial(run, "compare")


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Cells of six wells of two lines, the second with larger cells; each well has two classes."""
    rng = np.random.default_rng(5)
    parts = []
    for k in range(6):
        line = "A172" if k < 3 else "BT474"
        n = 30
        area = rng.normal(100 + 20 * (k >= 3) + rng.normal(0, 2), 6, n)
        parts.append(
            pd.DataFrame(
                {
                    "image": f"{line}_Phase_{'ABCDEF'[k]}7_{k}",
                    "index": np.arange(1, n + 1),
                    "class": np.where(np.arange(n) % 2, "live", "dead"),
                    "centroid-0": rng.uniform(0, 500, n),
                    "area": area + 5 * (np.arange(n) % 2),
                    "eccentricity": rng.beta(2, 5, n),
                    "texture_entropy": rng.normal(4, 1, n),
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    table.attrs["units"] = {"area": "µm²"}
    path = tmp_path / "cells.csv"
    write_table(table, path, provenance={"made": "by hand"})
    return path


PATTERN = "{line}_Phase_{well}_*"


def test_conditions_of_the_images_names_over_wells(run, cells, tmp_path):
    out, figure = tmp_path / "new" / "result.csv", tmp_path / "area.svg"
    code, said, err = run(cells, "--by", "line", "--replicates", "well", "--pattern", PATTERN, "-o", out,
                          "--plot", figure)  # fmt: skip
    assert code == 0
    assert "taken as independent" not in err
    table = read_table(out)
    assert table["feature"].tolist() == ["area", "eccentricity"]
    area = table.iloc[0]
    assert (area["first"], area["second"], area["level"]) == ("A172", "BT474", "replicates")
    assert (area["n_first"], area["n_second"], area["unit"]) == (3, 3, "µm²")
    assert area["p_corrected"] < 0.05
    assert said.splitlines()[-1].startswith("BT474 against A172: 1 of 2 features differs")
    assert "n = 3 and 3 replicates, 180 cells" in said
    assert "BT474 against A172   g " in said
    assert "area (µm²)" in figure.read_text(encoding="utf-8")


def test_where_the_result_comes_from_is_kept(run, cells, tmp_path):
    out = tmp_path / "result.parquet"
    code, _, _ = run(cells, "--by", "class", "--replicates", "image", "--features", "area", "-o", out)
    assert code == 0
    origin = read_table(out).attrs["provenance"]
    assert origin["source"]["path"] == str(cells)
    assert len(origin["source"]["sha256"]) == 64
    assert origin["source"]["provenance"] == {"made": "by hand"}
    assert origin["settings"]["features"] == ["area"]
    assert origin["settings"]["replicates"] == "image"
    assert "compare paired" in origin["warnings"][0]
    assert json.loads(sidecar_path(out).read_text(encoding="utf-8"))["provenance"] == origin


def test_classes_of_one_image_in_pairs(run, cells, tmp_path):
    out = tmp_path / "result.csv"
    code, said, _ = run(cells, "--by", "class", "--paired", "image", "--features", "size", "-o", out)
    assert code == 0
    (row,) = read_table(out).to_dict("records")
    assert (row["effect"], row["n_replicates"]) == ("Cohen's dz", 6)
    assert "compared in pairs" in said


def test_without_replicates_it_says_so(run, cells, tmp_path):
    code, said, err = run(cells, "--by", "class", "-o", tmp_path / "result.csv")
    assert code == 0
    assert err.startswith("Warning: Cells were taken as independent replicates (dead: 90, live: 90).")
    assert "180 cells taken as independent" in said


def test_a_control_and_chosen_groups(run, cells, tmp_path):
    out, figure = tmp_path / "result.csv", tmp_path / "effects.png"
    wells = "A7,B7,F7"
    code, said, _ = run(cells, "--by", "well", "--pattern", PATTERN, "--groups", wells, "--control", "B7",
                        "--features", "shape,area", "-o", out, "--plot-effects", figure)  # fmt: skip
    assert code == 0
    table = read_table(out)
    assert table["feature"].tolist() == ["eccentricity"] * 3 + ["area"] * 3
    pairs = table[table["first"].notna()]
    assert pairs["first"].tolist() == ["B7"] * 4
    assert pairs["second"].tolist() == ["A7", "F7"] * 2
    assert figure.stat().st_size > 1000
    assert said.splitlines()[-1].startswith("A7, B7 and F7: 1 of 2 features differs")


def test_an_excel_file_with_decimal_commas(run, cells, tmp_path):
    out = tmp_path / "result.csv"
    run(cells, "--by", "class", "-o", out, "--excel", "--decimal-comma")
    text = out.read_text(encoding="utf-8")
    assert text.startswith("\ufefffeature;unit;")
    assert "µm²" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--by", "colour"], "The table has no column 'colour'"),
        (["--by", "class", "--features", "aera"], "no column, feature or group 'aera'. Did you mean 'area'?"),
        (["--by", "class", "--paired", "image", "--replicates", "well"], "not by both"),
        (["--by", "class", "--correction", "much"], "correction must be one of benjamini-hochberg"),
        (["--by", "line", "--pattern", "{line}-{well}"], "does not fit the pattern"),
        (["--by", "class", "--pattern", "{area}_*"], "has a column 'area' already"),
        (["--by", "class", "--plot", "area.jpg"], "must end in .svg, .pdf, .png"),
        (["--by", "class", "--plot-feature", "perimeter"], "--plot-feature must be one of area"),
        (["--by", "class", "--control", "drug"], "control must be one of dead, live, not 'drug'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(run, cells, tmp_path, arguments, words):
    out = tmp_path / "result.csv"
    code, said, err = run(cells, *arguments, "-o", out)
    assert (code, said) == (2, "")
    assert err.startswith("Error: ")
    assert words in err
    assert err.count("\n") == 1
    assert not out.exists()


def test_no_file_takes_the_place_of_another(run, cells, tmp_path):
    before = cells.read_bytes()
    code, _, err = run(cells, "--by", "class", "--paired", "image", "-o", tmp_path / "." / "cells.csv")
    assert (code, "must not replace the table" in err) == (2, True)
    assert cells.read_bytes() == before
    plots = ("--plot", tmp_path / "a.png", "--plot-effects", tmp_path / "a.png")
    code, _, err = run(cells, "--by", "class", "--paired", "image", "-o", tmp_path / "r.csv", *plots)
    assert (code, "must be different files" in err) == (2, True)


def test_a_missing_table_is_an_error(run, tmp_path):
    code, _, err = run(tmp_path / "none.csv", "--by", "class", "-o", tmp_path / "result.csv")
    assert code == 2
    assert "none.csv" in err
    code, _, err = run(tmp_path / "none.csv", "--by", "class", "-o", tmp_path / "result.xlsx")
    assert (code, err) == (2, "Error: --out must end in .csv or .parquet, not 'result.xlsx'.\n")
