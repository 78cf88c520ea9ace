"""The JSON of COCO and its kin: read whole, within limits, and checked key by key."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from napari_cellseg.datasets.formats.runs import LARGEST_PLANE
from napari_cellseg.errors import DatasetError

LARGEST_FILE = 1 << 30
"""Bytes that a JSON file may have."""
MOST_VALUES = 1 << 27
"""Values that a JSON file may have."""

Entry: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CocoImage:
    """An image of a COCO file.

    Attributes
    ----------
    where : str
        File and key, for errors.
    file_name : str
        As it stands there.
    shape : tuple of int, optional
        Rows and columns; None where the file does not say.
    entry : dict
        All that the file says about it.
    annotations : list of (str, dict)
        Its annotations with file and key of each.
    """

    where: str
    file_name: str
    shape: tuple[int, int] | None
    entry: Entry
    annotations: list[tuple[str, Entry]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CocoFile:
    """A COCO file.

    Attributes
    ----------
    images : list of CocoImage
        Its images with their annotations.
    categories : dict of str to str
        Names of its categories by id.
    orphans : list of str
        File and key of annotations whose image is not in the file.
    """

    images: list[CocoImage]
    categories: dict[str, str]
    orphans: list[str]


def load_coco(path: Path) -> CocoFile:
    """Read a COCO file.

    Images, categories and annotations may be lists, or dictionaries as in some of LIVECell's files; ids may
    be numbers or texts, in any order and with gaps.

    Raises
    ------
    DatasetError
        Where the file is larger than `LARGEST_FILE`, holds more than `MOST_VALUES` values, is no JSON
        (with line and column), or a key has a value that it cannot have.
    """
    document = parse_json(path, _compact)
    if isinstance(document, list):
        raise DatasetError(
            f"'{path}' is a list of results without images and categories. Read the file of annotations that "
            f"they were made for."
        )
    for key in ("images", "annotations"):
        if not isinstance(document, dict) or document.get(key) is None:
            raise DatasetError(f"'{path}' has no key '{key}', so it is no COCO file with annotations.")
    categories = {}
    for where, entry in _entries(document, "categories", path):
        categories[id_of(entry, "id", where)] = text_of(entry, "name", where)
    images: dict[str, CocoImage] = {}
    for where, entry in _entries(document, "images", path):
        key = id_of(entry, "id", where)
        if key in images:
            raise DatasetError(f"{where}.id: {key} is the id of another image, too.")
        images[key] = CocoImage(where, text_of(entry, "file_name", where), _shape_of(entry, where), entry)
    orphans = []
    for where, entry in _entries(document, "annotations", path):
        key = id_of(entry, "image_id", where)
        if key in images:
            images[key].annotations.append((where, entry))
        else:
            orphans.append(where)
    return CocoFile(list(images.values()), categories, orphans)


def id_of(entry: Entry, key: str, where: str) -> str:
    """An id as text: 7, 7.0 and "7" are the same.

    Raises
    ------
    DatasetError
        Where it is missing, or neither a whole number nor a text.
    """
    value = entry.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "" or _size(value) > 1000:
        raise DatasetError(f"{where}.{key} must be a whole number or a text, {_found(entry, key)}.")
    return str(value)


def text_of(entry: Entry, key: str, where: str) -> str:
    """A text that is not empty and can be written to a file again.

    Raises
    ------
    DatasetError
        Where it is missing, or no such text.
    """
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip() or not is_unicode(value):
        raise DatasetError(f"{where}.{key} must be a text, {_found(entry, key)}.")
    return value


def number_of(entry: Entry, key: str, where: str) -> float | None:
    """A finite number; None where the key is missing or null.

    Raises
    ------
    DatasetError
        Where it is something else.
    """
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or _size(value) > 300:
        raise DatasetError(f"{where}.{key} must be a number, {_found(entry, key)}.")
    return float(value) if math.isfinite(value) else None


def is_unicode(text: str) -> bool:
    """Whether a text can be written to a file: no lone surrogates, no NUL."""
    return not any("\ud800" <= c <= "\udfff" for c in text) and "\0" not in text


def parse_json(path: Path, hook: Callable[[Entry], Any]) -> Any:
    """Content of a JSON file; `hook` may replace each object of it as soon as it is read.

    Raises
    ------
    DatasetError
        Where it cannot be read, is too large, or no JSON.
    """
    try:
        return json.loads(_text(path), object_hook=hook)
    except DatasetError:
        raise
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DatasetError(f"'{path}', {place}: no JSON, or incomplete ({error.msg}).") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"'{path}' is no UTF-8 text: byte {error.start:,}, {error.reason}.") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"'{path}' is no JSON that can be read: {error}.") from error


def _text(path: Path) -> str:
    """The text of a file within the limits."""
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise DatasetError(
                f"'{path}' has {size / 2**20:,.0f} MiB; JSON files of up to {LARGEST_FILE / 2**20:,.0f} MiB "
                f"can be read. Divide it."
            )
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    if data.count(b",") > MOST_VALUES:
        raise DatasetError(f"'{path}' holds more than {MOST_VALUES:,} values. Divide it.")
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")


def _compact(entry: Entry) -> Entry:
    """Lists of numbers of a segmentation as arrays, as soon as they are read: a fifth of the memory."""
    for key in ("segmentation", "counts"):
        value = entry.get(key)
        if isinstance(value, list):
            entry[key] = _array(value) if key == "counts" else [_array(part) for part in value]
    return entry


def _array(values: Any) -> Any:
    """A list of numbers as float64 or int64 array; whatever else it is stays."""
    if not isinstance(values, list) or not values:
        return values
    kinds = set(map(type, values))
    try:
        if kinds == {int}:
            return np.array(values, np.int64)
        return np.array(values, np.float64) if kinds <= {int, float} else values
    except OverflowError:
        return values


def _entries(document: Entry, key: str, path: Path) -> Iterator[tuple[str, Entry]]:
    """Entries of a list, or of a dictionary, with file and key of each."""
    found = document.get(key)
    pairs: Iterator[tuple[Any, Any]]
    if found is None:
        pairs = iter(())
    elif isinstance(found, list):
        pairs = iter(enumerate(found))
    elif isinstance(found, dict):
        pairs = ((json.dumps(name[:50]), value) for name, value in found.items())
    else:
        raise DatasetError(f"'{path}', {key} must be a list, {_found(document, key)}.")
    for place, value in pairs:
        where = f"'{path}', {key}[{place}]"
        if not isinstance(value, dict):
            raise DatasetError(f"{where} must be an object with keys, {_said(value)} was found.")
        yield where, value


def _shape_of(entry: Entry, where: str) -> tuple[int, int] | None:
    """Rows and columns of an image; None where both are missing or 0."""
    sizes = []
    for key in ("height", "width"):
        value = number_of(entry, key, where) or 0
        if value < 0 or value != int(value):
            raise DatasetError(f"{where}.{key} must be a whole number, {_found(entry, key)}.")
        sizes.append(int(value))
    if sizes == [0, 0]:
        return None
    if 0 in sizes or math.prod(sizes) > LARGEST_PLANE:
        raise DatasetError(
            f"{where}: an image must have between 1 and {LARGEST_PLANE:,} pixels, it says that it has "
            f"{sizes[1]:,} x {sizes[0]:,}."
        )
    return sizes[0], sizes[1]


def _size(value: Any) -> int:
    """Letters of a text, or digits of a number, about."""
    return (
        len(value)
        if isinstance(value, str)
        else int(value).bit_length() // 3
        if isinstance(value, int)
        else 0
    )


def _found(entry: Entry, key: str) -> str:
    return f"{_said(entry[key])} was found" if key in entry else "it is missing"


def _said(value: Any) -> str:
    """A value in a few letters."""
    if isinstance(value, dict | list | np.ndarray):
        return "an object" if isinstance(value, dict) else "a list"
    try:
        text = repr(value)
    except ValueError:
        return "a very large number"
    return text if len(text) < 60 else f"{text[:57]}…"
