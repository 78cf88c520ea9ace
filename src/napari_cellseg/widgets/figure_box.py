"""A figure for a paper, shown in a dock as it will be printed."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QVBoxLayout, QWidget

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 98
"""Pixels per inch, so that a journal's column (85 mm) fills the dock."""


class FigureBox(QWidget):
    """Shows one matplotlib figure at a time; the wheel scrolls the dock, not the figure."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self.canvas: Any = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)

    def show_figure(self, figure: "Figure | None", words: str = "") -> None:
        """Show a figure in place of the last one; None shows nothing.

        Parameters
        ----------
        figure : Figure or None
            It has no canvas yet.
        words : str
            What it shows, for screen readers.
        """
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg

        if self.canvas is not None:
            self.layout().removeWidget(self.canvas)
            self.canvas.hide()
            self.canvas.deleteLater()
            self.canvas = None
        if figure is None:
            return
        figure.set_dpi(DPI)
        self.canvas = FigureCanvasQTAgg(figure)
        self.canvas.setFixedHeight(round(figure.get_figheight() * DPI))
        self.canvas.setMinimumWidth(100)
        self.canvas.setAccessibleName(self._name)
        self.canvas.setAccessibleDescription(words)
        self.canvas.installEventFilter(self)
        self.layout().addWidget(self.canvas)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Leave the wheel to the dock around."""
        if event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return super().eventFilter(watched, event)
