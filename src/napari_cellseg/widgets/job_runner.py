"""A long job in a thread, without anything to see."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from threading import Event
from typing import Any, TypeAlias

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal
from superqt.utils import GeneratorWorker

from napari_cellseg.errors import CellSegWarning
from napari_cellseg.events import Job, Progress


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


class JobRunner(QObject):
    """Runs one job at a time.

    Signals: `progressed` (Progress), `succeeded` (result), `failed` (error), `cancelled`, `warned` (text) and
    `running_changed` (bool), all in the main thread.
    """

    progressed = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    warned = Signal(str)
    running_changed = Signal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker: GeneratorWorker | None = None
        self._stop = Event()
        self._next: Job[Any] | None = None

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
        self.running_changed.emit(True)
        worker.start()

    def start_instead(self, job: Job[Any]) -> None:
        """Run a job as soon as the one that is running has stopped, whose result nobody wants any more."""
        if not self.running:
            self.start(job)
            return
        self._next = job
        self._stop.set()

    def cancel(self) -> None:
        """Ask the job to stop; it does between two steps."""
        self._next = None
        self._stop.set()

    def close_job(self) -> Callable[[], None]:
        """What stops the job even when this object is gone already."""

        def stop() -> None:
            self._worker = self._next = None
            self._stop.set()

        return stop

    def _on_progress(self, progress: Progress) -> None:
        if self._worker is not None and self._next is None:
            self.progressed.emit(progress)

    def _on_returned(self, outcome: _Outcome) -> None:
        following = self._next
        if not self._end():
            return
        if following is not None:
            self._next = None
            self.start(following)
        elif isinstance(outcome, _Cancelled):
            self.cancelled.emit()
        elif isinstance(outcome, _Failure):
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
        self.running_changed.emit(False)
        return True
