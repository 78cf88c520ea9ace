"""What is installed, which device would be used, what stands in the way; works when anything is missing."""

import ctypes
import os
import platform
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias

import napari_cellseg

Status: TypeAlias = Literal["ok", "note", "problem"]

REQUIRED = (
    "numpy",
    "scipy",
    "pandas",
    "scikit-image",
    "numba",
    "dask",
    "zarr",
    "tifffile",
    "imagecodecs",
    "pyarrow",
    "pycocotools",
    "shapely",
    "matplotlib",
    "pydantic",
    "platformdirs",
    "typer",
    "magicgui",
    "qtpy",
    "superqt",
    "npe2",
)
"""Packages that this one needs, by their names on PyPI; napari and ONNX Runtime have checks of their own."""

RUNTIMES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
)
BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
OPENCV = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)
NAPARI_MINIMUM = (0, 9)

QT_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libOpenGL.so.0": "libopengl0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
}
"""Shared libraries that Qt loads on Linux, and the Debian packages that hold them."""

_INSTALL_DESKTOP = 'pip install "napari-cellseg[all]"'


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    topic : str
        What it is about, in a word or two.
    status : str
        ``"ok"``; ``"note"`` for what is worth knowing; ``"problem"`` for what must be put right.
    text : str
        What was found, in a sentence.
    remedy : str
        What to do about it; empty where nothing needs doing.
    """

    topic: str
    status: Status
    text: str
    remedy: str = ""


def diagnose() -> list[Finding]:
    """Look at everything that can stand in the way of a segmentation.

    Never raises: a check that fails is a finding, too.
    """
    findings: list[Finding] = []
    for topic, check in _CHECKS.items():
        try:
            findings += check()
        except Exception as error:  # a doctor must survive every patient
            reason = f"{type(error).__name__}: {error}".rstrip(". ")
            findings.append(
                Finding(topic, "problem", f"This could not be checked ({reason}).", _reinstall(error))
            )
    return findings


def viewer_problem() -> str:
    """Why no viewer can be opened here, in a sentence; empty where one can."""
    if find_spec("napari") is None:
        return "napari is not installed."
    if not _bindings():
        return _NO_BINDING
    if missing_qt_libraries():
        return "System libraries that Qt needs are missing; napari-cellseg doctor names them."
    return _display_problem()


def missing_qt_libraries() -> list[str]:
    """Debian packages of the libraries that Qt needs and that are missing; empty elsewhere than on Linux."""
    if not sys.platform.startswith("linux"):
        return []
    return [package for library, package in QT_LIBRARIES.items() if not _loads(library)]


def installed(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of those of the packages that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _check_versions() -> Iterator[Finding]:
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    text = f"napari-cellseg {napari_cellseg.__version__}, Python {platform.python_version()}, {system}."
    yield Finding("versions", "ok", text)
    found = installed(REQUIRED)
    yield Finding("packages", "ok", ", ".join(f"{name} {number}" for name, number in found.items()) + ".")
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        yield Finding(
            "packages", "problem", f"Not installed: {', '.join(missing)}.", f"pip install {' '.join(missing)}"
        )


def _check_runtime() -> Iterator[Finding]:
    found = installed(RUNTIMES)
    names = " and ".join(f"{name} {number}" for name, number in found.items())
    wanted = "onnxruntime-gpu" if _has_gpu_build() else "onnxruntime"
    if not found:
        text = "ONNX Runtime is not installed, so no model can run."
        yield Finding("onnxruntime", "problem", text, f"pip install {wanted}")
    elif len(found) > 1:
        yield Finding(
            "onnxruntime",
            "problem",
            f"{names} are both installed; they overwrite each other's files.",
            f"pip uninstall -y {' '.join(found)}, then pip install {wanted}",
        )
    else:
        yield Finding("onnxruntime", "ok", f"{names}.")


def _has_gpu_build() -> bool:
    on_pc = platform.machine().lower() in ("x86_64", "amd64")
    return on_pc and (sys.platform.startswith("linux") or sys.platform == "win32")


def _check_device() -> Iterator[Finding]:
    from napari_cellseg.models.devices import cpu_threads, cuda_driver, resolve_device

    device = resolve_device("auto")
    if device.name != "cpu":
        yield Finding("device", "ok", f"{device.title} would be used, as '{device.name}'.")
        return
    threads = cpu_threads()
    text = f"The CPU would be used, with {threads} threads." if threads else "The CPU would be used."
    idle = bool(cuda_driver().devices)
    reason = device.note.removeprefix("The CPU is used. ")
    remedy = 'pip install "napari-cellseg[cuda]", or update the NVIDIA driver' if idle else ""
    yield Finding("device", "note" if idle else "ok", f"{text} {reason}".strip(), remedy)


def _check_models() -> Iterator[Finding]:
    from napari_cellseg.errors import CellSegError
    from napari_cellseg.models.registry import check_model, list_models, load_model

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        entries = list_models()
    for warning in caught:
        yield Finding("models", "problem", str(warning.message), "Remove or repair that model's card.")
    for entry in entries:
        name = entry.card.name
        try:
            check_model(load_model(name, "cpu"))
        except CellSegError as error:
            remedy = (
                "pip install --force-reinstall --no-deps napari-cellseg"
                if entry.origin == "bundled"
                else f"napari-cellseg models remove {name}, then add it again"
            )
            yield Finding("models", "problem", str(error), remedy)
        else:
            yield Finding("models", "ok", f"'{name}' ({entry.origin}) is intact and runs.")
    if not any(entry.origin == "bundled" for entry in entries):
        yield Finding(
            "models",
            "problem",
            "The bundled model is missing.",
            "pip install --force-reinstall --no-deps napari-cellseg",
        )


def _check_folders() -> Iterator[Finding]:
    from napari_cellseg.folders import HOME_VARIABLE, data_folder, settings_folder

    for folder in (data_folder(), settings_folder()):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            yield Finding(
                "folders",
                "problem",
                f"'{folder}' cannot be written: {error.strerror or error}.",
                f"Change its permissions, or set {HOME_VARIABLE} to a folder of yours.",
            )
        else:
            yield Finding("folders", "ok", f"'{folder}' can be written.")


def _check_napari() -> Iterator[Finding]:
    found = installed(("napari",)).get("napari")
    minimum = ".".join(map(str, NAPARI_MINIMUM))
    if found is None:
        text = "napari is not installed; Python and the command line work without it."
        yield Finding("napari", "problem", text, f'pip install "napari>={minimum}"')
        return
    numbers = tuple(int(part) if part.isdigit() else 0 for part in found.split(".")[:2])
    if numbers < NAPARI_MINIMUM:
        text = f"napari {found} is too old; {minimum} or newer is needed."
        yield Finding("napari", "problem", text, f'pip install --upgrade "napari>={minimum}"')
    else:
        yield Finding("napari", "ok", f"napari {found}.")


_NO_BINDING = "No Qt binding is installed, so napari's window cannot open; Python and the command line work."


def _check_bindings() -> Iterator[Finding]:
    found = _bindings()
    versions = installed(BINDINGS)
    names = " and ".join(f"{name} {versions.get(name, '')}".strip() for name in found)
    if not found:
        yield Finding("Qt binding", "note", _NO_BINDING, _INSTALL_DESKTOP)
    elif len(found) > 1:
        chosen = os.environ.get("QT_API")
        which = f"QT_API chooses {chosen}" if chosen else "which one is used is left to chance"
        others = " ".join(found[1:])
        yield Finding(
            "Qt binding",
            "note",
            f"{names} are installed side by side; {which}.",
            f"Keep one: pip uninstall {others}, or set QT_API={found[0].lower()}",
        )
    else:
        yield Finding("Qt binding", "ok", f"{names}.")


def _check_opencv() -> Iterator[Finding]:
    found = installed(OPENCV)
    keep = "pip uninstall -y " + " ".join(found) + ", then pip install opencv-python-headless"
    if len(found) > 1:
        names = " and ".join(found)
        yield Finding(
            "OpenCV", "note", f"{names} are both installed; they overwrite each other's files.", keep
        )
    spec = find_spec("cv2")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    own_qt = folder is not None and (folder / "qt" / "plugins").is_dir()
    if own_qt and _bindings():
        text = "opencv-python brings Qt plugins of its own, which can keep napari's window from opening."
        yield Finding("OpenCV", "note", text, f"If the window does not open: {keep}")
    path = os.environ.get("QT_QPA_PLATFORM_PLUGIN_PATH") or os.environ.get("QT_PLUGIN_PATH")
    if path:
        text = f"An environment variable makes Qt load its plugins from '{path}'."
        remedy = "If the window does not open: unset QT_QPA_PLATFORM_PLUGIN_PATH and QT_PLUGIN_PATH"
        yield Finding("Qt plugins", "note", text, remedy)


def _check_qt_libraries() -> Iterator[Finding]:
    if not _bindings():
        return
    missing = missing_qt_libraries()
    if missing:
        yield Finding(
            "Qt libraries",
            "problem",
            f"System libraries that Qt needs are missing ({len(missing)} packages).",
            f"On Debian or Ubuntu: sudo apt-get install -y --no-install-recommends {' '.join(missing)}",
        )
    elif sys.platform.startswith("linux"):
        yield Finding("Qt libraries", "ok", "All system libraries that Qt needs are there.")


_NO_DISPLAY = "There is no display, so napari's window cannot open; Python and the command line work."


def _check_display() -> Iterator[Finding]:
    problem = _display_problem()
    if problem:
        yield Finding("display", "note", problem, "napari-cellseg demo --headless OUT needs no display")
    else:
        yield Finding("display", "ok", "There is a display.")


def _display_problem() -> str:
    chosen = os.environ.get("QT_QPA_PLATFORM", "")
    if chosen.split(":")[0] in ("offscreen", "minimal"):
        return f"QT_QPA_PLATFORM={chosen} keeps napari's window out of sight."
    has_display = not sys.platform.startswith("linux") or os.environ.get("WAYLAND_DISPLAY") or _x_answers()
    return "" if has_display else _NO_DISPLAY


def _bindings() -> list[str]:
    return [name for name in BINDINGS if find_spec(name) is not None]


def _x_answers() -> bool:
    """Whether an X server answers; Qt would end the whole process if none did."""
    if not os.environ.get("DISPLAY"):
        return False
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return False
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    if display:
        x11.XCloseDisplay(ctypes.c_void_p(display))
    return bool(display)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _reinstall(error: Exception) -> str:
    return "pip install --upgrade --force-reinstall napari-cellseg" if isinstance(error, ImportError) else ""


_CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "versions": _check_versions,
    "onnxruntime": _check_runtime,
    "device": _check_device,
    "models": _check_models,
    "folders": _check_folders,
    "napari": _check_napari,
    "Qt binding": _check_bindings,
    "OpenCV": _check_opencv,
    "Qt libraries": _check_qt_libraries,
    "display": _check_display,
}
