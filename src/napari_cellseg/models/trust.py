"""Files that can run code when they are opened, and which of them this user trusts."""

import json
from pathlib import Path

from napari_cellseg.errors import UntrustedFileError
from napari_cellseg.folders import settings_folder
from napari_cellseg.models.card import file_hash
from napari_cellseg.outputs import make_folder, replacing

PICKLE_SUFFIXES = (".pt", ".pth")
"""Endings of weights that are pickles."""


def trusted_path() -> Path:
    """File that lists what is trusted; it may be missing."""
    return settings_folder() / "trusted_files.json"


def trust_file(path: str | Path) -> None:
    """Trust a file from now on, as it is now: a file that changes must be trusted again.

    Raises
    ------
    ModelError
        Where the file cannot be read.
    OutputError
        Where the list cannot be written.
    """
    trusted = {**_trusted(), file_hash(path): str(Path(path).absolute())}
    make_folder(trusted_path().parent)
    with replacing(trusted_path()) as temporary:
        temporary.write_text(json.dumps(trusted, indent=2, ensure_ascii=False), encoding="utf-8")


def is_trusted(path: str | Path) -> bool:
    """Whether this user trusts a file as it is now.

    Raises
    ------
    ModelError
        Where the file cannot be read.
    """
    return file_hash(path) in _trusted()


def check_trusted(path: str | Path) -> None:
    """Make sure that a file may be opened.

    Raises
    ------
    UntrustedFileError
        Where it is a pickle that is not trusted.
    ModelError
        Where the file cannot be read.
    """
    if Path(path).suffix.lower() in PICKLE_SUFFIXES and not is_trusted(path):
        raise UntrustedFileError(str(path))


def _trusted() -> dict[str, str]:
    """Where each trusted file was, by its SHA-256; nothing where the list is missing or damaged."""
    try:
        found = json.loads(trusted_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
