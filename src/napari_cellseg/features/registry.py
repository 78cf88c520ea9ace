"""All features by name, the groups that they are measured in, and their units."""

from collections.abc import Sequence

from napari_cellseg.errors import OptionError
from napari_cellseg.features import (
    background,
    classes,
    feret,
    hull,
    intensity,
    moments,
    neighbours,
    shape,
    size,
    texture,
    volume,
)
from napari_cellseg.features.feature import Feature, Group

GROUPS: tuple[Group, ...] = (
    Group("size", size.FEATURES, size.size),
    Group("shape", shape.FEATURES, shape.shape),
    Group("feret", feret.FEATURES, feret.feret),
    Group("moments", moments.FEATURES, moments.moments),
    Group("volume", volume.FEATURES, volume.volume),
    Group("hull", hull.FEATURES, hull.hull),
    Group("intensity", intensity.FEATURES, intensity.intensity, needs="image"),
    Group("background", background.FEATURES, background.background, needs="image"),
    Group("texture", texture.FEATURES, texture.texture, needs="image"),
    Group("neighbours", neighbours.FEATURES, neighbours.neighbours, alone=False),
    Group("classes", classes.FEATURES, classes.classes, needs="classes", alone=False),
)
"""Every group, in the order of the columns."""


def groups(dims: int | None = None) -> dict[str, Group]:
    """The groups by name; with `dims` 2 or 3 those that have features in as many dimensions."""
    return {g.name: g for g in GROUPS if dims is None or any(dims in f.dims for f in g.features)}


def registry(dims: int | None = None) -> dict[str, Feature]:
    """The features by name, in the order of the columns.

    Parameters
    ----------
    dims : {2, 3}, optional
        Those that are defined in as many dimensions. None: all, in two dimensions where both have the name.
    """
    found: dict[str, Feature] = {}
    for group in GROUPS:
        for feature in group.features:
            if dims is None or dims in feature.dims:
                found.setdefault(feature.name, feature)
    return found


def columns_of(group: str, channels: Sequence[str] = (), dims: int = 2) -> list[str]:
    """Columns of a group.

    Parameters
    ----------
    group : str
        Its name.
    channels : sequence of str
        Names of the image's channels, or of the classes for a group that needs classes. One channel
        leaves the names as they are.
    dims : {2, 3}
        Dimensions of the objects.

    Raises
    ------
    OptionError
        Where there is no such group.
    """
    if group not in groups():
        raise OptionError(f"A group must be one of {', '.join(groups())}, not {group!r}.")
    found = groups()[group]
    names = [f.name for f in found.features if dims in f.dims]
    if found.needs == "classes":
        return [f"{name}-{of}" for of in channels for name in names]
    if found.needs == "image" and len(channels) > 1:
        return [f"{name}-{channel}" for channel in channels for name in names]
    return names


def unit_of(feature: Feature, unit: str = "px") -> str:
    """Unit of a feature's values; empty where it has none.

    Parameters
    ----------
    feature : Feature
        What is measured.
    unit : str
        Unit of the pixel's size.
    """
    powers = {"length": unit, "area": f"{unit}²", "volume": f"{unit}³", "position": "px", "angle": "rad"}
    if feature.quantity == "density":
        return f"1/{unit}²" if 2 in feature.dims else f"1/{unit}³"
    return powers.get(feature.quantity, "")
