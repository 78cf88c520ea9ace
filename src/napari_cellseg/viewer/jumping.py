"""To an object: its plane, in the middle of the canvas, large enough to be judged."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from numpy.typing import NDArray

from napari_cellseg.labels.index import ObjectIndex

SEEN_SIZE = 120.0
"""Screen pixels that an object should have about after a jump."""
LEAST_SEEN, MOST_SEEN = 60.0, 400.0
"""Between these the zoom stays as it is."""


def jump_to_object(viewer: ViewerModel, layer: Labels, index: ObjectIndex, label: int) -> None:
    """Show an object in the middle; the zoom changes only where it is too small or too large to be seen.

    Parameters
    ----------
    viewer : ViewerModel
        Where to.
    layer : napari.layers.Labels
        The labels.
    index : ObjectIndex
        Where its objects are.
    label : int
        The object.
    """
    box = index.boxes(label)
    low, high = (np.array([getattr(part, side) for part in box], float) for side in ("start", "stop"))
    world = np.asarray(layer.data_to_world((low + high - 1) / 2), float)
    first = viewer.dims.ndim - layer.ndim
    shown = {axis: world[axis - first] for axis in range(first, viewer.dims.ndim)}
    sliders = [axis for axis in viewer.dims.not_displayed if axis in shown]
    if sliders:
        viewer.dims.set_point(sliders, [shown[axis] for axis in sliders])
    camera = viewer.scene.camera
    centre = [shown[axis] for axis in viewer.dims.displayed if axis in shown]
    camera.center = (*([camera.center[0]] * (3 - len(centre))), *centre)
    size = float(np.max((high - low)[-2:] * np.abs(np.asarray(layer.scale))[-2:]))
    if not LEAST_SEEN <= size * camera.zoom <= MOST_SEEN:
        camera.zoom = SEEN_SIZE / max(size, 1e-9)


def objects_in_view(layer: Labels, index: ObjectIndex) -> NDArray[np.int64]:
    """Labels of the objects whose middle is in the field of view, in the shown plane.

    Parameters
    ----------
    layer : napari.layers.Labels
        Knows what is visible of it.
    index : ObjectIndex
        Where its objects are.
    """
    labels, low, high, _ = index.extents()
    corners = np.asarray(layer.corner_pixels)
    middle = (low + high - 1) / 2
    inside = (middle >= corners[0] - 0.5) & (middle <= corners[1] + 0.5)
    through = (low <= corners[1]) & (high > corners[0])
    seen = np.concatenate([through[:, :-2], inside[:, -2:]], axis=1)
    return labels[np.all(seen, axis=1)].astype(np.int64)
