"""Whether cells of two classes touch more often than by chance: a button, the pairs, a file."""

from pathlib import Path

import pandas as pd
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_cellseg.viewer.measure_images import (
    ClassContacts,
    cells_of,
    contacts_line,
    contacts_problem,
    enriching_layer,
    saving_contacts,
)
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.widgets.fields import Disclosure, Sentence, add_row, explain, new_form
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.messages import ErrorBox
from napari_cellseg.widgets.number_table import NumberTable
from napari_cellseg.widgets.save_dialog import ask_table

SHOWN = ("t", "z", "class", "other", "contacts", "expected", "ratio", "p_corrected")
"""Columns that have room in the dock."""


class ContactsBox(QWidget):
    """Compares contacts between classes with shuffled classes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._measured: MeasuredLayer | None = None
        self._found: ClassContacts | None = None
        title = QLabel("Contacts between classes")
        font = title.font()
        font.setBold(True)
        title.setFont(font)
        self.sentence = Sentence("What will be tested")
        self.button = QPushButton("Compare with &chance")
        self.shuffles, self.seed = QSpinBox(), QSpinBox()
        self.advanced = Disclosure("Ad&vanced", "How chance is drawn: rarely needed.", self._options())
        self.job = JobPanel(step="shuffle")
        self.error, self.notes = ErrorBox(), Sentence("Notes")
        self.line, self.outdated = Sentence("Result"), Sentence("Whether the result still holds")
        self.table = NumberTable("Pairs of classes", "Each pair of classes: contacts, and what is expected.")
        self.save_button = QPushButton("Save &contacts…")
        explain(self.save_button, "Save contacts", "All numbers as CSV, CSV for Excel, or Parquet.")
        row = QHBoxLayout()
        row.addWidget(self.button, 1)
        row.addWidget(self.save_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        for widget in (title, self.sentence, self.advanced):
            layout.addWidget(widget)
        layout.addLayout(row)
        for widget in (self.job, self.error, self.notes, self.line, self.outdated, self.table):
            layout.addWidget(widget)
        self._connect()
        self.show_measured(None)

    def _options(self) -> QWidget:
        options, form = QWidget(), new_form()
        options.setLayout(form)
        self.shuffles.setRange(1, 1_000_000)
        self.shuffles.setValue(1000)
        self.seed.setRange(0, 2_000_000_000)
        add_row(form, "Sh&uffles", self.shuffles, "How often the classes are dealt out. Default: 1000.")
        add_row(form, "S&eed", self.seed, "The same seed gives the same numbers. Default: 0.")
        return options

    def _connect(self) -> None:
        self.button.clicked.connect(self.start)
        self.save_button.clicked.connect(self._on_save)
        self.job.succeeded.connect(self._on_success)
        self.job.failed.connect(self.error.show_error)
        self.job.cancelled.connect(lambda: self.notes.say("Cancelled; nothing was kept."))
        self.job.running_changed.connect(lambda on: self._show())

    def show_measured(self, measured: MeasuredLayer | None) -> None:
        """Work on a measured layer; None where there is none."""
        if measured is not self._measured:
            self._found = None
            self.error.clear()
            self.notes.say("")
        self._measured = measured
        self._show()

    def start(self) -> None:
        """Shuffle the classes."""
        if self._measured is None or not self.button.isEnabled():
            return
        self.error.clear()
        self.notes.say("")
        self.job.start(
            enriching_layer(self._measured, shuffles=self.shuffles.value(), seed=self.seed.value())
        )

    def save(self, path: Path, *, excel: bool = False) -> None:
        """Write what was found."""
        if self._found is not None and not self.job.running:
            self.error.clear()
            self.job.start(saving_contacts(self._found, path, excel=excel))

    def _on_success(self, result: ClassContacts | list[Path]) -> None:
        if isinstance(result, list):
            self.notes.say(f"Saved {result[0]}; definitions in {result[1].name}.")
        elif self._measured is not None and result.request.layer is self._measured.layer:
            self._found = result
        self._show()

    def _on_save(self) -> None:
        chosen = ask_table(self, "Save the contacts", "contacts.csv")
        if chosen is not None:
            self.save(chosen[0], excel=chosen[1])

    def _show(self) -> None:
        found, problem = self._found, contacts_problem(self._measured)
        self.sentence.say(
            problem or "Do cells of two classes touch more often than if classes were shuffled?"
        )
        blocked = "A job is going on: wait for it, or cancel it." if self.job.running else problem
        self.button.setEnabled(not blocked)
        explain(
            self.button, "Compare with chance",
            blocked or "Count contacts between classes, and how many there are with shuffled classes.",
        )  # fmt: skip
        self.save_button.setEnabled(found is not None and not self.job.running)
        for widget in (self.table, self.save_button):
            widget.setVisible(found is not None)
        self.line.say("" if found is None else contacts_line(found))
        changed = found is not None and self._measured is not None
        changed = changed and not found.cells.equals(cells_of(self._measured))
        self.outdated.say("⚠ The cells have changed since: compare again." if changed else "")
        if found is not None:
            self.table.show_table(_shown(found))


def _shown(found: ClassContacts) -> pd.DataFrame:
    """The columns that have room, with the corrected p as p."""
    pairs, meanings = found.pairs, found.pairs.attrs["definitions"]
    shown = pairs[[name for name in SHOWN if name in pairs]].rename(columns={"p_corrected": "p"})
    shown.attrs["definitions"] = {**meanings, "p": meanings["p_corrected"]}
    return shown
