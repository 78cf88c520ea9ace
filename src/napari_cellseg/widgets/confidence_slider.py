"""A slider for a confidence: dragging previews, letting go decides."""

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

STEPS = 100
SETTLE_MS = 350
"""How long the keyboard or the wheel must rest before a value counts."""


class ConfidenceSlider(QWidget):
    """0 to 1 in hundredths; signals `previewed` while it moves and `decided` when it rests."""

    previewed = Signal(float)
    decided = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(10)
        self.box = QDoubleSpinBox()
        self.box.setRange(0, 1)
        self.box.setDecimals(2)
        self.box.setSingleStep(0.05)
        self.box.setKeyboardTracking(False)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.box)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(SETTLE_MS)
        self._rest.timeout.connect(self._decide)
        self._open = False
        self.slider.valueChanged.connect(self._on_slider)
        self.slider.sliderReleased.connect(self._decide)
        self.box.valueChanged.connect(self._on_box)
        self.set_value(0.5)

    @property
    def value(self) -> float:
        """The confidence."""
        return round(self.box.value(), 2)

    @property
    def moving(self) -> bool:
        """Whether a value is shown that was not decided yet."""
        return self._open

    def set_value(self, value: float) -> None:
        """Show a value without telling anybody."""
        for widget, shown in ((self.slider, round(STEPS * value)), (self.box, value)):
            blocked = widget.blockSignals(True)
            widget.setValue(shown)
            widget.blockSignals(blocked)
        self._rest.stop()
        self._open = False

    def _on_slider(self, value: int) -> None:
        blocked = self.box.blockSignals(True)
        self.box.setValue(value / STEPS)
        self.box.blockSignals(blocked)
        self._moved()

    def _on_box(self, value: float) -> None:
        blocked = self.slider.blockSignals(True)
        self.slider.setValue(round(STEPS * value))
        self.slider.blockSignals(blocked)
        self._moved()

    def _moved(self) -> None:
        self._open = True
        self.previewed.emit(self.value)
        if self.slider.isSliderDown():
            self._rest.stop()
        else:
            self._rest.start()

    def _decide(self) -> None:
        self._rest.stop()
        if self._open:
            self._open = False
            self.decided.emit(self.value)
