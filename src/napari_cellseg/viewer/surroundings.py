"""Which objects must count their neighbours again after others were edited."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.features.neighbours import neighbours_to_measure
from napari_cellseg.features.objects import Objects
from napari_cellseg.features.registry import registry
from napari_cellseg.viewer.touched import Place


def depends_on(columns: Iterable[str], group: str) -> bool:
    """Whether some columns are of a group of features."""
    names = [name for name, feature in registry().items() if feature.group == group]
    return any(column == name or column.startswith(f"{name}-") for column in columns for name in names)


def surrounding(objects: Objects, places: Sequence[Place], table: pd.DataFrame) -> NDArray[np.int64]:
    """Objects that were edited, and those whose surroundings the edits touch.

    An edited object lies, before and after, in the box around its pixels now and those that changed.

    Parameters
    ----------
    objects : Objects
        All objects of the plane, as they are now.
    places : sequence of Place
        What was edited, in the plane's own dimensions.
    table : DataFrame
        What was measured in the plane before, a row per object with the column ``index``.

    Returns
    -------
    (M,) ndarray of int64
        Their labels, increasing.
    """
    ndim = objects.ndim
    boxes = np.zeros((len(places), 2 * ndim), np.int64)
    for row, place in enumerate(places):
        own = objects.boxes[np.isin(objects.ids, list(place.labels))]
        boxes[row, :ndim] = np.vstack([np.array(place.low)[None], own[:, :ndim]]).min(axis=0)
        boxes[row, ndim:] = np.vstack([np.array(place.high)[None], own[:, ndim:]]).max(axis=0)
    before = table.set_index("index").reindex(objects.ids)
    lengths = {name: before[name].to_numpy(np.float64) for name in before if name.startswith("nearest_")}
    return neighbours_to_measure(objects, boxes, lengths)
