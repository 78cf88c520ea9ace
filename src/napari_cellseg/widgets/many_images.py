"""Many images: a folder or files, each segmented on its own, with what became of it."""

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.batch import BatchSummary, FileResult, find_images, segmenting_files
from napari_cellseg.errors import CellSegError
from napari_cellseg.events import Progress
from napari_cellseg.viewer.choices import SegmentChoices
from napari_cellseg.widgets.fields import NarrowCombo, Sentence, add_row, explain, new_form, primary_button
from napari_cellseg.widgets.image_dialogs import ask_image_files, ask_image_folder
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.messages import ErrorBox

MARKS = {"done": "✓ done", "skipped": "= was done", "failed": "✗ failed"}
FORMATS = [("TIFF", "tif"), ("PNG, one plane", "png"), ("NumPy", "npy")]


class ManyImages(QWidget):
    """Runs the model of the other tab over files.

    Parameters
    ----------
    choices : callable
        What the other tab says.
    """

    def __init__(self, choices: Callable[[], SegmentChoices], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choices = choices
        self.paths: list[Path] = []
        self.source = QLineEdit()
        self.target = QLineEdit()
        self.format = NarrowCombo()
        self.link = QCheckBox("&Link planes of z stacks into 3-D objects")
        self.overwrite = QCheckBox("&Do finished files again")
        self.sentence = Sentence("What will happen")
        self.button = primary_button("Segment &all")
        self.job = JobPanel()
        self.error = ErrorBox()
        self.files = QTreeWidget()
        self.summary = Sentence("Summary")
        self._build()
        self._connect()
        self.update_sentence()

    def use_paths(self, paths: list[Path]) -> None:
        """Work on these files and folders."""
        self.paths = paths
        names = ", ".join(path.name for path in paths)
        self.source.setText(str(paths[0]) if len(paths) == 1 else names)
        if paths and not self.target.text():
            folder = paths[0] if paths[0].is_dir() and paths[0].suffix != ".zarr" else paths[0].parent
            self.target.setText(str(folder / "cellseg"))
        self.update_sentence()

    def update_sentence(self) -> None:
        """Say what the button will do, or why it can't."""
        problem, text = "", ""
        try:
            files = find_images(self.paths) if self.paths else []
            problem = self._problem(files)
            text = f"{len(files):,} {'image' if len(files) == 1 else 'images'}, {self._settings()}"
        except CellSegError as error:
            problem = str(error)
        self.button.setEnabled(not problem)
        explain(self.button, "Segment all", problem or "Segment the files and write their labels and tables.")
        self.sentence.say("" if self.job.running else f"⚠ {problem}" if problem else text)

    def start(self) -> None:
        """Segment the files."""
        self.update_sentence()
        if not self.button.isEnabled():
            return
        self.error.clear()
        self.summary.say("")
        self.files.clear()
        choices = self._choices()
        by_file = choices.size_by != "micrometres"
        self.job.start(
            segmenting_files(
                self.paths, self.target.text(), format=self.format.currentData(),
                overwrite=self.overwrite.isChecked(), model=choices.model, axes=choices.axes,
                channel=choices.channel, link="z" if self.link.isChecked() else None,
                pixel_size=None if by_file else choices.pixel_size, diameter=choices.diameter(),
                confidence=choices.confidence, tile=choices.tile, device=choices.device,
            )
        )  # fmt: skip
        self.update_sentence()

    def _problem(self, files: list[Path]) -> str:
        if self.job.running:
            return "A run is going on: wait for it, or cancel it."
        if not self.paths:
            return "Choose a folder or files first."
        if not files:
            return "There are no images that can be read."
        if not self.target.text():
            return "Choose a folder for the results."
        self._choices().diameter()
        return ""

    def _settings(self) -> str:
        choices = self._choices()
        size = {"default": "", "auto": ", size measured", "pixels": f", {choices.size:g} px"}
        channel = "" if choices.channel is None else f", channel {choices.channel}"
        axes = "" if choices.axes is None else f", axes {choices.axes}"
        return (
            f"with the settings of the first tab: model {Path(choices.model).name}, confidence "
            f"{choices.confidence:.2f}{size.get(choices.size_by, f', {choices.size:g} µm')}{channel}{axes}."
        )

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        form = new_form()
        layout.addLayout(form)
        self.source.setReadOnly(True)
        self.source.setPlaceholderText("none chosen")
        self.target.setPlaceholderText("none chosen")
        self.format.fill(FORMATS)
        self._add_source(form)
        self.choose_target = QPushButton("…")
        explain(self.choose_target, "Choose the folder for results", "Choose the folder for results.")
        add_row(
            form, "&Results", self.target,
            "Folder for labels, tables and provenance; made if missing. Default: 'cellseg' beside them.",
            self.choose_target,
        )  # fmt: skip
        add_row(
            form, "Fo&rmat", self.format,
            "Of the label images. Default: TIFF, which keeps axes and pixel size. PNG holds one plane only.",
        )  # fmt: skip
        explain(
            self.link, "Link planes of z stacks",
            "Objects that overlap in neighbouring z planes become one. All files must be z stacks. "
            "Default: off.",
        )  # fmt: skip
        explain(
            self.overwrite, "Do finished files again",
            "Files that were segmented with the same model and settings are skipped otherwise. Default: off.",
        )  # fmt: skip
        self._set_up_files()
        for widget in (
            self.link, self.overwrite, self.sentence, self.button, self.job, self.error, self.summary,
            self.files,
        ):  # fmt: skip
            layout.addWidget(widget)
        layout.setStretchFactor(self.files, 1)

    def _set_up_files(self) -> None:
        self.files.setHeaderLabels(["File", "Result", "Cells"])
        self.files.setRootIsDecorated(False)
        self.files.setAccessibleName("What became of each file")
        self.files.setMinimumHeight(120)
        self.files.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.files.header().setStretchLastSection(False)

    def _add_source(self, form: object) -> None:
        self.choose_folder = QPushButton("Fol&der…")
        self.choose_files = QPushButton("&Files…")
        explain(self.choose_folder, "Choose a folder", "All images in a folder, not in its subfolders.")
        explain(self.choose_files, "Choose files", "One or several image files.")
        buttons = QWidget()
        row = QHBoxLayout(buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.choose_folder)
        row.addWidget(self.choose_files)
        add_row(form, "&Images", self.source, "The images to segment: a folder, or files.")
        form.addRow("", buttons)

    def _connect(self) -> None:
        self.choose_folder.clicked.connect(self._on_folder)
        self.choose_files.clicked.connect(self._on_files)
        self.choose_target.clicked.connect(self._on_target)
        self.target.textChanged.connect(self.update_sentence)
        self.button.clicked.connect(self.start)
        self.job.progressed.connect(self._on_progress)
        self.job.succeeded.connect(self._on_success)
        self.job.failed.connect(self._on_failure)
        self.job.cancelled.connect(self._on_cancelled)

    def _on_folder(self) -> None:
        if paths := ask_image_folder(self):
            self.use_paths(paths)

    def _on_files(self) -> None:
        if paths := ask_image_files(self):
            self.use_paths(paths)

    def _on_target(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for results", self.target.text())
        if folder:
            self.target.setText(folder)

    def _on_progress(self, progress: Progress) -> None:
        result = progress.payload
        if not isinstance(result, FileResult):
            return
        counted = "" if result.status == "failed" else f"{result.objects:,}"
        item = QTreeWidgetItem([result.path.name, MARKS[result.status], counted])
        item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight)
        told = result.reason or "\n".join(result.warnings)
        for column in range(3):
            item.setToolTip(column, told or str(result.path))
        self.files.addTopLevelItem(item)
        self.files.scrollToItem(item)

    def _on_success(self, summary: BatchSummary) -> None:
        self.summary.say(summary.text)
        self.update_sentence()

    def _on_failure(self, error: Exception) -> None:
        self.error.show_error(error)
        self.update_sentence()

    def _on_cancelled(self) -> None:
        done = self.files.topLevelItemCount()
        self.summary.say(f"Cancelled after {done:,} {'file' if done == 1 else 'files'}; their results stay.")
        self.update_sentence()
