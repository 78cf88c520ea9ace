"""The command that measures, called as a user does, on real files."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from napari_cellseg.batch.labelled import IMAGE, find_labelled
from napari_cellseg.cli.measure import parse_interval, parse_sizes
from napari_cellseg.errors import ImageError, OptionError
from napari_cellseg.features.tables import read_table
from napari_cellseg.labels.writing import write_labels


@pytest.fixture
def run(run):
    """Call the command; returns exit code, stdout and stderr."""
    return partial(run, "measure")


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


def test_an_image_without_objects_among_others(run, tmp_path):
    write(tmp_path / "in", "a", 0)
    write(tmp_path / "in", "b", 2)
    for path in (tmp_path / "cells.csv", tmp_path / "cells.parquet"):
        code, _, err = run(tmp_path / "in", tmp_path / "in", "-o", path)
        assert (code, err) == (0, "")
        table = read_table(path)
        assert list(table.columns[:3]) == [IMAGE, "index", "class"]
        assert table[IMAGE].tolist() == ["b", "b"]
        assert table["index"].tolist() == [1, 2]


def test_classes_of_any_name_in_some_images_only(run, tmp_path):
    for name, classes in (("a", ["live", "NA"]), ("b", ["", ""]), ("c", ["1", ""])):
        write(tmp_path / "in", name, 2)
        rows = {"index": [1, 2], "class": classes, "status": ["", "edited"] if name == "a" else ["", ""]}
        pd.DataFrame(rows).to_csv(tmp_path / "in" / f"{name}_features.csv", index=False)
    code, _, err = run(tmp_path / "in", "-o", tmp_path / "cells.parquet", "--images", tmp_path / "images.csv")
    assert (code, err) == (0, "")
    found = pd.read_parquet(tmp_path / "cells.parquet")[["class", "status"]].fillna("")
    assert found["class"].tolist() == ["live", "NA", "", "", "1", ""]
    assert found["status"].tolist() == ["", "edited", "", "", "", ""]
    images = pd.read_csv(tmp_path / "images.csv")
    assert images[["count_of-live", "count_of-1"]].fillna(0).to_numpy().tolist() == [[1, 0], [0, 0], [0, 1]]


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


def test_two_files_of_one_name_are_told_apart(tmp_path):
    write(tmp_path / "in", "a", 1)
    folder = tmp_path / "in"
    tifffile.imwrite(folder / "a.tiff", squares(1))
    with pytest.raises(OptionError, match=r"may be of two images in .*: 'a\.tif' and 'a\.tiff'"):
        find_labelled(folder, folder)
    (folder / "a_labels.ome.tif").rename(folder / "a_tiff_labels.tif")
    (found,) = find_labelled(folder, folder)
    assert (found.name, found.image.name) == ("a_tiff", "a.tiff")
    tifffile.imwrite(folder / "a_tiff_mask.tif", squares(1))
    for images in (None, folder):
        with pytest.raises(OptionError, match=r"of the same image: 'a_tiff_labels\.tif' and 'a_tiff_mask"):
            find_labelled(folder, images)


def test_an_image_that_is_called_like_labels(tmp_path):
    write(tmp_path / "out", "plate_gt", 1)
    (tmp_path / "in").mkdir()
    (tmp_path / "out" / "plate_gt.tif").rename(tmp_path / "in" / "plate_gt.tif")
    (found,) = find_labelled(tmp_path / "out", tmp_path / "in")
    assert (found.labels.name, found.image.name) == ("plate_gt_labels.ome.tif", "plate_gt.tif")


@pytest.mark.parametrize("ending", ["tif", "npy"])
@pytest.mark.parametrize(
    "shape, axes", [((1, 2, 1), "TCZYX"), ((1, 1), "TZYX"), ((1,), None), ((2, 1), "CZYX")]
)
def test_axes_of_length_1_may_be_in_one_file_only(run, tmp_path, shape, axes, ending):
    image = np.broadcast_to((100 * squares(3)).astype(np.uint16), (*shape, 40, 60))
    if axes is None:
        path = tmp_path / "a.npy"
        np.save(path, image)
    else:
        path = tmp_path / "a.zarr"
        zarr.create_array(path, data=image, dimension_names=list(axes.lower()))
    labels = tmp_path / f"a_labels.{ending}"
    write_labels(labels, squares(3)[None] if ending == "npy" else squares(3), axes="YX")
    code, _, err = run(labels, path, "-o", tmp_path / "t.csv", "--features", "area,intensity_mean")
    assert (code, err) == (0, "")
    table = read_table(tmp_path / "t.csv")
    assert table["area"].tolist() == [80.0] * 3
    column = "intensity_mean-1" if "C" in (axes or "") else "intensity_mean"
    assert table[column].tolist() == [100.0, 200.0, 300.0]


def test_planes_that_the_image_leaves_open_are_those_of_its_labels(run, tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.full((3, 40, 60), 7, np.uint16),
        photometric="minisblack",
        metadata={"axes": "QYX"},
    )
    labels = tmp_path / "a_labels.tif"
    write_labels(labels, np.stack([squares(2)] * 3), axes="ZYX")
    sizes = ("--volume", "--pixel-size", "2,1,1")
    code, _, err = run(labels, tmp_path / "a.tif", "-o", tmp_path / "t.csv", *sizes)
    assert (code, err) == (0, "")
    assert read_table(tmp_path / "t.csv")["area"].tolist() == [3 * 80 * 2.0] * 2  # of a volume, in µm³


def test_contacts_where_the_image_has_channels(run, tmp_path):
    write(tmp_path, "a", 3)
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((2, 40, 60), np.uint16), imagej=True, metadata={"axes": "CYX"}
    )
    code, _, err = run(tmp_path, tmp_path, "--enrichment", tmp_path / "pairs.csv", "--shuffles", 20)
    assert (code, err) == (0, "")
    assert len(read_table(tmp_path / "pairs.csv")) > 0


def test_wrong_arguments_are_said_in_words(run, tmp_path):
    write(tmp_path / "in", "a", 1)
    assert parse_sizes("0.5") == 0.5
    assert parse_sizes("2,0.5,0.5") == (2.0, 0.5, 0.5)
    with pytest.raises(OptionError, match="positive numbers"):
        parse_sizes("0.5,-1")
    code, _, err = run(tmp_path / "in", "-o", tmp_path / "cells.xlsx")
    assert code == 2
    assert err == "Error: --out must end in .csv or .parquet, not 'cells.xlsx'.\n"
    code, _, err = run(tmp_path / "in", "-o", tmp_path / "cells.csv", "--unit", "nm")
    assert (code, "give the size of a pixel in nm" in err) == (2, True)


def write_film(folder: Path, counts: tuple[int, ...], interval: float | None = 1800) -> Path:
    """A time series with as many squares in each frame; `interval` in s."""
    metadata = {"axes": "TYX", "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5}
    if interval is not None:
        metadata |= {"TimeIncrement": interval, "TimeIncrementUnit": "s"}
    path = folder / "film_labels.ome.tif"
    tifffile.imwrite(path, np.stack([squares(n) for n in counts]), metadata=metadata)
    return path


def test_a_row_for_each_image_without_a_table_of_objects(run, tmp_path):
    for name, count in (("a", 1), ("b", 3)):
        write(tmp_path / "in", name, count)
    out = tmp_path / "new" / "images.csv"
    code, said, _ = run(tmp_path / "in", tmp_path / "in", "--images", out)
    assert code == 0
    assert said == f"2 images, 4 objects, mean confluence 6.67 %, {out}\n"
    table = read_table(out)
    assert table[IMAGE].tolist() == ["a", "b"]
    assert table["confluence"].tolist() == pytest.approx([80 / 2400, 240 / 2400])
    assert table["count_of-live"].tolist()[1] == 2
    assert "focus" in table
    assert table.attrs["units"]["density"] == "1/µm²"
    assert table.attrs["definitions"]["count_of-live"] == "Number of objects of a class. Of live."
    assert table.attrs["provenance"]["growth"] == {}


def test_growth_of_a_time_series_is_told_and_kept(run, tmp_path):
    path, out = write_film(tmp_path, (1, 2, 4)), tmp_path / "images.csv"
    code, said, _ = run(path, "--images", out)
    assert code == 0
    assert "film: count doubles in 0.5 h (95 % interval 0.5 to 0.5 h), R² 1.00" in said
    table = read_table(out)
    assert table["time"].tolist() == [0, 0.5, 1]
    assert table.attrs["units"]["time"] == "h"
    growth = table.attrs["provenance"]["growth"]["film"]["count"]
    assert growth["doubling_time"] == pytest.approx(0.5)
    assert (growth["n"], growth["unit"]) == (3, "h")
    run(path, "--images", out, "--interval", "10min")
    assert read_table(out).attrs["provenance"]["growth"]["film"]["count"]["doubling_time"] == pytest.approx(
        10
    )


def test_frames_without_a_time_are_numbered(run, tmp_path):
    out = tmp_path / "images.csv"
    _, said, _ = run(write_film(tmp_path, (2, 2, 1), None), "--images", out)
    assert "count does not grow: rate -0.347 per frame" in said
    assert "time" not in read_table(out)


def test_contacts_of_classes_against_chance(run, tmp_path):
    labels = np.kron(np.arange(1, 26).reshape(5, 5), np.ones((4, 4))).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a_labels.tif", labels)
    rows = {"index": range(1, 26), "class": ["left", "left", "right", "right", "right"] * 5}
    pd.DataFrame(rows).to_csv(tmp_path / "a_features.csv", index=False)
    both = [tmp_path / "pairs.csv", tmp_path / "again.csv"]
    for out in both:
        code, said, _ = run(tmp_path / "a_labels.tif", "--enrichment", out, "--shuffles", 50, "--seed", 3)
        assert code == 0
        assert said.startswith(f"3 pairs of classes, {out}\n")
        assert "left and right: 13 contacts" in said
    first, second = map(read_table, both)
    assert first.equals(second)
    assert first.loc[1, "ratio"] < 1
    assert first.attrs["provenance"]["settings"]["seed"] == 3
    assert "by chance" in first.attrs["definitions"]["ratio"]


def test_one_class_has_no_contacts_with_others(run, tmp_path):
    write(tmp_path / "in", "a", 1)
    code, _, err = run(tmp_path / "in" / "a_labels.ome.tif", "--enrichment", tmp_path / "pairs.csv")
    assert code == 2
    assert "there is only 'dead'" in err
    assert not (tmp_path / "pairs.csv").exists()


def test_all_tables_in_one_go_need_different_names(run, tmp_path):
    write(tmp_path / "in", "a", 3)
    labels = tmp_path / "in" / "a_labels.ome.tif"
    code, _, _ = run(
        labels, "-o", tmp_path / "o.csv", "--images", tmp_path / "i.csv", "--enrichment", tmp_path / "e.csv"
    )
    assert code == 0
    assert {path.name for path in tmp_path.glob("*.csv")} == {"o.csv", "i.csv", "e.csv"}
    code, _, err = run(labels, "-o", tmp_path / "o.csv", "--images", tmp_path / "o.csv")
    assert code == 2
    assert "--out and --images must be different files" in err
    assert "Say what to write" in run(labels)[2]


@pytest.mark.parametrize("text", ["30", "0h", "-1h", "1week", "h", "1.2.3h"])
def test_a_time_between_frames_needs_its_unit(text):
    assert parse_interval("0.5h") == (0.5, "h")
    with pytest.raises(OptionError, match="--interval"):
        parse_interval(text)
