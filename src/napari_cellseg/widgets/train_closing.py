"""Asks before napari closes while something is trained."""

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QMainWindow, QMessageBox, QWidget

QUESTION = (
    "A model is being trained. If napari closes now, the training stops after its last epoch, which is kept: "
    "Resume in the CellSeg train dock goes on from there."
)

STOPPED = (
    "The training stopped with its dock. Its last epoch is kept: open CellSeg train again, and Resume goes "
    "on from there."
)


class ClosingGuard(QObject):
    """Watches the window that a dock is in.

    Parameters
    ----------
    dock : QWidget
        Whose window is watched.
    is_training : callable
        Whether something would be lost.
    """

    def __init__(self, dock: QWidget, is_training: Callable[[], bool]) -> None:
        super().__init__(dock)
        self._dock, self._is_training = dock, is_training
        self._window: QMainWindow | None = None

    def watch(self) -> None:
        """Watch the window that the dock is in now."""
        window = _main_window(self._dock)
        if window is not self._window:
            self.leave()
            self._window = window
            if window is not None:
                window.installEventFilter(self)
                window.destroyed.connect(self._forget)

    def leave(self) -> None:
        """Watch nothing."""
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window.destroyed.disconnect(self._forget)
            self._window = None

    def _forget(self, *_: object) -> None:
        self._window = None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask before the window closes; a program that closes its viewer is not asked."""
        closes = event.type() == QEvent.Type.Close and watched is self._window and _shows_viewer(watched)
        if closes and self._is_training() and not self.ask():
            event.ignore()
            return True
        return False

    @property
    def is_watching(self) -> bool:
        """Whether the window is there for the user, and stays."""
        return self._window is not None and self._window.isVisible()

    def ask(self) -> bool:
        """Whether napari is to be closed all the same."""
        box = QMessageBox(QMessageBox.Icon.Question, "Stop the training?", QUESTION, parent=self._window)
        stop = box.addButton("Stop and close", QMessageBox.ButtonRole.AcceptRole)
        keep = box.addButton("Keep training", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        box.exec()
        return box.clickedButton() is stop


def _shows_viewer(window: QMainWindow) -> bool:
    """Whether a window still shows what is in its middle, which a program closes first."""
    direct = Qt.FindChildOption.FindDirectChildrenOnly
    return any(inner.isVisible() for inner in window.centralWidget().findChildren(QWidget, options=direct))


def _main_window(widget: QWidget) -> QMainWindow | None:
    """The main window that a widget is in, also while its dock floats."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    return parent
