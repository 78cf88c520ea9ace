"""Which cells of a table are compared: groups, replicates, features."""

import re
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.statistics.correction import Correction
from napari_cellseg.statistics.replicates import Average, GroupValues, group_values

MOST_GROUPS = 20
"""Groups that are compared without naming them."""
ANGLE = "rad"
"""Unit of columns that are not compared unless named: angles start again, so their mean says nothing."""
_PLACES = re.compile(r"index|label|[tz]|(bbox|centroid|centroid_weighted)-\d.*")


@dataclass(frozen=True, slots=True)
class Settings:
    """How groups are compared; see `compare_groups`."""

    by: str
    replicates: str | None = None
    average: Average = "mean"
    paired: bool = False
    control: str | None = None
    test: Literal["auto", "means", "ranks"] = "auto"
    correction: Correction = "benjamini-hochberg"
    level: float = 0.95
    resamples: int = 2000
    seed: int = 0

    def check(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        OptionError
            In words: what must hold and what was given.
        """
        allowed = {
            "average": get_args(Average),
            "test": ("auto", "means", "ranks"),
            "correction": get_args(Correction),
        }
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                given = getattr(self, name)
                raise OptionError(f"{name} must be one of {', '.join(choices)}, not {given!r}.")
        if not 0 < self.level < 1:
            raise OptionError(f"level must be above 0 and below 1, not {self.level}.")
        if self.replicates == self.by:
            raise OptionError(
                f"The replicates must be told by another column than the groups, not by {self.by!r}."
            )
        if self.paired and self.replicates is None:
            raise OptionError("A paired comparison needs the column of the replicates that are paired.")


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Cells in their groups.

    Attributes
    ----------
    settings : Settings
        How they are compared.
    groups : tuple of str
        Names of the groups, in order.
    features : tuple of str
        Columns that are compared.
    units : dict of str
        Unit by column.
    cells : DataFrame
        The cells that take part: column `by` (categorical), the replicates' (text), and the features
        (float64).
    left_out : dict of str
        How many rows take no part, by reason.
    """

    settings: Settings
    groups: tuple[str, ...]
    features: tuple[str, ...]
    units: dict[str, str]
    cells: pd.DataFrame
    left_out: dict[str, int]

    def values(self, feature: str) -> list[GroupValues]:
        """Values of a feature in each group, in order."""
        values = self.cells[feature].to_numpy(float)
        codes = self.cells[self.settings.by].cat.codes.to_numpy()
        which = None if self.settings.replicates is None else self.replicate_codes()
        result = []
        for k, name in enumerate(self.groups):
            own = np.flatnonzero(codes == k)
            part = None if which is None else which[own]
            result.append(group_values(name, values[own], part, self.settings.average))
        return result

    def replicate_codes(self) -> NDArray[np.int64]:
        """A number for the replicate of each cell, the same for the same name."""
        return np.asarray(pd.factorize(self.cells[self.settings.replicates], sort=True)[0], np.int64)

    def replicates_per_group(self) -> dict[str, list[str]]:
        """Names of the replicates of each group; empty lists where they are unknown."""
        if self.settings.replicates is None:
            return {name: [] for name in self.groups}
        grouped = self.cells[self.settings.replicates].groupby(
            self.cells[self.settings.by].astype(str), observed=True
        )
        found = {str(name): sorted(set(values)) for name, values in grouped}
        return {name: found.get(name, []) for name in self.groups}


def make_design(
    table: pd.DataFrame,
    settings: Settings,
    features: Sequence[str] | None,
    groups: Sequence[Hashable] | None,
) -> Design:
    """Sort the rows of a table into groups and replicates.

    Parameters
    ----------
    table, features, groups
        As in `compare_groups`.
    settings : Settings
        The rest of its arguments.

    Raises
    ------
    OptionError
        Where a column is missing or has no numbers, or there are not two groups.
    """
    settings.check()
    for column in (settings.by, settings.replicates):
        if column is not None and column not in table.columns:
            raise OptionError(
                f"The table has no column {column!r}; it has {', '.join(map(str, table.columns))}."
            )
    names = _group_names(table[settings.by], groups)
    if settings.control is not None and settings.control not in names:
        raise OptionError(f"control must be one of {', '.join(names)}, not {settings.control!r}.")
    chosen = _feature_names(table, settings, features)
    member = _as_text(table[settings.by])
    inside = member.isin(names)
    left_out = {"no group, or one that is not compared": int((~inside).sum())}
    columns: dict[str, Any] = {settings.by: pd.Categorical(member[inside], categories=list(names))}
    if settings.replicates is not None:
        known = inside & table[settings.replicates].notna()
        left_out["no replicate"] = int((inside & ~known).sum())
        inside = known
        columns = {
            settings.by: pd.Categorical(member[inside], categories=list(names)),
            settings.replicates: _as_text(table[settings.replicates])[inside].to_numpy(),
        }
    for feature in chosen:
        columns[feature] = table[feature][inside].to_numpy(float, na_value=np.nan)
    units = {name: str(table.attrs.get("units", {}).get(name, "")) for name in chosen}
    return Design(settings, names, chosen, units, pd.DataFrame(columns), left_out)


def comparable_columns(table: pd.DataFrame, taken: Collection[str | None] = ()) -> list[str]:
    """Columns that are compared where none are named: numbers, but no places, names and angles.

    Parameters
    ----------
    table : DataFrame
        As in `compare_groups`.
    taken : collection of str
        Columns that are something else: groups, replicates.
    """
    free = [c for c in table.columns if c not in taken and not _PLACES.fullmatch(str(c))]
    units = table.attrs.get("units", {})
    return [name for name in free if is_numeric(table[name]) and units.get(name) != ANGLE]


def is_numeric(column: pd.Series) -> bool:
    """Whether the values of a column can be compared as numbers; bool counts as 0 and 1."""
    kinds = pd.api.types
    return bool(kinds.is_bool_dtype(column) or kinds.is_numeric_dtype(column))


def group_name(value: Hashable, column: pd.Series) -> str:
    """The name of a group that is given by its value; whole numbers and floats are told apart by none."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if number and pd.api.types.is_float_dtype(column):
        return str(float(value))  # type: ignore[arg-type]
    if number and pd.api.types.is_integer_dtype(column) and float(value).is_integer():  # type: ignore[arg-type]
        return str(int(value))  # type: ignore[call-overload]
    return str(value)


def _as_text(column: pd.Series) -> pd.Series:
    """Values as text; missing ones stay missing."""
    return column.astype(object).map(str, na_action="ignore")


def _group_names(column: pd.Series, groups: Sequence[Hashable] | None) -> tuple[str, ...]:
    if groups is not None:
        names = tuple(dict.fromkeys(group_name(g, column) for g in groups))
        if len(names) < 2:
            raise OptionError(f"Comparing needs at least two groups, got {', '.join(names) or 'none'}.")
        return names
    present = column.dropna()
    if isinstance(column.dtype, pd.CategoricalDtype):
        found = [c for c in column.cat.categories if (present == c).any()]
    else:
        found = list(present.unique())
        try:
            found.sort()
        except TypeError:
            found.sort(key=str)
    if len(found) < 2:
        named = repr(str(found[0])) if found else "none"
        raise OptionError(f"Comparing needs at least two groups; column {column.name!r} has {named} only.")
    if len(found) > MOST_GROUPS:
        raise OptionError(
            f"Column {column.name!r} has {len(found):,} different values; name those to compare (at most "
            f"{MOST_GROUPS} are compared without being named)."
        )
    return tuple(str(value) for value in found)


def _feature_names(
    table: pd.DataFrame, settings: Settings, features: Sequence[str] | None
) -> tuple[str, ...]:
    taken = {settings.by, settings.replicates}
    if features is None:
        features = comparable_columns(table, taken)
    for name in features:
        if name not in table.columns:
            raise OptionError(
                f"The table has no column {name!r}; it has {', '.join(map(str, table.columns))}."
            )
        if name in taken or not is_numeric(table[name]):
            raise OptionError(
                f"A feature must be a column of numbers other than the groups'; {name!r} is not."
            )
    if not features:
        raise OptionError("The table has no column of numbers to compare.")
    return tuple(dict.fromkeys(features))
