"""The Dataset dock: corrected images in a folder that trainers read."""

from napari.viewer import Viewer
from qtpy.QtWidgets import QWidget

from napari_cellseg.widgets.connections import unwrapped
from napari_cellseg.widgets.dataset_panel import DatasetPanel
from napari_cellseg.widgets.dock import Dock


class DatasetDock(Dock):
    """Collects corrected images of a viewer in a dataset, and opens them again."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        viewer = unwrapped(viewer)
        self.panel = DatasetPanel(viewer, self._connections)
        self.fill(viewer, self.panel)
        self._connections.at_end(self.panel.model.thumbnails.close)
        self._connections.at_end(self.panel.close_colours)
        self._connections.at_end(self.panel.job.close_job())
