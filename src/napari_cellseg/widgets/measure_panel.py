"""Measure a labels layer: choose, read what will happen, press one button, read the result."""

from itertools import pairwise
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cellseg.errors import CellSegError
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.measure_planes import follow_plane
from napari_cellseg.viewer.measure_run import (
    Measurement,
    MeasureRequest,
    measuring_layer,
    request_sentence,
    saving_table,
)
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.features_table import open_features_table
from napari_cellseg.widgets.fields import Sentence, explain, later_of, primary_button
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.measure_form import MeasureForm
from napari_cellseg.widgets.measure_result import MeasureResult
from napari_cellseg.widgets.messages import ErrorBox
from napari_cellseg.widgets.save_dialog import ask_table

PLANE_INTERVAL = 0.15
"""Seconds that the slider must rest before the table has the values of the shown plane."""
CHECK_INTERVAL = 0.15
"""Seconds between two looks at what would be measured, while the form changes."""


class MeasurePanel(QWidget):
    """The form, its one button, the result.

    Signals: `measured_changed` (another layer, other values or objects), `forgotten` (a MeasuredLayer whose
    layer is gone).
    """

    measured_changed = Signal()
    forgotten = Signal(object)

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._connections = viewer, connections
        self._results: dict[Labels, MeasuredLayer] = {}
        self._request: MeasureRequest | None = None
        self._later = later_of(self)
        self._check = Coalesced(self._preflight, CHECK_INTERVAL, self._later)
        self._planes = Coalesced(self._follow_planes, PLANE_INTERVAL, self._later)
        self.form = MeasureForm(viewer, connections)
        self.sentence = Sentence("What will be measured")
        self.button = primary_button("&Measure")
        self.job = JobPanel(step="part")
        explain(self.job.cancel_button, "Cancel", "Stop; nothing is kept.")
        self.error = ErrorBox()
        self.notes = Sentence("Notes")
        self.result = MeasureResult()
        self._build()
        self._connect()
        self._preflight()

    @property
    def measured(self) -> MeasuredLayer | None:
        """What was measured in the chosen layer."""
        layer = self.form.layer
        found = None if layer is None else self._results.get(layer)
        return None if found is None or found.is_empty else found

    @property
    def measured_layers(self) -> list[MeasuredLayer]:
        """What was measured in any layer."""
        return [found for found in self._results.values() if not found.is_empty]

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        for widget in (
            self.form, self.sentence, self.button, self.job, self.error, self.notes, self.result,
        ):  # fmt: skip
            layout.addWidget(widget)
        layout.addStretch(1)
        order = [
            self.form.labels, self.form.channels, self.form.objects, self.form.pixel, self.form.unit,
            self.form.advanced.button, self.form.whole, self.button, self.job.cancel_button,
            self.error.details, self.error.text, self.result.feature, self.result.table_button,
            self.result.save_button,
        ]  # fmt: skip
        for before, after in pairwise(order):
            QWidget.setTabOrder(before, after)

    def _connect(self) -> None:
        self.form.changed.connect(self._check.request)
        self.form.layer_changed.connect(self._on_values)
        self.button.clicked.connect(self.start)
        self.job.succeeded.connect(self._on_success)
        self.job.failed.connect(self._on_failure)
        self.job.cancelled.connect(self._on_cancelled)
        self.job.warned.connect(self.notes.say)
        self.result.table_asked.connect(self._on_table)
        self.result.save_asked.connect(self._on_save)
        self._connections.connect(self._viewer.layers.events.removed, self._on_removed)
        for event in (self._viewer.dims.events.point, self._viewer.dims.events.ndisplay):
            self._connections.connect(event, self._on_plane)

    # -- what will be measured ----------------------------------------------------------------------------

    def _preflight(self) -> None:
        """Say what the button will do, or why it can't."""
        problem, self._request = "", None
        try:
            self._request = self.form.request()
        except CellSegError as error:
            problem = str(error)
        blocked = "A job is going on: wait for it, or cancel it." if self.job.running else problem
        self.button.setEnabled(not blocked)
        explain(self.button, "Measure", blocked or "Measure every cell and write the values into the table.")
        self.sentence.say(f"⚠ {problem}" if self._request is None else request_sentence(self._request))

    # -- running ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Measure what the form says."""
        self._preflight()
        if self._request is None or not self.button.isEnabled():
            return
        self.error.clear()
        self.notes.say("")
        self._run(self._request)

    def _run(self, request: MeasureRequest) -> None:
        measured = self._results.get(request.layer)
        if measured is None:
            measured = self._results[request.layer] = MeasuredLayer(request, self._later)
            measured.on_change.append(self._on_values)
            measured.on_stale = self._measure_again
        measured.pause()
        self.job.start(measuring_layer(request))
        self._preflight()

    def _on_success(self, result: Measurement | list[Path]) -> None:
        if isinstance(result, list):
            self.notes.say(f"Saved {result[0]}; units and definitions in {result[1].name}.")
        elif result.request.layer in self._results:
            self._take(result)
        else:
            self.notes.say("The labels layer was removed while it was measured.")
        self._preflight()

    def _take(self, measurement: Measurement) -> None:
        measured = self._results[measurement.request.layer]
        measured.replace(measurement)
        follow_plane(self._viewer, measured)
        self.notes.say(measured.note)

    def _on_failure(self, error: Exception) -> None:
        self.error.show_error(error)
        self._resume()

    def _on_cancelled(self) -> None:
        self.notes.say("Cancelled; nothing was kept.")
        self._resume()

    def _resume(self) -> None:
        for measured in self._results.values():
            measured.resume()
        self._preflight()

    def _measure_again(self, measured: MeasuredLayer) -> None:
        """So much was edited that it is measured again in the background."""
        if self.job.running:
            self._later(1.0, lambda: self._measure_again(measured))
        elif self._results.get(measured.layer) is measured:
            self.notes.say("Measuring again after the edit.")
            self._run(measured.request)

    def _on_plane(self, event: object = None) -> None:
        self._planes.defer()

    def _follow_planes(self) -> None:
        for measured in self.measured_layers:
            follow_plane(self._viewer, measured)

    # -- the result ---------------------------------------------------------------------------------------

    def _on_values(self) -> None:
        measured = self.measured
        if measured is not None and measured.is_outdated:
            self.notes.say(measured.note)
        self.result.show_measured(measured)
        self.measured_changed.emit()

    def _on_table(self) -> None:
        measured = self.measured
        if measured is not None:
            measured.flush()
            open_features_table(self._viewer, measured.layer)

    def _on_save(self) -> None:
        chosen = ask_table(self, "Save the table", "cells.csv")
        if chosen is not None:
            self.save(chosen[0], excel=chosen[1])

    def save(self, path: Path, *, excel: bool = False) -> None:
        """Write the table of the chosen layer."""
        measured = self.measured
        if measured is None or self.job.running:
            return
        self.error.clear()
        measured.flush()
        self.job.start(saving_table(measured.measurement, measured.table, path, excel=excel))
        self._preflight()

    def _on_removed(self, event: object = None) -> None:
        for layer in [layer for layer in self._results if layer not in self._viewer.layers]:
            measured = self._results.pop(layer)
            self.forgotten.emit(measured)
            measured.close()
        self._on_values()

    def close_results(self) -> None:
        """Follow the layers no longer; what was measured stays in their tables."""
        for measured in self._results.values():
            measured.close()
        self._results.clear()
