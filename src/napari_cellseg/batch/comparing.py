"""Tables of many images made ready for comparing groups, and where a comparison comes from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from napari_cellseg.batch.labelled import IMAGE
from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.groups import name_fields
from napari_cellseg.features.tables import table_provenance
from napari_cellseg.statistics.groups import GroupComparison


def with_name_fields(table: pd.DataFrame, pattern: str, column: str = IMAGE) -> pd.DataFrame:
    """A table with a column for each field of the names in one of its columns.

    Parameters
    ----------
    table : DataFrame
        A row per cell.
    pattern : str
        Such as ``"{line}_Phase_{well}_*"``, see `name_fields`.
    column : str
        The column of names.

    Returns
    -------
    DataFrame
        The table with its ``attrs``; the new columns are the first.

    Raises
    ------
    OptionError
        Where the table has no such column, a name does not fit, or has a column called like a field.
    """
    if column not in table:
        raise OptionError(
            f"The pattern of names is for the column {column!r}, which the table does not have."
        )
    names = table[column].astype(str)
    different = list(dict.fromkeys(names))
    fields = name_fields(different, pattern)
    taken = [name for name in fields if name in table]
    if taken:
        raise OptionError(
            f"The table has a column {taken[0]!r} already; call the field of the names otherwise."
        )
    rows = fields.iloc[pd.Index(different).get_indexer(names)].set_axis(table.index)
    joined = pd.concat([rows, table.set_axis(table.index)], axis=1)
    joined.attrs = dict(table.attrs)
    return joined


def table_source(path: str | Path, table: pd.DataFrame) -> dict[str, Any]:
    """Which file a table was read from, and where that comes from."""
    file = table_provenance(Path(path))["labels"]
    return {**file, "provenance": table.attrs.get("provenance", {})}


def comparison_provenance(comparison: GroupComparison, source: Mapping[str, Any]) -> dict[str, Any]:
    """Where a comparison comes from.

    Parameters
    ----------
    comparison : GroupComparison
        The comparison.
    source : mapping
        Where its table comes from, see `table_source`.

    Returns
    -------
    dict
        ``created``, ``versions``, ``source``, ``settings``, ``warnings``.
    """
    record = table_provenance(settings=comparison.settings)
    return {
        "created": record["created"],
        "versions": record["versions"],
        "source": dict(source),
        "settings": record["settings"],
        "warnings": list(comparison.warnings),
    }
