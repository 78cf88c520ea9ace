"""Tables as text that other programs read and that comes back as it was: types, missing values, decimals."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from napari_cellseg.errors import OptionError

Decimal: TypeAlias = Literal[".", ","]
"""What stands before the decimals of a number."""
ColumnType: TypeAlias = dict[str, Any]
"""Type of a column as JSON holds it: ``dtype``, and what else is needed to restore it."""

MISSING = ("", "NA", "N/A")
"""What may stand for a missing text: the first that is not itself one of the texts."""
TEXT = pd.Series(["text"]).dtype
"""Type of a column of texts in this version of pandas."""
SNIFFED = 2**16
"""Characters from which a separator and a decimal are guessed."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written as text.

    Attributes
    ----------
    separator : str
        What stands between columns.
    decimal : {".", ","}
        What stands before decimals.
    encoding : str
        ``"utf-8"``, or ``"utf-8-sig"`` with the byte order mark by which Excel knows UTF-8.
    """

    separator: str
    decimal: Decimal
    encoding: str


def column_type(column: pd.Series) -> ColumnType:
    """Type of a column, from which `restored` makes it again.

    Raises
    ------
    OptionError
        For anything but numbers, bool, text and categories of these.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = pd.Series(dtype.categories)
        values = [v.item() if isinstance(v, np.generic) else v for v in categories.astype(object)]
        found = {"dtype": "category", "ordered": bool(dtype.ordered), "of": column_type(categories)}
        return found | {"categories": values} | _missing_of(categories)
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        if not pd.api.types.is_complex_dtype(dtype):
            return {"dtype": str(dtype)}
    elif pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype):
        present = column.dropna()
        if len(present) and all(isinstance(v, bool | np.bool_) for v in present):
            return {"dtype": "boolean"}
        if all(isinstance(v, str) for v in present):
            return {"dtype": "text"} | _missing_of(present)
    raise OptionError(
        f"A column must hold numbers, true or false, text or categories; {column.name!r} ({dtype}) does not."
    )


def column_texts(column: pd.Series, kind: ColumnType, dialect: Dialect) -> list[str]:
    """A column as it is written: numbers exactly, with the decimal; missing ones empty or by their token.

    Parameters
    ----------
    column : Series
        Its values.
    kind : ColumnType
        From `column_type`.
    dialect : Dialect
        How it is written.
    """
    import pyarrow as pa

    if kind["dtype"] == "category":
        column, kind = column.astype(object), kind["of"] | {"missing": kind.get("missing", "")}
    missing: str = kind.get("missing", "")
    if kind["dtype"] in ("text", "bool", "boolean"):
        written = {value: quoted(str(value), dialect.separator) for value in column.dropna().unique()}
        return [written.get(value, missing) for value in column.astype(object)]
    numbers = pa.array(column, from_pandas=True).cast(pa.string()).fill_null(missing).to_pylist()
    if dialect.decimal == "." or "float" not in kind["dtype"].lower():
        return list(numbers)
    return [number.replace(".", dialect.decimal) for number in numbers]


def quoted(text: str, separator: str) -> str:
    """A text as a field of CSV (RFC 4180): in quotes where it holds a separator, a quote or a line end."""
    if any(character in text for character in (separator, '"', "\r", "\n")):
        return '"' + text.replace('"', '""') + '"'
    return text


def write_text(table: pd.DataFrame, path: Path, types: Mapping[str, ColumnType], dialect: Dialect) -> None:
    """Write a table as text.

    Parameters
    ----------
    table : DataFrame
        Its columns; the row index is not written.
    path : Path
        The file.
    types : mapping of str to ColumnType
        By column, from `column_type`.
    dialect : Dialect
        How it is written.
    """
    end = "\r\n" if dialect.encoding == "utf-8-sig" else "\n"
    columns = [column_texts(table[name], types[name], dialect) for name in table.columns]
    with path.open("w", encoding=dialect.encoding, newline="") as file:
        file.write(dialect.separator.join(quoted(name, dialect.separator) for name in table.columns) + end)
        file.writelines(dialect.separator.join(row) + end for row in zip(*columns, strict=True))


def read_text(path: Path, types: Mapping[str, ColumnType], dialect: Dialect) -> pd.DataFrame:
    """Read a table from text.

    Parameters
    ----------
    path : Path
        The file.
    types : mapping of str to ColumnType
        Types of the columns that are known; others are numbers if all of their values are, else text.
    dialect : Dialect
        How it was written.

    Raises
    ------
    ValueError
        If a value is not of its column's type.
    """
    how = {"sep": dialect.separator, "decimal": dialect.decimal, "encoding": "utf-8-sig"}
    header = list(pd.read_csv(path, nrows=0, **how).columns)
    known = {name: types[name] for name in header if name in types}
    columns = _read_known(path, known, dialect) if known else {}
    if len(known) < len(header):
        others = pd.read_csv(path, usecols=lambda name: name not in known, skip_blank_lines=not known, **how)
        columns |= {name: others[name] for name in others}
    return pd.DataFrame({name: columns[name] for name in header})


def typed(values: pd.Series, kind: ColumnType) -> pd.Series:
    """A column of its type from values that another format has kept."""
    if kind["dtype"] != "category":
        return values.astype(TEXT if kind["dtype"] == "text" else kind["dtype"])
    return pd.Series(_categorical(values.astype(object), kind), name=values.name)


def column_names(path: Path, dialect: Dialect) -> list[str]:
    """The names in the first line of a text."""
    return list(pd.read_csv(path, nrows=0, sep=dialect.separator, encoding="utf-8-sig").columns)


def guessed_dialect(path: Path) -> Dialect:
    """Separator and decimal of a text that somebody else wrote, from its first lines."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head = file.read(SNIFFED)
    first = head.split("\n", 1)[0]
    separator = max((",", ";", "\t"), key=first.count)
    decimal: Decimal = "," if separator != "," and re.search(r"\d,\d", head) else "."
    return Dialect(separator, decimal, "utf-8-sig")


def _read_known(path: Path, types: Mapping[str, ColumnType], dialect: Dialect) -> dict[str, pd.Series]:
    from pyarrow import csv

    parsed = csv.read_csv(
        path,
        parse_options=csv.ParseOptions(
            delimiter=dialect.separator, newlines_in_values=True, ignore_empty_lines=False
        ),
        convert_options=csv.ConvertOptions(
            include_columns=list(types),
            column_types={name: _arrow_type(kind) for name, kind in types.items()},
            null_values=[""],
            true_values=["True", "TRUE", "true"],
            false_values=["False", "FALSE", "false"],
            decimal_point=dialect.decimal,
        ),
    )
    return {name: _restored(parsed[name], kind) for name, kind in types.items()}


def _arrow_type(kind: ColumnType) -> Any:
    """What a column is read as; texts and what is missing among them are told apart afterwards."""
    import pyarrow as pa

    name = kind["of"]["dtype"] if kind["dtype"] == "category" else kind["dtype"]
    if name == "text":
        return pa.string()
    if name in ("bool", "boolean"):
        return pa.bool_()
    return pa.float32() if name == "float16" else pa.from_numpy_dtype(np.dtype(name.lower()))


def _restored(column: Any, kind: ColumnType) -> pd.Series:
    if kind["dtype"] in ("text", "category") and str(column.type) == "string":
        texts = column.to_pandas()
        texts = texts.where(texts != kind.get("missing", ""), np.nan)
        return typed(texts, kind)
    if kind["dtype"][0].isupper() or kind["dtype"] == "boolean":
        return pd.Series(pd.array(column.to_pylist(), dtype=kind["dtype"]))
    return typed(column.to_pandas(), kind)


def _categorical(values: pd.Series, kind: ColumnType) -> pd.Categorical:
    categories = typed(pd.Series(kind["categories"], dtype=object), kind["of"])
    return pd.Categorical(values, categories=categories, ordered=kind["ordered"])


def _missing_of(present: pd.Series) -> ColumnType:
    """The token for missing texts, where the empty text is taken."""
    texts = set(present.astype(object))
    token = next(t for t in chain(MISSING, (f"<missing {k}>" for k in count())) if t not in texts)
    return {"missing": token} if token else {}
