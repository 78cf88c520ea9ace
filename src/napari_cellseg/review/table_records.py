"""Tables as what JSON can hold, and back, with their dtypes."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

Record = dict[str, Any]


def table_record(table: pd.DataFrame) -> Record:
    """A table as lists, to be read by `table_from_record`; values that JSON does not know become text."""
    return {
        "columns": [str(column) for column in table.columns],
        "dtypes": [_dtype_record(table.dtypes.iloc[i]) for i in range(table.shape[1])],
        "values": [[plain_value(v) for v in table.iloc[:, i].tolist()] for i in range(table.shape[1])],
    }


def table_from_record(record: Mapping[str, Any]) -> pd.DataFrame:
    """The table that `table_record` was given, rows numbered from 0."""
    columns = zip(record["columns"], record["values"], record["dtypes"], strict=True)
    return pd.DataFrame({name: _series(values, dtype) for name, values, dtype in columns})


class RowReplay:
    """A table to which changes of rows are applied one after the other.

    Parameters
    ----------
    table : DataFrame
        With the column ``index``, the label of each row.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        record = table_record(table)
        self._dtypes = dict(zip(record["columns"], record["dtypes"], strict=True))
        names = record["columns"]
        rows = zip(*record["values"], strict=True)
        self._rows = {int(row["index"]): row for row in (dict(zip(names, r, strict=True)) for r in rows)}

    def apply(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        """Change rows; labels that are only in `before` lose theirs, those only in `after` get one."""
        for label in _labels(before).difference(_labels(after)):
            self._rows.pop(label, None)
        if after is None:
            return
        self._dtypes |= dict(zip(after["columns"], after["dtypes"], strict=True))
        for values in zip(*after["values"], strict=True):
            row = dict(zip(after["columns"], values, strict=True))
            self._rows.setdefault(int(row["index"]), {}).update(row)

    def table(self) -> pd.DataFrame:
        """The table as it is now, by rising label."""
        rows = [self._rows[label] for label in sorted(self._rows)]
        columns = {
            name: _series([row.get(name) for row in rows], dtype) for name, dtype in self._dtypes.items()
        }
        return pd.DataFrame(columns)


def _labels(record: Mapping[str, Any] | None) -> set[int]:
    if record is None or "index" not in record["columns"]:
        return set()
    return {int(i) for i in record["values"][record["columns"].index("index")]}


def _dtype_record(dtype: Any) -> Any:
    if isinstance(dtype, pd.CategoricalDtype):
        return {"categories": [plain_value(v) for v in dtype.categories], "ordered": bool(dtype.ordered)}
    return str(dtype)


def _series(values: Iterable[Any], dtype: Any) -> "pd.Series[Any]":
    """A column of the dtype that it had; of objects where rows without a value, or edits, don't allow it."""
    values = list(values)
    if isinstance(dtype, dict):
        return pd.Series(pd.Categorical(values, categories=dtype["categories"], ordered=dtype["ordered"]))
    if dtype.startswith(("int", "uint")) and None in values:
        dtype = "float64"
    try:
        return pd.Series(values, dtype="object" if dtype == "bool" and None in values else dtype)
    except (TypeError, ValueError):
        return pd.Series(values, dtype="object")


def plain_value(value: Any) -> Any:
    """A value in what JSON can hold: numpy's numbers as Python's, missing ones None, the rest as text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return None if value is pd.NA or value is pd.NaT else str(value)
