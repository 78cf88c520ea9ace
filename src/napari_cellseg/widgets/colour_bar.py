"""What the colours of cells mean: a bar with its ends, or words beside their colours."""

import numpy as np
from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_cellseg.viewer.colour_by_feature import ColourScale
from napari_cellseg.viewer.measure_words import number_words
from napari_cellseg.widgets.fields import as_tooltip

BAR = 16
"""Height of the bar, pixels."""
TICKS = 3
MOST_WORDS = 8
"""Words that are listed; further ones share a colour."""


class ColourBar(QWidget):
    """Draws a `ColourScale`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scale: ColourScale | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setVisible(False)

    def show_scale(self, scale: ColourScale | None) -> None:
        """Show a scale, or nothing."""
        self._scale = scale
        self.setVisible(scale is not None)
        if scale is not None:
            self.setAccessibleName("Colour bar")
            self.setAccessibleDescription(self.words())
            self.setToolTip(as_tooltip(self.words()))
        self.updateGeometry()
        self.update()

    def words(self) -> str:
        """The scale in words."""
        scale = self._scale
        if scale is None:
            return ""
        if scale.words:
            return f"{scale.column}: {', '.join(word or 'none' for word in scale.words)}"
        low, high = number_words(scale.low), number_words(scale.high)
        unit = f" {scale.unit}" if scale.unit else ""
        beyond = scale.below + scale.above
        ends = f"; {beyond:,} cells beyond have the colour of the end" if beyond else ""
        return f"{scale.column} from {low} to {high}{unit}{ends}; grey cells have no value"

    def sizeHint(self) -> QSize:
        """As high as the bar, or the words, need."""
        line = self.fontMetrics().height() + 2
        words = self._scale.words if self._scale is not None else ()
        rows = (min(len(words), MOST_WORDS) + 1) // 2
        return QSize(200, line * (rows + 1) + 4 if words else 2 * line + BAR + 6)

    minimumSizeHint = sizeHint

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw."""
        if self._scale is None:
            return
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        line = self.fontMetrics().height() + 2
        scale = self._scale
        title = f"{scale.column} ({scale.unit})" if scale.unit else scale.column
        painter.drawText(QRect(0, 0, self.width(), line), Qt.AlignmentFlag.AlignHCenter, title)
        if scale.words:
            self._draw_words(painter, scale, line)
        else:
            self._draw_bar(painter, scale, line)
        painter.end()

    def _draw_bar(self, painter: QPainter, scale: ColourScale, line: int) -> None:
        row = np.ascontiguousarray((scale.colours * 255).round().astype(np.uint8)[None])
        picture = QImage(row.data, row.shape[1], 1, row.strides[0], QImage.Format.Format_RGBA8888)
        bar = QRect(0, line, self.width() - 1, BAR)
        painter.drawImage(bar, picture)
        painter.drawRect(bar)
        sides = (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignRight)
        below = QRect(0, line + BAR + 2, self.width(), line)
        signs = ("≤ " if scale.below else "", "", "≥ " if scale.above else "")
        values = np.linspace(scale.low, scale.high, TICKS)
        for value, side, sign in zip(values, sides, signs, strict=True):
            painter.drawText(below, side, f"{sign}{number_words(float(value))}")

    def _draw_words(self, painter: QPainter, scale: ColourScale, line: int) -> None:
        half = self.width() // 2
        for place, word in enumerate(scale.words[:MOST_WORDS]):
            row, column = divmod(place, 2)
            y, x = line * (row + 1) + 2, half * column
            colour = QColor.fromRgbF(*(float(c) for c in scale.colours[place]))
            painter.fillRect(x, y + 2, line - 6, line - 6, colour)
            text = QRect(x + line, y, half - line, line)
            painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, word or "none")
