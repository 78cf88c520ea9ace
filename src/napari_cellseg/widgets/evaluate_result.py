"""The result of an evaluation in the dock: a line, the main numbers, the legend, the list of mistakes."""

import math

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.evaluation.metrics import METRICS
from napari_cellseg.evaluation.results import Report
from napari_cellseg.viewer.evaluate_run import Evaluation
from napari_cellseg.widgets.error_table import ErrorTable, outcome_legend
from napari_cellseg.widgets.fields import Sentence, explain

NUMBERS = {
    "AP50": "AP50", "AP50_95": "AP50–95",
    "F1": "F1", "PQ": "PQ",
    "precision": "precision", "recall": "recall",
    "Dice": "Dice", "AJI": "AJI",
    "missed": "missed", "invented": "invented",
    "split": "split", "merged": "merged",
    "count_error": "count error", "ECE": "ECE",
    "mAP50": "mAP50", "mAP50_95": "mAP50–95",
}  # fmt: skip
"""The numbers of the table and what they are called there; ECE and mAP need confidences."""
COUNTS = ("missed", "invented", "split", "merged")
COLUMNS = 2
_COCO = "COCO's mean average precision of masks, from the confidences (Lin et al. 2014, ECCV)"
_DEFINITIONS = {
    **{m.name: f"{m.definition} ({m.source})" if m.source else m.definition for m in METRICS},
    "mAP50": f"{_COCO}, at IoU ≥ 0.50.",
    "mAP50_95": f"{_COCO}, mean over IoU ≥ 0.50, 0.55, …, 0.95.",
    "ECE": "Expected calibration error: how far confidences are from the share of objects that are right, "
    "0 is best (Naeini et al. 2015, AAAI).",
}


class ResultBox(QWidget):
    """Shows an evaluation. Signals: `error_chosen` (a row of the errors), `save_asked`."""

    error_chosen = Signal(object)
    save_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.line = Sentence("Result")
        self.numbers = QWidget()
        self._grid = QGridLayout(self.numbers)
        self._grid.setContentsMargins(0, 2, 0, 2)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(0)
        self.values: dict[str, QLabel] = {}
        self._names: dict[str, QLabel] = {}
        for place, name in enumerate(NUMBERS):
            self._add_number(name, *divmod(place, COLUMNS))
        for column in range(COLUMNS):
            self._grid.setColumnStretch(2 * column + 1, 1)
        self.legend = QLabel(outcome_legend())
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        explain(
            self.legend, "Colours of the overlay",
            "The overlay shows predicted objects in these colours, and missed objects of the truth. "
            "Prediction and truth are hidden below it: the eye in the layer list shows them.",
        )  # fmt: skip
        self.errors = ErrorTable()
        self.save_button = QPushButton("Save &report…")
        explain(
            self.save_button, "Save report",
            "HTML with plots, JSON with everything, or CSV with a row per image and a second file of "
            "mistakes.",
        )  # fmt: skip
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.line, self.numbers, self.legend, self.errors, self.save_button):
            layout.addWidget(widget)
        self.errors.chosen.connect(self.error_chosen)
        self.save_button.clicked.connect(self.save_asked)
        self.setVisible(False)

    def show_evaluation(self, evaluation: Evaluation) -> None:
        """Show the result of a run."""
        report = evaluation.report
        self.line.say(f"{evaluation.request.prediction.name}: {report.sentence()}")
        for name, label in self.values.items():
            known = name in report.summary
            label.setText(_number(report, name) if known else "")
            label.setVisible(known)
            self._names[name].setVisible(known)
        self.legend.setVisible(evaluation.outcomes is not None)
        self.errors.show_errors(report.errors, len(report.pairs[0]))
        self.errors.setVisible(len(report.errors) > 0)
        self.setVisible(True)

    def _add_number(self, name: str, row: int, column: int) -> None:
        title, value = QLabel(NUMBERS[name]), QLabel()
        font = value.font()
        font.setBold(True)
        value.setFont(font)
        value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for label in (title, value):
            explain(label, NUMBERS[name], f"{NUMBERS[name]}: {_DEFINITIONS[name]}")
        self._grid.addWidget(title, row, 2 * column)
        self._grid.addWidget(value, row, 2 * column + 1)
        self._names[name], self.values[name] = title, value


def _number(report: Report, name: str) -> str:
    value = report.summary[name]
    if math.isnan(value):
        return "–"
    if name == "count_error":
        return f"{value:+.0f}"
    return f"{value:.0f}" if name in COUNTS else f"{value:.3f}"
