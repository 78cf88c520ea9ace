"""The command that measures, called as a user does, on real files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_cellseg.batch.measuring import IMAGE, find_labelled
from napari_cellseg.cli import main
from napari_cellseg.cli.measure import parse_sizes
from napari_cellseg.errors import ImageError, OptionError
from napari_cellseg.features.tables import read_table


@pytest.fixture
def run(capsys):
    """Call the command; returns exit code, stdout and stderr."""

    def call(*arguments):
        with pytest.raises(SystemExit) as done:
            main(["measure", *(str(argument) for argument in arguments)])
        out, err = capsys.readouterr()
        return done.value.code, out, err

    return call


def squares(count: int) -> np.ndarray:
    labels = np.zeros((40, 60), np.uint16)
    for k in range(count):
        labels[4:12, 4 + 14 * k : 14 + 14 * k] = k + 1
    return labels


def write(folder: Path, name: str, count: int, size: float | None = 0.5) -> None:
    """An image, its labels and their table; the size of a pixel in µm is in the labels' file."""
    folder.mkdir(exist_ok=True)
    labels = squares(count)
    metadata = {"axes": "YX"}
    if size is not None:
        metadata |= {"PhysicalSizeY": size, "PhysicalSizeX": size}
    tifffile.imwrite(folder / f"{name}_labels.ome.tif", labels, metadata=metadata)
    tifffile.imwrite(folder / f"{name}.tif", (100 * labels).astype(np.uint16))
    rows = {"index": range(1, count + 1), "class": ["dead", "live", "live"][:count], "area": 0}
    pd.DataFrame(rows).to_csv(folder / f"{name}_features.csv", index=False)


def test_one_file_in_its_own_units_with_its_classes(run, tmp_path):
    write(tmp_path / "in", "field", 3)
    out = tmp_path / "new" / "cells.csv"
    code, said, err = run(tmp_path / "in" / "field_labels.ome.tif", tmp_path / "in" / "field.tif", "-o", out)
    assert code == 0
    assert "Error" not in err
    assert said == f"3 objects, mean area 20 µm², {out}\n"
    table = read_table(out)
    assert table["index"].tolist() == [1, 2, 3]
    assert table["class"].tolist() == ["dead", "live", "live"]
    assert table["area"].tolist() == [20.0, 20.0, 20.0]
    assert table["intensity_mean"].tolist() == [100.0, 200.0, 300.0]
    assert table.attrs["units"]["area"] == "µm²"
    (source,) = table.attrs["provenance"]["settings"]["files"]
    assert source["scale"] == [0.5, 0.5]
    assert len(source["labels"]["sha256"]) == 64


def test_a_folder_becomes_one_table(run, tmp_path):
    write(tmp_path / "in", "a", 1)
    write(tmp_path / "in", "b", 3)
    out = tmp_path / "cells.parquet"
    code, said, _ = run(tmp_path / "in", tmp_path / "in", "-o", out, "--features", "area,intensity_max")
    assert code == 0
    assert said.startswith("4 objects in 2 images, mean area 20 µm²")
    table = read_table(out)
    assert list(table.columns) == [IMAGE, "index", "class", "area", "intensity_max"]
    assert table[IMAGE].tolist() == ["a", "b", "b", "b"]
    assert table["intensity_max"].tolist() == [100, 100, 200, 300]


def test_a_given_size_holds_for_all(run, tmp_path):
    write(tmp_path / "in", "a", 2, size=None)
    write(tmp_path / "in", "b", 1)
    code, _, err = run(tmp_path / "in", "-o", tmp_path / "cells.csv")
    assert code == 2
    assert "'b' says how large its pixels are and 'a' does not" in err
    assert not (tmp_path / "cells.csv").exists()
    code, _, _ = run(tmp_path / "in", "-o", tmp_path / "cells.csv", "--pixel-size", "2,3", "--unit", "nm")
    assert code == 0
    table = read_table(tmp_path / "cells.csv")
    assert table["area"].tolist() == [480.0, 480.0, 480.0]
    assert table.attrs["units"]["area"] == "nm²"


def test_a_bad_file_is_reported_and_the_rest_goes_on(run, tmp_path):
    write(tmp_path / "in", "a", 2)
    (tmp_path / "in" / "b_labels.tif").write_bytes(b"no image")
    code, said, err = run(tmp_path / "in", "-o", tmp_path / "cells.csv")
    assert code == 2
    assert "b_labels.tif" in err
    assert said.startswith("2 objects, ")
    assert read_table(tmp_path / "cells.csv")[IMAGE].tolist() == ["a", "a"]


def test_a_table_for_excel_with_decimal_commas(run, tmp_path):
    write(tmp_path / "in", "a", 1)
    out = tmp_path / "cells.csv"
    run(tmp_path / "in" / "a_labels.ome.tif", "-o", out, "--features", "equivalent_diameter_area", "--excel",
        "--decimal-comma")  # fmt: skip
    text = out.read_text(encoding="utf-8")
    assert text.startswith("\ufeffindex;class;equivalent_diameter_area")
    assert ";5,04" in text


def test_a_volume_needs_its_planes_apart(run, tmp_path):
    stack = np.repeat(squares(2)[None], 4, axis=0)
    path = tmp_path / "stack_labels.ome.tif"
    tifffile.imwrite(path, stack, metadata={"axes": "ZYX", "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5})
    code, _, err = run(path, "-o", tmp_path / "t.csv", "--volume")
    assert code == 2
    assert "how far its planes are apart" in err
    code, _, _ = run(
        path, "-o", tmp_path / "t.csv", "--volume", "--features", "bbox", "--pixel-size", "2,1,1"
    )
    assert code == 0
    assert read_table(tmp_path / "t.csv")["bbox-3"].tolist() == [4, 4]


def test_files_belong_together_by_their_names(tmp_path):
    write(tmp_path / "in", "a", 1)
    (found,) = find_labelled(tmp_path / "in", tmp_path / "in")
    assert (found.name, found.labels.name, found.image.name) == ("a", "a_labels.ome.tif", "a.tif")
    (tmp_path / "in" / "a.tif").unlink()
    with pytest.raises(OptionError, match="1 have none, for example 'a_labels"):
        find_labelled(tmp_path / "in", tmp_path / "in")
    with pytest.raises(OptionError, match="one label image"):
        find_labelled(tmp_path / "in" / "a_labels.ome.tif", tmp_path / "in")
    with pytest.raises(ImageError, match="no file or folder"):
        find_labelled(tmp_path / "none")


def test_wrong_arguments_are_said_in_words(run, tmp_path):
    write(tmp_path / "in", "a", 1)
    assert parse_sizes("0.5") == 0.5
    assert parse_sizes("2,0.5,0.5") == (2.0, 0.5, 0.5)
    with pytest.raises(OptionError, match="positive numbers"):
        parse_sizes("0.5,-1")
    code, _, err = run(tmp_path / "in", "-o", tmp_path / "cells.xlsx")
    assert code == 2
    assert err == "Error: --out must end in .csv or .parquet, not 'cells.xlsx'.\n"
