"""The Evaluate dock: a prediction against the truth."""

from napari.viewer import Viewer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cellseg.widgets.connections import unwrapped
from napari_cellseg.widgets.dock import Dock, scrolling
from napari_cellseg.widgets.evaluate_panel import EvaluatePanel


class EvaluateDock(Dock):
    """Compares two labels layers of a viewer."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.panel = EvaluatePanel(unwrapped(viewer), self._connections)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolling(self.panel))
        self._connections.at_end(self.panel.job.close_job())
