"""Labels coloured by what a person has done with them."""

from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from napari_cellseg.review.status import Status
from napari_cellseg.viewer.coalesced import Coalesced, Later
from napari_cellseg.viewer.editing import Editor

COLOURS = {
    Status.PREDICTED: "#56b4e9",
    Status.EDITED: "#e69f00",
    Status.ADDED: "#cc79a7",
    Status.ACCEPTED: "#009e73",
}
"""Colours that colour-blind eyes tell apart (Okabe and Ito)."""
INTERVAL = 1.0
"""Seconds between two colourings; 50,000 objects take 0.6 s."""


class StatusColours:
    """Colours the objects of a layer by status, as long as that is on.

    Parameters
    ----------
    editor : Editor
        Whose layer.
    later : Later, optional
        How to wait without blocking.
    """

    def __init__(self, editor: Editor, later: Later | None = None) -> None:
        self._editor = editor
        self._before: Any = None
        self._colour = Coalesced(self._apply, INTERVAL, later)
        editor.watchers.append(self._on_step)

    @property
    def shown(self) -> bool:
        """Whether the objects are coloured by status."""
        return self._before is not None

    def show(self, shown: bool) -> None:
        """Colour by status, or as before."""
        if shown and self._before is None:
            self._before = self._editor.layer.colormap
            self._apply()
        elif not shown and self._before is not None:
            self._colour.cancel()
            self._editor.layer.colormap, self._before = self._before, None

    def close(self) -> None:
        """Colour as before, and follow no longer."""
        self.show(False)
        if self._on_step in self._editor.watchers:
            self._editor.watchers.remove(self._on_step)

    def _on_step(self, *_: object) -> None:
        if self.shown:
            self._colour.request()

    def _apply(self) -> None:
        if not self.shown:
            return
        frame = self._editor.rows.frame
        status = frame["status"].astype(str).to_numpy()
        known = np.isin(status, [s.value for s in Status])
        colours: dict[int | None, Any] = {None: "white", 0: "transparent"}
        for label, word in zip(frame["index"].to_numpy()[known].tolist(), status[known], strict=True):
            colours[label] = COLOURS[Status(word)]
        self._editor.layer.colormap = DirectLabelColormap(color_dict=colours)
