"""Rows of run-length CSV files: found once, then read image by image, so that the file may be large."""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.datasets.formats.runs import LARGEST_PLANE
from napari_cellseg.errors import DatasetError

LARGEST_ROW = 1 << 26
"""Bytes that a row may have."""
MOST_ROWS = 20_000_000
"""Rows that a file may have."""
_NONE = (b"", b"-1", b"nan")
_COLUMNS = {
    "image": ("id", "imageid", "image_id"),
    "runs": ("annotation", "encodedpixels", "rle", "rle_mask"),
    "width": ("width",),
    "height": ("height",),
    "class": ("cell_type", "class", "classid"),
    "group": ("sample_id", "group"),
    "label": ("label",),
    "status": ("status",),
    "confidence": ("confidence", "score"),
    "origin": ("origin",),
    "split": ("split",),
}
"""What a column means, by the names that it goes by, in small letters."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a CSV file.

    Attributes
    ----------
    delimiter : bytes
        Between values.
    count : int
        Number of columns.
    columns : dict of str to int
        Place of each column by its meaning, a key of `_COLUMNS`.
    names : tuple of str
        The columns' names, in small letters.
    """

    delimiter: bytes
    count: int
    columns: Mapping[str, int]
    names: tuple[str, ...]

    @property
    def is_ours(self) -> bool:
        """Whether this package wrote the file, so that nothing about its runs is to be guessed."""
        return {"label", "status", "origin", "split"} <= self.columns.keys()


@dataclass(slots=True)
class ImageRows:
    """What the rows of an image say together.

    Attributes
    ----------
    line : int
        Line of the first one, from 1.
    shape : tuple of int, optional
        Rows and columns of the image; None where the file does not say.
    first, last : tuple of int
        Least start and largest ``start + length - 1`` of its runs, each with its line.
    """

    line: int
    shape: tuple[int, int] | None
    first: tuple[int, int] = (LARGEST_PLANE, 0)
    last: tuple[int, int] = (-1, 0)


@dataclass(frozen=True, slots=True)
class RowIndex:
    """Where the rows of each image lie in a file.

    Attributes
    ----------
    path : Path
        The file.
    header : Header
        Its first line.
    images : dict of str to ImageRows
        What is said of each image, in the order of their first rows.
    offsets, lines : (N,) ndarray of int64
        First byte and line number of each row, sorted by image.
    ends : (images,) ndarray of int64
        Where the rows of each image end in those.
    """

    path: Path
    header: Header
    images: dict[str, ImageRows]
    offsets: NDArray[np.int64] = field(repr=False)
    lines: NDArray[np.int64] = field(repr=False)
    ends: NDArray[np.int64] = field(repr=False)

    def rows(self, file: BinaryIO, image: int) -> Iterator[tuple[int, list[bytes]]]:
        """Line number and values of the rows of an image, by its number; `file` is the open file."""
        start = int(self.ends[image - 1]) if image else 0
        for k in range(start, int(self.ends[image])):
            file.seek(int(self.offsets[k]))
            line = int(self.lines[k])
            yield line, _values(file.readline(), self.header, self.path, line)


def read_header(path: Path) -> Header | None:
    """The header of a CSV file; None where it has none of a run-length file, or cannot be read."""
    try:
        with path.open("rb") as file:
            line = file.readline(1 << 16)
            text = line.decode("utf-8-sig").strip().lower()
    except (OSError, UnicodeDecodeError):
        return None
    delimiter = max(",;\t", key=text.count)
    names = tuple(name.strip().strip('"') for name in text.split(delimiter))
    columns = {
        meaning: next(names.index(n) for n in known if n in names)
        for meaning, known in _COLUMNS.items()
        if set(known) & set(names)
    }
    if not {"image", "runs"} <= columns.keys():
        return None
    return Header(delimiter.encode(), len(names), columns, names)


def index_rows(path: Path, header: Header) -> RowIndex:
    """Find the rows of each image, and check every row; what is kept of a row does not grow with its length.

    Raises
    ------
    DatasetError
        With the line of what is wrong: too many or too long rows, missing values, runs that are no pairs
        of whole numbers, sizes that contradict each other.
    """
    images: dict[str, ImageRows] = {}
    numbers: dict[str, int] = {}
    offsets, lines, owners = array("q"), array("q"), array("q")
    with path.open("rb") as file:
        offset = len(file.readline(LARGEST_ROW + 1))
        for line, data in enumerate(iter(lambda: file.readline(LARGEST_ROW + 1), b""), 2):
            if len(data) > LARGEST_ROW or len(offsets) >= MOST_ROWS:
                limit = f"{MOST_ROWS:,} rows of up to {LARGEST_ROW / 2**20:.0f} MiB"
                raise DatasetError(f"'{path}', line {line}: files of up to {limit} can be read. Divide it.")
            if data.strip():
                name = _survey(
                    _values(data, header, path, line), header, images, f"'{path}', line {line}", line
                )
                offsets.append(offset)
                lines.append(line)
                owners.append(numbers.setdefault(name, len(numbers)))
            offset += len(data)
    order = np.argsort(np.array(owners, np.int64), kind="stable")
    ends = np.cumsum(np.bincount(np.array(owners, np.int64), minlength=len(images)))
    return RowIndex(
        path, header, images, np.array(offsets)[order], np.array(lines)[order], ends.astype(np.int64)
    )


def parse_runs(text: bytes, where: str) -> NDArray[np.int64]:
    """Starts and lengths (R, 2) of the runs of a row; runs without a length are left out.

    Raises
    ------
    DatasetError
        Where they are no pairs of whole numbers, or there are negative ones.
    """
    text = text.strip()
    if len(text) < 4 and text.lower() in _NONE:
        return np.zeros((0, 2), np.int64)
    numbers = np.empty(len(text) // 2 + 1, np.int64)
    count, bad = _parse(np.frombuffer(text, np.uint8), numbers)
    if bad >= 0:
        found = text[bad : bad + 12].decode("utf-8", "replace")
        raise DatasetError(
            f"{where}: runs must be whole numbers below 10^15, separated by spaces; number {count + 1} is "
            f"{found!r} …"
        )
    if count % 2:
        raise DatasetError(f"{where}: runs must be pairs of start and length, {count:,} numbers were found.")
    runs = numbers[:count].reshape(-1, 2)
    return runs[runs[:, 1] > 0] if (runs[:, 1] == 0).any() else runs


def text_at(values: list[bytes], header: Header, meaning: str, where: str) -> str:
    """The text of a column of a row; empty where there is no such column.

    Raises
    ------
    DatasetError
        Where it is no UTF-8.
    """
    place = header.columns.get(meaning)
    if place is None:
        return ""
    try:
        return values[place].decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{where}: '{header.names[place]}' is no UTF-8 text.") from error


def _survey(values: list[bytes], header: Header, images: dict[str, ImageRows], where: str, line: int) -> str:
    """Check a row, note what it says about its image, and return the image's name."""
    name = text_at(values, header, "image", where)
    if not name:
        raise DatasetError(f"{where}: the image has no name.")
    shape = _shape(values, header, where)
    known = images.setdefault(name, ImageRows(line, shape))
    if known.shape != shape:
        raise DatasetError(f"{where}: '{name}' has another width or height in line {known.line}.")
    runs = parse_runs(values[header.columns["runs"]], where)
    if len(runs):
        known.first = min(known.first, (int(runs[:, 0].min()), line))
        known.last = max(known.last, (int((runs[:, 0] + runs[:, 1]).max()) - 1, line))
    return name


def _shape(values: list[bytes], header: Header, where: str) -> tuple[int, int] | None:
    texts = [text_at(values, header, meaning, where) for meaning in ("height", "width")]
    if texts == ["", ""]:
        return None
    whole = [text.removesuffix(".0") for text in texts]
    if not all(text.isascii() and text.isdigit() and len(text) < 12 for text in whole):
        raise DatasetError(
            f"{where}: height and width must be whole numbers, not {texts[0]!r} and {texts[1]!r}."
        )
    height, width = int(whole[0]), int(whole[1])
    if not 0 < height * width <= LARGEST_PLANE:
        raise DatasetError(
            f"{where}: an image must have between 1 and {LARGEST_PLANE:,} pixels, it says that it has "
            f"{width:,} x {height:,}."
        )
    return height, width


def _values(data: bytes, header: Header, path: Path, line: int) -> list[bytes]:
    """Values of a row."""
    data = data.rstrip(b"\r\n")
    values = data.split(header.delimiter) if b'"' not in data else _unquoted(data, header.delimiter)
    if values is None:
        raise DatasetError(f"'{path}', line {line}: a quotation mark is not closed in its line.")
    if len(values) != header.count:
        raise DatasetError(
            f"'{path}', line {line}: {len(values):,} values were found, the file has {header.count} columns."
        )
    return values


def _unquoted(data: bytes, delimiter: bytes) -> list[bytes] | None:
    """Values of a row with quotation marks, which are doubled inside of them; None where one is left open."""
    values, at = [], 0
    while True:
        if data[at : at + 1] != b'"':
            end = data.find(delimiter, at)
            values.append(data[at:] if end < 0 else data[at:end])
        else:
            end = at + 1
            while (end := data.find(b'"', end)) >= 0 and data[end + 1 : end + 2] == b'"':
                end += 2
            if end < 0 or data[end + 1 : end + 2] not in (b"", delimiter):
                return None
            values.append(data[at + 1 : end].replace(b'""', b'"'))
            end = end + 1 if data[end + 1 : end + 2] else -1
        if end < 0:
            return values
        at = end + 1


@njit(cache=True, nogil=True)
def _parse(text, numbers):  # type: ignore[no-untyped-def]
    """Numbers of a text: how many, and the place of what is none (-1: all are)."""
    count, value, digits = 0, 0, 0
    for at in range(len(text)):
        letter = text[at]
        if 48 <= letter <= 57:
            value, digits = value * 10 + (letter - 48), digits + 1
            if digits > 15:
                return count, at - digits + 1
        elif letter == 32 or letter == 9:
            if digits:
                numbers[count] = value
                count, value, digits = count + 1, 0, 0
        else:
            return count, at - digits
    if digits:
        numbers[count] = value
        count += 1
    return count, -1
