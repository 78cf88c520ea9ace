"""A choice of layers that follows the viewer: added, renamed, removed, selected."""

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_cellseg.viewer.outcome_layer import is_overlay
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import NarrowCombo


class LayerChoice(NarrowCombo):
    """Choice among the layers of one type; signals `chosen` whenever the layer is another one.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers.
    layer_type : type
        Which of them.
    connections : Connections
        Where connections to the viewer are kept until the dock closes.
    empty : str
        What is shown where there is no such layer.
    """

    chosen = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        layer_type: type[Layer],
        connections: Connections,
        empty: str,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._type, self._empty = viewer, layer_type, empty
        self._layer: Layer | None = None
        self.currentIndexChanged.connect(self._on_index)
        for event in (
            viewer.layers.events.inserted,
            viewer.layers.events.removed,
            viewer.layers.events.reordered,
        ):
            connections.connect(event, self._refill)
        connections.connect(viewer.layers.events.renamed, self._refill)
        connections.connect(viewer.layers.selection.events.active, self._follow)
        self._refill()
        self._follow()

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        return self._layer

    def _layers(self) -> list[Layer]:
        return [layer for layer in reversed(self._viewer.layers) if type(layer) is self._type]

    def _refill(self, event: object = None) -> None:
        layers = self._layers()
        entries = [(layer.name, layer) for layer in layers] or [(self._empty, None)]
        self.fill(entries, keep=self._layer if self._layer in layers else None)
        self.setEnabled(bool(layers))
        self._on_index()

    def _follow(self, event: object = None) -> None:
        active = self._viewer.layers.selection.active
        if type(active) is self._type:
            self.choose(active)

    def _on_index(self, index: int = -1) -> None:
        layer = self.currentData()
        if layer is not self._layer:
            self._layer = layer
            self.chosen.emit()


class LabelsChoice(LayerChoice):
    """Choice of a labels layer, without those that only show something."""

    def _layers(self) -> list[Layer]:
        return [layer for layer in super()._layers() if not is_overlay(layer)]
