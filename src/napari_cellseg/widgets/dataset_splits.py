"""Shares of train, validation and test, and the button that splits a dataset anew."""

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGroupBox, QHBoxLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.fields import Sentence, explain


class SplitsBox(QGroupBox):
    """Train gets what validation and test leave. Signal `asked` (three shares, which add up to 1)."""

    asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Splits", parent)
        self._known: tuple[float, ...] = ()
        self.val, self.test = QSpinBox(), QSpinBox()
        self.about = Sentence("How images are split")
        self.button = small_button(
            "Split anew",
            "Assign all images again by these shares. Images of one group, and those that look alike, stay "
            "together. Without this, images that are there never change their split.",
        )
        row = QHBoxLayout()
        for title, box in (("val", self.val), ("test", self.test)):
            box.setRange(0, 50)
            box.setSuffix(" %")
            box.setKeyboardTracking(False)
            explain(box, f"Share of {title}", f"Percent of the images that go to {title}. Default: 10 %.")
            row.addWidget(QLabel(title))
            row.addWidget(box, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.about)
        layout.addLayout(row)
        layout.addWidget(self.button)
        self.val.valueChanged.connect(self._show)
        self.test.valueChanged.connect(self._show)
        self.button.clicked.connect(lambda: self.asked.emit(self.fractions()))
        self.show_fractions((0.8, 0.1, 0.1))

    def fractions(self) -> tuple[float, float, float]:
        """Shares of train, val and test: the dataset's own where the boxes still say so."""
        val, test = self.val.value(), self.test.value()
        if len(self._known) == 3 and (val, test) == tuple(round(100 * f) for f in self._known[1:]):
            return self._known[0], self._known[1], self._known[2]
        return (100 - val - test) / 100, val / 100, test / 100

    def show_fractions(self, fractions: Sequence[float]) -> None:
        """Show the shares of a dataset; those that were changed and not used yet go."""
        if tuple(fractions) == self._known:
            return
        self._known = tuple(fractions)
        for box, share in zip((self.val, self.test), fractions[1:], strict=True):
            box.setValue(round(100 * share))
        self._show()

    def _show(self, *_: object) -> None:
        train = 100 - self.val.value() - self.test.value()
        self.about.say(f"By group, automatic: {train} % train, the rest to validate and to test.")
