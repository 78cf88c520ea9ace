"""The tab of models: what they are, side by side; rename, delete, share as one file, add one."""

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QItemSelection, QItemSelectionModel, QSize, Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.errors import CellSegError, UntrustedFileError
from napari_cellseg.models.collection import remove_model, rename_model
from napari_cellseg.models.comparing import compare_models
from napari_cellseg.models.package import PACKAGE_SUFFIX
from napari_cellseg.models.registry import ModelEntry
from napari_cellseg.models.trust import trust_file
from napari_cellseg.viewer.train_models import adding_model, fact_rows, is_own, model_table, sharing
from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.fields import Sentence, add_row, as_tooltip, explain, new_form
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.messages import ErrorBox
from napari_cellseg.widgets.number_table import NumberTable

FILES = f"Models (*{PACKAGE_SUFFIX} *.zip *.onnx *.json *.pt);;All files (*)"
ROW = 20
"""Height of a row of the cards, pixels."""
BUNDLED = "Only models of your own can be renamed or deleted: choose one with 'added'."


class ModelsPanel(QWidget):
    """Lists the models, compares those that are selected. Signal `changed`: there are others than before."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._deleting = False
        self._untrusted: Path | None = None
        self.table = NumberTable(
            "Models", "Click one to see its card; hold Ctrl and click others to see them side by side."
        )
        self.facts = QTreeWidget()
        self.name = QLineEdit()
        self.rename = small_button("&Rename", "Give the selected model this name.")
        self.delete = small_button("&Delete", "Delete the selected models of your own. Asks once more.")
        self.share = small_button("&Share…", "Write the selected model into one file for others.")
        self.add = small_button("&Add…", "Add a model from a file, after checks.")
        self.trust = small_button(
            "&Trust this file", "Open the file now and from now on: it can run any code."
        )
        self.job, self.error, self.notes = JobPanel(step="model"), ErrorBox(), Sentence("Notes")
        self._build()
        self._connect()
        self.refresh()

    @property
    def names(self) -> list[str]:
        """The selected models."""
        rows = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        return [self._listed[row] for row in rows]

    def select(self, *names: str) -> None:
        """Select models."""
        model, wanted = self.table.model(), QItemSelection()
        for row in (row for row, name in enumerate(self._listed) if name in names):
            wanted.select(model.index(row, 0), model.index(row, model.columnCount() - 1))
        self.table.selectionModel().select(wanted, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def refresh(self) -> None:
        """List the models again, and keep the selection."""
        chosen = (
            self.names if self.table.selectionModel() is not None and self.table.model().rowCount() else []
        )
        table = model_table()
        self._listed = list(table["name"])
        self.table.show_table(table)
        self.select(*(chosen or self._listed[:1]))

    def showEvent(self, event: QShowEvent) -> None:
        """Other docks may have brought models meanwhile."""
        super().showEvent(event)
        self.refresh()

    def _build(self) -> None:
        explain(self.facts, "Cards", "What the cards of the selected models say, side by side.")
        self.facts.setRootIsDecorated(False)
        self.facts.setMinimumHeight(160)
        self.facts.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.facts.header().setStretchLastSection(True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        form = new_form()
        add_row(form, "New &name", self.name, "Letters, digits, dots, dashes and underscores.", self.rename)
        row = QHBoxLayout()
        for button in (self.share, self.delete, self.add):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(5)
        layout.addWidget(self.table)
        layout.addWidget(self.facts, 1)
        layout.addLayout(form)
        layout.addLayout(row)
        for widget in (self.job, self.error, self.trust, self.notes):
            layout.addWidget(widget)
        self.trust.setVisible(False)

    def _connect(self) -> None:
        self.table.selectionModel().selectionChanged.connect(self._on_selection)
        self.rename.clicked.connect(self._on_rename)
        self.name.returnPressed.connect(self._on_rename)
        self.delete.clicked.connect(self._on_delete)
        self.share.clicked.connect(self._on_share)
        self.add.clicked.connect(self._on_add)
        self.trust.clicked.connect(self._on_trust)
        self.job.succeeded.connect(self._on_done)
        self.job.failed.connect(self._on_failure)
        self.job.running_changed.connect(self._on_selection)

    def _on_selection(self, *_: object) -> None:
        self._deleting = False
        names, busy = self.names, self.job.running
        own = is_own(names)
        self.delete.setText("&Delete")
        self.delete.setEnabled(own and not busy)
        self.rename.setEnabled(own and len(names) == 1 and not busy)
        self.name.setEnabled(self.rename.isEnabled())
        self.share.setEnabled(len(names) == 1 and not busy)
        self.add.setEnabled(not busy)
        told = "Delete the selected models of your own. Asks once more."
        explain(self.delete, "Delete", told if own else BUNDLED)
        explain(self.rename, "Rename", "Give the selected model this name." if own else BUNDLED)
        self.name.setText(names[0] if len(names) == 1 else "")
        self._show_facts(names)

    def _show_facts(self, names: list[str]) -> None:
        self.facts.clear()
        if not names:
            return
        try:
            facts = compare_models(names)
        except CellSegError as error:
            self.error.show_error(error)
            return
        self.facts.setHeaderLabels(["", *facts.columns])
        for texts in fact_rows(facts):
            item = QTreeWidgetItem(list(texts))
            item.setSizeHint(0, QSize(0, ROW))
            for column, text in enumerate(texts):
                item.setToolTip(column, as_tooltip(f"{texts[0]}: {text}" if column else text))
            self.facts.addTopLevelItem(item)
        header = self.facts.header()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.resizeSection(0, 165 if len(names) == 1 else 120)
        for column in range(1, len(names)):
            header.resizeSection(column, max(90, 200 // len(names)))

    # -- what is done with them ---------------------------------------------------------------------------

    def _try(self, action: Callable[[], object], told: str) -> bool:
        """Do something at once; whether it was possible."""
        self._clear()
        try:
            action()
        except CellSegError as error:
            self.error.show_error(error)
            return False
        self.notes.say(told)
        self.changed.emit()
        self.refresh()
        return True

    def _on_rename(self) -> None:
        new = self.name.text().strip()
        if self.rename.isEnabled() and self.names and new != self.names[0]:
            old = self.names[0]
            if self._try(lambda: rename_model(old, new), f"✓ '{old}' is called '{new}' now."):
                self.select(new)

    def _on_delete(self) -> None:
        names = self.names
        if not self._deleting:
            self._deleting = True
            self.delete.setText("&Delete for good?")
            return
        listed = ", ".join(f"'{name}'" for name in names)
        self._try(lambda: [remove_model(name) for name in names], f"{listed} deleted.")

    def _on_share(self) -> None:
        name = self.names[0]
        path, _ = QFileDialog.getSaveFileName(
            self, "Share a model", f"{name}{PACKAGE_SUFFIX}", f"Shared models (*{PACKAGE_SUFFIX})"
        )
        if path:
            self._clear()
            self.job.start(sharing(name, Path(path)))

    def _on_add(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Add a model", "", FILES)
        if path:
            self.add_file(Path(path))

    def add_file(self, path: Path) -> None:
        """Add the model of a file."""
        self._clear()
        self.job.start(adding_model(path))

    def _on_trust(self) -> None:
        path = self._untrusted
        self._clear()
        try:
            trust_file(path)
        except CellSegError as error:
            self.error.show_error(error)
            return
        self.add_file(path)

    def _on_done(self, result: ModelEntry | Path) -> None:
        if isinstance(result, Path):
            self.notes.say(f"✓ Saved '{result}'. Whoever gets it adds it with Add…")
            return
        self.notes.say(f"✓ '{result.card.name}' is one of your models now.")
        self.changed.emit()
        self.refresh()
        self.select(result.card.name)

    def _on_failure(self, error: Exception) -> None:
        self.error.show_error(error)
        if isinstance(error, UntrustedFileError):
            self._untrusted = Path(error.path)
            self.trust.setVisible(True)

    def _clear(self) -> None:
        self.error.clear()
        self.notes.say("")
        self.trust.setVisible(False)
