"""Names of samples and files: what is safe to write, and what is safe to follow."""

import re
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from napari_cellseg.errors import DatasetError

LONGEST = 120
LONGEST_BYTES = 200
"""Of a name in UTF-8; file systems take 255, and an ending comes to it."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]')
_RESERVED = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}


def safe_name(text: str) -> str:
    """A file stem that every operating system takes, as close to the text as it can be.

    Spaces and unicode stay (in composed form); characters that a path or Windows forbids become ``_``, dots
    and spaces at the ends go, reserved device names get a ``_``, and what is longer than `LONGEST` or
    `LONGEST_BYTES` is cut.

    Raises
    ------
    DatasetError
        Where nothing is left.
    """
    name = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", text)).strip(" .")[:LONGEST]
    name = name.encode()[:LONGEST_BYTES].decode(errors="ignore").rstrip(" .")
    if not name:
        raise DatasetError(f"A name needs at least one letter or digit, got {text!r}.")
    return f"{name}_" if name.split(".")[0].lower() in _RESERVED else name


def path_within(folder: Path, name: str, where: str) -> Path:
    """The path of a file that a foreign text names, below a folder.

    Parameters
    ----------
    folder : Path
        Where the file must lie.
    name : str
        Relative path with ``/`` or ``\\``.
    where : str
        File and line or key that holds the name, for the error's text.

    Raises
    ------
    DatasetError
        Where the name is empty, absolute, climbs out of the folder, or leads out of it through a link.
    """
    windows = PureWindowsPath(name)
    parts = PurePosixPath(name.replace("\\", "/")).parts
    unsafe = not parts or "\0" in name or windows.drive or windows.root or ".." in parts
    if unsafe or not (folder / Path(*parts)).resolve().is_relative_to(folder.resolve()):
        raise DatasetError(f"{where} names the file {name!r}, which is not below '{folder}'.")
    return folder / Path(*parts)
