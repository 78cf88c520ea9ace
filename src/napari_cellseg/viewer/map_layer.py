"""Maps of a model as image layers, beside the labels that were made from them."""

from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_cellseg.viewer.label_layer import LabelGeometry


def add_map_layer(
    viewer: ViewerModel, values: NDArray[Any], labels: Labels, name: str, geometry: LabelGeometry
) -> Image:
    """Put a map of values from 0 to 1 right below its labels, hidden; the selection stays as it is.

    Parameters
    ----------
    viewer : ViewerModel
        Where the labels are.
    values : (…, Y, X) ndarray
        Outer axes of the image, then Y and X. The layer shows a view of it.
    labels : napari.layers.Labels
        Layer whose place, units and axis labels are taken over.
    name : str
        What the map holds; part of the layer's name.
    geometry : LabelGeometry
        How the labels lie in the image's dimensions.
    """
    layer = Image(
        geometry.to_layer(values),
        name=f"{labels.name} {name}",
        colormap="magma",
        blending="additive",
        contrast_limits=(0, 1),
        visible=False,
        scale=labels.scale,
        translate=labels.translate,
        rotate=labels.rotate,
        shear=labels.shear,
        affine=labels.affine,
        units=labels.units,
        axis_labels=labels.axis_labels,
    )
    chosen = set(viewer.layers.selection)
    active = viewer.layers.selection.active
    viewer.layers.insert(viewer.layers.index(labels), layer)
    viewer.layers.selection = chosen
    viewer.layers.selection.active = active
    return layer
