"""Trainings of earlier: go on, compare and decide, or delete."""

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.viewer.train_runs import TrainingRun
from napari_cellseg.widgets.fields import NarrowCombo, Sentence, explain


class RunsBox(QWidget):
    """Offers trainings that wait. Signals, each with a `TrainingRun`: `resumed`, `compared`, `deleted`."""

    resumed = Signal(object)
    compared = Signal(object)
    deleted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: Sequence[TrainingRun] = ()
        self._asked = False
        self.choice, self.sentence = NarrowCombo(), Sentence("A training of earlier")
        self.go_on, self.delete = QPushButton("&Resume"), QPushButton("&Delete")
        explain(
            self.choice, "Earlier trainings", "Trainings that were interrupted, or wait for your decision."
        )
        row = QHBoxLayout()
        row.addWidget(self.go_on, 1)
        row.addWidget(self.delete)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for widget in (self.choice, self.sentence):
            layout.addWidget(widget)
        layout.addLayout(row)
        self.choice.currentIndexChanged.connect(self._show)
        self.go_on.clicked.connect(self._on_go_on)
        self.delete.clicked.connect(self._on_delete)
        self.setVisible(False)

    @property
    def run(self) -> TrainingRun | None:
        """What is offered."""
        return self.choice.currentData()

    def show_runs(self, runs: Sequence[TrainingRun]) -> None:
        """Offer these."""
        chosen = self.run.name if self.run is not None else ""
        keep = next((run for run in runs if run.name == chosen), None)
        self.choice.fill([(run.name, run) for run in runs], keep=keep)
        self.choice.setVisible(len(runs) > 1)
        self.setVisible(bool(runs))
        self._show()

    def _show(self, *_: object) -> None:
        self._asked = False
        self.delete.setText("&Delete")
        run = self.run
        if run is None:
            return
        self.sentence.say(run.words)
        title = "&Compare" if run.is_done else "&Resume"
        told = "Compare it with the old model, and decide." if run.is_done else "Go on from its last epoch."
        self.go_on.setText(title)
        explain(self.go_on, title, told)
        explain(self.delete, "Delete", "Delete this training with its checkpoints. Asks once more.")

    def _on_go_on(self) -> None:
        if self.run is not None:
            (self.compared if self.run.is_done else self.resumed).emit(self.run)

    def _on_delete(self) -> None:
        if self._asked and self.run is not None:
            self.deleted.emit(self.run)
            return
        self._asked = True
        self.delete.setText("&Delete for good?")
