"""What clicks grow objects from, remembered between sessions."""

import json
from pathlib import Path

from napari_cellseg.folders import settings_folder
from napari_cellseg.outputs import make_folder, replacing

OWN = "own"
"""The model that found the labels, where it gives maps, or the intensity, by the size of what they show."""
INTENSITY = "intensity"
"""The local intensity."""


def grow_from_file() -> Path:
    """Where the choice is kept."""
    return settings_folder() / "correct.json"


def load_grow_from() -> tuple[str, str]:
    """The choice of the last session.

    Returns
    -------
    (str, str)
        `OWN`, `INTENSITY` or the name of a model, and a sentence for the user where the file could not be
        read; then it is `OWN`.
    """
    path = grow_from_file()
    try:
        choice = json.loads(path.read_text(encoding="utf-8"))["grow_from"]
    except FileNotFoundError:
        return OWN, ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        return OWN, f"The settings in '{path}' could not be read ({error!r}); the defaults are used."
    if not isinstance(choice, str) or not choice:
        return OWN, f"The settings in '{path}' are not valid; the defaults are used."
    return choice, ""


def save_grow_from(choice: str) -> None:
    """Keep a choice for the next session.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """
    path = grow_from_file()
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({"grow_from": choice}) + "\n", encoding="utf-8")
