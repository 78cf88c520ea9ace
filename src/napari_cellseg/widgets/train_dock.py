"""The Train dock: from corrected images to a better model."""

from collections.abc import Callable

from napari.utils.notifications import show_warning
from napari.viewer import Viewer
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QTabWidget, QWidget

from napari_cellseg.models.registry import ModelEntry
from napari_cellseg.training.families import StartingPoint, starting_points
from napari_cellseg.widgets.connections import unwrapped
from napari_cellseg.widgets.dock import PLUGIN, Dock, scrolling
from napari_cellseg.widgets.train_closing import STOPPED, ClosingGuard
from napari_cellseg.widgets.train_models import ModelsPanel
from napari_cellseg.widgets.train_next import NextPanel
from napari_cellseg.widgets.train_panel import TrainPanel

SEGMENT = "CellSeg segment"
"""Name, as in the manifest, of the dock that uses models."""


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
        self.models, self.next = ModelsPanel(), NextPanel(viewer)
        self.tabs.addTab(scrolling(self.panel), "Train")
        self.tabs.addTab(scrolling(self.models), "Models")
        self.tabs.addTab(scrolling(self.next), "Next images")
        self.fill(viewer, self.tabs)
        self.panel.used.connect(self._on_used)
        self.models.changed.connect(self.panel.form.refresh_points)
        self._connections.at_end(self.guard.leave)
        preflight = self.panel.preflight
        jobs = (self.panel.job, self.panel.work, preflight.looking, preflight.estimating)
        for job in (*jobs, self.models.job, self.next.job):
            self._connections.at_end(job.close_job())

    def _on_used(self, entry: ModelEntry) -> None:
        """Choose a new model for the next images, and in the Segment dock, which comes to the front."""
        self.next.refresh()
        self.next.model.choose(entry.card.name)
        window = getattr(self._viewer, "window", None)
        if window is not None:
            dock, segment = window.add_plugin_dock_widget(PLUGIN, SEGMENT, tabify=True)
            segment.panel.model_form.refresh_models()
            segment.panel.model_form.model.choose(entry.card.name)
            dock.show()
            dock.raise_()

    def shut_down(self) -> None:
        """Stop what runs, and say so where it is a training and only the dock was closed."""
        if self.panel.job.running and self.guard.is_watching:
            show_warning(STOPPED)
        super().shut_down()

    def event(self, event: QEvent) -> bool:
        """Watch the window that the dock is put into."""
        handled = super().event(event)
        if event.type() in (QEvent.Type.ParentChange, QEvent.Type.Show):
            self.guard.watch()
        return handled
