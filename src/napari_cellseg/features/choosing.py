"""Which features are measured: by name, by family, by group, or the default set."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from napari_cellseg.errors import OptionError
from napari_cellseg.features.feature import Columns, Feature, Group
from napari_cellseg.features.registry import groups

DEFAULT = "default"
_NEEDS = {"image": "an image", "classes": "a table with the classes of the objects, column 'class'"}

Chosen = dict[Group, tuple[Feature, ...]]
"""The groups to measure, and of each the features that are kept."""


def choose_features(
    features: str | Iterable[str] | None, dims: int, *, image: bool = True, classes: bool = False
) -> Chosen:
    """Features to measure, in the order of the registry.

    Parameters
    ----------
    features : str or iterable of str, optional
        Names (``"area"``), families (``"bbox"`` for ``bbox-0``, …), groups (``"shape"``), or ``"default"``.
        None: the default set.
    dims : {2, 3}
        Dimensions of the objects.
    image, classes : bool
        Whether there is an image, and whether the classes of the objects are known: the default set leaves
        out what needs them where they are missing.

    Raises
    ------
    OptionError
        Where a name is unknown, or needs what was not given.
    """
    given = {"labels": True, "image": image, "classes": classes}
    wanted = (
        [DEFAULT]
        if features is None
        else [features]
        if isinstance(features, str)
        else [str(f) for f in features]
    )
    found = groups(dims)
    for name in wanted:
        if name != DEFAULT:
            _check_name(name, found, dims, given)
    chosen = {}
    for group in found.values():
        kept = tuple(
            f for f in group.features if dims in f.dims and _is_wanted(f, wanted, given[group.needs])
        )
        if kept:
            chosen[group] = kept
    return chosen


def _is_wanted(feature: Feature, wanted: Sequence[str], possible: bool) -> bool:
    by_default = DEFAULT in wanted and feature.default and possible
    return by_default or feature.group in wanted or feature.name in wanted or family(feature.name) in wanted


def _check_name(name: str, found: dict[str, Group], dims: int, given: dict[str, bool]) -> None:
    names = {g.name: {n for f in g.features if dims in f.dims for n in _names(f)} for g in found.values()}
    holders = [g for g in found.values() if name == g.name or name in names[g.name]]
    if not holders:
        known = sorted({*found, *(n for those in names.values() for n in those)})
        near = get_close_matches(name, known, 3)
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Groups are {', '.join(found)}."
        raise OptionError(f"There is no feature or group '{name}' in {dims} dimensions. {hint}")
    for group in holders:
        if not given[group.needs]:
            raise OptionError(f"'{name}' needs {_NEEDS[group.needs]}, which was not given.")


def _names(feature: Feature) -> tuple[str, ...]:
    return feature.name, family(feature.name)


def family(name: str) -> str:
    """Name without its numbers: ``"bbox"`` for ``"bbox-0"``, as ``regionprops_table`` is asked for it."""
    parts = name.split("-")
    while len(parts) > 1 and parts[-1].isdigit():
        parts.pop()
    return "-".join(parts)


def kept_columns(chosen: Chosen, measured: dict[Group, Columns]) -> dict[str, Feature]:
    """The feature behind each column that was asked for, in the order of the table.

    Parameters
    ----------
    chosen : mapping of Group
        What was asked for.
    measured : mapping of Group
        All columns that the groups returned: the name of a feature, or with a dash and a channel or class.
    """
    found: dict[str, Feature] = {}
    for group, columns in measured.items():
        kept = {feature.name: i for i, feature in enumerate(chosen[group])}
        endings: dict[str, int] = {}
        places = {}
        for column in columns:
            name = max((f.name for f in group.features if _is_column(column, f.name)), key=len)
            if name in kept:
                ending = endings.setdefault(column[len(name) :], len(endings))
                places[column] = (ending, kept[name])
        found |= {
            column: chosen[group][places[column][1]] for column in sorted(places, key=places.__getitem__)
        }
    return found


def _is_column(column: str, name: str) -> bool:
    return column == name or column.startswith(f"{name}-")
