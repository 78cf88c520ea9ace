"""The groups of features as the Measure dock offers them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from napari_cellseg.features.feature import Feature, Group
from napari_cellseg.features.registry import groups, unit_of

TITLES = {
    "size": "Size and place",
    "shape": "Shape",
    "feret": "Widths (Feret)",
    "position": "Position",
    "intensity": "Intensity",
    "background": "Background",
    "texture": "Texture",
    "neighbours": "Neighbours",
    "classes": "Other classes",
    "volume": "Volume",
    "hull": "Convex hull",
    "moments": "Moments",
}
LISTED = 14
"""Features that a tooltip explains; more would not fit on a laptop's screen."""


@dataclass(frozen=True)
class GroupChoice:
    """A group that can be ticked.

    Attributes
    ----------
    name, title, tooltip : str
        Its name in the registry, what the user reads, and what is in it.
    usual : bool
        Whether it has features of the usual set.
    needs : {"labels", "image", "classes"}
        What it is measured from.
    """

    name: str
    title: str
    tooltip: str
    usual: bool
    needs: Literal["labels", "image", "classes"]


def group_choices(dims: int, unit: str) -> list[GroupChoice]:
    """Groups for objects of as many dimensions.

    Parameters
    ----------
    dims : {2, 3}
        Dimensions of the objects.
    unit : str
        Unit of lengths, for the tooltips.
    """
    return [
        GroupChoice(
            name,
            TITLES.get(name, name.capitalize()),
            _tooltip(group, dims, unit),
            any(f.default for f in group.features if dims in f.dims),
            group.needs,
        )
        for name, group in groups(dims).items()
    ]


def chosen_features(names: Iterable[str], dims: int, *, whole: bool) -> tuple[str, ...]:
    """Features of the groups that were ticked.

    Parameters
    ----------
    names : iterable of str
        Groups.
    dims : {2, 3}
        Dimensions of the objects.
    whole : bool
        Whether every feature of a group is meant; else those of the usual set, where it has some.
    """
    found: list[str] = []
    for name in names:
        features = [f for f in groups(dims)[name].features if dims in f.dims]
        usual = [f for f in features if f.default]
        found += [f.name for f in (features if whole or not usual else usual)]
    return tuple(found)


def describe_column(column: str, unit: str) -> str:
    """What a column means, from the registry; empty for one that it doesn't know."""
    for group in groups().values():
        for feature in group.features:
            if column == feature.name or column.startswith(f"{feature.name}-"):
                return _explained(feature, unit)
    return ""


def _tooltip(group: Group, dims: int, unit: str) -> str:
    features = [f for f in group.features if dims in f.dims]
    needs = {"image": "Needs an image channel. ", "classes": "Needs classes in the labels' table. "}
    shown = "; ".join(f"{f.name}: {_explained(f, unit)}" for f in features[:LISTED])
    more = f"; and {len(features) - LISTED} more" if len(features) > LISTED else ""
    return f"{needs.get(group.needs, '')}{shown}{more}"


def _explained(feature: Feature, unit: str) -> str:
    of = unit_of(feature, unit)
    definition = feature.definition.rstrip(".")
    return f"{definition} ({of})" if of else definition
