"""Tables of measurements as files, with units and provenance, and back."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg import __version__
from napari_cellseg.errors import OptionError
from napari_cellseg.features.registry import registry
from napari_cellseg.features.table_text import (
    TEXT,
    ColumnType,
    Decimal,
    Dialect,
    column_names,
    column_type,
    guessed_dialect,
    read_text,
    typed,
    write_text,
)
from napari_cellseg.outputs import replacing

FORMAT = 1
"""Version of the sidecar's layout."""
SIDECAR = ".units.json"
"""What the name of a table's sidecar ends in: ``cells.csv.units.json``."""
SUFFIXES = (".csv", ".parquet")
"""Endings of the tables that are written and read."""
_KEY = b"napari_cellseg"
_KNOWN = {
    "index": "The object's value in the label image.",
    "t": "Time point, counted from 0.",
    "z": "Plane, counted from 0.",
    "class": "The object's class.",
    "confidence": "How sure the model was of the object, 0 to 1.",
    "disagreement": "How far the networks of an ensemble disagree on the object, 0 to 1.",
    "status": "Whether the object was predicted, edited, added or accepted.",
}


def write_table(
    table: pd.DataFrame,
    path: str | Path,
    *,
    excel: bool = False,
    decimal: Decimal = ".",
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a table of measurements, and beside it what its columns are.

    Parameters
    ----------
    table : DataFrame
        Columns of numbers, bool, text or categories; its row index is not written. ``table.attrs`` may hold
        ``"units"`` and ``"definitions"`` by column, and ``"provenance"``; what the registry defines need not
        be given.
    path : str or Path
        Ends in ``.csv`` (UTF-8) or ``.parquet`` (each field's metadata has ``unit`` and ``definition``). The
        sidecar is the same name and ``.units.json``: unit, definition and type of each column, and the
        provenance.
    excel : bool
        Write the CSV with a byte order mark, without which Excel garbles µ and umlauts, and Windows line
        ends. No ``sep=`` line: with it Excel ignores the mark.
    decimal : {".", ","}
        With a comma, columns are separated by semicolons, as Excel expects where numbers have decimal commas.
    provenance : mapping, optional
        Where the table comes from, see `table_provenance`; None: ``table.attrs["provenance"]``.

    Raises
    ------
    OptionError
        If the path ends in something else, or a column has no name of its own or holds other things.
    OutputError
        If a file cannot be written; both are then as they were before.
    """
    path = Path(path)
    _check(table, path, decimal)
    types = {name: column_type(table[name]) for name in table.columns}
    dialect = Dialect(";" if decimal == "," else ",", decimal, "utf-8-sig" if excel else "utf-8")
    given = table.attrs.get("provenance", {}) if provenance is None else provenance
    sidecar = {
        "format": FORMAT,
        "table": path.name,
        "rows": len(table),
        "columns": _described(table, types),
        "provenance": dict(given),
    }
    if path.suffix.lower() == ".csv":
        sidecar["text"] = asdict(dialect)
    with replacing(sidecar_path(path)) as beside, replacing(path) as temporary:
        beside.write_text(_json(sidecar, indent=1) + "\n", encoding="utf-8")
        if path.suffix.lower() == ".csv":
            write_text(table, temporary, types, dialect)
        else:
            _write_parquet(table, temporary, sidecar)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table of measurements with its units.

    Parameters
    ----------
    path : str or Path
        A ``.csv`` or ``.parquet``. Units and types of a CSV are in its sidecar; without it, types, separator
        and decimal are guessed.

    Returns
    -------
    DataFrame
        What `write_table` was given, with ``attrs`` ``"units"``, ``"definitions"`` and ``"provenance"``;
        units of columns that have none are ``""``.

    Raises
    ------
    OptionError
        If the file or its sidecar is missing, is no table, or the two do not fit each other.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise OptionError(f"A table must end in {' or '.join(SUFFIXES)}, not '{path.name}'.")
    try:
        table, sidecar = _read_csv(path) if path.suffix.lower() == ".csv" else _read_parquet(path)
    except OSError as error:
        raise OptionError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError) as error:
        raise OptionError(f"'{path}' cannot be read as a table: {error}.") from error
    columns = sidecar.get("columns", {})
    own = {name: columns.get(name, {}) for name in table.columns}
    table.attrs = {
        "units": {name: found.get("unit", "") for name, found in own.items()},
        "definitions": {name: found["definition"] for name, found in own.items() if "definition" in found},
        "provenance": sidecar.get("provenance", {}),
    }
    return table


def sidecar_path(path: str | Path) -> Path:
    """The file beside a table that holds units, definitions and provenance."""
    path = Path(path)
    return path.with_name(path.name + SIDECAR)


def definition_of(column: str) -> str:
    """What a column of measurements is, in a sentence; empty where the registry does not know it.

    Parameters
    ----------
    column : str
        Its name, with or without a channel or class after a dash.
    """
    known = registry()
    if column in known:
        return known[column].definition
    stems = [name for name in known if column.startswith(f"{name}-")]
    if stems:
        stem = max(stems, key=len)
        return f"{known[stem].definition} Of {column[len(stem) + 1 :]}."
    return _KNOWN.get(column, "")


def table_provenance(
    labels: Any = None,
    *,
    image: Any = None,
    scale: Sequence[float] | float | None = None,
    unit: str = "px",
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Where a table comes from.

    Parameters
    ----------
    labels, image : str, Path or array, optional
        What was measured: a file, which is named and hashed (SHA-256), or an array, whose pixels are hashed
        in their C order together with shape and type.
    scale : float or sequence of float, optional
        Size of a pixel, or of each axis.
    unit : str
        Unit of that size.
    settings : mapping, optional
        What else was chosen: features, channels.

    Returns
    -------
    dict
        ``created`` (UTC), ``versions``, ``labels``, ``image``, ``scale``, ``unit``, ``settings``.
    """
    sizes = scale if scale is None else [float(s) for s in np.atleast_1d(np.asarray(scale, float))]
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "napari-cellseg": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "pandas": pd.__version__,
        },
        "labels": _source(labels),
        "image": _source(image),
        "scale": sizes,
        "unit": unit,
        "settings": dict(settings or {}),
    }


def _source(pixels: Any) -> dict[str, Any] | None:
    if pixels is None:
        return None
    if isinstance(pixels, str | Path):
        path = Path(pixels)
        if not path.is_file():
            return {"path": str(path), "sha256": None}
        with path.open("rb") as file:
            return {"path": str(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    array = np.asarray(pixels)
    digest = hashlib.sha256(repr((array.shape, array.dtype.str)).encode())
    planes = array.reshape(-1, *array.shape[-2:]) if array.ndim > 2 else array[np.newaxis]
    for plane in planes:
        digest.update(np.ascontiguousarray(plane).data)
    return {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": digest.hexdigest()}


def _check(table: pd.DataFrame, path: Path, decimal: str) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise OptionError(f"A table must end in {' or '.join(SUFFIXES)}, not '{path.name}'.")
    if decimal not in (".", ","):
        raise OptionError(f"decimal must be '.' or ',', not {decimal!r}.")
    names = list(table.columns)
    if not names:
        raise OptionError("A table without columns cannot be written.")
    wrong = [name for name in names if not isinstance(name, str) or not name or names.count(name) > 1]
    if wrong:
        raise OptionError(f"Each column needs a name of its own that is text; {wrong[0]!r} is not.")


def _described(table: pd.DataFrame, types: Mapping[str, ColumnType]) -> dict[str, dict[str, Any]]:
    units, definitions = (table.attrs.get(name, {}) for name in ("units", "definitions"))
    found = {}
    for name in table.columns:
        definition = definitions.get(name) or definition_of(name)
        entry = {"unit": str(units.get(name, ""))}
        found[name] = entry | ({"definition": definition} if definition else {}) | types[name]
    return found


def _json(value: Any, **layout: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain, **layout)


def _plain(value: Any) -> Any:
    """What JSON does not know: numpy's numbers and arrays, paths."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)


def _write_parquet(table: pd.DataFrame, path: Path, sidecar: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    bare = table.copy(deep=False)
    bare.attrs = {}
    for name, kind in sidecar["columns"].items():
        if kind["dtype"] in ("text", "boolean"):
            bare[name] = bare[name].astype(TEXT if kind["dtype"] == "text" else "boolean")
    arrow = pa.Table.from_pandas(bare, preserve_index=False)
    fields = [_with_metadata(field, sidecar["columns"][field.name]) for field in arrow.schema]
    metadata = {**(arrow.schema.metadata or {}), _KEY: _json(sidecar).encode()}
    pq.write_table(arrow.cast(pa.schema(fields, metadata=metadata)), path)


def _with_metadata(field: Any, described: Mapping[str, Any]) -> Any:
    return field.with_metadata({key: described[key] for key in ("unit", "definition") if described.get(key)})


def _read_parquet(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    import pyarrow.parquet as pq

    arrow = pq.read_table(path)
    metadata = arrow.schema.metadata or {}
    sidecar = json.loads(metadata[_KEY]) if _KEY in metadata else {}
    table = arrow.to_pandas()
    known = {name: kind for name, kind in sidecar.get("columns", {}).items() if name in table}
    return table.assign(**{name: typed(table[name], kind) for name, kind in known.items()}), sidecar


def _read_csv(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    beside = sidecar_path(path)
    sidecar = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    columns = sidecar.get("columns", {})
    dialect = Dialect(**sidecar["text"]) if "text" in sidecar else guessed_dialect(path)
    if columns and not set(columns) & set(column_names(path, dialect)):
        dialect = guessed_dialect(path)  # another program has written the table anew
    return read_text(path, columns, dialect), sidecar
