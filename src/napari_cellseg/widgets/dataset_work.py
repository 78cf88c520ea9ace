"""The dataset that is open in a dock, and the one job that works on it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.events import Job
from napari_cellseg.viewer.dataset_jobs import Listed, creating, listing, opening
from napari_cellseg.viewer.dataset_rows import DatasetRow
from napari_cellseg.widgets.job_panel import JobPanel

Then = Callable[[Any], None]


class DatasetWork(QObject):
    """Runs jobs on a dataset and lists its images anew after each.

    Signals: `listed` (the images may be others), `switched` (another dataset is open), `busy_changed` (bool),
    `began` (a job was started), `said` (text) and `failed` (error).

    Attributes
    ----------
    dataset : Dataset or None
        What is open.
    rows : sequence of DatasetRow
        Its images.

    Parameters
    ----------
    job : JobPanel
        Runs the jobs.
    """

    listed = Signal()
    switched = Signal()
    busy_changed = Signal(bool)
    began = Signal()
    said = Signal(str)
    failed = Signal(object)

    def __init__(self, job: JobPanel, parent: QObject) -> None:
        super().__init__(parent)
        self.job = job
        self.dataset: Dataset | None = None
        self.rows: Sequence[DatasetRow] = ()
        self._then: Then | None = None
        self._writes = False
        job.running_changed.connect(self.busy_changed)
        job.succeeded.connect(self._on_success)
        job.failed.connect(self._on_failure)
        job.cancelled.connect(self._on_cancelled)

    @property
    def busy(self) -> bool:
        """Whether a job is going on."""
        return self.job.running

    def open(self, folder: str | Path) -> None:
        """Open a dataset."""
        self.run(opening(Path(folder)), self._show)

    def create(self, folder: str | Path, classes: Sequence[str]) -> None:
        """Make a new dataset and open it; one that is there is only opened."""
        self.run(creating(Path(folder), classes), self._show)

    def run(self, job: Job[Any], then: Then | None = None, *, writes: bool = False) -> None:
        """Run a job, unless one is going on.

        Parameters
        ----------
        job : generator of Progress
            The job.
        then : callable, optional
            Gets its result, in the main thread.
        writes : bool
            Whether it changes the dataset, which is listed anew then.
        """
        if self.busy:
            self.said.emit("Wait until the job below is done, or cancel it.")
            return
        self._then, self._writes = then, writes
        self.began.emit()
        self.job.start(job)

    def write(self, job: Job[Any], then: Then | None = None) -> None:
        """Run a job that changes the dataset."""
        self.run(job, then, writes=True)

    def _show(self, found: Listed) -> None:
        before, self.dataset, self.rows = self.dataset, found.dataset, found.rows
        if before is not found.dataset:
            self.switched.emit()
        self.listed.emit()

    def _on_success(self, result: Any) -> None:
        then = self._then
        self._relist()
        if then is not None:
            then(result)

    def _on_failure(self, error: Exception) -> None:
        self.failed.emit(error)
        self._relist()

    def _on_cancelled(self) -> None:
        self.said.emit("Cancelled: nothing was changed or written.")
        self._relist()

    def _relist(self) -> None:
        """List the images again where the job that ended may have changed them."""
        if self._writes and self.dataset is not None:
            self._then, self._writes = self._show, False
            self.job.start(listing(self.dataset))
