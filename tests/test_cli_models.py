"""The commands about models that come and go: rename, compare, share, add, packages of bioimage.io."""

from functools import partial

import pandas as pd
import pytest
import tifffile

from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models.collection import add_model
from napari_cellseg.models.registry import bundled_folder


@pytest.fixture
def run(run):
    """Call the command; returns exit code, stdout and stderr."""
    return partial(run, "models")


@pytest.fixture
def mine():
    """The bundled model 'phase' as one of the user's own."""
    return add_model(bundled_folder() / "phase.onnx", "mine")


def test_a_model_is_shared_added_renamed_and_removed(run, mine, tmp_path):
    file = tmp_path / "a model.cellseg"
    code, out, err = run("share", "mine", "-o", file)
    assert (code, err) == (0, "")
    assert out.startswith(f"{file}: {file.stat().st_size:,} bytes.")
    code, out, err = run("share", "mine", "-o", file)
    assert (code, out) == (2, "")
    assert "there already" in err
    assert run("share", "mine", "-o", file, "--overwrite")[0] == 0
    assert run("add", file, "--name", "theirs")[0] == 0
    assert run("rename", "theirs", "better") == (0, "'theirs' is now called 'better'.\n", "")
    assert "better" in run("list")[1]
    assert run("remove", "better")[0] == 0
    code, out, err = run("rename", "phase", "other")
    assert (code, out) == (2, "")
    assert "only models that you added can be renamed" in err


def test_a_shared_file_is_named_after_its_model(run, mine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("share", "mine")[0] == 0
    assert (tmp_path / "mine.cellseg").is_file()


def test_info_says_where_a_model_comes_from(run, mine):
    out = run("info", "mine")[1]
    for words in ("Trained from: scratch", "40 images, whose hashes", "yes, from mine.safetensors"):
        assert words in out


def test_models_side_by_side(run, mine, tmp_path):
    code, out, err = run("compare", "nuclei", "mine")
    assert (code, err) == (0, "")
    assert out.split()[:2] == ["nuclei", "mine"]
    for words in ("AP50", "licence", "recipe: seed"):
        assert words in out
    file = tmp_path / "table.csv"
    code, out, err = run("compare", "nuclei", "mine", "-o", file)
    table = pd.read_csv(file, index_col="fact")
    assert out == f"{file}: {len(table)} facts about 2 models.\n"
    assert table.loc["classes"].to_list() == ["nucleus", "cell"]
    assert run("compare", "nuclei", "none")[0] == 2


def test_a_package_of_bioimage_io_goes_out_and_comes_in(run, mine, tmp_path):
    pytest.importorskip("bioimageio.spec")
    image = tmp_path / "image.tif"
    tifffile.imwrite(image, simulate_fluorescence((270, 260), seed=3).image)
    file = tmp_path / "mine.zip"
    assert "authors" in run("export-zoo", "mine", "-o", file)[2]
    code, out, err = run(
        "export-zoo", "mine", "-o", file, "--author", "Ada", "--license", "MIT", "--image", image
    )
    assert (code, err) == (0, "")
    assert out.startswith(f"{file}: valid-format, says bioimageio.spec ")
    assert run("add", file, "--name", "back")[0] == 0
    assert "back" in run("list")[1]


@pytest.mark.parametrize("command", ["add", "rename", "compare", "share", "export-zoo"])
def test_every_command_has_help(run, command):
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert "Usage" in out
