"""A long job in a thread: progress bar, time left, Cancel."""

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.events import Job, Progress, duration
from napari_cellseg.widgets.fields import Sentence, explain
from napari_cellseg.widgets.job_runner import JobRunner


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
        self._runner = JobRunner(self)
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
        self._runner.progressed.connect(self._on_progress)
        self._runner.running_changed.connect(self._on_running)
        for name in ("succeeded", "failed", "cancelled", "warned"):
            getattr(self._runner, name).connect(getattr(self, name))

    @property
    def running(self) -> bool:
        """Whether a job is running."""
        return self._runner.running

    def start(self, job: Job[Any]) -> None:
        """Run a job in a thread."""
        self._stage = ""
        self.bar.setRange(0, 0)
        self.bar.setFormat("")
        self.line.say("Starting…")
        self.cancel_button.setEnabled(True)
        self._runner.start(job)

    def cancel(self) -> None:
        """Ask the job to stop; it does between two tiles."""
        if self.running:
            self.cancel_button.setEnabled(False)
            self.line.say(f"Stopping after this {self._step}…")
            self._runner.cancel()

    def close_job(self) -> Callable[[], None]:
        """What stops the job even when this panel is gone already."""
        return self._runner.close_job()

    def _on_running(self, running: bool) -> None:
        self.setVisible(running)
        self.running_changed.emit(running)

    def _on_progress(self, progress: Progress) -> None:
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
