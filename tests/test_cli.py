"""The command line, called as a user does."""

import io
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_cellseg
from napari_cellseg import batch, doctor
from napari_cellseg.cli import main, terminal
from napari_cellseg.cli.app import parse_diameter, parse_pixel_size
from napari_cellseg.cli.demo import OUTLINE, outlined
from napari_cellseg.cli.options import parse_channel
from napari_cellseg.errors import CellSegWarning, OptionError
from napari_cellseg.events import Progress
from napari_cellseg.images.reading import read_image
from napari_cellseg.models.registry import bundled_folder, find_model
from napari_cellseg.models.trust import is_trusted

START = "import sys; from napari_cellseg.cli import main; main(sys.argv[1:])"


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """A simulated field in a TIFF file."""
    from napari_cellseg.images.simulation import simulate_fluorescence

    path = tmp_path_factory.mktemp("images") / "field.tif"
    tifffile.imwrite(path, simulate_fluorescence((192, 192), seed=3).image)
    return path


@pytest.fixture
def fake_batch(monkeypatch):
    """A batch that does nothing but remember what it was called with; its results can be chosen."""

    class Fake:
        def __init__(self):
            self.results = [batch.FileResult(Path("a.tif"), "done", Path("out/a_labels.tif"), 1234, 2.0)]
            self.warning = ""

        def segmenting_files(self, paths, out, **keywords):
            self.paths, self.out, self.keywords = paths, out, keywords
            for i, result in enumerate(self.results):
                if self.warning:
                    warnings.warn(self.warning, CellSegWarning, stacklevel=1)
                yield Progress("Segmenting files", i + 1, len(self.results), result.path.name, result)
            return batch.BatchSummary(tuple(self.results), 3.0)

    fake = Fake()
    monkeypatch.setattr(batch, "segmenting_files", fake.segmenting_files)
    return fake


# -- segment ----------------------------------------------------------------------------------------------


def test_a_file_from_start_to_end(run, field, tmp_path):
    code, out, err = run("segment", field, "-o", tmp_path / "out", "--device", "cpu")
    assert (code, err) == (0, "")
    count = len(pd.read_csv(tmp_path / "out" / "field_features.csv"))
    labels = np.asarray(read_image(tmp_path / "out" / "field_labels.tif").data)
    assert labels.max() == count > 0
    assert re.fullmatch(rf".*field\.tif: {count} objects in [\d.]+ s, .*field_labels\.tif\n", out)
    code, out, _ = run("segment", field, "-o", tmp_path / "out", "--device", "cpu")
    assert (code, "already done" in out) == (0, True)


def test_every_option_reaches_the_batch(run, fake_batch):
    code, *_ = run(
        "segment", "a.tif", "b", "-o", "out", "--model", "m", "--device", "cuda:1", "--confidence", "0.3",
        "--channel", "0,2", "--axes", "TCYX", "--pixel-size", "0.5,0.4", "--diameter", "auto",
        "--tile", "256", "--link", "z", "--format", "npy", "--overwrite", "--keep-map", "foreground",
    )  # fmt: skip
    assert code == 0
    assert (fake_batch.paths, fake_batch.out) == ([Path("a.tif"), Path("b")], Path("out"))
    assert fake_batch.keywords == {
        "model": "m", "device": "cuda:1", "confidence": 0.3, "channel": (0, 2), "axes": "TCYX",
        "pixel_size": (0.5, 0.4), "diameter": "auto", "tile": 256, "link": "z", "format": "npy",
        "overwrite": True, "keep_maps": ("foreground",),
    }  # fmt: skip


def test_the_defaults_are_those_of_the_batch(run, fake_batch):
    run("segment", "a.tif", "-o", "out")
    defaults = {
        name: parameter.default
        for name, parameter in _signature().parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert fake_batch.keywords == defaults


def _signature():
    import inspect

    from napari_cellseg.batch.job import segmenting_files

    return inspect.signature(segmenting_files)


def test_several_files_get_a_line_each_and_a_summary(run, fake_batch):
    fake_batch.results = [
        *fake_batch.results,
        batch.FileResult(Path("b.tif"), "skipped", Path("out/b_labels.tif"), 7),
        batch.FileResult(Path("c.tif"), "failed", reason="It is broken."),
    ]
    code, out, err = run("segment", "a.tif", "b.tif", "c.tif", "-o", "out")
    assert code == 2
    assert out == "3 files: 1 segmented, 1 already done, 1 failed; 1,234 objects in 3.0 s.\n"
    assert err.splitlines() == [
        f"a.tif: 1,234 objects in 2.0 s, {Path('out/a_labels.tif')}",
        f"b.tif: already done, 7 objects, {Path('out/b_labels.tif')}",
        "Error: c.tif: It is broken.",
    ]


def test_warnings_are_one_line_each(run, fake_batch):
    fake_batch.warning = "Mind the gap."
    code, _, err = run("segment", "a.tif", "-o", "out")
    assert (code, err) == (0, "Warning: Mind the gap.\n")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["segment", "none.tif", "-o", "OUT"], "There is no file"),
        (["segment", "FIELD"], "Missing option"),
        (["segment", "-o", "OUT"], "Missing argument"),
        (["segment", "FIELD", "-o", "OUT", "--nonsense"], "No such option"),
        (["segment", "FIELD", "-o", "OUT", "--channel", "red"], "--channel must be"),
        (["segment", "FIELD", "-o", "OUT", "--channel", "3"], ""),
        (["segment", "FIELD", "-o", "OUT", "--diameter", "big"], "--diameter must be"),
        (["segment", "FIELD", "-o", "OUT", "--pixel-size", "1,2,3"], "--pixel-size must be"),
        (["segment", "FIELD", "-o", "OUT", "--confidence", "2"], "confidence must be"),
        (["segment", "FIELD", "-o", "OUT", "--model", "nucle"], "Did you mean 'nuclei'"),
        (["segment", "FIELD", "-o", "OUT", "--device", "gpu"], "device must be"),
        (["segment", "FIELD", "-o", "OUT", "--format", "jpg"], "format must be"),
        (["segment", "FIELD", "-o", "OUT", "--link", "t"], "link must be"),
        (["segment", "FIELD", "-o", "FIELD"], "a file is in the way"),
        (["models", "info", "none"], "There is no model"),
        (["models", "remove", "nuclei"], "bundled"),
        (["models", "add", "none.onnx"], "no model file"),
        (["frobnicate"], "No such command"),
    ],
)
def test_errors_are_one_sentence_on_stderr(run, field, tmp_path, arguments, words):
    names = {"FIELD": str(field), "OUT": str(tmp_path / "out")}
    code, out, err = run(*[names.get(a, a) for a in arguments])
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert words in err
    assert len(err.splitlines()) == 1


def test_an_unexpected_error_shows_its_traceback_only_when_asked(run, monkeypatch):
    def broken(*arguments, **keywords):
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(batch, "segmenting_files", broken)
    code, _, err = run("segment", "a.tif", "-o", "out")
    assert code == 2
    expected = "Error: ZeroDivisionError: deep inside. Run napari-cellseg --debug … to see where.\n"
    assert err == expected
    code, _, err = run("--debug", "segment", "a.tif", "-o", "out")
    assert code == 2
    assert "Traceback" in err
    assert "in broken" in err


def test_ctrl_c_in_a_command(run, monkeypatch):
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "segmenting_files", interrupted)
    assert run("segment", "a.tif", "-o", "out") == (130, "", "Cancelled\n")


def test_ctrl_c_that_turned_into_another_error(run, monkeypatch):
    """Importing a compiled module may turn a KeyboardInterrupt into an ImportError."""

    def interrupted(*arguments, **keywords):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("half imported") from None

    monkeypatch.setattr(batch, "segmenting_files", interrupted)
    assert run("segment", "a.tif", "-o", "out") == (130, "", "Cancelled\n")


def test_a_pipe_that_has_not_all_characters(fake_batch, monkeypatch):
    pipe = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", pipe)
    fake_batch.results = [batch.FileResult(Path("−1 µm.tif"), "done", Path("out"), 1, 2.0)]
    with pytest.raises(SystemExit) as done:
        main(["segment", "a.tif", "-o", "out"])
    pipe.flush()
    assert done.value.code == 0
    assert pipe.buffer.getvalue().startswith("\\u22121 µm.tif: 1 objects".encode("cp1252"))


def test_a_name_that_no_table_can_hold(run, monkeypatch):
    def broken(*arguments, **keywords):
        "a_\udce4.tif".encode()

    monkeypatch.setattr(batch, "segmenting_files", broken)
    code, _, err = run("segment", "a.tif", "-o", "out")
    assert (code, "name is not valid UTF-8" in err) == (2, True)


def test_a_missing_package_points_to_the_doctor(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "napari_cellseg.batch", None)
    code, _, err = run("segment", "a.tif", "-o", "out")
    assert code == 2
    assert err.endswith("napari-cellseg doctor says what is missing.\n")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_ctrl_c_in_a_real_process_leaves_no_half_written_file(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "big.npy", np.random.default_rng(0).integers(0, 999, (40, 512, 512)).astype(np.uint16))
    command = [
        sys.executable,
        "-c",
        START,
        "segment",
        str(folder),
        "-o",
        str(tmp_path / "out"),
        "--device",
        "cpu",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "out").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "Cancelled"
    assert "Traceback" not in err
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "text, value", [(None, None), ("1", 1), ("0,2", (0, 2)), ("mean", "mean"), ("max", "max"), ("-1", -1)]
)
def test_channels(text, value):
    assert parse_channel(text) == value


@pytest.mark.parametrize("text", ["", "a", "0,", "1.5", "min"])
def test_channels_that_are_none(text):
    with pytest.raises(OptionError, match=re.escape(repr(text))):
        parse_channel(text)


def test_sizes():
    assert parse_diameter("12.5") == 12.5
    assert parse_diameter("auto") == "auto"
    assert parse_diameter(None) is parse_pixel_size(None) is None
    assert parse_pixel_size("0.5") == 0.5
    assert parse_pixel_size("0.5,0.4") == (0.5, 0.4)
    with pytest.raises(OptionError, match="''"):
        parse_pixel_size("")


# -- progress ---------------------------------------------------------------------------------------------


def test_what_share_of_all_is_done():
    inner = Progress("Segmenting", 1, 2)
    assert terminal.overall(Progress("Segmenting files", 1, 4, payload=inner)) == 0.375
    assert (
        terminal.overall(Progress("Segmenting files", 1, 4, payload=Progress("Loading model", 1, 1))) == 0.25
    )
    assert terminal.overall(Progress("Segmenting files", 1, 4)) == 0.25
    assert terminal.overall(Progress("Segmenting files", 0, 0, payload=inner)) == 0


def test_lines_are_sparse_and_say_the_time_left(capsys):
    now = [0.0]
    lines = terminal.ProgressLines(lambda: now[0])
    for second in range(60):
        now[0] = float(second)
        lines.show(Progress("Segmenting files", second, 120, f"{second}.tif"))
    assert capsys.readouterr().err.splitlines() == [
        "8% 10.tif, about 2 min left",
        "17% 20.tif, about 2 min left",
        "25% 30.tif, about 2 min left",
        "33% 40.tif, about 80 s left",
        "42% 50.tif, about 70 s left",
    ]
    for second in range(60, 120):
        now[0] = float(second)
        lines.show(Progress("Training", 0, 0, "starting"))
    assert capsys.readouterr().err.splitlines() == ["0% starting"]
    for second in range(120, 140):
        now[0] = float(second)
        lines.show(Progress("Going on", 500 + second - 120, 600, "epoch"))
    assert capsys.readouterr().err.splitlines() == ["83% epoch", "85% epoch, about 2 min left"]


def test_durations():
    seconds = [0.2, 59, 89, 90, 3600, 5400, 12000]
    assert [terminal.duration(s) for s in seconds] == [
        "1 s",
        "59 s",
        "89 s",
        "2 min",
        "60 min",
        "1 h 30 min",
        "3 h 20 min",
    ]


def test_a_bar_is_drawn_in_a_terminal(run, fake_batch, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert isinstance(terminal.progress_view(), terminal.ProgressBar)
    monkeypatch.setenv("FORCE_COLOR", "1")
    fake_batch.warning = "Mind the gap."
    code, out, err = run("segment", "a.tif", "-o", "out")
    assert (code, out) == (0, f"a.tif: 1,234 objects in 2.0 s, {Path('out/a_labels.tif')}\n")
    assert "Warning: Mind the gap." in err


# -- models, doctor, help ---------------------------------------------------------------------------------


def test_models_are_listed_and_described(run):
    code, out, err = run("models", "list")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "nuclei", "phase"]
    code, out, err = run("models", "info", "nuclei")
    assert (code, err) == (0, "")
    for words in ("BSD-3-Clause", "CC0-1.0", "Apache-2.0", "Scores", "Not for", "bbbc039", "Recipe"):
        assert words in out
    assert max(map(len, out.splitlines())) <= 140


def test_a_model_is_added_used_and_removed(run, field, tmp_path):
    weights = bundled_folder() / "nuclei.onnx"
    assert run("models", "add", weights, "--name", "mine")[0] == 0
    assert "mine" in run("models", "list")[1]
    assert run("segment", field, "-o", tmp_path / "out", "-m", "mine", "--device", "cpu")[0] == 0
    assert run("models", "remove", "mine") == (0, "Removed 'mine'.\n", "")
    assert "mine" not in run("models", "list")[1]


def test_a_model_is_trusted_by_its_name(run, fake_batch):
    code, _, err = run("segment", "a.tif", "-o", "out", "--model", "nuclei", "--trust")
    assert (code, err) == (0, "")
    assert is_trusted(find_model("nuclei").path)


def test_the_doctor_s_exit_code(run, monkeypatch):
    fine = doctor.Finding("device", "ok", "The CPU.")
    bad = doctor.Finding("models", "problem", "It is broken.", "Repair it.")
    monkeypatch.setattr(doctor, "diagnose", lambda: [fine])
    assert run("doctor") == (0, "ok       device  The CPU.\nNo problems found.\n", "")
    monkeypatch.setattr(doctor, "diagnose", lambda: [fine, bad])
    code, out, _ = run("doctor")
    assert code == 1
    assert out.splitlines()[1:] == [
        "PROBLEM  models  It is broken.",
        "                 Repair it.",
        "1 problem found.",
    ]


@pytest.mark.parametrize(
    "command", ["segment", "demo", "doctor", "models", "models list", "models info", "models add"]
)
def test_every_command_has_help(run, command):
    code, out, err = run(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert "Usage" in out
    assert len(out) > 200


def test_the_guide_names_every_option():
    guide = (Path(__file__).parents[1] / "docs" / "command_line.md").read_text(encoding="utf-8")
    help_text = subprocess.run(
        [sys.executable, "-c", START, "segment", "--help"], capture_output=True, text=True, check=True
    ).stdout
    options = set(re.findall(r"(--[a-z-]+) ", help_text)) - {"--help"}
    assert len(options) == 14
    assert {option for option in options if option not in guide} == set()


def test_version_and_bare_command(run):
    assert run("--version") == (0, f"napari-cellseg {napari_cellseg.__version__}\n", "")
    code, out, err = run()
    assert "Commands" in out + err
    assert code in (0, 2)


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom napari_cellseg.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as done:\n    assert done.code == 0\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded.isdisjoint(
        {"onnxruntime", "napari", "numba", "pandas", "numpy", "torch", "qtpy", "skimage"}
    )


# -- demo -------------------------------------------------------------------------------------------------


def test_the_demo_without_a_display_writes_files_and_imports_no_qt(tmp_path):
    code = (
        "import sys\nfrom napari_cellseg.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as done:\n    assert done.code == 0, done.code\n"
        "print(*sys.modules)\n"
    )
    command = [sys.executable, "-c", code, "demo", "--headless", str(tmp_path / "o"), "--device", "cpu"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded.isdisjoint({"qtpy", "PyQt6", "PySide6", "PyQt5", "napari", "torch"})
    written = sorted(p.name for p in (tmp_path / "o").iterdir())
    results = [f"haematoxylin{end}" for end in (".tif", "_features.csv", "_labels.tif", "_provenance.json")]
    assert written == [*results, "immunohistochemistry.png", "immunohistochemistry_overlay.png"]
    count = int(re.match(r"(\d+) nuclei in ", done.stdout)[1])
    assert count > 150
    assert read_image(tmp_path / "o" / "haematoxylin_labels.tif").data.max() == count
    assert read_image(tmp_path / "o" / "immunohistochemistry_overlay.png").data.shape == (1024, 1024, 3)


def test_the_demo_says_why_it_opens_no_viewer(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "viewer_problem", lambda: "There is no display.")
    code, out, err = run("demo", "--device", "cpu")
    assert code == 0
    assert err == "There is no display. The results go to the folder napari-cellseg-demo.\n"
    assert str(Path("napari-cellseg-demo") / "haematoxylin_labels.tif") in out
    assert (tmp_path / "napari-cellseg-demo" / "immunohistochemistry_overlay.png").is_file()


def test_outlines_lie_inside_the_objects():
    image = np.full((20, 20, 3), 128, np.uint8)
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:15] = 1
    drawn = outlined(image, labels)
    yellow = (drawn == OUTLINE).all(axis=2)
    assert yellow.sum() == 4 * 19
    assert yellow[10, 10:30].all()
    assert (drawn[15:25, 15:25] == 128).all()
    assert (image == 128).all()


@pytest.mark.qt
def test_the_demo_opens_the_dock_and_starts_it(monkeypatch, qtbot):
    import napari
    from napari.components import ViewerModel

    from napari_cellseg.cli.demo import show_demo
    from napari_cellseg.widgets.segment_dock import SegmentDock

    model = ViewerModel()

    class Window:
        def add_plugin_dock_widget(self, plugin, name):
            assert (plugin, name) == ("napari-cellseg", "CellSeg segment")
            self.dock = SegmentDock(model)
            qtbot.addWidget(self.dock)
            return None, self.dock

    viewer = SimpleNamespace(add_image=model.add_image, layers=model.layers, window=Window())
    monkeypatch.setattr(napari, "Viewer", lambda title: viewer)
    monkeypatch.setattr(napari, "run", lambda: None)
    show_demo("cpu")
    qtbot.waitUntil(lambda: len(model.layers) == 3 and model.layers[2].editable, timeout=60_000)
    stain, image, labels = model.layers
    assert (stain.rgb, image.rgb) == (False, True)
    assert len(np.unique(labels.data)) > 150
