"""Datasets that were used last, so that a dock offers them without a search on the disk."""

import json
from pathlib import Path
from typing import Any

from napari_cellseg.datasets.store import is_dataset
from napari_cellseg.folders import settings_folder
from napari_cellseg.outputs import make_folder, replacing

KEPT = 8
"""Datasets that are remembered."""


def recent_datasets() -> list[str]:
    """Folders of the datasets that were used last and are still there, the last one first."""
    known = kept_settings(_file()).get("datasets", ())
    return [folder for folder in known if isinstance(folder, str) and is_dataset(folder)]


def remember_dataset(folder: str | Path) -> None:
    """Keep a dataset as the one that was used last.

    Raises
    ------
    OutputError
        Where the settings cannot be written.
    """
    path = str(Path(folder).absolute())
    folders = [path, *(known for known in recent_datasets() if known != path)]
    keep_settings(_file(), {"datasets": folders[:KEPT]})


def kept_settings(path: Path) -> dict[str, Any]:
    """What a file of settings holds; nothing where it is missing or damaged, since it only saves clicks."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def keep_settings(path: Path, values: dict[str, Any]) -> None:
    """Write a file of settings, all at once.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2, ensure_ascii=False), encoding="utf-8")


def _file() -> Path:
    return settings_folder() / "datasets.json"
