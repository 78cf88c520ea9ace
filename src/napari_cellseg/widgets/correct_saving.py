"""Save corrected labels with their table, and say what is not saved yet."""

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.fields import Sentence


class SaveBox(QWidget):
    """Two buttons and the state of the work. Signal `asked`: save to this path."""

    asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._target: Path | None = None
        self.suggested = Path("labels.tif")
        self.state = Sentence("What is saved")
        self.save = small_button("Save", "Save the labels (TIFF) and their table (CSV) beside.")
        self.save_as = small_button("Save as…", "Save the labels and their table to another file.")
        row = QHBoxLayout()
        row.addWidget(self.save)
        row.addWidget(self.save_as)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.state)
        layout.addLayout(row)
        self.save.clicked.connect(self._on_save)
        self.save_as.clicked.connect(self._on_save_as)

    def show_state(self, words: str, target: Path | None, suggested: Path) -> None:
        """Show whether the work is saved, and to which file; `suggested` is one for work that was not."""
        self._target, self.suggested = target, suggested
        self.state.say(words)

    def _on_save(self) -> None:
        if self._target is None:
            self._on_save_as()
        else:
            self.asked.emit(self._target)

    def _on_save_as(self) -> None:
        start = str(self._target or self.suggested)
        path, _ = QFileDialog.getSaveFileName(
            self, "Save labels and table", start, "Labels with table (*.tif)"
        )
        if path:
            self.asked.emit(Path(path if path.lower().endswith(".tif") else f"{path}.tif"))
