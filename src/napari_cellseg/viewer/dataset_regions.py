"""What a person drew around what was reviewed, as pixels of the image."""

import numpy as np
from napari.layers import Image, Shapes
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from napari_cellseg.errors import OptionError
from napari_cellseg.viewer.layer_image import LayerImage
from napari_cellseg.viewer.run_on import vertices_in_image

AREAS = ("rectangle", "polygon", "ellipse")
"""Kinds of shapes that enclose something."""
_CORNERS = 64
"""Corners of the polygon that stands for an ellipse."""


def reviewed_mask(layer: Image, image: LayerImage, shapes: Shapes) -> NDArray[np.bool_]:
    """Pixels whose centre lies in one of the shapes: the selected ones, or all where none is selected.

    Parameters
    ----------
    layer : napari.layers.Image
        The image.
    image : LayerImage
        The same as the core sees it.
    shapes : napari.layers.Shapes
        Rectangles, polygons and ellipses; lines and paths enclose nothing and are left out.

    Returns
    -------
    (Y, X) ndarray of bool

    Raises
    ------
    OptionError
        Where there is no such shape, or none within the image.
    """
    size = (image.sizes["Y"], image.sizes["X"])
    rows, columns = (image.layer_axes.index(axis) for axis in "YX")
    mask = np.zeros(size, bool)
    chosen = sorted(shapes.selected_data) or range(len(shapes.data))
    areas = [i for i in chosen if shapes.shape_type[i] in AREAS]
    if not areas:
        raise OptionError(f"Draw the reviewed region in the layer '{shapes.name}': it has no area yet.")
    for i in areas:
        corners = vertices_in_image(layer, shapes, shapes.data[i])[:, [rows, columns]]
        mask |= polygon2mask(size, _round(corners) if shapes.shape_type[i] == "ellipse" else corners)
    if not mask.any():
        raise OptionError(f"The shapes in the layer '{shapes.name}' lie outside of the image.")
    return mask


def _round(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ellipse in a parallelogram (4, 2), as a polygon."""
    middle = corners.mean(0)
    one, other = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    turn = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)[:, None]
    return middle + np.cos(turn) * one + np.sin(turn) * other
