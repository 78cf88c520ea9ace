"""Train a model: choose, press one button, watch it learn, see whether it is better, use it."""

from collections.abc import Callable
from pathlib import Path

from napari.components import ViewerModel
from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_cellseg.errors import CellSegError
from napari_cellseg.events import Progress
from napari_cellseg.models.registry import ModelEntry
from napari_cellseg.training.families import StartingPoint, starting_points
from napari_cellseg.training.gate import GateResult
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.train_choices import TrainRequest, make_train_request, save_train_choices
from napari_cellseg.viewer.train_gate import comparing_with, old_models, saving_gate
from napari_cellseg.viewer.train_preview_layers import PreviewLayers, show_worse
from napari_cellseg.viewer.train_runs import TrainingRun, delete_run, find_runs
from napari_cellseg.viewer.train_session import TrainSession, decide, is_decided, training_notes, using
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import Sentence, explain, later_of, primary_button
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.messages import ErrorBox
from napari_cellseg.widgets.train_curves import CurvesBox
from napari_cellseg.widgets.train_form import TrainForm
from napari_cellseg.widgets.train_gate import GateBox
from napari_cellseg.widgets.train_job import TrainJob
from napari_cellseg.widgets.train_preflight import TrainPreflight
from napari_cellseg.widgets.train_previews import PreviewsBox
from napari_cellseg.widgets.train_runs import RunsBox

DRAW_INTERVAL = 0.3
"""Seconds between two drawings of curves and pictures, however fast the epochs follow each other."""


class TrainPanel(QWidget):
    """The form, its one button, the training, the comparison, the decision.

    Signal `used`: a `ModelEntry` that was added.
    """

    used = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        connections: Connections,
        points: Callable[[], list[StartingPoint]] = starting_points,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.session = TrainSession()
        self._layers = PreviewLayers(viewer)
        self._viewer = viewer
        self.form = TrainForm(points)
        self.preflight = TrainPreflight(self.form)
        self.button = primary_button("&Train")
        self.runs, self.title = RunsBox(), Sentence("What is trained")
        self.job = TrainJob(self.session)
        self.curves, self.previews = CurvesBox(viewer, connections), PreviewsBox()
        self.gate, self.work = GateBox(), JobPanel(step="image")
        self.again = primary_button("&New training")
        self.error, self.notes = ErrorBox(), Sentence("Notes")
        self._draw = Coalesced(self._show_epochs, DRAW_INTERVAL, later_of(self))
        self._build()
        self._connect()
        self._show_start()

    def _build(self) -> None:
        explain(self.again, "New training", "Back to the form.")
        explain(
            self.work.cancel_button,
            "Cancel",
            "Stop after the current image; nothing is changed.",
        )
        self.start = QWidget()
        inner = QVBoxLayout(self.start)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(6)
        for widget in (self.form, self.preflight, self.button, self.runs):
            inner.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        for widget in (
            self.start, self.title, self.job, self.work, self.error, self.notes, self.gate, self.curves,
            self.previews, self.again,
        ):  # fmt: skip
            layout.addWidget(widget)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.preflight.changed.connect(self._show_button)
        self.button.clicked.connect(self.train)
        self.runs.resumed.connect(self.resume)
        self.runs.compared.connect(self._decide_on)
        self.runs.deleted.connect(self._delete)
        self.job.progressed.connect(self._on_progress)
        self.job.succeeded.connect(self._on_trained)
        self.job.failed.connect(self._on_failure)
        self.job.cancelled.connect(self._on_cancelled)
        for job in (self.job, self.work):
            job.warned.connect(self.notes.say)
            job.running_changed.connect(self._show_busy)
        self.work.succeeded.connect(self._on_worked)
        self.work.failed.connect(self._on_work_failed)
        self.work.cancelled.connect(lambda: self.notes.say("Cancelled; nothing was changed."))
        self.gate.asked.connect(self.compare)
        self.gate.used.connect(self.use)
        self.gate.refused.connect(self._refuse)
        self.gate.save_asked.connect(self._on_save)
        self.gate.worse.opened.connect(lambda image: show_worse(self._viewer, image))
        self.previews.opened.connect(lambda picture: self._layers.show(picture.preview))
        self.again.clicked.connect(self._show_start)

    # -- training -----------------------------------------------------------------------------------------

    def train(self) -> None:
        """Train what the form says."""
        request = self._request()
        if request is None:
            return
        self._clear()
        try:
            save_train_choices(self.form.choices())
        except CellSegError as error:
            self.notes.say(str(error))
        data = Path(request.recipe.data).name
        self._begin(f"Training '{request.name}' from '{request.point.title}' on '{data}'.")
        self.job.start(self.session.training(request))

    def resume(self, run: TrainingRun) -> None:
        """Go on with a training."""
        if self.job.running:
            return
        self._clear()
        try:
            job = self.session.resuming(run)
        except CellSegError as error:
            self.error.show_error(error)
            return
        self._begin(f"Training '{run.name}' on '{Path(run.data).name}', resumed.")
        self._show_epochs()
        self.job.start(job)

    def _request(self) -> TrainRequest | None:
        if self.job.running or self.work.running or self.preflight.problem:
            return None
        try:
            return make_train_request(self.form.choices(), self.form.points)
        except CellSegError as error:
            self.error.show_error(error)
            return None

    def _begin(self, title: str) -> None:
        self.preflight.stop()
        self.start.setVisible(False)
        self.title.say(title)
        self.gate.setVisible(False)
        self.previews.show_pictures(())
        self.curves.show_watch(self.session.watch)

    def _on_progress(self, progress: Progress) -> None:
        if self.session.take(progress):
            self._draw.request()

    def _show_epochs(self) -> None:
        session = self.session
        self.curves.show_watch(session.watch)
        self.previews.show_pictures(session.pictures)
        self._layers.follow(session.pictures)
        told = (session.watch.line(), *session.watch.notices, session.problem)
        self.notes.say("\n".join(filter(None, told)))

    def _on_trained(self, run: TrainingRun) -> None:
        self._draw.flush()
        best = self.session.watch.best()
        told = f" Its best epoch, {best.number}, is kept." if best is not None else ""
        self._decide_on(run)
        self.notes.say("\n".join([f"✓ '{run.name}' is trained.{told}", *self._notes_of(run)]))

    def _on_failure(self, error: Exception) -> None:
        self.error.show_error(error)
        self._show_start()

    def _on_cancelled(self) -> None:
        line = self.session.watch.line()
        self._show_start()
        kept = self.runs.run is not None and self.runs.run.name == self.session.run.name
        told = "Its last epoch is kept: Resume goes on." if kept else "No epoch was done, nothing is kept."
        self.notes.say(f"Stopped. {line} {told}")

    # -- the decision -------------------------------------------------------------------------------------

    def _decide_on(self, run: TrainingRun) -> None:
        """Compare a trained model with the old one, and let the user decide."""
        self.error.clear()
        self.session.run = run
        self.start.setVisible(False)
        self.title.say(f"'{run.name}', trained on '{Path(run.data).name}'.")
        self.notes.say("\n".join(self._notes_of(run)))
        models = old_models(run)
        self.gate.offer(models)
        self.again.setVisible(True)
        self.compare(models[0])

    def _notes_of(self, run: TrainingRun) -> list[str]:
        try:
            return training_notes(run)
        except CellSegError as error:
            self.error.show_error(error)
            return []

    def compare(self, old: str) -> None:
        """Compare the trained model with another one."""
        if self.session.run is not None and old and not self.work.running:
            self.error.clear()
            self.work.start(comparing_with(self.session.run, old))

    def use(self) -> None:
        """Add the trained model to the user's models."""
        if self.session.run is not None and not self.work.running:
            self.error.clear()
            self.work.start(using(self.session.run))

    def _refuse(self) -> None:
        run = self.session.run
        try:
            decide(run, is_used=False)
        except CellSegError as error:
            self.error.show_error(error)
            return
        self._show_start()
        self.notes.say(f"The old model stays in use. '{run.name}' lies in '{run.model.parent}'.")

    def _on_worked(self, result: GateResult | ModelEntry | Path) -> None:
        if isinstance(result, GateResult):
            self.gate.show_result(result)
            self.gate.set_busy(False)
        elif isinstance(result, Path):
            self.notes.say(f"Saved in '{result}'.")
        else:
            self._show_start()
            self.notes.say(f"✓ '{result.card.name}' is one of your models now: choose it in CellSeg segment.")
            self.used.emit(result)

    def _on_work_failed(self, error: Exception) -> None:
        self.error.show_error(error)

    def _on_save(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the comparison")
        if folder:
            self.save_gate(Path(folder))

    def save_gate(self, folder: Path) -> None:
        """Write the comparison into a folder."""
        if self.gate.result is not None and not self.work.running:
            self.work.start(saving_gate(self.gate.result, folder))

    def showEvent(self, event: QShowEvent) -> None:
        """Other docks may have brought datasets and models meanwhile."""
        super().showEvent(event)
        if not self.start.isHidden():
            self.refresh()

    def refresh(self) -> None:
        """List datasets, models and trainings again, and keep the choices."""
        self.form.refresh_datasets()
        self.form.refresh_points()
        self._list_runs()
        self.preflight.look_again()

    # -- what is shown ------------------------------------------------------------------------------------

    def _show_start(self) -> None:
        """The form, and trainings that wait."""
        self._draw.cancel()
        self.start.setVisible(True)
        for widget in (self.gate, self.curves, self.previews, self.again):
            widget.setVisible(False)
        self.title.say("")
        self._layers.remove()
        self.refresh()

    def _list_runs(self) -> None:
        self.runs.show_runs([run for run in find_runs() if not is_decided(run)])

    def _delete(self, run: TrainingRun) -> None:
        try:
            delete_run(run)
        except CellSegError as error:
            self.error.show_error(error)
        self._list_runs()
        self.form.suggest_name()

    def _clear(self) -> None:
        self.error.clear()
        self.notes.say("")

    def _show_busy(self, *_: object) -> None:
        busy = self.work.running
        self.gate.set_busy(busy)
        self.again.setEnabled(not busy)
        self._show_button()

    def _show_button(self) -> None:
        problem = self.preflight.problem
        self.button.setEnabled(not problem and not self.work.running)
        explain(
            self.button, "Train", problem or "Train in a process of its own; napari stays free to work in."
        )
