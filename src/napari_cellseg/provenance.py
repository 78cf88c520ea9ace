"""How labels came about, as a dictionary that JSON can hold, and as a script that repeats it."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from pprint import pformat
from typing import Any

import numpy as np

from napari_cellseg import __version__
from napari_cellseg.models.card import ModelCard

ARGUMENTS = (
    "axes",
    "channel",
    "pixel_size",
    "diameter",
    "confidence",
    "tile",
    "link",
    "device",
    "region",
    "planes",
)
"""Arguments of `segment` that a script repeats, in order."""


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of what the labels depend on."""
    found = {"napari-cellseg": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for package in ("onnxruntime-gpu", "onnxruntime"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def model_record(card: ModelCard, device: str, argument: object) -> dict[str, Any]:
    """Which model ran, and where.

    Parameters
    ----------
    card : ModelCard
        Its card.
    device : str
        Device that really ran it.
    argument : object
        What the caller named it by.
    """
    named = str(argument) if isinstance(argument, str | Path) else card.name
    return {
        "argument": named,
        "name": card.name,
        "version": card.version,
        "sha256": card.sha256,
        "kind": card.kind,
        "backend": card.backend,
        "device": device,
    }


def now() -> str:
    """The present moment in UTC, as an ISO string."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def plain(value: Any) -> Any:
    """A value in what JSON can hold: slices become [start, stop], arrays and tuples lists, paths text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, slice):
        return [plain(value.start), plain(value.stop)]
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "y") and hasattr(value, "x"):
        return [float(value.y), float(value.x)]
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple | range):
        return [plain(v) for v in value]
    return str(value)


def as_script(provenance: Mapping[str, Any]) -> str:
    """Python that repeats a segmentation.

    Parameters
    ----------
    provenance : mapping
        ``Segmentation.provenance``. Where ``provenance["image"]["path"]`` is not known, the script takes the
        image's path from its command line.

    Returns
    -------
    str
        A script that writes the labels beside the image.
    """
    path = provenance["image"].get("path")
    source = repr(str(path)) if path else "sys.argv[1]"
    used = [f"    {name}={text},\n" for name, text in _script_arguments(provenance)]
    model = provenance["model"]
    return (
        f'"""Segments an image as on {provenance["created"]}, with napari-cellseg '
        f"{provenance['versions']['napari-cellseg']}.\n\n"
        f"Model {model['name']} {model['version']}, sha256 {model['sha256']}.\n"
        f'"""\n\n' + ("" if path else "import sys\n") + "from pathlib import Path\n\n"
        "import tifffile\n\n"
        "import napari_cellseg as cs\n"
        "from napari_cellseg.images.reading import read_image\n\n"
        f"path = Path({source})\n"
        "segmentation = cs.segment(\n    read_image(path).data,\n"
        f"    model={model['argument']!r},\n" + "".join(used) + ")\n"
        'tifffile.imwrite(path.with_name(f"{path.stem}_labels.tif"), segmentation.labels)\n'
        'segmentation.features.to_csv(path.with_name(f"{path.stem}_features.csv"), index=False)\n'
    )


def _script_arguments(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    given = dict(provenance["parameters"])
    resolved = provenance["resolved"]
    given["axes"] = given.get("axes") or provenance["image"]["axes"]
    given["confidence"] = resolved["confidence"]
    if given.get("pixel_size") is None and resolved.get("diameter") is not None:
        given["diameter"] = resolved["diameter"]
    if isinstance(given.get("pixel_size"), list):
        given["pixel_size"] = tuple(given["pixel_size"])
    if given.get("device") == "auto":
        given.pop("device")
    arguments = []
    for name in ARGUMENTS:
        value = given.get(name)
        if value is None:
            continue
        if name == "region":
            (y0, y1), (x0, x1) = value
            arguments.append((name, f"(slice({y0}, {y1}), slice({x0}, {x1}))"))
        else:
            arguments.append((name, pformat(value)))
    return arguments
