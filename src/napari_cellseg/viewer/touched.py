"""Which objects of a labels layer were changed: by its editor, or by napari's own brushes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_cellseg.labels.edit import Edit
from napari_cellseg.viewer.attached import editor_of
from napari_cellseg.viewer.edit_step import EditStep
from napari_cellseg.viewer.painted import history_lengths, last_moved, painted_strokes


@dataclass(frozen=True)
class Place:
    """Where pixels changed, and whose.

    Attributes
    ----------
    low, high : tuple of int
        First and last-plus-one coordinates in the layer's data.
    labels : frozenset of int
        Labels there before and after, without 0.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    labels: frozenset[int]


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
        axes = [np.asarray(i) for i in indices]
        if axes and axes[0].size:
            low, high = (tuple(int(pick(i)) for i in axes) for pick in (np.min, np.max))
            own = {int(label) for values in labels for label in np.unique(values) if label > 0}
            self.places.append(Place(low, tuple(h + 1 for h in high), frozenset(own)))


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
