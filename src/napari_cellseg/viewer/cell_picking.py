"""Selecting cells on the canvas: a click, Shift and a click, a box."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from numpy.typing import NDArray

from napari_cellseg.viewer.cell_selection import CellSelection, shown_plane

CLICK_REACH = 4.0
"""Screen pixels that the mouse may move in a click."""


class CellPicking:
    """Lets the mouse select cells of a layer while it is on; it also follows napari's selected label.

    Parameters
    ----------
    viewer : ViewerModel
        Where.
    layer : napari.layers.Labels
        Whose cells.
    selection : CellSelection
        What changes.
    """

    def __init__(self, viewer: ViewerModel, layer: Labels, selection: CellSelection) -> None:
        self._viewer, self._layer, self._selection = viewer, layer, selection
        self.boxes = False
        layer.mouse_drag_callbacks.append(self._on_mouse)
        layer.events.selected_label.connect(self._on_label)

    def close(self) -> None:
        """Give the mouse back to napari."""
        self._layer.mouse_drag_callbacks.remove(self._on_mouse)
        self._layer.events.selected_label.disconnect(self._on_label)
        if self.boxes:
            self.use_boxes(False)

    def use_boxes(self, boxes: bool) -> None:
        """Let dragging select the cells in a box, instead of moving the view."""
        self.boxes = boxes
        if boxes:
            self._layer.mode = "pan_zoom"
        self._layer.mouse_pan = not boxes and str(self._layer.mode) == "pan_zoom"

    def _on_label(self, event: Any = None) -> None:
        """A row of the features table, or the colour picker, chose a cell."""
        label = int(self._layer.selected_label)
        if str(self._layer.mode) in ("pan_zoom", "pick") and label > 0:
            self._selection.choose([label])

    def _on_mouse(self, layer: Labels, event: Any) -> Iterator[None]:
        modifiers = [str(m) for m in event.modifiers]
        add = modifiers == ["Shift"]
        if event.button != 1 or str(layer.mode) != "pan_zoom" or (modifiers and not add):
            return
        start, first = np.array(event.pos, float), self._place(event)
        before, moved = self._selection.labels, False
        yield
        while event.type == "mouse_move":
            moved = moved or bool(np.linalg.norm(np.array(event.pos) - start) > CLICK_REACH)
            if moved and self.boxes:
                found = self._labels_in(first, self._place(event))
                self._selection.choose(np.union1d(before, found) if add else found)
            yield
        if not moved:
            self._click(first, add)

    def _click(self, place: NDArray[np.float64], add: bool) -> None:
        label = int(self._labels_in(place, place).max(initial=0))
        if not label:
            if not add:
                self._selection.choose([])
        elif add:
            self._selection.toggle([label])
        else:
            self._selection.choose([label])

    def _place(self, event: Any) -> NDArray[np.float64]:
        return np.asarray(self._layer.world_to_data(event.position[-self._layer.ndim :]), float)[-2:]

    def _labels_in(self, one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.int64]:
        """Cells with a pixel in a box of the shown plane."""
        leading = shown_plane(self._viewer, self._layer)
        if leading is None:
            return np.zeros(0, np.int64)
        data = self._layer.data[0] if self._layer.multiscale else self._layer.data
        corners = np.round(np.sort([one, other], axis=0)).astype(int)
        low, high = np.maximum(corners[0], 0), corners[1] + 1
        if np.any(high <= 0):
            return np.zeros(0, np.int64)
        window = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        found = np.unique(np.asarray(data[(*leading, *window)]))
        return found[found > 0].astype(np.int64)
