"""Layers that only outline something, over the labels that a person works on."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.transforms import Affine
from numpy.typing import NDArray

from napari_cellseg.viewer.outcome_layer import OUTCOME_KEY


class OutlineLayer:
    """Outlines in one plane, in a layer that comes and goes and never becomes the active one.

    It lies just as its base does, scaled, rotated and sheared.

    Parameters
    ----------
    viewer : ViewerModel
        Where it is shown.
    base : napari.layers.Labels
        The labels that it lies on.
    name, colour : str
        Of the layer.
    """

    def __init__(self, viewer: ViewerModel, base: Labels, name: str, colour: str) -> None:
        self._viewer, self._base = viewer, base
        self._name, self._colour = name, colour
        self._layer: Labels | None = None

    def show(self, plane: tuple[int, ...], origin: NDArray[np.int64], picture: NDArray[np.int32]) -> None:
        """Outline what is in a window of a plane.

        Parameters
        ----------
        plane : tuple of int
            Leading indices of the plane.
        origin : (2,) ndarray of int
            Row and column of the window's first pixel.
        picture : (h, w) ndarray of int32
            Labels in the window; 0 is background.
        """
        base = self._base
        if base not in self._viewer.layers:
            self.remove()
            return
        placed = Affine(scale=base.scale, rotate=base.rotate, shear=base.shear, translate=base.translate)
        translate = placed(np.array([*plane, *origin], float))
        picture = picture.reshape((1,) * len(plane) + picture.shape)
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.data = picture
            self._layer.translate = translate
            return
        self._layer = Labels(
            picture,
            name=self._name,
            colormap=DirectLabelColormap(color_dict={None: self._colour, 0: "transparent"}),
            opacity=1,
            scale=base.scale,
            translate=translate,
            rotate=base.rotate,
            shear=base.shear,
            affine=base.affine,
            units=base.units,
            axis_labels=base.axis_labels,
            metadata={OUTCOME_KEY: base.unique_id},
        )
        self._layer.contour = 2
        add_beside(self._viewer, self._layer, base)
        self._layer.editable = False

    def remove(self) -> None:
        """Take the layer away."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None


def add_beside(viewer: ViewerModel, layer: object, active: Labels) -> None:
    """Add a layer on top, and leave another one the active one."""
    viewer.add_layer(layer)
    viewer.layers.selection = {active}
    viewer.layers.selection.active = active
