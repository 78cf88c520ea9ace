"""Evaluate a prediction: choose two layers, press one button, look at the mistakes."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.errors import CellSegError
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.evaluate_run import (
    EvaluateChoices,
    EvaluateRequest,
    Evaluation,
    evaluating_layers,
    full_labels,
    make_request,
    request_sentence,
    saving_report,
)
from napari_cellseg.viewer.outcome_layer import jump_to_error, show_outcomes
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.evaluate_result import ResultBox
from napari_cellseg.widgets.fields import (
    Disclosure,
    NarrowCombo,
    Sentence,
    add_row,
    explain,
    later_of,
    new_form,
    primary_button,
    set_row_visible,
)
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.label_pair import LabelPair
from napari_cellseg.widgets.messages import ErrorBox

CHECK_INTERVAL = 0.15
"""Seconds between two looks at what would be compared, while the form changes."""
FILE_TYPES = {
    "HTML report (*.html)": ".html",
    "JSON, everything (*.json)": ".json",
    "CSV tables (*.csv)": ".csv",
}
"""What a report can be saved as, and the suffix that each gets where the user typed none."""


class EvaluatePanel(QWidget):
    """The form, its one button, and the result."""

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._request: EvaluateRequest | None = None
        self._evaluation: Evaluation | None = None
        self._later = later_of(self)
        self._check = Coalesced(self._preflight, CHECK_INTERVAL, self._later)
        self._form = new_form()
        self.pair = LabelPair(viewer, connections, self._form, self)
        self._add_choices(self._form)
        self.advanced = Disclosure(
            "Ad&vanced",
            "What counts as found, and how outlines are compared: rarely needed.",
            self._options(),
        )
        self.sentence = Sentence("What will be compared")
        self.button = primary_button("&Evaluate")
        self.job = JobPanel(step="plane")
        explain(self.job.cancel_button, "Cancel", "Stop after the current plane; nothing is kept.")
        self.error = ErrorBox()
        self.notes = Sentence("Notes")
        self.result = ResultBox()
        self._build()
        self._connect()
        self._preflight()

    # -- the form -----------------------------------------------------------------------------------------

    def choices(self) -> EvaluateChoices:
        """What the form says."""
        return EvaluateChoices(
            dimensions=self.objects.currentData() if self._has_planes() else 2,
            iou=round(self.iou.value(), 2),
            boundary_tolerance=self.tolerance.value(),
            in_units=self.in_units.isChecked(),
        )

    def _add_choices(self, form: QFormLayout) -> None:
        self.objects = NarrowCombo()
        self.objects.fill([("2-D: each plane for itself", 2), ("3-D: volumes (z stack)", 3)])
        self._objects_row = add_row(
            form, "&Objects", self.objects,
            "2-D compares plane by plane, for time series and stacks. 3-D compares objects that go through "
            "the planes of a z stack, with one label on all of them. Default: 2-D.",
        )  # fmt: skip

    def _options(self) -> QWidget:
        options = QWidget()
        form = new_form()
        options.setLayout(form)
        self.iou, self.tolerance = QDoubleSpinBox(), QDoubleSpinBox()
        self.in_units = QCheckBox("in the layer's unit")
        self.iou.setRange(0.05, 1.0)
        self.iou.setSingleStep(0.05)
        self.iou.setValue(0.5)
        self.tolerance.setRange(0.0, 50.0)
        self.tolerance.setDecimals(1)
        self.tolerance.setValue(2.0)
        self.tolerance.setSuffix(" px")
        add_row(
            form, "&IoU", self.iou,
            "How much a predicted object must overlap with a true one to count as found: shared area over "
            "united area. AP has thresholds of its own. Default: 0.50.",
        )  # fmt: skip
        add_row(
            form, "&Boundary", self.tolerance,
            "By how many pixels a boundary may be off and still count for the boundary F in the saved "
            "report. Default: 2 px.",
        )  # fmt: skip
        add_row(
            form, "&Distances", self.in_units,
            "Give the Hausdorff distances of the saved report in the unit of the layer's scale, which also "
            "respects a z step. Default: off, in pixels.",
        )  # fmt: skip
        return options

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        layout.addLayout(self._form)
        for widget in (
            self.advanced, self.sentence, self.button, self.job, self.error, self.notes, self.result,
        ):  # fmt: skip
            layout.addWidget(widget)
        layout.addStretch(1)
        order = [
            self.pair.prediction, self.pair.truth, self.objects, self.advanced.button, self.iou,
            self.tolerance, self.in_units, self.button, self.job.cancel_button, self.error.details,
            self.error.text, self.result.errors.kind, self.result.errors.table, self.result.save_button,
        ]  # fmt: skip
        for before, after in pairwise(order):
            QWidget.setTabOrder(before, after)

    def _connect(self) -> None:
        self.pair.changed.connect(self._check.request)
        self.objects.currentIndexChanged.connect(self._check.request)
        self.iou.valueChanged.connect(self._check.request)
        self.tolerance.valueChanged.connect(self._check.request)
        self.button.clicked.connect(self.start)
        self.job.succeeded.connect(self._on_success)
        self.job.failed.connect(self._on_failure)
        self.job.cancelled.connect(self._on_cancelled)
        self.job.warned.connect(self.notes.say)
        self.result.error_chosen.connect(self._on_error_chosen)
        self.result.save_asked.connect(self._on_save)

    # -- what will be compared ------------------------------------------------------------------------------

    def _has_planes(self) -> bool:
        layer = self.pair.prediction.layer
        return layer is not None and len(full_labels(layer)[1]) > 2

    def _preflight(self) -> None:
        """Say what the button will do, or why it can't."""
        set_row_visible(self._form, self._objects_row, self._has_planes())
        problem, self._request = "", None
        try:
            self._request = self._make_request()
        except CellSegError as error:
            problem = str(error)
        blocked = "A run is going on: wait for it, or cancel it." if self.job.running else problem
        self.button.setEnabled(not blocked)
        self.result.save_button.setEnabled(not self.job.running)
        explain(self.button, "Evaluate", blocked or "Compare the two layers and list the mistakes.")
        self.sentence.say(f"⚠ {problem}" if self._request is None else request_sentence(self._request))

    def _make_request(self) -> EvaluateRequest:
        prediction, truth = self.pair.prediction.layer, self.pair.truth.layer
        if prediction is None or truth is None or (prediction is truth and self.pair.truth.count() == 1):
            raise CellSegError("Two labels layers are needed: a prediction and the truth.")
        return make_request(prediction, truth, self.choices())

    # -- running --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Compare what the form says."""
        self._preflight()
        if self._request is None or not self.button.isEnabled():
            return
        self.error.clear()
        self.notes.say("")
        self.job.start(evaluating_layers(self._request))
        self._preflight()

    def _on_success(self, result: Evaluation | list[Path]) -> None:
        if isinstance(result, Evaluation):
            self._show(result)
        else:
            self.notes.say(f"Saved {' and '.join(str(path) for path in result)}.")
        self._preflight()

    def _show(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        notes = []
        if evaluation.without_confidence:
            count = evaluation.without_confidence
            notes.append(
                f"{count:,} predicted {'object has' if count == 1 else 'objects have'} no confidence, like "
                "those drawn by hand; 1 was used."
            )
        if show_outcomes(self._viewer, evaluation) is None:
            notes.append("The labels are too large for a coloured overlay.")
        self.notes.say(" ".join(notes))
        self.result.show_evaluation(evaluation)

    def _on_failure(self, error: Exception) -> None:
        self.error.show_error(error)
        self._preflight()

    def _on_cancelled(self) -> None:
        self.notes.say("Cancelled; nothing was kept.")
        self._preflight()

    # -- the result -----------------------------------------------------------------------------------------

    def _on_error_chosen(self, row: Mapping[str, Any]) -> None:
        if self._evaluation is not None:
            jump_to_error(self._viewer, self._evaluation.request, row)

    def _on_save(self) -> None:
        path, chosen = QFileDialog.getSaveFileName(
            self, "Save the report", "evaluation.html", ";;".join(FILE_TYPES)
        )
        if path:
            self.save(path if Path(path).suffix else path + FILE_TYPES.get(chosen, ".html"))

    def save(self, path: str | Path) -> None:
        """Write the report in the format of the file's suffix."""
        if self._evaluation is None or self.job.running:
            return
        self.error.clear()
        evaluation = self._evaluation
        title = f"{evaluation.request.prediction.name} against {evaluation.request.truth.name}"
        self.job.start(saving_report(evaluation.report, path, title))
        self._preflight()
