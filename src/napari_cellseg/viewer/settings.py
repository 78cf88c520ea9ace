"""What is remembered between sessions: a JSON file in the user's settings folder."""

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from napari_cellseg.errors import OutputError
from napari_cellseg.folders import settings_folder
from napari_cellseg.viewer.choices import SIZE_TITLES, SegmentChoices
from napari_cellseg.viewer.run_on import RunOn

_REMEMBERED = ("model", "size_by", "size", "confidence", "run_on", "link_z", "device", "tile")
"""Choices that hold beyond one image; channel and pixel size belong to the image."""


def settings_file() -> Path:
    """Where the choices of the Segment dock are kept."""
    return settings_folder() / "segment.json"


def load_choices() -> tuple[SegmentChoices, str]:
    """The choices of the last session.

    Returns
    -------
    (SegmentChoices, str)
        The choices, and a sentence for the user where the file could not be read; then they are the defaults.
    """
    path = settings_file()
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return SegmentChoices(), ""
    except (OSError, ValueError) as error:
        return (
            SegmentChoices(),
            f"The settings in '{path}' could not be read ({error}); the defaults are used.",
        )
    try:
        return _choices(stored), ""
    except (TypeError, ValueError, KeyError) as error:
        return SegmentChoices(), f"The settings in '{path}' are not valid ({error}); the defaults are used."


def save_choices(choices: SegmentChoices) -> None:
    """Keep choices for the next session, all at once: a reader sees the old file or the new one.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """
    path = settings_file()
    stored = {name: getattr(choices, name) for name in _REMEMBERED} | {"run_on": choices.run_on.value}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"The settings cannot be kept in '{path}': {error.strerror or error}.") from error


def _choices(stored: Any) -> SegmentChoices:
    if not isinstance(stored, dict):
        raise TypeError("they must be a JSON object")
    known = {f.name for f in fields(SegmentChoices)}
    values = {name: value for name, value in stored.items() if name in _REMEMBERED and name in known}
    if "run_on" in values:
        values["run_on"] = RunOn(values["run_on"])
    if values.get("size_by", "default") not in SIZE_TITLES:
        raise ValueError(f"unknown object size '{values['size_by']}'")
    choices = SegmentChoices(**values)
    _check(choices)
    return choices


def _check(choices: SegmentChoices) -> None:
    if not isinstance(choices.model, str) or not isinstance(choices.device, str):
        raise TypeError("model and device must be text")
    if any(isinstance(number, str | bool) for number in (choices.confidence, choices.size, choices.tile)):
        raise TypeError("confidence, size and tile must be numbers")
    if choices.confidence is not None and not 0 <= float(choices.confidence) <= 1:
        raise ValueError("confidence must be between 0 and 1")
    if not 0 < float(choices.size) < 1e6 or not isinstance(choices.link_z, bool):
        raise ValueError("the object size must be above 0, link_z true or false")
    if choices.tile is not None and (not isinstance(choices.tile, int) or choices.tile < 1):
        raise ValueError("tile must be a whole number above 0")
