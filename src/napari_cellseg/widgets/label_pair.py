"""Which labels layer is the prediction and which the truth; the choices follow the viewer."""

import re

from napari.components import ViewerModel
from napari.layers import Labels, Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFormLayout

from napari_cellseg.viewer.evaluate_run import full_labels
from napari_cellseg.viewer.outcome_layer import is_overlay
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import add_row
from napari_cellseg.widgets.layer_choice import LayerChoice

_TRUTH = re.compile(r"truth|\bgt\b|ground|annotat|manual|reference", re.IGNORECASE)
"""What people call the layer of true objects."""


class _LabelsChoice(LayerChoice):
    """Choice of a labels layer that a person or a model made; another choice's layer is not followed to."""

    other: LayerChoice | None = None

    def _layers(self) -> list[Layer]:
        return [layer for layer in super()._layers() if not is_overlay(layer)]

    def _follow(self, event: object = None) -> None:
        if self.other is not None and self._viewer.layers.selection.active is not self.other.layer:
            super()._follow()


class LabelPair(QObject):
    """Two rows of a form: prediction and truth. Signal `changed`: the layers are others.

    The prediction follows the selected layer. The truth is guessed by its name until the user chooses one.
    """

    changed = Signal()

    def __init__(
        self, viewer: ViewerModel, connections: Connections, form: QFormLayout, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._by_hand = False
        none = "no labels layer"
        self.truth = _LabelsChoice(viewer, Labels, connections, none)
        self.prediction = _LabelsChoice(viewer, Labels, connections, none)
        self.prediction.other = self.truth
        add_row(
            form, "&Prediction", self.prediction,
            "Labels layer whose objects are judged. It follows the layer that you select.",
        )  # fmt: skip
        add_row(
            form, "&Truth", self.truth,
            "Labels layer with the true objects, for example drawn by an expert. By default one whose name "
            "says so.",
        )  # fmt: skip
        self.truth.activated.connect(self._chosen_by_hand)
        for choice in (self.prediction, self.truth):
            choice.chosen.connect(self.changed)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            connections.connect(event, self._pair)
        connections.connect(viewer.layers.events.renamed, self._pair)
        connections.connect(viewer.layers.selection.events.active, self._pair)
        self._pair()
        self.prediction._follow()

    def _chosen_by_hand(self, index: int) -> None:
        self._by_hand = True

    def _pair(self, event: object = None) -> None:
        """Choose the truth where the user hasn't, and never the same layer twice if there are two."""
        layers = [self.truth.itemData(i) for i in range(self.truth.count())]
        if not self._by_hand or self.truth.layer is None:
            self._by_hand = False
            self.truth.choose(_guess(layers, self.prediction.layer, truth=True))
        if self.prediction.layer is self.truth.layer and len(layers) > 1:
            self.prediction.choose(_guess(layers, self.truth.layer, truth=False))
        self.changed.emit()


def _guess(layers: list[Labels | None], other: Labels | None, *, truth: bool) -> Labels | None:
    """The layer most likely meant: by its name, then its size, and rather not `other`."""

    def likely(layer: Labels | None) -> tuple[bool, bool, bool]:
        if layer is None:
            return False, False, False
        named = bool(_TRUTH.search(layer.name)) is truth
        same_size = other is not None and full_labels(layer)[0].shape == full_labels(other)[0].shape
        return (named, layer is not other, same_size) if truth else (layer is not other, same_size, named)

    return max(layers, key=likely, default=None)
