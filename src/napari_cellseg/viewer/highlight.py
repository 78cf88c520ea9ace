"""An outline around the objects that the keys act on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_cellseg.errors import OptionError
from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.ghosts import MOST_PIXELS
from napari_cellseg.viewer.outlines import OutlineLayer

COLOUR = "white"


class Highlight:
    """Outlines objects of the shown plane; nothing where they lie too far apart.

    Parameters
    ----------
    correction : Correction
        Whose objects.
    """

    def __init__(self, correction: Correction) -> None:
        self._correction = correction
        self._outline = OutlineLayer(correction.viewer, correction.layer, "selected", COLOUR)
        self._objects: tuple[int, ...] = ()
        correction.viewer.dims.events.point.connect(self._on_plane)

    def show(self, objects: Sequence[int]) -> None:
        """Outline objects; an empty sequence takes the outline away."""
        self._objects = tuple(objects)
        index = self._correction.editor.index
        boxes = [index.boxes(label)[-2:] for label in objects if label in index]
        try:
            leading = self._correction.shown_plane()
        except OptionError:
            boxes = []
        if not boxes:
            self._outline.remove()
            return
        shape = index.shape[-2:]
        low = np.array([max(0, min(b[k].start for b in boxes) - 2) for k in (0, 1)], np.int64)
        high = np.array([min(shape[k], max(b[k].stop for b in boxes) + 2) for k in (0, 1)], np.int64)
        if np.prod(high - low) > MOST_PIXELS:
            self._outline.remove()
            return
        window = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        crop = np.asarray(self._correction.layer.data[(*leading, *window)])
        self._outline.show(leading, low, np.where(np.isin(crop, objects), crop, 0).astype(np.int32))

    def close(self) -> None:
        """Take the outline away for good."""
        self._correction.viewer.dims.events.point.disconnect(self._on_plane)
        self._outline.remove()

    def _on_plane(self, event: Any = None) -> None:
        if self._objects and self._correction.layer.ndim > 2:
            self.show(self._objects)
