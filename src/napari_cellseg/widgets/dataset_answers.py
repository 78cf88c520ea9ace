"""Answers that take a while, found in a thread: only the last question counts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal
from superqt.utils import FunctionWorker


@dataclass(frozen=True, eq=False)
class _Question:
    arguments: tuple[Any, ...]


class LastAnswer(QObject):
    """Answers one question at a time. Signal `told` (arguments of the question, answer or Exception).

    Parameters
    ----------
    answer : callable
        Answers; called in the thread.
    """

    told = Signal(object, object)

    def __init__(self, answer: Callable[..., Any], parent: QObject) -> None:
        super().__init__(parent)
        self._answer = answer
        self._asked: _Question | None = None
        self._worker: FunctionWorker | None = None

    @property
    def waiting(self) -> bool:
        """Whether there is a question without an answer."""
        return self._asked is not None

    def ask(self, *arguments: Any) -> None:
        """Answer this; questions that still wait for their answer are forgotten."""
        self._asked = _Question(arguments)
        self._begin()

    def forget(self) -> None:
        """Tell of nothing that was asked before."""
        self._asked = None

    def _begin(self) -> None:
        if self._worker is None and self._asked is not None:
            self._worker = create_worker(
                _answering, self._answer, self._asked, _worker_class=FunctionWorker, _ignore_errors=True
            )
            self._worker.returned.connect(self._on_answered)
            self._worker.start()

    def _on_answered(self, answered: tuple[_Question, Any]) -> None:
        self._worker = None
        question, answer = answered
        if question is self._asked:
            self._asked = None
            self.told.emit(question.arguments, answer)
        else:
            self._begin()


def _answering(answer: Callable[..., Any], question: _Question) -> tuple[_Question, Any]:
    """An error is an answer, because superqt takes a RuntimeError for a deleted worker."""
    try:
        return question, answer(*question.arguments)
    except Exception as error:
        return question, error
