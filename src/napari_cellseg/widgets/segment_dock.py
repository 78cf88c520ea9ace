"""The Segment dock: one image, or many."""

from functools import partial

from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QSize
from qtpy.QtWidgets import QFrame, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from napari_cellseg.widgets.connections import Connections, unwrapped
from napari_cellseg.widgets.fields import WIDTH
from napari_cellseg.widgets.many_images import ManyImages
from napari_cellseg.widgets.segment_panel import SegmentPanel


class SegmentDock(QWidget):
    """Segments the images of a viewer, or files."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        viewer = unwrapped(viewer)
        self._connections = Connections()
        self._docked = False
        self.panel = SegmentPanel(viewer, self._connections)
        self.many = ManyImages(self.panel.choices)
        self.panel.choices_changed.connect(self.many.update_sentence)
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName("One image or many")
        self.tabs.addTab(_scrolling(self.panel), "This image")
        self.tabs.addTab(_scrolling(self.many), "Many images")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)
        self._connections.at_end(self.panel.close_results)
        for job in (self.panel.job, self.many.job):
            self._connections.at_end(job.close_job())
        self.destroyed.connect(partial(_close, self._connections))

    def sizeHint(self) -> QSize:
        """Narrow enough for a laptop's screen."""
        return QSize(WIDTH, 560)

    def event(self, event: QEvent) -> bool:
        """Stop everything when the dock is closed, which takes this widget out of its window."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._docked:
                self.shut_down()
            self._docked = self.parent() is not None
        return super().event(event)

    def shut_down(self) -> None:
        """Cancel what runs, let go of the viewer and its layers."""
        self._connections.close()


def _close(connections: Connections, *_: object) -> None:
    connections.close()


def _scrolling(widget: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidget(widget)
    return area
