"""A long job in a thread: progress bar, time left, Cancel."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from threading import Event
from typing import Any, TypeAlias

from napari.qt.threading import create_worker
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget
from superqt.utils import GeneratorWorker

from napari_cellseg.errors import CellSegWarning
from napari_cellseg.events import Job, Progress, duration
from napari_cellseg.widgets.fields import Sentence, explain


@dataclass(frozen=True)
class _Success:
    result: Any


@dataclass(frozen=True)
class _Failure:
    error: Exception


@dataclass(frozen=True)
class _Cancelled:
    pass


_Outcome: TypeAlias = _Success | _Failure | _Cancelled


def _contained(job: Job[Any], stop: Event) -> Generator[Progress, None, _Outcome]:
    """Run a job until it ends or `stop` is set, and let go of all that it holds.

    An error is a result, because superqt takes a RuntimeError for a deleted worker.
    """
    try:
        while not stop.is_set():
            try:
                step = next(job)
            except StopIteration as end:
                return _Success(end.value)
            yield step
        return _Cancelled()
    except Exception as error:
        return _Failure(error)
    finally:
        job.close()


class JobPanel(QWidget):
    """Runs one job at a time and shows how far it is.

    Signals: `progressed` (Progress), `succeeded` (result), `failed` (error), `cancelled`, `warned` (text) and
    `running_changed` (bool), all in the main thread.

    Parameters
    ----------
    step : str
        What a job finishes before it stops, for the user.
    """

    progressed = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    warned = Signal(str)
    running_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None, *, step: str = "tile") -> None:
        super().__init__(parent)
        self._step = step
        self._worker: GeneratorWorker | None = None
        self._stop = Event()
        self._stage, self._since = "", 0.0
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Progress")
        self.bar.setTextVisible(True)
        self.cancel_button = QPushButton("&Cancel")
        explain(self.cancel_button, "Cancel", f"Stop after the current {step}. What is done stays.")
        self.cancel_button.clicked.connect(self.cancel)
        self.line = Sentence("Progress in words")
        row = QHBoxLayout()
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.line)
        self.setVisible(False)

    @property
    def running(self) -> bool:
        """Whether a job is running."""
        return self._worker is not None

    def start(self, job: Job[Any]) -> None:
        """Run a job in a thread."""
        if self.running:
            raise RuntimeError("a job is running already")
        self._stop = Event()
        worker = create_worker(
            _contained, job, self._stop, _worker_class=GeneratorWorker, _ignore_errors=True
        )
        worker.yielded.connect(self._on_progress)
        worker.returned.connect(self._on_returned)
        worker.aborted.connect(self._on_aborted)
        worker.warned.connect(self._on_warned)
        self._worker = worker
        self._stage = ""
        self.bar.setRange(0, 0)
        self.bar.setFormat("")
        self.line.say("Starting…")
        self.cancel_button.setEnabled(True)
        self.setVisible(True)
        self.running_changed.emit(True)
        worker.start()

    def cancel(self) -> None:
        """Ask the job to stop; it does between two tiles."""
        if self._worker is not None:
            self.cancel_button.setEnabled(False)
            self.line.say(f"Stopping after this {self._step}…")
            self._stop.set()

    def close_job(self) -> Callable[[], None]:
        """What stops the job even when this panel is gone already."""

        def stop() -> None:
            self._worker = None
            self._stop.set()

        return stop

    def _on_progress(self, progress: Progress) -> None:
        if self._worker is None:
            return
        if progress.stage != self._stage:
            self._stage, self._since = progress.stage, time.monotonic()
        known = progress.total > 0
        self.bar.setRange(0, progress.total if known else 0)
        self.bar.setValue(min(progress.done, progress.total))
        self.bar.setFormat("%p %" if known else "")
        if self.cancel_button.isEnabled():
            self.line.say(self._words(progress))
        self.progressed.emit(progress)

    def _words(self, progress: Progress) -> str:
        parts = [progress.stage]
        if progress.detail:
            parts.append(progress.detail)
        if 0 < progress.done < progress.total:
            spent = time.monotonic() - self._since
            parts.append(f"{time_left(spent, progress.fraction)} left")
        return ", ".join(parts)

    def _on_returned(self, outcome: _Outcome) -> None:
        if not self._end():
            return
        if isinstance(outcome, _Cancelled):
            self.cancelled.emit()
            return
        if isinstance(outcome, _Failure):
            self.failed.emit(outcome.error)
        else:
            self.succeeded.emit(outcome.result)

    def _on_aborted(self) -> None:
        if self._end():
            self.cancelled.emit()

    def _on_warned(self, warning: tuple[Any, ...]) -> None:
        if isinstance(warning[0], CellSegWarning):
            self.warned.emit(str(warning[0]))

    def _end(self) -> bool:
        """The job is over; whether anybody still waits for it."""
        if self._worker is None:
            return False
        self._worker = None
        self.setVisible(False)
        self.running_changed.emit(False)
        return True


def time_left(spent: float, fraction: float) -> str:
    """About how long it takes from here, in words.

    Parameters
    ----------
    spent : float
        Seconds so far.
    fraction : float
        Finished share, above 0.
    """
    return f"about {duration(spent * (1 - fraction) / fraction)}"
