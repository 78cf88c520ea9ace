"""What a feature is, and a group of features that are measured together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]
"""Measured values by column name, each (N,) in the order of the objects' ids."""
Quantity = Literal[
    "length", "area", "volume", "angle", "count", "ratio", "intensity", "density", "id", "position", "none"
]


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of a table of measurements.

    Attributes
    ----------
    name : str
        Its column; scikit-image's name where that has the property. With several channels or classes their
        name follows after a dash.
    group : str
        The group that it is measured with.
    quantity : str
        What kind of number it is, from which its unit follows: a length is in µm where pixels are.
        ``"position"`` is counted in pixels whatever their size is.
    dtype : {"float64", "int64", "bool"}
        Type of the column.
    dims : tuple of int
        Dimensions that it is defined in: 2, 3 or both.
    definition : str
        One sentence.
    formula : str
        Plain text.
    source : str
        Paper, textbook or property of scikit-image.
    default : bool
        Whether it is measured when nothing is asked for by name.
    note : str
        How it differs from what other programs call by that name, and what it is where it is not defined.
    """

    name: str
    group: str
    quantity: Quantity
    dtype: Literal["float64", "int64", "bool"]
    dims: tuple[int, ...]
    definition: str
    formula: str
    source: str
    default: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Features that one function measures.

    Attributes
    ----------
    name : str
        Its name, as in `Feature.group`.
    features : tuple of Feature
        What it measures.
    measure : callable
        ``measure(objects)``; with `needs` ``"image"`` ``measure(objects, image, channels)`` with the image of
        the labels' shape plus a last axis of channels, and the channels' names; with ``"classes"``
        ``measure(objects, everyone, classes, kinds)`` with a name, or None, for each of all objects, and the
        names of all classes, or None where these are those that are there. A group that is
        not `alone` is given all objects too: ``measure(objects, everyone)``. Returns `Columns`. One channel:
        plain names; several: ``name-channel``.
    needs : {"labels", "image", "classes"}
        What it is measured from.
    alone : bool
        Whether each object is measured by itself, whatever others are asked for: then the objects
        can be measured in parts, on several threads.
    """

    name: str
    features: tuple[Feature, ...]
    measure: Callable[..., Columns]
    needs: Literal["labels", "image", "classes"] = "labels"
    alone: bool = True
