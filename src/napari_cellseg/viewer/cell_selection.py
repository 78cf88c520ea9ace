"""Selected cells: one selection for the plots and the canvas."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_cellseg.labels.marking import BORDER, INSIDE, mark_objects
from napari_cellseg.viewer.coalesced import Coalesced, Later
from napari_cellseg.viewer.outcome_layer import OUTCOME_KEY
from napari_cellseg.viewer.outlines import add_beside

REDRAW_INTERVAL = 0.1
"""Seconds between two drawings while a lasso or a slider moves."""
COLOURS = {INSIDE: (1.0, 1.0, 1.0, 0.3), BORDER: (1.0, 1.0, 1.0, 1.0)}
"""Light over the cells and white around them."""


class CellSelection:
    """Labels that are selected, and who wants to know."""

    def __init__(self) -> None:
        self.labels: NDArray[np.int64] = np.zeros(0, np.int64)
        self.on_change: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self.labels)

    def choose(self, labels: Iterable[int] | NDArray[Any]) -> None:
        """Select these cells and no others."""
        found = np.unique(np.asarray(labels if isinstance(labels, np.ndarray) else list(labels), np.int64))
        if not np.array_equal(found, self.labels):
            self.labels = found
            for callback in list(self.on_change):
                callback()

    def toggle(self, labels: Iterable[int]) -> None:
        """Take cells in, or out again where they were selected."""
        self.choose(np.setxor1d(self.labels, np.asarray(list(labels), np.int64)))

    def add(self, labels: Iterable[int] | NDArray[Any]) -> None:
        """Select these cells too."""
        more = np.asarray(labels if isinstance(labels, np.ndarray) else list(labels), np.int64)
        self.choose(np.union1d(self.labels, more))


class SelectionLayer:
    """Lights up the selected cells of a layer in the plane that is shown; the labels stay as they are.

    Parameters
    ----------
    viewer : ViewerModel
        Where.
    layer : napari.layers.Labels
        Whose cells.
    selection : CellSelection
        Which of them.
    later : Later, optional
        How to wait without blocking.
    """

    def __init__(
        self, viewer: ViewerModel, layer: Labels, selection: CellSelection, later: Later | None = None
    ) -> None:
        self._viewer, self._base, self._selection = viewer, layer, selection
        self._layer: Labels | None = None
        self.redraw = Coalesced(self._draw, REDRAW_INTERVAL, later)
        selection.on_change.append(self.redraw.request)
        viewer.dims.events.point.connect(self._on_point)
        viewer.dims.events.ndisplay.connect(self._on_point)

    def close(self) -> None:
        """Take the light away, and follow no longer."""
        self.redraw.cancel()
        self._selection.on_change.remove(self.redraw.request)
        self._viewer.dims.events.point.disconnect(self._on_point)
        self._viewer.dims.events.ndisplay.disconnect(self._on_point)
        self._remove()

    def _on_point(self, event: Any = None) -> None:
        if len(self._selection):
            self.redraw.request()

    def _draw(self) -> None:
        base = self._base
        leading = shown_plane(self._viewer, base)
        if not len(self._selection) or base not in self._viewer.layers or leading is None:
            self._remove()
            return
        data = base.data[0] if base.multiscale else base.data
        picture = mark_objects(np.asarray(data[leading]), self._selection.labels.tolist())
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.data = picture
        else:
            self._add(picture)

    def _add(self, picture: NDArray[np.uint8]) -> None:
        base = self._base
        self._layer = Labels(
            picture,
            name="selected cells",
            colormap=DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", **COLOURS}),
            opacity=1,
            scale=base.scale[-2:],
            translate=base.translate[-2:],
            units=base.units[-2:],
            axis_labels=base.axis_labels[-2:],
            affine=base.affine.affine_matrix[-3:, -3:],
            metadata={OUTCOME_KEY: base.unique_id},
        )
        active = self._viewer.layers.selection.active
        add_beside(self._viewer, self._layer, active if isinstance(active, Labels) else base)
        self._layer.editable = False

    def _remove(self) -> None:
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None


def shown_plane(viewer: ViewerModel, layer: Labels) -> tuple[int, ...] | None:
    """Leading indices of the plane of a layer that is shown; None where other axes are, or 3-D."""
    dims = viewer.dims
    if dims.ndisplay != 2 or tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1):
        return None
    shape = np.array((layer.data[0] if layer.multiscale else layer.data).shape)
    point = np.asarray(layer.world_to_data(dims.point[-layer.ndim :]), float)
    return tuple(int(i) for i in np.clip(np.round(point), 0, shape - 1)[:-2])
