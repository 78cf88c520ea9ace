"""Which objects of a labels layer were changed: by its editor, or by napari's own brushes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_cellseg.labels.edit import Edit
from napari_cellseg.viewer.attached import editor_of
from napari_cellseg.viewer.edit_step import EditStep
from napari_cellseg.viewer.painted import history_lengths, last_moved, painted_strokes

Plane = tuple[int, ...]
"""Position of a plane along the outer axes."""
Edited = dict[int, list[int]]
"""Edited labels of a plane, and of each the box of its pixels that changed."""


@dataclass(frozen=True)
class Place:
    """Where pixels of an object changed.

    Attributes
    ----------
    low, high : tuple of int
        First and last-plus-one coordinates in the layer's data.
    label : int
        The label that they had before, or have now.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    label: int


@dataclass
class Touched:
    """What changed in a layer since it was last looked at.

    Attributes
    ----------
    places : list of Place
        Where pixels changed.
    rows : bool
        Whether cells of the table changed, such as classes.
    everything : bool
        Whether any pixel may have changed.
    """

    places: list[Place] = field(default_factory=list)
    rows: bool = False
    everything: bool = False

    def add(self, indices: Iterable[NDArray[Any]], *labels: Any) -> None:
        """Take in pixels: one (N,) array of coordinates per dimension, and labels before and after."""
        pixels = np.stack([np.ravel(i) for i in indices], axis=1)
        for values in labels if len(pixels) else ():
            own = np.broadcast_to(np.ravel(values), len(pixels))
            order = np.argsort(own, kind="stable")
            found, starts = np.unique(own[order], return_index=True)
            lows = np.minimum.reduceat(pixels[order], starts).tolist()
            highs = (np.maximum.reduceat(pixels[order], starts) + 1).tolist()
            for label, low, high in zip(found.tolist(), lows, highs, strict=True):
                if label > 0:
                    self.places.append(Place(tuple(low), tuple(high), label))


def edited_in_planes(places: Iterable[Place], dimensions: Sequence[int], outer: int) -> dict[Plane, Edited]:
    """What was edited in each plane.

    Parameters
    ----------
    places : iterable of Place
        Where pixels changed.
    dimensions : sequence of int
        The dimensions of the layer that are measured; the others have length 1.
    outer : int
        How many of them number the planes.
    """
    planes: dict[Plane, Edited] = {}
    for place in places:
        low, high = ([side[d] for d in dimensions] for side in (place.low, place.high))
        for plane in product(*(range(a, b) for a, b in zip(low[:outer], high[:outer], strict=True))):
            edited = planes.setdefault(plane, {})
            box = edited.setdefault(place.label, low[outer:] + high[outer:])
            ndim = len(low) - outer
            box[:ndim] = map(min, box[:ndim], low[outer:])
            box[ndim:] = map(max, box[ndim:], high[outer:])
    return planes


class TouchedObjects:
    """Collects what changes in a layer, with an editor attached or without.

    Parameters
    ----------
    layer : napari.layers.Labels
        What to follow.
    on_change : callable
        Told, without arguments, that `take` has news; pixels may be written only after that.
    """

    def __init__(self, layer: Labels, on_change: Callable[[], None]) -> None:
        self._layer, self._on_change = layer, on_change
        self._touched = Touched()
        self._lengths = history_lengths(layer)
        self._data = layer.data
        self._handlers: dict[str, Callable[..., None]] = {
            "paint": self._on_paint,
            "set_data": self._on_redrawn,
            "data": self._on_data,
            "features": self._on_table,
        }
        for name, handler in self._handlers.items():
            getattr(layer.events, name).connect(handler)
        self._meet_editor()

    def take(self) -> Touched:
        """What changed since this was last called."""
        touched, self._touched = self._touched, Touched()
        return touched

    def close(self) -> None:
        """Follow no longer."""
        for name, handler in self._handlers.items():
            getattr(self._layer.events, name).disconnect(handler)
        editor = editor_of(self._layer)
        if editor is not None and self._on_step in editor.watchers:
            editor.watchers.remove(self._on_step)

    def _meet_editor(self) -> None:
        """Editors come and go with their dock: follow the one that is there now."""
        editor = editor_of(self._layer)
        if editor is not None and self._on_step not in editor.watchers:
            editor.watchers.append(self._on_step)

    def _on_step(self, step: EditStep | None, what: str) -> None:
        if step is not None and isinstance(step.edit, Edit):
            self._touched.add(step.edit.indices, step.edit.before, step.edit.after)
        elif step is None or step.edit is not None:
            self._touched.everything = True
        self._touched.rows = True
        self._lengths = history_lengths(self._layer)
        self._on_change()

    def _on_paint(self, event: Any) -> None:
        self._meet_editor()
        self._take_strokes(event.value)
        self._lengths = history_lengths(self._layer)

    def _on_redrawn(self, event: Any = None) -> None:
        """napari redrew, perhaps because somebody undid a step."""
        self._meet_editor()
        before, self._lengths = self._lengths, history_lengths(self._layer)
        self._take_strokes(last_moved(self._layer, before))

    def _take_strokes(self, strokes: Iterable[Any]) -> None:
        found = list(painted_strokes(strokes))
        for stroke in found:
            self._touched.add(*stroke)
        if found:
            self._on_change()

    def _on_data(self, event: Any = None) -> None:
        if self._layer.data is not self._data:
            self._data = self._layer.data
            self._touched.everything = True
            self._on_change()

    def _on_table(self, event: Any = None) -> None:
        self._meet_editor()
        self._touched.rows = True
        self._on_change()
