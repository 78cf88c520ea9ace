"""Compare groups of measured cells: choose, read on what it rests, press one button, read the result."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from napari.components import ViewerModel
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_cellseg.errors import CellSegError
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.compare_run import (
    CellTable,
    CompareRequest,
    Comparison,
    comparing,
    reading_cells,
    request_sentence,
    saving_comparison,
    saving_figure,
)
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.widgets.compare_form import CompareForm
from napari_cellseg.widgets.compare_result import CompareResult
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import Sentence, bring_into_view, explain, later_of, primary_button
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.messages import ErrorBox
from napari_cellseg.widgets.save_dialog import ask_figure, ask_table

CHECK_INTERVAL = 0.15
"""Seconds between two looks at what would be compared, while the form changes."""


class ComparePanel(QWidget):
    """The form, its one button, the result.

    Parameters
    ----------
    measured : callable
        Gives what was measured in the viewer's layers.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        connections: Connections,
        measured: Callable[[], Sequence[MeasuredLayer]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._request: CompareRequest | None = None
        self._check = Coalesced(self._preflight, CHECK_INTERVAL, later_of(self))
        self.form = CompareForm(viewer, connections, measured)
        self.sentence = Sentence("What will be compared")
        self.button = primary_button("&Compare")
        self.job = JobPanel(step="feature")
        explain(self.job.cancel_button, "Cancel", "Stop after the current feature; nothing is kept.")
        self.error, self.notes = ErrorBox(), Sentence("Notes")
        self.result = CompareResult()
        self._build()
        self._connect()
        self.form.refresh()
        self._preflight()

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        for widget in (
            self.form, self.sentence, self.button, self.job, self.error, self.notes, self.result,
        ):  # fmt: skip
            layout.addWidget(widget)
        layout.addStretch(1)
        form = self.form
        order = [
            form.source, form.layers, form.choose_file, form.pattern, form.by, form.groups, form.replicates,
            form.paired, form.control, form.features, form.advanced.button, form.correction, form.test,
            form.average, self.button, self.job.cancel_button, self.error.details, self.error.text,
            self.result.pair, self.result.table.table, self.result.plot, self.result.table_button,
            self.result.figure_button,
        ]  # fmt: skip
        for before, after in pairwise(order):
            QWidget.setTabOrder(before, after)

    def _connect(self) -> None:
        self.form.changed.connect(self._check.request)
        self.form.file_asked.connect(self._on_file)
        self.button.clicked.connect(self.start)
        self.job.succeeded.connect(self._on_success)
        self.job.failed.connect(self._on_failure)
        self.job.cancelled.connect(self._on_cancelled)
        self.job.warned.connect(self.notes.say)
        self.result.table_asked.connect(self._on_save_table)
        self.result.figure_asked.connect(self._on_save_figure)

    # -- what will be compared ----------------------------------------------------------------------------

    def showEvent(self, event: QEvent) -> None:
        """The tab comes to the front: look at the layers."""
        super().showEvent(event)
        self.form.refresh()

    def on_measured(self) -> None:
        """Values, classes or layers are others."""
        if self.isVisible():
            self.form.refreshing.defer()

    def _preflight(self) -> None:
        """Say what the button will do, or why it can't."""
        problem, self._request = "", None
        try:
            self._request = self.form.request()
        except CellSegError as error:
            problem = str(error)
        blocked = "A job is going on: wait for it, or cancel it." if self.job.running else problem
        self.button.setEnabled(not blocked)
        for button in (self.result.table_button, self.result.figure_button):
            button.setEnabled(not self.job.running)
        explain(self.button, "Compare", blocked or "Compare the groups, feature by feature.")
        if self.form.cells is not None:
            self.result.check_cells(self.form.cells)
        self.sentence.say(f"⚠ {problem}" if self._request is None else request_sentence(self._request))

    # -- running ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Compare what the form says, with the values as they are now."""
        self.form.refresh()
        self._preflight()
        if self._request is not None and self.button.isEnabled():
            self._run(comparing(self._request))

    def open_table(self, path: Path) -> None:
        """Compare the cells of a table file."""
        if not self.job.running:
            self._run(reading_cells(path))

    def save_table(self, path: Path, *, excel: bool = False) -> None:
        """Write every number of the comparison."""
        comparison = self.result.comparison
        if comparison is not None and not self.job.running:
            self._run(saving_comparison(comparison, path, excel=excel))

    def save_figure(self, path: Path) -> None:
        """Write the figure that is shown."""
        comparison = self.result.comparison
        if comparison is not None and not self.job.running:
            self._run(saving_figure(comparison, path, *self.result.drawn))

    def _run(self, job: object) -> None:
        self.error.clear()
        self.notes.say("")
        self.job.start(job)
        self._preflight()

    def _on_success(self, result: Comparison | CellTable | list[Path]) -> None:
        if isinstance(result, Comparison):
            self.result.show_comparison(result)
            bring_into_view(self.result.table)
        elif isinstance(result, CellTable):
            self.form.use_file(result)
        else:
            beside = f"; where it comes from in {result[1].name}" if len(result) > 1 else ""
            self.notes.say(f"Saved {result[0]}{beside}.")
        self._preflight()

    def _on_failure(self, error: Exception) -> None:
        self.error.show_error(error)
        self._preflight()

    def _on_cancelled(self) -> None:
        self.notes.say("Cancelled; nothing was kept.")
        self._preflight()

    # -- files --------------------------------------------------------------------------------------------

    def _on_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Table of cells", "", "Tables (*.csv *.parquet)")
        if path:
            self.open_table(Path(path))

    def _on_save_table(self) -> None:
        chosen = ask_table(self, "Save the comparison", "comparison.csv")
        if chosen is not None:
            self.save_table(chosen[0], excel=chosen[1])

    def _on_save_figure(self) -> None:
        path = ask_figure(self, "Save the figure", f"{self.result.drawn[0] or 'effects'}.svg")
        if path is not None:
            self.save_figure(path)
