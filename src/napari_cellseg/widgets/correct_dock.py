"""The Correct dock: proofreading of a labels layer."""

from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtWidgets import QWidget

from napari_cellseg.review.resuming import FoundJournal
from napari_cellseg.widgets.connections import unwrapped
from napari_cellseg.widgets.correct_panel import CorrectPanel
from napari_cellseg.widgets.dock import Dock, scrolling


class CorrectDock(Dock):
    """Corrects the objects of a labels layer."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        viewer = unwrapped(viewer)
        self.panel = CorrectPanel(viewer, self._connections)
        self.fill(viewer, scrolling(self.panel))
        self._connections.at_end(self.panel.close_sessions)
        self._connections.at_end(self.panel.job.close_job())

    def _on_resume(self, layer: Layer, found: FoundJournal) -> None:
        self.panel.resume(layer, found)
