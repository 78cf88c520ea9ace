"""The Evaluate dock: a prediction against the truth."""

from napari.viewer import Viewer
from qtpy.QtWidgets import QWidget

from napari_cellseg.widgets.connections import unwrapped
from napari_cellseg.widgets.dock import Dock, scrolling
from napari_cellseg.widgets.evaluate_panel import EvaluatePanel


class EvaluateDock(Dock):
    """Compares two labels layers of a viewer."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        viewer = unwrapped(viewer)
        self.panel = EvaluatePanel(viewer, self._connections)
        self.fill(viewer, scrolling(self.panel))
        self._connections.at_end(self.panel.job.close_job())
