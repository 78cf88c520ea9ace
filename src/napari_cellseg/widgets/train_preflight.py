"""What will be trained, in a sentence, and how long it will take; worked out while the form changes."""

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cellseg.errors import CellSegError, OptionError
from napari_cellseg.events import Progress
from napari_cellseg.training.families import missing
from napari_cellseg.training.runs.estimating import Estimate, estimating
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.train_choices import (
    TrainRequest,
    estimate_sentence,
    make_train_request,
    request_sentence,
)
from napari_cellseg.viewer.train_dataset import DatasetLook, looking_at
from napari_cellseg.widgets.fields import Sentence, later_of
from napari_cellseg.widgets.job_runner import JobRunner
from napari_cellseg.widgets.train_form import TrainForm

CHECK_INTERVAL = 0.15
"""Seconds between two looks at what would be trained, while the form changes."""
ESTIMATE_AFTER = 1.5
"""Seconds that the form must rest before the time is measured, which loads the processor for a while."""
LOOKING = "Looking at the dataset."


class TrainPreflight(QWidget):
    """Looks at the dataset and at the form. Signal `changed`: `problem` may be another one.

    Attributes
    ----------
    problem : str
        Why nothing can be trained; empty where it can.
    """

    changed = Signal()

    def __init__(self, form: TrainForm, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._form = form
        self.look: DatasetLook | None = None
        self.problem = LOOKING
        self._known: dict[str, str] = {}
        self._wanted = ""
        self.sentence, self.estimate = Sentence("What will happen"), Sentence("Time and memory")
        self.looking, self.estimating = JobRunner(self), JobRunner(self)
        later = later_of(self)
        self._check = Coalesced(self._preflight, CHECK_INTERVAL, later)
        self._measure = Coalesced(self._start_estimate, ESTIMATE_AFTER, later)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.sentence)
        layout.addWidget(self.estimate)
        form.changed.connect(self._check.request)
        form.dataset_changed.connect(self._on_dataset)
        self.looking.progressed.connect(self._on_counted)
        self.looking.succeeded.connect(self._on_look)
        self.looking.failed.connect(self._on_no_look)
        self.estimating.succeeded.connect(self._on_estimate)
        self.estimating.failed.connect(self._on_no_estimate)

    def look_again(self) -> None:
        """Look at the dataset and the form anew, since something else may have changed them."""
        self._on_dataset(self._form.folder)

    def stop(self) -> None:
        """Leave the processor to a training."""
        self.estimating.cancel()
        self._measure.cancel()

    def _on_dataset(self, folder: Path | None) -> None:
        self.look = None
        self._form.show_look(None)
        if folder is not None:
            self._form.about.say(f"{LOOKING[:-1]}…")
            self.looking.start_instead(looking_at(folder))
        self._preflight()

    def _on_counted(self, progress: Progress) -> None:
        if isinstance(progress.payload, DatasetLook):
            self._on_look(progress.payload)

    def _on_look(self, look: DatasetLook) -> None:
        if look.folder == self._form.folder:
            self.look = look
            self._form.show_look(look)
            self._preflight()

    def _on_no_look(self, error: Exception) -> None:
        self._form.about.say("")
        self.problem = str(error)
        self._say(f"⚠ {error}")

    def _preflight(self) -> None:
        """Say what will happen, or why nothing can."""
        try:
            request = make_train_request(self._form.choices(), self._form.points)
            problem = self._problem(request)
        except CellSegError as error:
            request, problem = None, str(error)
        self.problem = problem
        if request is None or problem:
            self._say(f"⚠ {problem}" if problem != LOOKING else "")
            self.estimate.say("")
            self.stop()
            return
        self._say(request_sentence(request, self.look))
        self._show_estimate(request)

    def _problem(self, request: TrainRequest) -> str:
        error = missing(request.point.family)
        if error is not None:
            return str(error)
        return LOOKING if self.look is None else self.look.problem

    def _say(self, text: str) -> None:
        self.sentence.say(text)
        self.changed.emit()

    # -- time and memory ----------------------------------------------------------------------------------

    def _show_estimate(self, request: TrainRequest) -> None:
        key = _key(request)
        if key in self._known:
            self.estimate.say(self._known[key])
            return
        if key != self._wanted:
            self.estimating.cancel()
        self.estimate.say("How long it will take is measured in a moment…")
        self._measure.cancel()
        self._measure.defer()

    def _start_estimate(self) -> None:
        if not self.isVisible() or self.problem:
            return
        try:
            request = make_train_request(self._form.choices(), self._form.points)
        except OptionError:
            return
        if _key(request) == self._wanted and self.estimating.running:
            return
        self._wanted = _key(request)
        self.estimate.say("Measuring how long it will take…")
        self.estimating.start_instead(estimating(request.recipe))

    def _on_estimate(self, estimate: Estimate) -> None:
        self._known[self._wanted] = estimate_sentence(estimate)
        self._preflight()

    def _on_no_estimate(self, error: Exception) -> None:
        self._known[self._wanted] = f"How long it will take is not known: {error}"
        self._preflight()


def _key(request: TrainRequest) -> str:
    """What an estimate holds for: the recipe, whatever the model will be called."""
    values = {k: v for k, v in request.recipe.as_dict().items() if k != "model"}
    return repr(sorted(values.items()))
