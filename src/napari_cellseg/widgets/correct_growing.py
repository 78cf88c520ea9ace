"""What *Add by click* grows objects from: shown while that tool is on."""

from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_cellseg.viewer.correct_tools import Tool, Tools
from napari_cellseg.widgets.fields import NarrowCombo, explain


class GrowFromRow(QWidget):
    """The choice between the maps of a model and the intensity."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tools: Tools | None = None
        self.combo = NarrowCombo()
        explain(
            self.combo,
            "Grow from",
            "What a click grows an object from: what a model sees there, or the brightness around the click. "
            "Default: automatic, the model that found these labels or the intensity, whichever comes closer "
            "to the usual size.",
        )
        label = QLabel("Gro&w from")
        label.setBuddy(self.combo)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(label)
        layout.addWidget(self.combo, 1)
        self.combo.activated.connect(self._on_chosen)
        self.hide()

    def show_for(self, tools: Tools | None) -> None:
        """Show the choice while the tool is on."""
        shown = tools if tools is not None and tools.tool is Tool.ADD else None
        if shown is self._tools:
            return
        self._tools = shown
        if shown is not None:
            growing = shown.correction.growing
            self.combo.fill(growing.choices(), keep=growing.choice)
        self.setVisible(shown is not None)

    def _on_chosen(self) -> None:
        if self._tools is not None:
            self._tools.grow_from(self.combo.currentData())
