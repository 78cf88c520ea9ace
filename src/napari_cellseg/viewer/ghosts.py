"""Outlines of the candidates: objects that a model found below the threshold, where one can click them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.viewer.attached import filter_of
from napari_cellseg.viewer.candidates import hidden_pieces
from napari_cellseg.viewer.coalesced import Coalesced, Later
from napari_cellseg.viewer.correcting import Correction, plane_number
from napari_cellseg.viewer.outlines import OutlineLayer

GHOST_COLOUR = "#e69f00"
"""Orange, which colour-blind eyes tell from the labels by the outline's shape."""
MOST_PIXELS = 2**24
"""Pixels of the field of view up to which the outlines are drawn."""
REDRAW_INTERVAL = 0.15
"""Seconds between two drawings while the view moves."""


class Ghosts:
    """A layer of outlines over the field of view, as long as it is shown.

    Parameters
    ----------
    correction : Correction
        Whose candidates.
    later : Later, optional
        How to wait without blocking.
    """

    def __init__(self, correction: Correction, later: Later | None = None) -> None:
        self._correction = correction
        self._layer = OutlineLayer(correction.viewer, correction.layer, "candidates", GHOST_COLOUR)
        self._shown = False
        self._redraw = Coalesced(self._draw, REDRAW_INTERVAL, later)
        correction.editor.watchers.append(self._on_view)
        viewer = correction.viewer
        self._events = (viewer.scene.camera.events, viewer.dims.events.point)
        for event in self._events:
            event.connect(self._on_view)

    @property
    def count(self) -> int:
        """Candidates of the layer, in view or not."""
        slider = filter_of(self._correction.layer)
        return 0 if slider is None else len(hidden_pieces(slider))

    def show(self, shown: bool) -> None:
        """Show the outlines, or take them away."""
        self._shown = shown
        if shown:
            self._draw()
        else:
            self._layer.remove()

    def close(self) -> None:
        """Take the outlines away for good."""
        self.show(False)
        self._redraw.cancel()
        for event in self._events:
            event.disconnect(self._on_view)
        if self._on_view in self._correction.editor.watchers:
            self._correction.editor.watchers.remove(self._on_view)

    def _on_view(self, *_: Any) -> None:
        if self._shown:
            self._redraw.defer()

    def _draw(self) -> None:
        if not self._shown:
            return
        try:
            plane = self._correction.shown_plane()
        except OptionError:
            self._layer.remove()
        else:
            self._layer.show(plane, *self._outlined(plane))

    def _outlined(self, plane: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Top left pixel of the field of view, and the candidates in it, numbered from 1."""
        base = self._correction.layer
        limit = np.array(base.data.shape[-2:])
        corners = np.asarray(base.corner_pixels)[:, -2:]
        low, high = np.clip(corners[0], 0, limit), np.clip(corners[1] + 1, 0, limit)
        slider = filter_of(base)
        if np.any(high <= low):
            low, high = np.zeros(2, np.int64), limit
        if slider is None or np.prod(high - low) > MOST_PIXELS:
            return low, np.zeros((1, 1), np.int32)
        picture = np.zeros(tuple(high - low), np.int32)
        number = plane_number(plane, base.data.shape)
        for place, pieces in hidden_pieces(slider):
            for piece in pieces:
                start = np.array([piece.y.start, piece.x.start]) - low
                first = np.maximum(0, -start)
                last = np.minimum(piece.mask.shape, np.array(picture.shape) - start)
                if piece.plane != number or np.any(last <= first):
                    continue
                mask = piece.mask[first[0] : last[0], first[1] : last[1]]
                y, x = start + first
                picture[y : y + mask.shape[0], x : x + mask.shape[1]][mask] = place + 1
        return low, picture
