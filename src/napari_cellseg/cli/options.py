"""Options that several commands have, and what they say."""

from pathlib import Path
from typing import Any

import typer

from napari_cellseg.errors import OptionError

DEVICE = typer.Option(help="auto (a GPU if there is one that works), cpu, cuda, or cuda:N.")
"""Where a network runs."""

TRUST = typer.Option("--trust", help="Trust the model's file, a .pt that can run code, from now on.")
"""Whether a file that can run code is trusted."""


def channel_option(default: str) -> Any:
    """The channel that a network looks at; `default` says in words which it is where none is given."""
    return typer.Option(
        help="Channel number from 0, several to average (0,2), mean, or max.", show_default=default
    )


def parse_channel(text: str | None) -> int | tuple[int, ...] | str | None:
    """Channel of the command line: ``"1"``, ``"0,2"``, ``"mean"``, ``"max"``.

    Raises
    ------
    OptionError
        Where it is none of these.
    """
    if text is None or text in ("mean", "max"):
        return text
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise OptionError(
            f"--channel must be a number from 0, several with commas (0,2), mean, or max, not {text!r}."
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers


def one_channel(text: str | None) -> int | str | None:
    """Channel of the command line where several cannot be had: a number where it is one, else as it is."""
    return int(text) if text is not None and text.isdecimal() else text


def trust_model(model: str) -> None:
    """Trust a model's file from now on, whether the model is given by its name or as a file.

    Raises
    ------
    ModelError
        Where there is no such model, or the file cannot be read.
    """
    from napari_cellseg.models.registry import find_model, is_model_file
    from napari_cellseg.models.trust import trust_file

    trust_file(model if is_model_file(Path(model)) else find_model(model).path)
