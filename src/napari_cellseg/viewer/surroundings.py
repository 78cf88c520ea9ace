"""Which objects must count their neighbours again after others were edited."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.features.neighbours import neighbours_to_measure
from napari_cellseg.features.objects import Objects
from napari_cellseg.features.registry import registry

GROUPS = ("neighbours", "classes")
"""Groups of features that depend on other objects."""


def depending_on(columns: Iterable[str], *groups: str) -> list[str]:
    """Features of some groups that are among the columns."""
    columns = tuple(columns)
    return [
        name for name, feature in registry().items()
        if feature.group in groups and any(c == name or c.startswith(f"{name}-") for c in columns)
    ]  # fmt: skip


def surrounding(
    objects: Objects, edited: Mapping[int, Sequence[int]], table: pd.DataFrame
) -> NDArray[np.int64]:
    """Objects that were edited, and those whose surroundings the edits touch.

    An edited object lies, before and after, in the box around its pixels now and those that changed.

    Parameters
    ----------
    objects : Objects
        All objects of the plane, as they are now.
    edited : mapping of int to (2 * D,) sequence of int
        The edited objects, and the box of the pixels that changed of each.
    table : DataFrame
        What was measured in the plane before, a row per object with the column ``index``.

    Returns
    -------
    (M,) ndarray of int64
        Their labels, increasing.
    """
    ndim = objects.ndim
    boxes = np.array(list(edited.values()), np.int64)
    rows = pd.Index(objects.ids).get_indexer(list(edited))
    there = rows >= 0
    boxes[there, :ndim] = np.minimum(boxes[there, :ndim], objects.boxes[rows[there], :ndim])
    boxes[there, ndim:] = np.maximum(boxes[there, ndim:], objects.boxes[rows[there], ndim:])
    names = [name for name in table if name.startswith("nearest_")]
    before = table[["index", *names]].set_index("index").reindex(objects.ids)
    lengths = {name: before[name].to_numpy(np.float64) for name in names}
    return neighbours_to_measure(objects, boxes, lengths)
