"""What every dock does: fit a laptop's screen, and let go of everything when it is closed."""

from functools import partial

from qtpy.QtCore import QEvent, QSize
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import WIDTH


class Dock(QWidget):
    """A dock's content, whose `_connections` end when it is closed or destroyed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._connections = Connections()
        self._docked = False
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


def scrolling(widget: QWidget) -> QScrollArea:
    """A widget in an area that scrolls where the screen is too small."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidget(widget)
    return area


def _close(connections: Connections, *_: object) -> None:
    connections.close()
