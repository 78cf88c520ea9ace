"""The doctor: says what is wrong and what to do about it, and survives when anything is missing."""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from napari_cellseg import doctor
from napari_cellseg.doctor import Finding, diagnose, viewer_problem
from napari_cellseg.models import devices, registry


@pytest.fixture
def machine(monkeypatch):
    """A Linux PC with given packages, modules and libraries."""

    def make(packages=(), modules=(), libraries=True, platform="linux", variables=None):
        versions = dict.fromkeys(doctor.REQUIRED, "1.0") | dict(packages)

        def version(name):
            if name not in versions or versions[name] is None:
                raise PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(doctor, "version", version)
        monkeypatch.setattr(doctor, "find_spec", lambda name: object() if name in modules else None)
        monkeypatch.setattr(doctor, "_loads", lambda name: libraries)
        monkeypatch.setattr(doctor.sys, "platform", platform)
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "QT_API"):
            monkeypatch.delenv(name, raising=False)
        for name, value in (variables or {}).items():
            monkeypatch.setenv(name, value)

    return make


def about(topic):
    return [finding for finding in diagnose() if finding.topic == topic]


def test_here_everything_that_segmenting_needs_is_fine():
    topics = {"versions", "packages", "onnxruntime", "device", "models", "folders", "napari"}
    findings = diagnose()
    assert topics <= {finding.topic for finding in findings}
    assert [finding for finding in findings if finding.topic in topics and finding.status == "problem"] == []
    assert all(finding.remedy for finding in findings if finding.status == "problem")


@pytest.mark.parametrize(
    "packages, words",
    [
        ({"onnxruntime": "1", "onnxruntime-gpu": "2"}, "overwrite each other's files"),
        ({}, "ONNX Runtime is not installed"),
    ],
)
def test_onnx_runtime_twice_or_not_at_all(machine, packages, words):
    machine(packages)
    (finding,) = about("onnxruntime")
    assert finding.status == "problem"
    assert words in finding.text
    assert "pip install onnxruntime" in finding.remedy


def test_one_onnx_runtime_is_fine(machine):
    machine({"onnxruntime-gpu": "1.31"})
    assert about("onnxruntime") == [Finding("onnxruntime", "ok", "onnxruntime-gpu 1.31.")]


def test_missing_packages_are_named_in_one_command(machine):
    machine({"numba": None, "zarr": None})
    (_, missing) = about("packages")
    assert (missing.status, missing.remedy) == ("problem", "pip install numba zarr")


@pytest.mark.parametrize(
    "version, status",
    [(None, "problem"), ("0.8.1", "problem"), ("0.9.0rc1", "ok"), ("0.10.3", "ok"), ("1.0", "ok")],
)
def test_napari_s_version(machine, version, status):
    machine({"napari": version})
    assert [finding.status for finding in about("napari")] == [status]


def test_qt_bindings(machine):
    machine()
    (finding,) = about("Qt binding")
    assert (finding.status, finding.remedy) == ("note", 'pip install "napari-cellseg[all]"')
    machine({"PyQt6": "6", "PySide6": "6"}, modules=("PyQt6", "PySide6"))
    (finding,) = about("Qt binding")
    assert finding.status == "note"
    assert "PyQt6 6 and PySide6 6 are installed side by side" in finding.text
    machine({"PyQt6": "6"}, modules=("PyQt6",))
    assert about("Qt binding") == [Finding("Qt binding", "ok", "PyQt6 6.")]


def test_missing_system_libraries_give_one_line_to_type(machine):
    machine(modules=("PyQt6",), libraries=False)
    (finding,) = about("Qt libraries")
    assert finding.status == "problem"
    assert finding.remedy.count("apt-get install -y") == 1
    assert set(doctor.QT_LIBRARIES.values()) <= set(finding.remedy.split())
    machine(modules=("PyQt6",), libraries=False, platform="win32")
    assert about("Qt libraries") == []
    machine(libraries=False)
    assert about("Qt libraries") == []


def test_opencv_with_a_qt_of_its_own(machine, tmp_path, monkeypatch):
    (tmp_path / "cv2" / "qt" / "plugins").mkdir(parents=True)
    machine({"opencv-python": "4", "opencv-python-headless": "4"}, modules=("PyQt6",))

    class Spec:
        origin = str(tmp_path / "cv2" / "__init__.py")

    found = {"cv2": Spec, "PyQt6": Spec}
    monkeypatch.setattr(doctor, "find_spec", found.get)
    twice, plugins = about("OpenCV")
    assert "overwrite each other's files" in twice.text
    assert "Qt plugins of its own" in plugins.text
    assert "opencv-python-headless" in plugins.remedy


def test_when_a_viewer_can_open(machine, monkeypatch):
    both = ("napari", "PyQt6")
    machine(modules=("PyQt6",))
    assert viewer_problem() == "napari is not installed."
    machine(modules=("napari",))
    assert "No Qt binding" in viewer_problem()
    machine(modules=both, libraries=False)
    assert "System libraries" in viewer_problem()
    machine(modules=both)
    assert "no display" in viewer_problem()
    machine(modules=both, variables={"DISPLAY": ":98765"})
    assert "no display" in viewer_problem()
    machine(modules=both, variables={"WAYLAND_DISPLAY": "w", "QT_QPA_PLATFORM": "offscreen"})
    assert "out of sight" in viewer_problem()
    machine(modules=both, variables={"WAYLAND_DISPLAY": "w"})
    assert viewer_problem() == ""
    machine(modules=both, platform="win32")
    assert viewer_problem() == ""


def test_a_gpu_that_cannot_be_used_is_worth_a_note(monkeypatch):
    gpu = devices.Device("cuda:0", "GPU A (8 GB)")
    monkeypatch.setattr(devices, "cuda_driver", lambda: devices._Driver((gpu,), (13, 0)))
    monkeypatch.setattr(devices, "cuda_problem", lambda number=0: "It cannot be used.")
    (finding,) = about("device")
    assert finding.status == "note"
    assert "It cannot be used." in finding.text
    assert "[cuda]" in finding.remedy
    monkeypatch.setattr(devices, "cuda_problem", lambda number=0: "")
    assert about("device") == [Finding("device", "ok", "GPU A (8 GB) would be used, as 'cuda:0'.")]


def test_damaged_and_missing_models(tmp_path, monkeypatch):
    folder = tmp_path / "bundled"
    folder.mkdir()
    monkeypatch.setattr(registry, "bundled_folder", lambda: folder)
    (finding,) = about("models")
    assert (finding.status, finding.text) == ("problem", "The bundled model is missing.")
    (folder / "nuclei.json").write_text("{")
    damaged, missing = about("models")
    assert damaged.status == missing.status == "problem"
    assert "nuclei.json" in damaged.text


def test_a_folder_that_cannot_be_written(user_folder):
    user_folder.write_text("in the way")
    findings = about("folders")
    assert [finding.status for finding in findings] == ["problem", "problem"]
    assert "NAPARI_CELLSEG_HOME" in findings[0].remedy


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken():
        raise ImportError("no module named x")

    monkeypatch.setitem(doctor._CHECKS, "models", broken)
    (finding,) = about("models")
    assert finding.status == "problem"
    assert finding.text == "This could not be checked (ImportError: no module named x)."


def test_it_works_when_nothing_can_be_imported():
    """A fresh interpreter in which every dependency fails to import."""
    code = """
import json, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
from napari_cellseg.doctor import diagnose
print(json.dumps([[f.topic, f.status] for f in diagnose()]))
"""
    refused = "numpy,onnxruntime,pydantic,numba,pandas,platformdirs,napari,qtpy,PyQt6,PySide6,cv2"
    done = subprocess.run([sys.executable, "-c", code, refused], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert ["models", "problem"] in found
    assert ["folders", "problem"] in found
    assert {topic for topic, _ in found} >= set(doctor._CHECKS) - {"OpenCV", "Qt libraries"}
