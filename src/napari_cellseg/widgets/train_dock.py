"""The Train dock: from corrected images to a better model."""

from collections.abc import Callable

from napari.viewer import Viewer
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QTabWidget, QWidget

from napari_cellseg.training.families import StartingPoint, starting_points
from napari_cellseg.widgets.connections import unwrapped
from napari_cellseg.widgets.dock import Dock, scrolling
from napari_cellseg.widgets.train_closing import ClosingGuard
from napari_cellseg.widgets.train_panel import TrainPanel


class TrainDock(Dock):
    """Trains models on corrected images, compares them with old ones, keeps them, ranks what comes next."""

    def __init__(
        self,
        viewer: Viewer,
        points: Callable[[], list[StartingPoint]] = starting_points,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        viewer = unwrapped(viewer)
        self.panel = TrainPanel(viewer, self._connections, points)
        self.guard = ClosingGuard(self, lambda: self.panel.job.running)
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName("Train, models, next images")
        self.tabs.addTab(scrolling(self.panel), "Train")
        self.fill(viewer, self.tabs)
        self._connections.at_end(self.guard.leave)
        preflight = self.panel.preflight
        for job in (self.panel.job, self.panel.work, preflight.looking, preflight.estimating):
            self._connections.at_end(job.close_job())

    def event(self, event: QEvent) -> bool:
        """Watch the window that the dock is put into."""
        handled = super().event(event)
        if event.type() in (QEvent.Type.ParentChange, QEvent.Type.Show):
            self.guard.watch()
        return handled
