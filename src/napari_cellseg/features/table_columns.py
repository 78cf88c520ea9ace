"""Columns of a table of measurements: which feature each is of, and which are meant by a name."""

from collections.abc import Iterable
from difflib import get_close_matches

import pandas as pd

from napari_cellseg.errors import OptionError
from napari_cellseg.features.choosing import DEFAULT, family
from napari_cellseg.features.feature import Feature
from napari_cellseg.features.registry import groups, registry
from napari_cellseg.statistics.group_design import comparable_columns

USUAL = ("size", "shape", "intensity")
"""Groups whose features of the default set are compared where nothing else is asked for."""


def column_feature(column: str) -> Feature | None:
    """The feature that a column was measured as; None for other columns.

    Parameters
    ----------
    column : str
        Its name, with or without a channel or class after a dash.
    """
    known = registry()
    if column in known:
        return known[column]
    stems = [name for name in known if column.startswith(f"{name}-")]
    return known[max(stems, key=len)] if stems else None


def usual_columns(table: pd.DataFrame) -> list[str]:
    """Columns that are compared by default.

    Parameters
    ----------
    table : DataFrame
        A row per cell; ``attrs["units"]`` may give units by column.

    Returns
    -------
    list of str
        Size, shape and intensity as far as they are in the default set, without places and angles; where
        the table has none of them, all columns of numbers but places and angles.
    """
    able = comparable_columns(table)
    found = [(name, column_feature(name)) for name in able]
    usual = [name for name, feature in found if feature and feature.default and feature.group in USUAL]
    return usual or able


def named_columns(table: pd.DataFrame, names: Iterable[str]) -> list[str]:
    """Columns of a table that are meant by names.

    Parameters
    ----------
    table : DataFrame
        A row per cell.
    names : iterable of str
        Columns, features (of all channels), families (``"inertia_tensor"``), groups (``"shape"``), or
        ``"default"`` for `usual_columns`.

    Returns
    -------
    list of str
        In the order of the names, each once.

    Raises
    ------
    OptionError
        Where a name means no column of the table.
    """
    able = comparable_columns(table)
    found: dict[str, None] = {}
    for name in names:
        meant = [name] if name in table.columns else _meant(table, able, name)
        if not meant:
            near = get_close_matches(name, [*map(str, table.columns), *groups()], 3)
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise OptionError(f"The table has no column, feature or group {name!r}.{hint}")
        found |= dict.fromkeys(meant)
    return list(found)


def _meant(table: pd.DataFrame, able: list[str], name: str) -> list[str]:
    if name == DEFAULT:
        return usual_columns(table)
    features = {column: column_feature(column) for column in able}
    return [
        column
        for column, feature in features.items()
        if feature is not None and name in (feature.group, feature.name, family(feature.name))
    ]
