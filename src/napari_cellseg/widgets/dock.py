"""What every dock does: offer unfinished work, fit a laptop's screen, let go of everything at its end."""

from functools import partial

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QEvent, QSize
from qtpy.QtWidgets import QApplication, QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_cellseg.review.resuming import FoundJournal
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.correct_resume import ResumeOffer
from napari_cellseg.widgets.fields import WIDTH

PLUGIN, CORRECT = "napari-cellseg", "CellSeg correct"
"""Names, as in the manifest, of this plugin and of the dock that unfinished work is gone on with in."""


class Dock(QWidget):
    """A dock's content, whose `_connections` end when it is closed or destroyed, or napari quits.

    Attributes
    ----------
    offer : ResumeOffer
        Unfinished work on the layers of the viewer; above everything else once `fill` was called.
    """

    offer: ResumeOffer

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._connections = Connections()
        self._docked = False
        self.destroyed.connect(partial(_close, self._connections))
        QApplication.instance().aboutToQuit.connect(self.shut_down)

    def fill(self, viewer: ViewerModel, content: QWidget) -> None:
        """Lay out the dock: the offer of unfinished work, while there is some, above its content."""
        self._viewer = viewer
        self.offer = ResumeOffer(viewer, self._connections)
        self.offer.chosen.connect(self._on_resume)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.offer)
        layout.addWidget(content, 1)

    def _on_resume(self, layer: Layer, found: FoundJournal) -> None:
        """Go on with unfinished work in the Correct dock, which is opened or comes to the front."""
        dock, correct = self._viewer.window.add_plugin_dock_widget(PLUGIN, CORRECT, tabify=True)
        dock.show()
        dock.raise_()
        correct.panel.resume(layer, found)

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
