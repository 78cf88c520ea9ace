"""Which dataset is open, and the buttons that open or make one."""

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLineEdit, QVBoxLayout, QWidget

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.viewer.dataset_rows import DatasetRow, summary
from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.fields import Sentence, add_row, new_form


class DatasetHeader(QWidget):
    """Signals `open_asked` and `create_asked` (Path)."""

    open_asked = Signal(object)
    create_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.folder = QLineEdit()
        self.folder.setReadOnly(True)
        self.folder.setPlaceholderText("none open")
        self.open = small_button("Open…", "Open a dataset: a folder with 'dataset.json'.")
        self.create = small_button("New…", "Make a dataset in a new or empty folder.")
        self.about = Sentence("What is in the dataset")
        form = new_form()
        add_row(
            form, "&Dataset", self.folder,
            "Folder of corrected images, which YOLO, Cellpose, StarDist and this plugin train from.",
            self.open, self.create,
        )  # fmt: skip
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.about)
        self.open.clicked.connect(self._on_open)
        self.create.clicked.connect(self._on_create)
        self.show_dataset(None, ())

    def show_dataset(self, dataset: Dataset | None, rows: tuple[DatasetRow, ...] | list[DatasetRow]) -> None:
        """Show what is open."""
        if dataset is None:
            self.about.say("Open a dataset, or make one: it collects what you correct, to train from.")
            return
        self.folder.setText(dataset.folder.name or str(dataset.folder))
        self.folder.setToolTip(str(dataset.folder))
        broken = len(dataset.broken)
        told = f" ⚠ {broken:,} cannot be read: see Check." if broken else ""
        self.about.say(f"{summary(rows)}{told}")

    def set_busy(self, busy: bool) -> None:
        """Whether a job is going on, during which no other dataset can be opened."""
        self.open.setEnabled(not busy)
        self.create.setEnabled(not busy)

    def _on_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a dataset")
        if folder:
            self.open_asked.emit(Path(folder))

    def _on_create(self) -> None:
        folder = QFileDialog.getSaveFileName(self, "New dataset: name its folder", "dataset")[0]
        if folder:
            self.create_asked.emit(Path(folder))
