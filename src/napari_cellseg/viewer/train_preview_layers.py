"""Previews of a training as layers, which follow the epochs."""

from collections.abc import Sequence

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_cellseg.training.gate_pictures import WorseImage
from napari_cellseg.training.runs.previews import Preview
from napari_cellseg.viewer.outcome_layer import OUTCOME_KEY
from napari_cellseg.viewer.train_pictures import FOUND, TRUTH, PreviewPicture

GAP = 6
"""Pixels between pictures side by side."""


class PreviewLayers:
    """One preview at a time: its image, its truth, and what the network finds in it now.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers are.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layers: tuple[Image, Labels, Labels] | None = None
        self._shown: Preview | None = None

    def show(self, preview: Preview) -> None:
        """Show a preview in place of the one before; other layers are hidden."""
        self.remove()
        for layer in self._viewer.layers:
            layer.visible = False
        rgb = preview.picture.ndim == 3
        image = Image(preview.picture, name=f"{preview.image} (preview)", rgb=rgb)
        truth = _outlines(preview.truth, f"{preview.image} true", TRUTH)
        found = _outlines(preview.found, f"{preview.image} found", FOUND)
        for layer in (image, truth, found):
            layer.metadata[OUTCOME_KEY] = image.unique_id
            self._viewer.add_layer(layer)
            layer.editable = False
        self._layers, self._shown = (image, truth, found), preview
        self._viewer.reset_view()

    def follow(self, pictures: Sequence[PreviewPicture]) -> None:
        """Show what is found now in the image that is open, if one is."""
        shown, layers = self._shown, self._layers
        if shown is None or layers is None:
            return
        if any(layer not in self._viewer.layers for layer in layers):
            self._layers = self._shown = None
            return
        for one in (picture.preview for picture in pictures):
            if one.image == shown.image and one.found.shape == shown.found.shape and one is not shown:
                layers[2].data = one.found
                self._shown = one

    def remove(self) -> None:
        """Take the layers away."""
        for layer in self._layers or ():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layers = self._shown = None


def _outlines(labels: NDArray, name: str, colour: str) -> Labels:
    layer = Labels(
        labels,
        name=name,
        opacity=1,
        colormap=DirectLabelColormap(color_dict={None: colour, 0: "transparent"}),
    )
    layer.contour = 1
    return layer


def show_worse(viewer: ViewerModel, image: WorseImage) -> Image:
    """Show truth, old and new result of an image that got worse side by side, in one layer."""
    gap = np.full((image.truth.shape[0], GAP, 3), 255, np.uint8)
    side_by_side = np.concatenate([image.truth, gap, image.old, gap, image.new], axis=1)
    for layer in viewer.layers:
        layer.visible = False
    shown = viewer.add_image(side_by_side, name=f"{image.name}: truth, old, new", rgb=True)
    viewer.reset_view()
    return shown
