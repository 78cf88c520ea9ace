"""Segment one image: choose, read what will happen, press one button, refine."""

from itertools import pairwise

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.errors import CellSegError
from napari_cellseg.pipeline import preflight
from napari_cellseg.viewer.choices import SegmentChoices, SegmentRequest, make_request
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.confidence import ConfidenceFilter
from napari_cellseg.viewer.run_on import RunOn, add_region_layer
from napari_cellseg.viewer.segment_run import Outcome, SegmentRun, is_untouched, result_line, script_of
from napari_cellseg.viewer.settings import load_choices, save_choices
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.features_table import open_features_table
from napari_cellseg.widgets.fields import Disclosure, Sentence, explain, later_of, new_form, primary_button
from napari_cellseg.widgets.image_form import ImageForm
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.messages import ErrorBox
from napari_cellseg.widgets.model_form import ModelForm
from napari_cellseg.widgets.part_form import PartForm

CHECK_INTERVAL = 0.15
"""Seconds between two preflights while the form or the view changes."""


class SegmentPanel(QWidget):
    """The form, its one button, and the result. Signal `choices_changed`: what the form says is different."""

    choices_changed = Signal()

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._connections = viewer, connections
        self._run: SegmentRun | None = None
        self._request: SegmentRequest | None = None
        self._results: dict[Labels, tuple[ConfidenceFilter, int]] = {}
        self._current: Labels | None = None
        self._later = later_of(self)
        self._check = Coalesced(self._preflight, CHECK_INTERVAL, self._later)
        self.image_form = ImageForm(viewer, connections)
        self.model_form = ModelForm()
        self.part_form = PartForm(viewer, connections)
        self.job = JobPanel()
        self.error = ErrorBox()
        self._build()
        self._connect()
        choices, problem = load_choices()
        self.show_choices(choices)
        self.part_form.show_image(self.image_form.image)
        if not problem and self.model_form.model.currentData() != choices.model:
            problem = f"The model '{choices.model}' of the last session is not there any more."
        self.notes.say(problem)
        self._preflight()

    # -- the form -----------------------------------------------------------------------------------------

    def choices(self) -> SegmentChoices:
        """What the form says."""
        model = self.model_form
        return SegmentChoices(
            model=model.model.currentData() or "nuclei",
            channel=self.image_form.channel_value,
            size_by=model.size_by.currentData(),
            size=model.size.value(),
            pixel_size=self.image_form.pixel_size,
            confidence=model.confidence.value,
            run_on=self.part_form.value,
            link_z=self.part_form.link_z,
            device=model.device.currentData(),
            tile=model.tile.value() or None,
            axes=self.image_form.axes.text().strip().upper() or None,
        )

    def show_choices(self, choices: SegmentChoices) -> None:
        """Fill the form."""
        self.model_form.show_choices(choices)
        self.part_form.choose(choices.run_on, choices.link_z)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        options = QWidget()
        form = new_form()
        options.setLayout(form)
        self.model_form.add_advanced_rows(form)
        self.image_form.add_axes_row(form)
        self.advanced = Disclosure("Ad&vanced", "Device, tile and axes: rarely needed.", options)
        self.sentence = Sentence("What will happen")
        self.button = primary_button("&Segment")
        self.notes = Sentence("Notes")
        for widget in (
            self.image_form, self.model_form, self.part_form, self.advanced, self.sentence, self.button,
            self.job, self.error, self.notes, self._result_box(),
        ):  # fmt: skip
            layout.addWidget(widget)
        layout.addStretch(1)
        self._order_tabs()

    def _order_tabs(self) -> None:
        """The Tab key goes from top to bottom."""
        image, model, part = self.image_form, self.model_form, self.part_form
        order = [
            image.layers, image.channel, image.pixel, image.apply,
            model.model, model.open_file, model.size_by, model.size,
            model.confidence.slider, model.confidence.box,
            part.run_on, part.shapes, part.draw, part.link,
            self.advanced.button, model.device, model.tile, image.axes,
            self.button, self.job.cancel_button, self.error.details, self.error.text,
            self.table_button, self.script_button,
        ]  # fmt: skip
        for before, after in pairwise(order):
            QWidget.setTabOrder(before, after)

    def _result_box(self) -> QWidget:
        self.result = QWidget()
        self.line = Sentence("Result")
        self.table_button = QPushButton("Features ta&ble")
        self.script_button = QPushButton("Copy as scri&pt")
        explain(self.table_button, "Features table", "Open napari's table with a row per object.")
        explain(
            self.script_button, "Copy as script", "Copy Python that repeats this result to the clipboard."
        )
        layout = QVBoxLayout(self.result)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line)
        row = QHBoxLayout()
        row.addWidget(self.table_button)
        row.addWidget(self.script_button)
        layout.addLayout(row)
        self.result.setVisible(False)
        return self.result

    def _connect(self) -> None:
        self.image_form.changed.connect(self._on_image)
        self.model_form.changed.connect(self._on_form)
        self.model_form.failed.connect(self.error.show_error)
        self.part_form.changed.connect(self._on_form)
        self.part_form.new_region.connect(self._on_new_region)
        self.button.clicked.connect(self.start)
        self.table_button.clicked.connect(self._on_table)
        self.script_button.clicked.connect(self._on_script)
        self.advanced.toggled.connect(self._on_advanced)
        self.model_form.confidence.previewed.connect(self._on_preview)
        self.model_form.confidence.decided.connect(self._on_decided)
        self.job.progressed.connect(self._on_progress)
        self.job.succeeded.connect(self._on_success)
        self.job.failed.connect(self._on_failure)
        self.job.cancelled.connect(self._on_cancelled)
        self.job.warned.connect(self._on_warning)
        viewer = self._viewer
        for event in (viewer.dims.events.point, viewer.dims.events.ndisplay, viewer.scene.camera.events):
            self._connections.connect(event, self._on_view)
        self._connections.connect(viewer.layers.selection.events.active, self._on_active)
        self._connections.connect(viewer.layers.events.removed, self._on_removed)

    # -- what will happen ---------------------------------------------------------------------------------

    def _on_image(self) -> None:
        self.part_form.show_image(self.image_form.image)
        self._on_form()

    def _on_form(self) -> None:
        self._check.request()
        self.choices_changed.emit()

    def _on_view(self, event: object = None) -> None:
        """Another part is visible; napari notes which one when it draws it."""
        if self.part_form.value is not RunOn.ALL:
            self._check.defer()

    def _preflight(self) -> None:
        """Say what the button will do, or why it can't."""
        problems, said, self._request = [], [], None
        try:
            self._request = self._make_request()
        except CellSegError as error:
            problems.append(str(error))
        if self._request is not None:
            found = preflight(self._request.image.data, **self._request.arguments)
            problems += found.problems
            said = [*found.sentences, *found.suggestions]
        if self.job.running:
            problems = ["A run is going on: wait for it, or cancel it."]
        self.button.setEnabled(not problems)
        explain(
            self.button, "Segment", " ".join(problems) or "Find the objects and add them as a labels layer."
        )
        self.sentence.say("⚠ " + " ".join(problems) if problems and not self.job.running else " ".join(said))

    def _make_request(self) -> SegmentRequest:
        form = self.image_form
        if form.layer is None or form.image is None:
            raise CellSegError(form.problem)
        shapes = self.part_form.shapes.layer
        return make_request(self._viewer, form.layer, form.image, self.choices(), shapes)

    # -- running ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run what the form says."""
        self._preflight()
        layer = self.image_form.layer
        if self._request is None or layer is None or not self.button.isEnabled():
            return
        self.error.clear()
        self.notes.say("")
        try:
            save_choices(self.choices())
        except CellSegError as error:
            self.notes.say(str(error))
        self._run = SegmentRun(self._viewer, layer, self._request, self._old_preview(layer), self._later)
        self.job.start(self._run.job())
        self._preflight()

    def _old_preview(self, layer: object) -> ConfidenceFilter | None:
        """An earlier look at the visible field of the same image that nobody has worked on."""
        for slider, _ in self._results.values():
            if slider.preview_of is layer and not slider.closed and is_untouched(slider):
                return slider
        return None

    def _on_progress(self, progress: object) -> None:
        if self._run is None:
            return
        self._run.receive(progress)
        if self._run.layer_removed:
            self.job.cancel()

    def _on_success(self, outcome: Outcome) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        slider = run.finish(outcome)
        if slider is None:
            self.notes.say("The labels layer was removed while it was filled; nothing was kept.")
        else:
            slider.preview_of = run.image_layer if run.request.preview else None
            slider.on_change.append(self._show_result)
            self._results[slider.layer] = (slider, run.request.part.pixels(run.request.image))
            self._activate(slider.layer)
        self._preflight()

    def _on_failure(self, error: Exception) -> None:
        self._abandon()
        self.error.show_error(error)

    def _on_cancelled(self) -> None:
        kept = self._abandon()
        text = f"Cancelled; {kept:,} objects were done and stay." if kept else "Cancelled; nothing was kept."
        self.notes.say(text)

    def _abandon(self) -> int:
        run, self._run = self._run, None
        kept = run.abandon() if run is not None else 0
        self._preflight()
        return kept

    def _on_warning(self, text: str) -> None:
        before = self.notes.text()
        self.notes.say(f"{before}\nNote: {text}" if before else f"Note: {text}")

    # -- the result ---------------------------------------------------------------------------------------

    def _on_active(self, event: object = None) -> None:
        active = self._viewer.layers.selection.active
        if isinstance(active, Labels) and active in self._results:
            self._activate(active)

    def _activate(self, layer: Labels) -> None:
        """Let the slider and the result's line speak of this layer."""
        self._current = layer
        self.model_form.confidence.set_value(self._results[layer][0].threshold)
        self._check.request()
        self._show_result()

    def _slider(self) -> ConfidenceFilter | None:
        slider = self._results[self._current][0] if self._current in self._results else None
        return None if slider is None or slider.closed else slider

    def _show_result(self) -> None:
        slider = self._slider()
        resting = (
            slider is None and self._current in self._results and self._results[self._current][0].resting
        )
        self.result.setVisible(slider is not None or resting)
        for button in (self.table_button, self.script_button):
            button.setEnabled(slider is not None)
        if slider is None:
            words = "its confidence slider rests until the edit of the whole image is undone."
            self.line.say(f"{self._current.name}: {words}" if resting else "")
            return
        self.line.say(f"{slider.layer.name}: {result_line(slider, self._results[slider.layer][1])}")
        confidence = self.model_form.confidence
        if not confidence.moving and confidence.value != round(slider.threshold, 2):
            confidence.set_value(slider.threshold)
            self._check.request()

    def _on_preview(self, threshold: float) -> None:
        slider = self._slider()
        if slider is not None and slider.layer.editable:
            slider.preview(threshold)
        self._check.request()

    def _on_decided(self, threshold: float) -> None:
        slider = self._slider()
        if slider is not None and slider.layer.editable:
            slider.commit(threshold)
        self._on_form()

    def _on_table(self) -> None:
        slider = self._slider()
        if slider is not None:
            slider.flush()
            open_features_table(self._viewer, slider.layer)

    def _on_script(self) -> None:
        slider = self._slider()
        if slider is not None:
            QGuiApplication.clipboard().setText(script_of(slider))
            self.notes.say("The script is in the clipboard.")

    def _on_removed(self, event: object = None) -> None:
        for layer in [layer for layer in self._results if layer not in self._viewer.layers]:
            slider, _ = self._results.pop(layer)
            slider.close()
        if self._run is not None and self._run.layer_removed:
            self.job.cancel()
        self._show_result()

    def _on_new_region(self) -> None:
        form = self.image_form
        if form.layer is not None and form.image is not None:
            add_region_layer(self._viewer, form.layer)

    def _on_advanced(self, open_: bool) -> None:
        if open_ and self.model_form.device.count() <= 2:
            self.model_form.list_devices()

    def close_results(self) -> None:
        """Give the layers' keys back to napari."""
        for slider, _ in self._results.values():
            slider.close()
        self._results.clear()
