"""What is known about the objects from elsewhere: classes, confidence, groups."""

from collections.abc import Sequence

import pandas as pd

from napari_cellseg.errors import OptionError

INDEX = "index"
PLANES = ("t", "z")


def check_known(table: pd.DataFrame | None, planes: Sequence[str]) -> pd.DataFrame | None:
    """A table that can be joined: a row for each object, or for each object of each plane.

    Parameters
    ----------
    table : DataFrame, optional
        With the column ``index``.
    planes : sequence of str
        Columns that tell the planes apart, of ``"t"`` and ``"z"``.

    Raises
    ------
    OptionError
        Where it has no ``index``, one of texts, or several rows for an object.
    """
    if table is None:
        return None
    if INDEX not in table:
        raise OptionError(
            f"A table to join needs the column 'index' with the labels; it has {list(table.columns)}."
        )
    if len(table) and pd.api.types.is_string_dtype(table[INDEX]):
        raise OptionError("The column 'index' of a table to join must hold numbers, not texts.")
    table = table.reset_index(drop=True)
    keys = join_keys(table, planes)
    twice = table.duplicated(keys)
    if twice.any():
        label = table.loc[twice, INDEX].iloc[0]
        raise OptionError(f"A table to join must have one row for each object; label {label} has several.")
    return table


def join_keys(table: pd.DataFrame, planes: Sequence[str]) -> list[str]:
    """Columns by which a table is joined: the plane too where an object has a row in several."""
    if not table[INDEX].duplicated().any():
        return [INDEX]
    return [INDEX, *(p for p in planes if p in table)]


def join(measured: pd.DataFrame, table: pd.DataFrame | None, planes: Sequence[str]) -> pd.DataFrame:
    """Measured columns with those of a table before them; where both have a column the measured one holds.

    Parameters
    ----------
    measured : DataFrame
        Columns ``index``, the planes, then features.
    table : DataFrame, optional
        Passed `check_known`.
    planes : sequence of str
        As there.
    """
    first = [INDEX, *planes]
    if table is None:
        return measured
    keys = join_keys(table, planes)
    columns = [c for c in table.columns if c not in measured and c not in PLANES]
    joined = measured[first].merge(table[[*keys, *columns]], on=keys, how="left")
    joined.index = measured.index
    rest = measured.drop(columns=first)
    return pd.concat([joined, rest], axis=1)


def kinds_of(table: pd.DataFrame | None) -> list[str]:
    """Classes of a table, in order, in whichever plane they are; an empty text is none."""
    if table is None or "class" not in table:
        return []
    return sorted({str(value) for value in table["class"].dropna()} - {""})


def classes_of(ids: pd.DataFrame, table: pd.DataFrame | None, planes: Sequence[str]) -> list[str | None]:
    """Class of each object, None where it is not known.

    Parameters
    ----------
    ids : DataFrame
        Columns ``index`` and the planes.
    table, planes
        As for `join`.
    """
    if table is None or "class" not in table:
        return [None] * len(ids)
    given = table["class"].astype(object)
    names = given.map(str).where(given.notna(), None)
    joined = join(ids, table.assign(**{"class": names}), planes)["class"]
    return [None if pd.isna(name) else name or None for name in joined]
