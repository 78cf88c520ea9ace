"""Classes of a dataset with their colours, and labels that are coloured by class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_cellseg.errors import DatasetError
from napari_cellseg.viewer.coalesced import Coalesced, Later
from napari_cellseg.viewer.palette_colormap import PaletteColormap

CLASS_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")
"""Colours that colour-blind eyes tell apart (Okabe and Ito), by the class's number; then they begin anew."""

UNKNOWN = "#ffffff"
"""Colour of objects without a class of the dataset."""
INTERVAL = 0.5
"""Seconds between two colourings while objects are corrected."""


class ClassColours:
    """Colours the objects of a layer by class, until it is closed.

    Parameters
    ----------
    layer : napari.layers.Labels
        Its table tells the class of each object.
    names : sequence of str
        Classes of the dataset, in their order.
    later : Later, optional
        How to wait without blocking.
    """

    def __init__(self, layer: Labels, names: Sequence[str], later: Later | None = None) -> None:
        self.layer, self.names = layer, tuple(names)
        self._before: Any = layer.colormap
        self._own: Any = None
        self._drawn: tuple[NDArray[np.int64], NDArray[np.intp]] | None = None
        self._again = Coalesced(self._apply, INTERVAL, later)
        layer.events.features.connect(self._on_features)
        self._apply()

    @property
    def shown(self) -> bool:
        """Whether the layer has these colours; somebody else may have changed them."""
        return self._own is not None and self.layer.colormap is self._own

    def close(self) -> None:
        """Colour as before, unless somebody else has coloured the layer, and follow no longer."""
        self._again.cancel()
        self.layer.events.features.disconnect(self._on_features)
        if self.shown:
            self.layer.colormap = self._before

    def _on_features(self, event: object = None) -> None:
        self._again.request()

    def _apply(self) -> None:
        if self._own is not None and not self.shown:
            return
        labels, numbers = _class_numbers(self.layer, self.names)
        drawn = self._drawn
        if drawn is not None and np.array_equal(drawn[0], labels) and np.array_equal(drawn[1], numbers):
            return
        palette = np.array([[*bytes.fromhex(c[1:]), 255] for c in CLASS_COLOURS], np.float32) / 255
        self._drawn = labels, numbers
        self._own = PaletteColormap.of(labels, numbers % len(palette), palette, UNKNOWN)
        self.layer.colormap = self._own


def _class_numbers(layer: Labels, names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Labels of the objects that have one of these classes, and the number of each one's class."""
    rows = layer.features
    if not {"index", "class"} <= set(rows.columns):
        return np.zeros(0, np.int64), np.zeros(0, np.intp)
    numbers = rows["class"].astype(object).map({name: k for k, name in enumerate(names)})
    known = (numbers.notna() & (rows["index"] > 0)).to_numpy()
    return rows["index"].to_numpy(np.int64)[known], numbers[known].to_numpy(np.intp)


def class_colour(number: int) -> str:
    """Colour of a class, as ``#rrggbb``.

    Parameters
    ----------
    number : int
        Its number in the dataset, from 0.
    """
    return CLASS_COLOURS[number % len(CLASS_COLOURS)]


def checked_name(name: str, others: tuple[str, ...]) -> str:
    """The name of a new class, or a new name of one.

    Raises
    ------
    DatasetError
        Where it is empty or taken.
    """
    name = name.strip()
    if not name:
        raise DatasetError("A class needs a name.")
    if name in others:
        raise DatasetError(f"There is a class '{name}' already.")
    return name
