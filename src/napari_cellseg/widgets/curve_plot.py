"""A plot of curves that grow while one looks."""

from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_cellseg.viewer.train_watch import Series

HEIGHT = 116
"""Pixels, so that two of them fit into a dock at 768 pixels beside pictures."""
FEW = 30
"""Up to so many epochs each is marked by a dot."""


class CurvePlot(pg.PlotWidget):
    """Curves over epochs.

    Parameters
    ----------
    name : str
        What is plotted.
    share : bool
        Whether values are between 0 and 1, which is the range shown at least in part.
    """

    def __init__(self, name: str, *, share: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent, enableMenu=False)
        self.setAccessibleName(name)
        self.setFixedHeight(HEIGHT)
        self.setMinimumWidth(120)
        self.hideButtons()
        self.setMouseEnabled(x=False, y=False)
        self._share = share
        self._curves: list[Any] = []
        self._best = pg.InfiniteLine(angle=90, movable=False)
        self._best.setVisible(False)
        self.addItem(self._best, ignoreBounds=True)
        self.plotItem.layout.setContentsMargins(0, 2, 8, 2)
        self.getAxis("left").setWidth(38)
        for axis in ("left", "bottom"):
            self.getAxis(axis).enableAutoSIPrefix(False)

    def restyle(self, background: str, text: str) -> None:
        """Take over the colours of the window."""
        self.setBackground(background)
        self._best.setPen(pg.mkPen(text, width=1, style=Qt.PenStyle.DashLine))
        for name in ("left", "bottom"):
            self.getAxis(name).setPen(text)
            self.getAxis(name).setTextPen(text)

    def show_series(
        self, series: Sequence[Series], colours: Sequence[str], planned: int, best: int | None = None
    ) -> None:
        """Show curves in place of those before.

        Parameters
        ----------
        series : sequence of Series
            At most as many as there are colours.
        colours : sequence of str
            One for each.
        planned : int
            Last epoch of the axis.
        best : int, optional
            Epoch that a line marks.
        """
        while len(self._curves) < len(series):
            self._curves.append(self.plot([], []))
        for curve, one, colour in zip(self._curves, series, colours, strict=False):
            curve.setData(one.epochs, one.values, pen=pg.mkPen(colour, width=2))
            few = len(one.epochs) <= FEW
            curve.setSymbol("o" if few else None)
            curve.setSymbolSize(5)
            curve.setSymbolBrush(colour)
            curve.setSymbolPen(None)
        for curve in self._curves[len(series) :]:
            curve.setData([], [])
        self._best.setVisible(best is not None)
        if best is not None:
            self._best.setValue(best)
        self.setXRange(1, max(2, planned), padding=0.02)
        values = [value for one in series for value in one.values]
        if values:
            self._show_range(min(values), max(values))

    def wheelEvent(self, event: Any) -> None:
        """Leave the wheel to the dock around."""
        event.ignore()

    def _show_range(self, low: float, high: float) -> None:
        room = max(0.06 * (high - low), 0.02 if self._share else 1e-6 + 0.05 * abs(high))
        low, high = low - room, high + room
        self.setYRange(max(0.0, low), min(1.0, high) if self._share and high <= 1.2 else high, padding=0)
