"""The progress of a training: as that of any job, and Pause."""

from typing import Any

from qtpy.QtWidgets import QPushButton, QWidget

from napari_cellseg.events import Job, Progress, duration
from napari_cellseg.viewer.train_session import TrainSession
from napari_cellseg.viewer.train_watch import PAUSED
from napari_cellseg.widgets.fields import explain
from napari_cellseg.widgets.job_panel import JobPanel


class TrainJob(JobPanel):
    """Runs a training of a session.

    Parameters
    ----------
    session : TrainSession
        Knows how long the training will still take, and pauses it.
    """

    def __init__(self, session: TrainSession, parent: QWidget | None = None) -> None:
        super().__init__(parent, step="batch")
        self._session = session
        self.pause_button = QPushButton("&Pause")
        self.layout().itemAt(0).layout().insertWidget(1, self.pause_button)
        explain(
            self.cancel_button, "Cancel",
            "Stop the training. Its last epoch is kept: it can be resumed, also tomorrow.",
        )  # fmt: skip
        self.pause_button.clicked.connect(self._on_pause)

    def start(self, job: Job[Any]) -> None:
        """Run a training in a thread."""
        super().start(job)
        self._show_pause()

    def _on_pause(self) -> None:
        if self._session.is_paused:
            self._session.go_on()
        else:
            self._session.pause()
        self._show_pause()

    def _show_pause(self) -> None:
        paused = self._session.is_paused
        self.pause_button.setText("&Go on" if paused else "&Pause")
        told = (
            "Let the training go on." if paused else "Let the computer rest; the training keeps its memory."
        )
        explain(self.pause_button, "Go on" if paused else "Pause", told)

    def _words(self, progress: Progress) -> str:
        left = self._session.watch.seconds_left()
        parts = [part for part in (progress.stage, progress.detail) if part]
        if progress.stage == PAUSED:
            return ", ".join(parts)
        if left is None:
            return super()._words(progress)
        return f"{', '.join(parts)}, at most about {duration(left)} left"
