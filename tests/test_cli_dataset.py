"""The commands about datasets, called as a user does."""

import json
import zipfile
from functools import partial

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from napari_cellseg.datasets.formats.registry import find_format, list_formats
from napari_cellseg.datasets.store import Dataset

CELLS = np.kron(np.arange(1, 10, dtype=np.uint16).reshape(3, 3), np.pad(np.ones((6, 6), np.uint16), 2))


@pytest.fixture
def run(run):
    """Call the command; returns exit code, stdout and stderr."""
    return partial(run, "dataset")


def image_of(seed):
    return np.random.default_rng(seed).integers(0, 60_000, CELLS.shape, np.uint16)


@pytest.fixture
def plate(tmp_path):
    """Images and labels of three fields, one of them with a saved table."""
    folder = tmp_path / "plate"
    folder.mkdir()
    for k, name in enumerate(("p1 A", "p1 B", "p2 A")):
        tifffile.imwrite(folder / f"{name}.tif", image_of(k))
        tifffile.imwrite(folder / f"{name}_labels.tif", CELLS)
    table = {"index": range(1, 10), "class": ["dead"] * 3 + ["cell"] * 6, "status": "accepted"}
    pd.DataFrame(table).to_csv(folder / "p1 A_features.csv", index=False)
    return folder


@pytest.fixture
def made(run, tmp_path, plate):
    """A dataset with the three fields."""
    folder = tmp_path / "data"
    assert run("create", folder, "--classes", "cell, dead")[0] == 0
    assert run("add", folder, plate, "--group-pattern", "^(p[0-9])")[0] == 0
    return folder


def test_create_and_add_a_folder(made):
    dataset = Dataset.open(made)
    assert dataset.names == ("p1 A", "p1 B", "p2 A")
    assert dataset.classes == ("cell", "dead")
    assert dataset.records()["group"].tolist() == ["p1", "p1", "p2"]
    sample = dataset.sample("p1 A")
    np.testing.assert_array_equal(sample.pixels(), image_of(0))
    assert sample.annotation.objects["class"].tolist() == ["dead"] * 3 + ["cell"] * 6
    assert dataset.record("p1 A").split == dataset.record("p1 B").split


def test_create_says_what_is_wrong(run, made):
    assert run("create", made)[0] == 2
    code, out, err = run("create", made / "x", "--fractions", "1,2")
    assert (code, out) == (2, "")
    assert err.startswith("Error: --fractions")
    assert len(err.splitlines()) == 1


def test_a_zarr_is_one_image_that_needs_its_labels(run, made, tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=image_of(5))
    code, _, err = run("add", made, tmp_path / "a.zarr")
    assert (code, "a.zarr' is one image: give its label image as well" in err) == (2, True)


def test_add_one_image(run, made, plate):
    arguments = [
        "--name",
        "new",
        "--split",
        "test",
        "--class",
        "other",
        "--region",
        "0,0,10,20",
        "--group",
        "g",
    ]
    told = ["--status", "predicted", "--pixel-size", "0.5", "--made-by", "Ada"]
    tifffile.imwrite(plate / "x.tif", image_of(7))
    code, out, err = run("add", made, plate / "x.tif", plate / "p2 A_labels.tif", *arguments, *told)
    assert (code, err) == (0, "")
    assert "1 images added, 0 replaced" in out
    sample = Dataset.open(made).sample("new")
    assert (sample.split, sample.origin.group, sample.origin.made_by) == ("test", "g", "Ada")
    assert (sample.origin.region, sample.origin.pixel_size) == ((0, 0, 10, 20), 0.5)
    np.testing.assert_array_equal(sample.annotation.labels, CELLS[:10, :20])
    assert set(sample.annotation.objects["class"]) == {"other"}
    assert set(sample.annotation.objects["status"]) == {"predicted"}


def test_adding_again_replaces(run, made, plate):
    code, out, _ = run("add", made, plate / "p2 A.tif", plate / "p2 A_labels.tif")
    assert code == 0
    assert out.splitlines() == ["p2 A: replaced", "0 images added, 1 replaced"]


def test_add_two_folders_and_a_stack(run, made, tmp_path):
    for name in ("im", "gt"):
        (tmp_path / name).mkdir()
    stack = np.stack([image_of(k) for k in (11, 12)])
    tifffile.imwrite(tmp_path / "im" / "film.tif", stack, metadata={"axes": "TYX"}, photometric="minisblack")
    tifffile.imwrite(tmp_path / "gt" / "film.tif", np.stack([CELLS, CELLS[::-1]]), photometric="minisblack")
    code, _, err = run("add", made, tmp_path / "im", tmp_path / "gt", "--axes", "TYX")
    assert (code, err) == (0, "")
    dataset = Dataset.open(made)
    np.testing.assert_array_equal(dataset.sample("film_t001").annotation.labels, CELLS[::-1])
    assert dataset.record("film_t000").split == dataset.record("film_t001").split


def test_masks_are_split_and_it_is_said(run, made, tmp_path):
    tifffile.imwrite(tmp_path / "m.tif", image_of(5))
    tifffile.imwrite(tmp_path / "m_mask.tif", ((CELLS > 0) * 255).astype(np.uint8))
    code, _, err = run("add", made, tmp_path / "m.tif", tmp_path / "m_mask.tif")
    assert code == 0
    assert err.startswith("Note: 'm_mask.tif' has a single value")
    assert len(Dataset.open(made).sample("m").annotation) == 9


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nowhere.tif"], "nowhere.tif"),
        (["{plate}", "--name", "x"], "--name"),
        (["{plate}/p1 A.tif"], "give its label image"),
        (["{plate}", "--split", "tset"], "'tset'"),
        (["{plate}", "--status", "good"], "'good'"),
        (["{plate}", "--region", "5,5,1,1"], "--region"),
        (["{plate}", "--group-pattern", "("], "--group-pattern"),
        (["{plate}/p1 A.tif", "{plate}/p1 A_features.csv"], "p1 A_features.csv"),
    ],
)
def test_what_is_wrong_with_add_is_one_sentence(run, made, plate, arguments, word):
    before = Dataset.open(made).records()
    code, out, err = run("add", made, *(a.format(plate=plate) for a in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert word in err
    assert len(err.splitlines()) == 1
    pd.testing.assert_frame_equal(Dataset.open(made).records(), before)


@pytest.mark.parametrize("command", ["add", "import", "info", "resplit", "export", "remove"])
def test_what_is_no_dataset_is_refused(run, tmp_path, command):
    more = {"export": ["out", "-f", "coco"], "info": [], "resplit": []}.get(command, ["x"])
    code, out, err = run(command, tmp_path, *more)
    assert (code, out) == (2, "")
    assert "is not a dataset" in err or "There is no file" in err


def test_export_and_import_again(run, made, tmp_path):
    for name in ("coco", "cellpose"):
        code, out, err = run("export", made, tmp_path / name, "--format", name)
        assert code == 0
        assert out.startswith(str(tmp_path / name))
        assert "3 images with 27 objects" in out
        assert "Nothing is lost" in err
        run("create", tmp_path / f"{name} again")
        code, out, _ = run("import", tmp_path / f"{name} again", tmp_path / name)
        assert code == 0
        assert f"3 images added, 0 replaced, read as {name}" in out
    back = Dataset.open(tmp_path / "cellpose again").sample("p1 A")
    assert back.annotation.objects["class"].tolist() == ["dead"] * 3 + ["cell"] * 6
    code, _, err = run("export", made, tmp_path / "coco", "--format", "coco")
    assert code == 2
    assert "not empty" in err


def test_some_images_are_exported(run, made, tmp_path):
    assert run("export", made, tmp_path / "one", "-f", "stardist", "--name", "p2 A")[0] == 0
    assert [s.name for s in find_format("stardist").read(tmp_path / "one", [])] == ["p2 A"]
    code, out, _ = run("export", made, tmp_path / "none", "-f", "yolo", "--dry-run")
    assert code == 0
    assert "27 objects" in out
    assert not (tmp_path / "none").exists()
    assert run("export", made, tmp_path / "none", "-f", "nonsense")[0] == 2


def test_an_archive_is_imported(run, made, plate, tmp_path):
    with zipfile.ZipFile(tmp_path / "plate.zip", "w") as archive:
        for file in plate.iterdir():
            archive.write(file, f"deep/{file.name}")
    run("create", tmp_path / "other")
    code, out, _ = run("import", tmp_path / "other", tmp_path / "plate.zip", "--group-pattern", "^p[0-9]")
    assert code == 0
    assert "3 images added" in out
    assert Dataset.open(tmp_path / "other").records()["group"].tolist() == ["p1", "p1", "p2"]
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4 not really")
    code, _, err = run("import", tmp_path / "other", tmp_path / "bad.zip")
    assert code == 2
    assert "bad.zip" in err


def test_check_and_its_exit_codes(run, made):
    code, out, err = run("check", made)
    assert (code, err) == (0, "")
    assert "ERROR" not in out
    (made / "masks" / Dataset.open(made).record("p2 A").split / "p2 A.tif").unlink()
    code, out, err = run("check", made)
    assert (code, err) == (1, "")
    assert any(line.startswith("ERROR") and "p2 A.tif" in line for line in out.splitlines())
    code, out, _ = run("check", made, "--json")
    assert code == 1
    first = json.loads(out)[0]
    assert (first["image"], first["kind"], first["severity"]) == ("p2 A", "missing", "error")
    assert first["fix"]


def test_check_of_what_others_wrote(run, plate):
    code, out, _ = run("check", plate)
    assert code == 0
    code, out, _ = run("check", plate, "--format", "coco")
    assert code == 1
    assert "ERROR" in out
    code, out, err = run("check", plate / "nowhere")
    assert (code, out) == (2, "")
    assert "nowhere" in err


def test_info(run, made):
    code, out, _ = run("info", made)
    assert code == 0
    *_, total, groups = [line.split() for line in out.splitlines()]
    assert total == ["all", "3", "27", "24", "3"]
    assert groups == ["2", "groups"]
    code, out, _ = run("info", made, "--json")
    known = json.loads(out)
    assert sum(split["images"] for split in known["splits"].values()) == 3
    assert [image["name"] for image in known["images"]] == ["p1 A", "p1 B", "p2 A"]


def test_resplit_and_remove(run, made):
    code, out, _ = run("resplit", made, "--fractions", "0,1,0", "--seed", "3")
    assert code == 0
    assert set(Dataset.open(made).records()["split"]) == {"val"}
    code, out, _ = run("remove", made, "p1 A", "p1 B")
    assert code == 0
    assert "1 are left" in out
    assert Dataset.open(made).names == ("p2 A",)
    assert run("remove", made, "p1 A")[0] == 2


def test_classes_are_renamed_and_merged(run, made):
    assert run("rename-class", made, "dead", "debris")[0] == 0
    assert Dataset.open(made).classes == ("cell", "debris")
    code, _, err = run("rename-class", made, "debris", "cell")
    assert (code, "With --merge it takes over the objects of 'debris'" in err) == (2, True)
    code, out, _ = run("rename-class", made, "debris", "cell", "--merge")
    assert (code, Dataset.open(made).classes) == (0, ("cell",))
    assert out.split()[:3] == ["images", "objects", "cell"]


def test_formats_are_listed(run):
    code, out, _ = run("formats")
    assert code == 0
    assert all(any(line.startswith(f"{f.name} ") for line in out.splitlines()) for f in list_formats())


def test_only_accepted_objects_are_added(run, tmp_path, plate):
    folder = tmp_path / "data"
    run("create", folder, "--classes", "cell,dead")
    table = {"index": range(1, 10), "status": ["predicted"] * 6 + ["accepted"] * 3}
    pd.DataFrame(table).to_csv(plate / "p1 B_features.csv", index=False)
    arguments = ("add", folder, plate / "p1 B.tif", plate / "p1 B_labels.tif", "--only", "accepted")
    code, out, _ = run(*arguments)
    assert (code, "p1 B: added" in out) == (0, True)
    sample = Dataset.open(folder).sample("p1 B")
    assert sample.annotation.objects["index"].tolist() == [7, 8, 9]
    assert sample.origin.region == (22, 2, 28, 28)
    code, _, err = run(*arguments[:-1], "edited")
    assert (code, "--only must be accepted, not 'edited'" in err) == (2, True)
