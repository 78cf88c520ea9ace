"""Which part of an image a run covers: what is seen, a plane, all planes, a drawn region."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.viewer.layer_image import LayerImage


class RunOn(Enum):
    """Part of an image to segment; the value is what settings and scripts store."""

    VISIBLE = "visible"
    PLANE = "plane"
    ALL = "all"
    SHAPES = "shapes"


TITLES = {
    RunOn.VISIBLE: "Visible field",
    RunOn.PLANE: "Current plane",
    RunOn.ALL: "All planes",
    RunOn.SHAPES: "Region in a Shapes layer",
}


@dataclass(frozen=True)
class Part:
    """A part of an image.

    Attributes
    ----------
    region : (slice, slice) or None
        Rows and columns; None is the whole plane.
    planes : tuple of int or None
        Numbers of the planes; None is all.
    """

    region: tuple[slice, slice] | None
    planes: tuple[int, ...] | None

    def pixels(self, image: LayerImage) -> int:
        """Number of pixels of the part."""
        height, width = image.sizes["Y"], image.sizes["X"]
        if self.region is not None:
            height, width = (s.stop - s.start for s in self.region)
        return height * width * (image.plane_count if self.planes is None else len(self.planes))


def choose_part(
    viewer: ViewerModel, layer: Image, image: LayerImage, run_on: RunOn, shapes: Shapes | None = None
) -> Part:
    """The part of an image that the user means.

    Parameters
    ----------
    viewer : ViewerModel
        For the plane that it shows.
    layer : Image
        Layer of the image.
    image : LayerImage
        The image.
    run_on : RunOn
        What to run on.
    shapes : Shapes, optional
        Layer with the region, for ``RunOn.SHAPES``: the box around the selected shapes, or around all.

    Raises
    ------
    OptionError
        Where that part is not there: nothing of the image is visible, no shape is drawn, or the viewer
        shows it in 3-D or sideways.
    """
    if run_on is RunOn.ALL:
        return Part(None, None)
    planes = (current_plane(viewer, layer, image),)
    if run_on is RunOn.PLANE:
        return Part(None, planes)
    if run_on is RunOn.VISIBLE:
        return Part(_visible_region(viewer, layer, image), planes)
    if shapes is None:
        raise OptionError("Add a Shapes layer and draw the region in it.")
    return Part(_shapes_region(layer, image, shapes), planes)


def add_region_layer(viewer: ViewerModel, layer: Image) -> Shapes:
    """Add a Shapes layer on an image, ready to draw a rectangle."""
    shapes = Shapes(
        ndim=2,
        name=f"{layer.name} region",
        scale=layer.scale[-2:],
        translate=layer.translate[-2:],
        units=layer.units[-2:],
        axis_labels=layer.axis_labels[-2:],
    )
    viewer.add_layer(shapes)
    shapes.mode = "add_rectangle"
    return shapes


def current_plane(viewer: ViewerModel, layer: Image, image: LayerImage) -> int:
    """Number of the plane that the viewer shows."""
    if not image.outer_axes:
        return 0
    here = np.round(layer.world_to_data(np.asarray(viewer.dims.point)[-layer.ndim :])).astype(int)
    axes = image.layer_axes
    where = [int(np.clip(here[axes.index(a)], 0, image.sizes[a] - 1)) for a in image.outer_axes]
    return int(np.ravel_multi_index(where, [image.sizes[a] for a in image.outer_axes]))


def _visible_region(viewer: ViewerModel, layer: Image, image: LayerImage) -> tuple[slice, slice]:
    axes = image.layer_axes
    shown = {axes[d - (viewer.dims.ndim - layer.ndim)] for d in viewer.dims.displayed[-2:]}
    if viewer.dims.ndisplay != 2 or shown != {"Y", "X"}:
        raise OptionError("The visible field is a part of a plane: show the image in 2-D, rows and columns.")
    corners = np.asarray(layer.corner_pixels, float)
    if layer.multiscale:
        corners = corners * layer.downsample_factors[layer.data_level]
    rows, columns = axes.index("Y"), axes.index("X")
    region = tuple(
        slice(max(0, int(corners[0, d])), min(int(corners[1, d]) + 1, image.sizes[a]))
        for a, d in (("Y", rows), ("X", columns))
    )
    if any(s.start >= s.stop for s in region):
        raise OptionError("Nothing of the image is visible: move or zoom the view.")
    return region[0], region[1]


def _shapes_region(layer: Image, image: LayerImage, shapes: Shapes) -> tuple[slice, slice]:
    chosen = sorted(shapes.selected_data) or range(len(shapes.data))
    corners = [vertices_in_image(layer, shapes, shapes.data[i]) for i in chosen]
    if not corners:
        raise OptionError(f"Draw the region in the layer '{shapes.name}': it has no shape yet.")
    points = np.concatenate(corners)
    axes = image.layer_axes
    region = []
    for axis in "YX":
        values = points[:, axes.index(axis) - layer.ndim]
        low, high = int(np.floor(values.min() + 0.5)), int(np.ceil(values.max() + 0.5))
        region.append(slice(max(0, low), min(image.sizes[axis], high)))
    if any(s.start >= s.stop for s in region):
        raise OptionError(f"The shapes in the layer '{shapes.name}' lie outside of the image.")
    return region[0], region[1]


def vertices_in_image(layer: Image, shapes: Shapes, vertices: Sequence[Any]) -> NDArray[np.float64]:
    """Corners of a shape in pixels of the image; the last dimensions of both layers line up."""
    points = []
    for vertex in np.asarray(vertices, float):
        world = np.asarray(shapes.data_to_world(vertex))
        full = np.zeros(layer.ndim)
        shared = min(layer.ndim, len(world))
        full[-shared:] = world[-shared:]
        points.append(np.asarray(layer.world_to_data(full)))
    return np.array(points)
