"""The docks of this plugin, tabbed in the order of the work; and opening an image with its pixel size."""

from napari.viewer import Viewer
from qtpy.QtWidgets import QFileDialog

from napari_cellseg.images.reading import IMAGE_SUFFIXES
from napari_cellseg.viewer.reading import read_image_layer

DOCKS = (
    "CellSeg segment",
    "CellSeg correct",
    "CellSeg dataset",
    "CellSeg train",
    "CellSeg measure",
    "CellSeg evaluate",
)
"""Display names of the docks in the manifest, in the order of the work."""


def open_workbench(viewer: Viewer) -> None:
    """Open all docks, tabbed, the first in front; the tabs have short names, so that all can be read."""
    docks = [viewer.window.add_plugin_dock_widget("napari-cellseg", name, tabify=True)[0] for name in DOCKS]
    for name, dock in zip(DOCKS, docks, strict=True):
        dock.setWindowTitle(name.removeprefix("CellSeg ").capitalize())
        dock.show()
    docks[0].raise_()


def open_image(viewer: Viewer) -> None:
    """Ask for an image file and open it with its pixel size and axes."""
    patterns = " ".join(f"*{suffix}" for suffix in IMAGE_SUFFIXES)
    path, _ = QFileDialog.getOpenFileName(None, "Open an image", "", f"Images ({patterns});;All files (*)")
    if path:
        open_path(viewer, path)


def open_path(viewer: Viewer, path: str) -> None:
    """Open an image file with its pixel size and axes.

    Raises
    ------
    ImageError
        If it cannot be read; napari shows the text.
    """
    data, keywords, _ = read_image_layer(path)
    viewer.add_image(data, **keywords)
