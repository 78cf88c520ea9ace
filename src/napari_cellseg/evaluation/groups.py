"""Which images belong together: given, or read from their names."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.metrics import METRICS


def group_columns(names: Sequence[str], groups: Any = None, pattern: str | None = None) -> pd.DataFrame:
    """Columns that describe images.

    Parameters
    ----------
    names : sequence of str
        Names of the images.
    groups : sequence, mapping or DataFrame, optional
        A group per image in their order, or by name (column ``group``); or a table with the column ``image``
        and others, which are taken over.
    pattern : str, optional
        Pattern of the names, see `name_fields`.

    Returns
    -------
    DataFrame
        A row per image; no columns where neither is given.

    Raises
    ------
    OptionError
        If an image has no group, a name does not fit the pattern, or a column goes by a name that is taken.
    """
    parts = [_given(names, groups)]
    if pattern is not None:
        parts.append(name_fields(names, pattern))
    table = pd.concat(parts, axis=1)
    taken = {"image", "plane", *(metric.name for metric in METRICS)} & set(table.columns)
    if taken or table.columns.duplicated().any():
        raise OptionError(
            "Columns of groups must have names of their own, other than 'image', 'plane' and those of "
            f"metrics; got {', '.join(map(repr, table.columns))}."
        )
    if table.isna().to_numpy().any():
        raise OptionError("Every image needs a value in each column of groups; some are missing.")
    return table


def name_fields(names: Sequence[str], pattern: str) -> pd.DataFrame:
    """Fields of file names.

    Parameters
    ----------
    names : sequence of str
        Names, without or with their suffix.
    pattern : str
        ``"{line}_Phase_{well}_*"``: each ``{field}`` is one or more characters other than an underscore,
        ``*`` is anything, and a name may go on after the pattern. Or a regular expression with named groups,
        ``"(?P<line>[A-Z0-9]+)_"``, searched anywhere in the name.

    Returns
    -------
    DataFrame
        A row per name, a column of str per field.

    Raises
    ------
    OptionError
        If the pattern has no field or a name does not fit it.
    """
    expression = _expression(pattern)
    if not expression.groupindex:
        raise OptionError(
            f"A pattern of names needs a field such as {{line}}, this one has none: {pattern!r}."
        )
    rows = []
    for name in names:
        found = expression.search(name)
        if found is None:
            raise OptionError(f"The name {name!r} does not fit the pattern {pattern!r}.")
        rows.append(found.groupdict())
    return pd.DataFrame(rows, columns=list(expression.groupindex))


def _expression(pattern: str) -> re.Pattern[str]:
    try:
        if "(?P<" in pattern:
            return re.compile(pattern)
        pieces = re.split(r"(\{\w+\}|\*)", pattern)
        return re.compile("^" + "".join(_piece(p) for p in pieces))
    except re.error as error:
        raise OptionError(f"The pattern of names {pattern!r} cannot be read: {error}.") from error


def _piece(piece: str) -> str:
    if piece == "*":
        return ".*"
    if re.fullmatch(r"\{\w+\}", piece):
        return f"(?P<{piece[1:-1]}>[^_]+)"
    return re.escape(piece)


def _given(names: Sequence[str], groups: Any) -> pd.DataFrame:
    if groups is None:
        return pd.DataFrame(index=range(len(names)))
    if isinstance(groups, pd.DataFrame):
        if "image" not in groups or groups["image"].duplicated().any():
            raise OptionError("A table of groups needs the column 'image' with each image once.")
        table = groups.assign(image=groups["image"].astype(str)).set_index("image")
        _check_names(names, table.index)
        return table.loc[list(names)].reset_index(drop=True)
    if isinstance(groups, Mapping):
        _check_names(names, [str(key) for key in groups])
        by_name = {str(key): value for key, value in groups.items()}
        return pd.DataFrame({"group": [str(by_name[name]) for name in names]})
    values = [str(value) for value in groups]
    if len(values) != len(names):
        raise OptionError(f"Each of the {len(names)} images needs a group, got {len(values)}.")
    return pd.DataFrame({"group": values})


def _check_names(names: Sequence[str], known: Any) -> None:
    missing = [name for name in names if name not in set(known)]
    if missing:
        raise OptionError(f"Each image needs a group; {missing[0]!r} has none.")
