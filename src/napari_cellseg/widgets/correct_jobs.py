"""What takes a while in the Correct dock: the order of a review, the checks, edits of the whole image."""

from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_cellseg.errors import CellSegError
from napari_cellseg.events import Job
from napari_cellseg.labels.whole_edit import WholeEdit
from napari_cellseg.review.quality import Finding, checking
from napari_cellseg.viewer.correct_session import CorrectSession
from napari_cellseg.viewer.edit_step import EditStep, renamed_labels
from napari_cellseg.viewer.fixing import fix_findings
from napari_cellseg.viewer.jumping import jump_to_object
from napari_cellseg.viewer.reviewing import doubting
from napari_cellseg.widgets.correct_checks import ChecksBox
from napari_cellseg.widgets.job_panel import JobPanel


class CorrectJobs(QObject):
    """Jobs of the session that they were begun for, whichever layer is selected when they end.

    Signals: `said` (text), `failed` (error), `ordered` (Review).

    Parameters
    ----------
    job : JobPanel
        Runs them.
    checks : ChecksBox
        Lists what was found.
    parent : QObject
        Owner.
    """

    said = Signal(str)
    failed = Signal(object)
    ordered = Signal(object)

    def __init__(self, job: JobPanel, checks: ChecksBox, parent: QObject) -> None:
        super().__init__(parent)
        self._job, self._checks = job, checks
        self._session: CorrectSession | None = None
        self._begun: CorrectSession | None = None
        self._checked: CorrectSession | None = None
        checks.asked.connect(self._check)
        checks.chosen.connect(self._show_finding)
        checks.fix_asked.connect(self._fix)
        checks.whole_asked.connect(self._change_whole)
        job.succeeded.connect(self._on_success)

    def follow(self, session: CorrectSession | None) -> None:
        """Work on another session; what was found in the one before is not listed any more."""
        if session is not self._session:
            self._forget_findings("")
        self._session = session

    def note_step(self, session: CorrectSession, step: EditStep | None, what: str) -> None:
        """Follow a step of a session: where objects have other labels now, what was found is void."""
        renamed = renamed_labels(step, what)
        if session.layer.selected_label in renamed:
            session.layer.selected_label = renamed[session.layer.selected_label]
        if session is self._checked and (step is None or renamed):
            self._forget_findings("The objects have other numbers now: check again.")

    def order_review(self) -> None:
        """Begin a review, or order the one that is going on anew."""
        if self._session is not None:
            self._start(doubting(self._session.correction))

    def _start(self, job: Job[Any]) -> None:
        if not self._job.running:
            self._begun = self._session
            self._job.start(job)

    def _check(self) -> None:
        if self._session is not None:
            index = self._session.correction.editor.ready()
            self._start(checking(index.array, index))

    def _change_whole(self, action: str) -> None:
        if self._session is not None:
            try:
                self._start(self._session.correction.whole_edit(action, self._checks.area.value()))
            except CellSegError as error:
                self.failed.emit(error)

    def _on_success(self, result: Any) -> None:
        session = self._begun
        if session is None or session.correction.editor.closed:
            return
        if isinstance(result, WholeEdit):
            self._apply_whole(session, result)
        elif not isinstance(result, list):
            self.ordered.emit((session, result))
        elif session is self._session:
            self._checked = session
            self._checks.show_findings(result)

    def _apply_whole(self, session: CorrectSession, edit: WholeEdit) -> None:
        try:
            changed = session.correction.editor.apply_whole(edit)
        except CellSegError as error:
            self.failed.emit(error)
            return
        gone = len(edit.removed) - len(edit.added)
        done = f"{gone:,} {'object' if gone == 1 else 'objects'} fewer" if gone > 0 else "done"
        self.said.emit(f"{edit.name[:1].upper()}{edit.name[1:]}: {done if changed else 'nothing changed'}.")

    def _show_finding(self, finding: Finding) -> None:
        session = self._session
        if session is not None and finding.objects[0] in session.correction.editor.index:
            correction = session.correction
            correction.select(finding.objects[0])
            jump_to_object(correction.viewer, session.layer, correction.editor.index, finding.objects[0])

    def _fix(self, findings: list[Finding]) -> None:
        if self._session is None or self._job.running:
            return
        try:
            self.said.emit(fix_findings(self._session.correction, findings))
        except CellSegError as error:
            self.failed.emit(error)
        self._checks.drop(findings)

    def _forget_findings(self, words: str) -> None:
        self._checked = None
        self._checks.forget(words)
