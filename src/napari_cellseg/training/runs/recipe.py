"""What the recipes of all backends have in common: JSON values, errors in words, recipes with a name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_cellseg.errors import OptionError


class JsonRecipe(BaseModel):
    """A recipe whose values JSON holds; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    backend: ClassVar[str]

    def as_dict(self) -> dict[str, Any]:
        """All values, as JSON holds them."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A recipe from what `as_dict` gave.

        Raises
        ------
        OptionError
            Where a value is unknown or not what it must be.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise OptionError(f"This cannot be trained: {_in_words(error)}.") from error


def absolute_path(value: Any) -> Any:
    """A path as recipes hold it, wherever they are read; what is no path stays as it is."""
    return str(Path(value).absolute()) if isinstance(value, str | Path) and str(value) else value


def check_model_file(value: str, suffix: str) -> str:
    """The path of a model to write.

    Raises
    ------
    ValueError
        Where it does not end in the suffix, or its name begins with neither a letter nor a digit.
    """
    path = Path(value)
    if path.suffix.lower() != suffix or not re.match(r"[A-Za-z0-9]", path.stem):
        raise ValueError(f"model must be a file ending in {suffix}, got '{value}'")
    return value


@dataclass(frozen=True, slots=True)
class Preset:
    """A recipe with a name.

    Attributes
    ----------
    name, title, help : str
        What it is called, what it is in a few words, and for whom, in a sentence.
    values : dict
        Values that differ from the recipe's defaults.
    source : str
        Where they are from.
    """

    name: str
    title: str
    help: str
    values: dict[str, Any] = field(default_factory=dict)
    source: str = "napari-cellseg"


def preset_values(presets: Mapping[str, Preset], name: str) -> dict[str, Any]:
    """Values of a preset.

    Raises
    ------
    OptionError
        Where there is no such preset.
    """
    if name not in presets:
        raise OptionError(f"There is no preset '{name}'; there are {', '.join(presets)}.")
    return presets[name].values


def _in_words(error: ValidationError) -> str:
    problems = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ").removesuffix(".")
        problems.append(message if not where or message.startswith(where) else f"{where}: {message}")
    return "; ".join(problems)
