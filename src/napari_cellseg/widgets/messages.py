"""What went wrong, in words, with the traceback for those who want it."""

import traceback

from qtpy.QtWidgets import QPlainTextEdit, QToolButton, QVBoxLayout, QWidget

from napari_cellseg.errors import CellSegError
from napari_cellseg.widgets.fields import Sentence, bring_into_view, explain


class ErrorBox(QWidget):
    """An error in the dock: a sentence, and *Details* with the traceback."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sentence = Sentence("Error")
        self.details = QToolButton()
        self.details.setText("Details")
        self.details.setCheckable(True)
        explain(self.details, "Details", "Show where in the program the error came from, for a bug report.")
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setMaximumHeight(140)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setAccessibleName("Traceback")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.sentence, self.details, self.text):
            layout.addWidget(widget)
        self.details.toggled.connect(self.text.setVisible)
        self.clear()

    def show_error(self, error: BaseException) -> None:
        """Show an error; ours speak for themselves, others are named as unexpected."""
        words = str(error).strip() or type(error).__name__
        if not isinstance(error, CellSegError):
            words = f"Unexpected error: {type(error).__name__}: {words}"
        self.sentence.say(f"⚠ {words}")
        self.text.setPlainText("".join(traceback.format_exception(error)))
        self.details.setChecked(False)
        self.text.setVisible(False)
        self.setVisible(True)
        bring_into_view(self)

    def clear(self) -> None:
        """Show nothing."""
        self.sentence.say("")
        self.text.setVisible(False)
        self.setVisible(False)
