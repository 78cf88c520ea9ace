"""The Segment dock: one image, or many."""

from napari.viewer import Viewer
from qtpy.QtWidgets import QTabWidget, QWidget

from napari_cellseg.widgets.connections import unwrapped
from napari_cellseg.widgets.dock import Dock, scrolling
from napari_cellseg.widgets.many_images import ManyImages
from napari_cellseg.widgets.segment_panel import SegmentPanel


class SegmentDock(Dock):
    """Segments the images of a viewer, or files."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        viewer = unwrapped(viewer)
        self.panel = SegmentPanel(viewer, self._connections)
        self.many = ManyImages(self.panel.choices)
        self.panel.choices_changed.connect(self.many.update_sentence)
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName("One image or many")
        self.tabs.addTab(scrolling(self.panel), "This image")
        self.tabs.addTab(scrolling(self.many), "Many images")
        self.fill(viewer, self.tabs)
        self._connections.at_end(self.panel.close_results)
        for job in (self.panel.job, self.many.job):
            self._connections.at_end(job.close_job())
