"""Which plane of a measured layer is shown."""

from napari.components import ViewerModel

from napari_cellseg.viewer.cell_selection import shown_plane
from napari_cellseg.viewer.measured_layer import MeasuredLayer


def follow_plane(viewer: ViewerModel, measured: MeasuredLayer) -> None:
    """Give a layer's table the values of the plane that is shown; in 3-D, and of other axes, as before.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layer is.
    measured : MeasuredLayer
        Its measurements.
    """
    request = measured.request
    leading = shown_plane(viewer, request.layer)
    if leading is not None:
        measured.show_plane(tuple(leading[d] for d in request.labels.dimensions[: len(request.outer)]))
