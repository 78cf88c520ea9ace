"""The Correct dock: proofreading of a labels layer."""

from napari.viewer import Viewer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cellseg.widgets.connections import unwrapped
from napari_cellseg.widgets.correct_panel import CorrectPanel
from napari_cellseg.widgets.dock import Dock, scrolling


class CorrectDock(Dock):
    """Corrects the objects of a labels layer."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.panel = CorrectPanel(unwrapped(viewer), self._connections)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolling(self.panel))
        self._connections.at_end(self.panel.close_sessions)
        self._connections.at_end(self.panel.job.close_job())
