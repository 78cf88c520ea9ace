"""The YAML that describes a YOLO dataset, written and read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellseg.datasets.formats.text_files import read_text
from napari_cellseg.datasets.sample import SPLITS
from napari_cellseg.errors import DatasetError

LARGEST_YAML = 1 << 22
MOST_CLASSES = 100_000
_KEYS = {"train": "train", "val": "val", "validation": "val", "test": "test"}
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Description:
    """What a YAML says of a dataset.

    Attributes
    ----------
    file : Path
        The YAML.
    path : str
        Folder that the splits' paths start from, as it says; empty where it says none.
    splits : dict of str to list of str
        Folders, lists or images of each split.
    classes : tuple of str, optional
        Names in the order of their numbers.
    """

    file: Path
    path: str
    splits: dict[str, list[str]]
    classes: tuple[str, ...] | None


def yaml_text(classes: Sequence[str]) -> str:
    """Text of a ``dataset.yaml``; it names no ``path``, so it holds when the folder is moved."""
    import yaml

    content: dict[str, Any] = {str(split): f"images/{split}" for split in SPLITS}
    content["names"] = dict(enumerate(classes))
    text: str = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    return text


def read_description(file: Path) -> Description:
    """Read the YAML of a dataset.

    Raises
    ------
    DatasetError
        With file and line or key, where it is no YAML, or a key has a value that it cannot have.
    """
    content = _parse(file)
    if not isinstance(content, dict):
        raise DatasetError(
            f"'{file}' describes no dataset: it must have the keys 'train', 'val' and 'names'."
        )
    if content.get("kpt_shape") is not None:
        raise DatasetError(f"'{file}', kpt_shape: a dataset of poses has no outlines of objects.")
    splits: dict[str, list[str]] = {}
    for key, split in _KEYS.items():
        splits.setdefault(split, []).extend(_texts(content.get(key), f"'{file}', {key}"))
    if not any(splits.values()):
        raise DatasetError(f"'{file}' names no images: it must have the key 'train', 'val' or 'test'.")
    path = _texts(content.get("path"), f"'{file}', path")
    return Description(file, path[0] if path else "", splits, _classes(content, file))


def _parse(file: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(read_text(file, LARGEST_YAML))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or "it cannot be parsed"
        raise DatasetError(f"'{file}'{line}: it is no YAML ({reason}).") from error
    except DatasetError:
        raise
    except (
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        KeyError,
        IndexError,
    ) as error:
        raise DatasetError(f"'{file}': it is no YAML of a dataset ({type(error).__name__}).") from error


def _texts(value: Any, where: str) -> list[str]:
    """A text or a list of texts as a list."""
    if value is None or value == "":
        return []
    values = value if isinstance(value, list) else [value]
    for text in values:
        if not isinstance(text, str) or "\0" in text:
            raise DatasetError(f"{where} must be a path or a list of paths, not {_shown(text)}.")
    return [text for text in values if text]


def _classes(content: dict[Any, Any], file: Path) -> tuple[str, ...] | None:
    names, count = content.get("names"), content.get("nc")
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise DatasetError(f"'{file}', nc: it must be a number of classes, not {_shown(count)}.")
    if names is not None:
        named = _names(names, file)
        if count not in (None, len(named)):
            raise DatasetError(f"'{file}': nc is {_shown(count)}, but names has {len(named):,} classes.")
        return named
    if count is None:
        return None
    if count > MOST_CLASSES:
        raise DatasetError(f"'{file}', nc: at most {MOST_CLASSES:,} classes are read, not {_shown(count)}.")
    return tuple(f"class_{k}" for k in range(count))


def _names(names: Any, file: Path) -> tuple[str, ...]:
    listed = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(listed, dict) or not 0 < len(listed) <= MOST_CLASSES:
        raise DatasetError(
            f"'{file}', names: it must be a list of 1 to {MOST_CLASSES:,} names, or give each number from 0 "
            f"its name, not {_shown(names)}."
        )
    named = {_number(key, file): _name(value, key, file) for key, value in listed.items()}
    if sorted(named) != list(range(len(listed))):
        raise DatasetError(f"'{file}', names: the numbers must go from 0 to {len(listed) - 1:,}, each once.")
    return tuple(named[k] for k in range(len(named)))


def _number(key: Any, file: Path) -> int:
    number = int(key) if isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 9 else key
    if isinstance(number, bool) or not isinstance(number, int):
        raise DatasetError(f"'{file}', names: {_shown(key)} is no number of a class.")
    return number


def _name(value: Any, key: Any, file: Path) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise DatasetError(f"'{file}', names, {_shown(key)}: a name must be a text, not {_shown(value)}.")
    name = " ".join(str(value).split())
    return name or f"class_{key}"


def _shown(value: Any) -> str:
    """A value for an error's text; lists and dictionaries are not written out, they may be endless."""
    if isinstance(value, (list, dict, tuple, set)):
        return f"a {type(value).__name__} of {len(value):,}"
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**_SHOWN else "a huge number"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
