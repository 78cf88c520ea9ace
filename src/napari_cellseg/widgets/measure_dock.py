"""The Measure dock: what each cell is like."""

from napari.viewer import Viewer
from qtpy.QtWidgets import QWidget

from napari_cellseg.widgets.connections import unwrapped
from napari_cellseg.widgets.dock import Dock, scrolling
from napari_cellseg.widgets.measure_panel import MeasurePanel


class MeasureDock(Dock):
    """Measures the objects of a labels layer."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        viewer = unwrapped(viewer)
        self.panel = MeasurePanel(viewer, self._connections)
        self.fill(viewer, scrolling(self.panel))
        self._connections.at_end(self.panel.close_results)
        self._connections.at_end(self.panel.job.close_job())
