"""From an array of labels to a labels layer that lies on its image."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_cellseg.errors import LabelsError
from napari_cellseg.labels.edit import check_editable
from napari_cellseg.viewer.layer_image import LayerImage

METADATA_KEY = "napari-cellseg"
"""Key of a layer's metadata under which its provenance is kept."""


@dataclass(frozen=True)
class LabelGeometry:
    """How labels with axes (outer axes, Y, X) lie in the dimensions of their image's layer.

    Layers line up by their last dimensions. A channel axis in front is simply dropped; one behind a time or
    depth axis stays, with length 1, stretched over all channels: else time would move with the channel.

    Attributes
    ----------
    image_axes : str
        One letter per dimension of the image layer.
    axes : str
        One letter per dimension of the labels layer; C is the stretched one.
    labels_axes : str
        One letter per dimension of the labels array.
    channels : int
        Number of channels that a stretched axis covers.
    """

    image_axes: str
    axes: str
    labels_axes: str
    channels: int

    @classmethod
    def of(cls, image: LayerImage) -> "LabelGeometry":
        """Geometry of the labels of an image."""
        axes = image.layer_axes
        kept = axes[1:] if axes.startswith("C") else axes
        return cls(axes, kept, image.outer_axes + "YX", image.sizes.get("C", 1))

    def to_layer(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """The labels array in the order of the layer's dimensions, a view."""
        order = [self.labels_axes.index(a) for a in self.axes if a != "C"]
        view = labels.transpose(order)
        return np.expand_dims(view, self.axes.index("C")) if "C" in self.axes else view

    def to_layer_indices(self, indices: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
        """Pixel indices into the labels array as indices into the layer's data."""
        by_axis = dict(zip(self.labels_axes, indices, strict=True))
        zeros = np.zeros_like(indices[-1])
        return tuple(zeros if a == "C" else by_axis[a] for a in self.axes)

    def transforms(self, layer: Layer) -> dict[str, Any]:
        """Keywords that put a labels layer exactly on its image layer."""
        kept = [self.image_axes.index(a) for a in self.axes]
        scale, translate = layer.scale[kept].copy(), layer.translate[kept].copy()
        if "C" in self.axes:
            stretched = self.axes.index("C")
            translate[stretched] += scale[stretched] * (self.channels - 1) / 2
            scale[stretched] *= self.channels
        corner = [*kept, layer.ndim]
        pairs = list(zip(*np.triu_indices(layer.ndim, 1), strict=True))
        shear = [s for s, (i, j) in zip(layer.shear, pairs, strict=True) if i in kept and j in kept]
        return {
            "scale": scale,
            "translate": translate,
            "rotate": layer.rotate[np.ix_(kept, kept)],
            "shear": shear,
            "affine": layer.affine.affine_matrix[np.ix_(corner, corner)],
            "units": tuple(layer.units[i] for i in kept),
            "axis_labels": tuple(layer.axis_labels[i] for i in kept),
        }


def make_labels_layer(
    labels: NDArray[np.int32], geometry: LabelGeometry, image_layer: Image, name: str
) -> Labels:
    """A labels layer on top of its image, not yet in a viewer.

    Parameters
    ----------
    labels : (…, Y, X) ndarray of int32
        Outer axes of the image, then Y and X. The layer shows a view of it.
    geometry : LabelGeometry
        How the labels lie in the image's dimensions.
    image_layer : napari.layers.Image
        Layer whose scale, translation, rotation, units and axis labels are taken over.
    name : str
        Name of the new layer.
    """
    return Labels(geometry.to_layer(labels), name=name, **geometry.transforms(image_layer))


def empty_history(layer: Labels) -> None:
    """Forget the undo history of a layer whose data were replaced, which would restore foreign pixels."""
    editable = layer.editable
    mode = layer.mode
    layer.editable = False
    layer.editable = editable
    if editable:
        layer.mode = mode


def check_paintable(labels: Any) -> None:
    """Refuse labels that napari cannot paint.

    Raises
    ------
    LabelsError
        Where they cannot be changed in place, or where napari paints other numbers than it should.
    """
    check_editable(labels)
    if not np.dtype(labels.dtype).isnative:
        raise LabelsError(
            f"napari paints wrong numbers into labels in the byte order of other machines ({labels.dtype}). "
            "Copy the labels into memory to edit them."
        )


def replace_labels(layer: Labels, data: NDArray[np.int32]) -> None:
    """Give a layer new data of the same shape, and no way back to the old ones."""
    layer.data = data
    empty_history(layer)
