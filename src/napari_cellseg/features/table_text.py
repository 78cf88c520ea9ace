"""Tables as text that other programs read and that comes back as it was: types, missing values, decimals."""

import csv
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


def as_text(column: pd.Series, kind: ColumnType, decimal: Decimal) -> pd.Series:
    """A column as it is written: numbers exactly, with the decimal; missing texts by their token."""
    if kind["dtype"] == "category":
        column, kind = column.astype(object), kind["of"] | _token(kind)
    if kind["dtype"] == "text":
        return column.astype(object).where(column.notna(), kind.get("missing", ""))
    if decimal == "," and "float" in kind["dtype"].lower():
        return column.astype(object).map(lambda v: str(v).replace(".", ","), na_action="ignore")
    return column


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
    columns = {name: as_text(table[name], types[name], dialect.decimal) for name in table.columns}
    texts = (c for c in columns.values() if not pd.api.types.is_numeric_dtype(c))
    returns = any("\r" in name for name in columns) or any("\r" in str(v) for c in texts for v in c.unique())
    pd.DataFrame(columns, index=table.index).to_csv(
        path,
        sep=dialect.separator,
        encoding=dialect.encoding,
        index=False,
        lineterminator="\r\n" if dialect.encoding == "utf-8-sig" else "\n",
        quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL,
    )


def read_text(path: Path, types: Mapping[str, ColumnType], dialect: Dialect) -> pd.DataFrame:
    """Read a table from text.

    Parameters
    ----------
    path : Path
        The file.
    types : mapping of str to ColumnType
        Types of the columns that are known; the types of others are guessed.
    dialect : Dialect
        How it was written.
    """
    if not types:
        return pd.read_csv(path, sep=dialect.separator, decimal=dialect.decimal, encoding="utf-8-sig")
    texts = pd.read_csv(
        path,
        sep=dialect.separator,
        encoding="utf-8-sig",
        dtype=str,
        keep_default_na=False,
        skip_blank_lines=False,
    )
    return pd.DataFrame({name: restored(texts[name], types.get(name), dialect.decimal) for name in texts})


def restored(texts: pd.Series, kind: ColumnType | None, decimal: Decimal) -> pd.Series:
    """A column of its type from its texts.

    Parameters
    ----------
    texts : Series of str
        As they stand in the file.
    kind : ColumnType or None
        Its type; None: numbers if all can be read as such, else text.
    decimal : {".", ","}
        What stands before decimals.

    Raises
    ------
    ValueError
        If a text is no value of that type.
    """
    if kind is None:
        numbers = pd.to_numeric(texts.str.replace(decimal, ".").where(texts != ""), errors="coerce")
        return texts if (numbers.isna() & (texts != "")).any() else numbers
    if kind["dtype"] == "category":
        values = restored(texts, kind["of"] | _token(kind), decimal)
        return pd.Series(_categorical(values, kind), name=texts.name)
    present = texts.where(texts != kind.get("missing", ""), None)
    if kind["dtype"] == "text":
        return present.astype(object).where(present.notna(), np.nan).astype(TEXT)
    name = kind["dtype"]
    if name.lower() in ("bool", "boolean"):
        read = present.map({"True": True, "False": False}).astype("boolean")
        if (read.isna() & present.notna()).any():
            raise ValueError(f"column {texts.name!r} has a value that is neither True nor False")
        return read.astype(name)
    if decimal != ".":
        present = present.str.replace(decimal, ".")
    if "int" in name.lower():
        return present.map(int, na_action="ignore").astype(object).astype(name)
    return present.astype(object).where(present.notna(), np.nan).astype("float64").astype(name)


def typed(values: pd.Series, kind: ColumnType) -> pd.Series:
    """A column of its type from values that another format has kept."""
    if kind["dtype"] != "category":
        return values.astype(TEXT if kind["dtype"] == "text" else kind["dtype"])
    return pd.Series(_categorical(values.astype(object), kind), name=values.name)


def guessed_dialect(path: Path) -> Dialect:
    """Separator and decimal of a text that somebody else wrote, from its first lines."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head = file.read(SNIFFED)
    first = head.split("\n", 1)[0]
    separator = max((",", ";", "\t"), key=first.count)
    decimal: Decimal = "," if separator != "," and re.search(r"\d,\d", head) else "."
    return Dialect(separator, decimal, "utf-8-sig")


def _categorical(values: pd.Series, kind: ColumnType) -> pd.Categorical:
    categories = typed(pd.Series(kind["categories"], dtype=object), kind["of"])
    return pd.Categorical(values, categories=categories, ordered=kind["ordered"])


def _missing_of(present: pd.Series) -> ColumnType:
    """The token for missing texts, where the empty text is taken."""
    texts = set(present.astype(object))
    token = next(t for t in chain(MISSING, (f"<missing {k}>" for k in count())) if t not in texts)
    return {"missing": token} if token else {}


def _token(kind: ColumnType) -> ColumnType:
    return {"missing": kind["missing"]} if "missing" in kind else {}
