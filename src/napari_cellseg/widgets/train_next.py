"""The tab of the images to correct next: rank a folder, open the first ones."""

from pathlib import Path

import pandas as pd
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.errors import CellSegError
from napari_cellseg.models.registry import list_models
from napari_cellseg.viewer.dataset_rows import counted
from napari_cellseg.viewer.recent_datasets import recent_datasets
from napari_cellseg.viewer.train_next import (
    NextImage,
    next_images,
    open_next,
    ranking_images,
    saving_ranking,
)
from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.fields import (
    NarrowCombo,
    Sentence,
    add_row,
    as_tooltip,
    explain,
    new_form,
    primary_button,
)
from napari_cellseg.widgets.image_dialogs import ask_image_files, ask_image_folder
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.messages import ErrorBox


class NextPanel(QWidget):
    """Ranks images that nobody has corrected yet."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.paths: list[Path] = []
        self._table: pd.DataFrame | None = None
        self.source = QLineEdit()
        self.folder = small_button("Fol&der…", "All images in a folder, not in its subfolders.")
        self.files = small_button("&Files…", "One or several image files.")
        self.model, self.data = NarrowCombo(), NarrowCombo()
        self.button = primary_button("&Rank the images")
        self.job, self.error = JobPanel(step="image"), ErrorBox()
        explain(self.job.cancel_button, "Cancel", "Stop after the current image; nothing is kept.")
        self.sentence = Sentence("What was found")
        self.list = QListWidget()
        self.open = small_button("&Open the image", "Show the chosen image, to segment and correct it.")
        self.save = small_button("&Save list…", "Write all images with their scores and reasons as CSV.")
        self._build()
        self._connect()
        self.refresh()

    def use_paths(self, paths: list[Path]) -> None:
        """Rank these files and folders."""
        self.paths = paths
        self.source.setText(str(paths[0]) if len(paths) == 1 else ", ".join(path.name for path in paths))
        self._show_button()

    def refresh(self) -> None:
        """List models and datasets again, and keep the choices."""
        names = [entry.card.name for entry in list_models()]
        self.model.fill([(name, name) for name in names], keep=self.model.currentData())
        folders = [(Path(folder).name, folder) for folder in recent_datasets()]
        keep = self.data.currentData() if self.data.count() else (folders[0][1] if folders else None)
        self.data.fill([*folders, ("none", None)], keep=keep)

    def showEvent(self, event: QShowEvent) -> None:
        """Other docks may have brought models and datasets meanwhile."""
        super().showEvent(event)
        self.refresh()

    def start(self) -> None:
        """Rank the images."""
        if self.job.running or not self.paths:
            return
        self.error.clear()
        self.sentence.say("")
        dataset = self.data.currentData()
        model = self.model.currentData()
        self.job.start(ranking_images(self.paths, model, Path(dataset) if dataset else None))

    def _build(self) -> None:
        self.source.setReadOnly(True)
        self.source.setPlaceholderText("none chosen")
        form = new_form()
        add_row(
            form, "&Images", self.source, "Images that nobody has corrected yet.", self.folder, self.files
        )  # fmt: skip
        add_row(form, "&Model", self.model, "The model that is to get better: nuclei, or one you trained.")
        add_row(
            form, "Data&set", self.data,
            "What was corrected so far: images unlike it come first, those that it has last.",
        )  # fmt: skip
        explain(
            self.list, "Images, the one to correct next first",
            "Double-click an image, or press Enter, to open it. The number is from 0 (learns little) to 1.",
        )  # fmt: skip
        self.list.setMinimumHeight(180)
        self.list.setWordWrap(True)
        self.list.setSpacing(3)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(5)
        layout.addLayout(form)
        for widget in (self.button, self.job, self.error, self.sentence):
            layout.addWidget(widget)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.open)
        layout.addWidget(self.save)
        self._show_button()
        self._show_rows(None)

    def _connect(self) -> None:
        self.folder.clicked.connect(self._on_folder)
        self.files.clicked.connect(self._on_files)
        self.button.clicked.connect(self.start)
        self.list.itemActivated.connect(self._open_item)
        self.list.currentItemChanged.connect(lambda item: self.open.setEnabled(item is not None))
        self.open.clicked.connect(lambda: self._open_item(self.list.currentItem()))
        self.save.clicked.connect(self._on_save)
        self.job.succeeded.connect(self._on_done)
        self.job.failed.connect(self.error.show_error)
        self.job.cancelled.connect(lambda: self.sentence.say("Cancelled; nothing was ranked."))
        self.job.running_changed.connect(self._show_button)

    def _show_button(self, *_: object) -> None:
        problem = "Choose a folder or files first." if not self.paths else ""
        problem = "Wait until the images are ranked, or cancel." if self.job.running else problem
        self.button.setEnabled(not problem)
        told = "Segment the images, and list first those in which the model is probably wrong."
        explain(self.button, "Rank the images", problem or told)

    def _show_rows(self, table: pd.DataFrame | None) -> None:
        self._table = table
        self.list.clear()
        for place, image in enumerate([] if table is None else next_images(table), 1):
            item = QListWidgetItem(f"{place}. {image.path.name} · {image.words}\n{image.reasons}")
            item.setData(Qt.ItemDataRole.UserRole, image)
            item.setToolTip(as_tooltip(str(image.path)))
            self.list.addItem(item)
        for widget in (self.list, self.open, self.save):
            widget.setVisible(table is not None)
        self.open.setEnabled(False)

    def _on_done(self, result: pd.DataFrame | Path) -> None:
        if isinstance(result, Path):
            self.sentence.say(f"Saved '{result}'.")
            return
        self._show_rows(result)
        wrong = int(result["wrong"].fillna(0).sum())
        self.sentence.say(
            f"{counted(len(result), 'image')}, about {counted(wrong, 'object')} probably wrong. Correct the "
            "first ones and add them to the dataset."
        )

    def _open_item(self, item: QListWidgetItem | None) -> None:
        if item is None:
            return
        image: NextImage = item.data(Qt.ItemDataRole.UserRole)
        self.error.clear()
        try:
            open_next(self._viewer, image)
        except CellSegError as error:
            self.error.show_error(error)

    def _on_folder(self) -> None:
        if paths := ask_image_folder(self):
            self.use_paths(paths)

    def _on_files(self) -> None:
        if paths := ask_image_files(self):
            self.use_paths(paths)

    def _on_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the list", "next_images.csv", "CSV (*.csv)")
        if path and self._table is not None and not self.job.running:
            self.job.start(saving_ranking(self._table, Path(path)))
