"""The tab that imports annotated images of other programs, and exports for them."""

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QGroupBox, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.datasets.archives import is_archive
from napari_cellseg.datasets.exporting import Exported
from napari_cellseg.datasets.formats.registry import find_format, list_formats, recognise_format
from napari_cellseg.datasets.importing import OWN, Imported
from napari_cellseg.datasets.loss import LossReport
from napari_cellseg.datasets.sample import SPLITS
from napari_cellseg.datasets.store import is_dataset
from napari_cellseg.viewer.dataset_rows import counted
from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.dataset_answers import LastAnswer
from napari_cellseg.widgets.fields import (
    Disclosure,
    NarrowCombo,
    Sentence,
    add_row,
    explain,
    new_form,
    primary_button,
)

MOST_NOTES = 6
"""Notes of an import that are shown."""
FILES = "Annotations (*.json *.geojson *.csv *.zip *.yaml *.yml *.roi);;All files (*)"


class ImportBox(QGroupBox):
    """Chooses what is imported.

    Signals: `asked` (path, format, folder of images, group pattern, of which those but the path may be None),
    and `recognised` (it is said what was chosen).
    """

    asked = Signal(object, object, object, object)
    recognised = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Import", parent)
        self._path: Path | None = None
        self._problem = ""
        self._why = "Open or make a dataset first."
        self.source, self.images, self.group = QLineEdit(), QLineEdit(), QLineEdit()
        self.choose_folder = small_button("Folder…", "A folder of annotated images, of any known format.")
        self.choose_file = small_button("File…", "A file of annotations: COCO, GeoJSON, run lengths, a zip.")
        self.choose_images = QPushButton("…")
        self.format = NarrowCombo()
        self.sentence = Sentence("What will be imported")
        self.notes = Sentence("What became of the import")
        self.button = primary_button("&Import")
        self._look = LastAnswer(import_words, self)
        self._look.told.connect(self._on_recognised)
        self._build()
        self.choose_folder.clicked.connect(self._on_folder)
        self.choose_file.clicked.connect(self._on_file)
        self.choose_images.clicked.connect(self._on_images)
        self.format.currentIndexChanged.connect(self._recognise)
        self.button.clicked.connect(self._on_import)
        self._show()

    def choose(self, path: Path) -> None:
        """Import this file or folder; its format is recognised."""
        self._path = path
        self.source.setText(str(path))
        self.source.setToolTip(str(path))
        self.notes.say("")
        self._recognise()

    def set_ready(self, ready: bool, why: str) -> None:
        """Whether an import can begin, and why not."""
        self._why = "" if ready else why
        self._show()

    def show_result(self, result: Imported) -> None:
        """Say what was imported."""
        updated = sum(added.updated for added in result.added)
        title = "another dataset" if result.format == OWN else find_format(result.format).title
        lines = [
            f"✓ {counted(len(result.added), 'image')} imported from {title}, {updated:,} of them updated."
        ]
        told = dict.fromkeys([*result.notes, *(note for added in result.added for note in added.notes)])
        lines += [f"· {note}" for note in list(told)[:MOST_NOTES]]
        lines += [f"· … and {len(told) - MOST_NOTES:,} more notes."] if len(told) > MOST_NOTES else []
        self.notes.say("\n".join(lines))

    def _build(self) -> None:
        self.source.setReadOnly(True)
        self.source.setPlaceholderText("none chosen")
        self.images.setPlaceholderText("beside the annotations")
        self.group.setPlaceholderText("each image alone")
        self.format.fill([("Recognise it", None), *[(f.title, f.name) for f in list_formats()]])
        explain(self.choose_images, "Folder of the images", "Choose the folder that the images are in.")
        form, options = new_form(), new_form()
        add_row(
            form, "&From", self.source, "What is imported: a folder, or a file.",
            self.choose_folder, self.choose_file,
        )  # fmt: skip
        add_row(
            options, "F&ormat", self.format, "What the annotations are. Default: recognised by its content."
        )
        add_row(
            options, "Ima&ges in", self.images,
            "Folder with the images, where they are not beside the annotations. Default: found by itself.",
            self.choose_images,
        )  # fmt: skip
        add_row(
            options, "&Group by", self.group,
            "Regular expression for the part of a name that images of one plate, well or patient share, "
            "for example ^[A-H]\\d+. Groups stay in one split. Default: none.",
        )  # fmt: skip
        advanced = QWidget()
        advanced.setLayout(options)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(form)
        layout.addWidget(
            Disclosure("Format, images, groups", "Rarely needed: all is found by itself.", advanced)
        )
        for widget in (self.sentence, self.button, self.notes):
            layout.addWidget(widget)

    def _recognise(self, *_: object) -> None:
        """Look at what was chosen, in a thread: a large folder takes a while."""
        self._problem = ""
        if self._path is not None:
            self.sentence.say(f"Looking what '{self._path.name}' is…")
            self._look.ask(self._path, self.format.currentData())
        self._show()

    def _on_recognised(self, asked: tuple[Path, str | None], words: str | Exception) -> None:
        self._problem = str(words) if isinstance(words, Exception) else ""
        self.sentence.say(f"⚠ {words}" if self._problem else words)
        self._show()
        self.recognised.emit()

    def _show(self) -> None:
        why = self._why or self._problem
        if not why and self._path is None:
            why = "Choose a folder or a file first."
        if not why and self._look.waiting:
            why = "Wait a moment: its format is being recognised."
        self.button.setEnabled(not why)
        explain(self.button, "Import", why or "Add the images to the dataset: all of them, or none.")

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder with annotated images")
        if folder:
            self.choose(Path(folder))

    def _on_file(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "File with annotations", "", FILES)
        if file:
            self.choose(Path(file))

    def _on_images(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder with the images")
        if folder:
            self.images.setText(folder)

    def _on_import(self) -> None:
        images, group = self.images.text().strip(), self.group.text().strip()
        path = Path(images) if images else None
        self.asked.emit(self._path, self.format.currentData(), path, group or None)


class ExportBox(QGroupBox):
    """Chooses what is exported. Signals: `loss_asked` (format, split) and `asked` (format, folder, split)."""

    loss_asked = Signal(str, object)
    asked = Signal(str, object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Export", parent)
        self._why = "Open or make a dataset first."
        self._told: tuple[str, str | None] | None = None
        self.format, self.split = NarrowCombo(), NarrowCombo()
        self.sentence = Sentence("What will be written")
        self.loss = Sentence("What is lost")
        self.button = primary_button("&Export…")
        self.notes = Sentence("What was exported")
        self._build()
        self.format.currentIndexChanged.connect(self._show)
        self.split.currentIndexChanged.connect(self._show)
        self.button.clicked.connect(self._on_export)
        self._show()

    def set_ready(self, ready: bool, why: str) -> None:
        """Whether an export can begin, and why not."""
        self._why = "" if ready else why
        self._show()

    def forget_loss(self) -> None:
        """What was measured may have changed since."""
        self._told = None
        self._show()

    def show_loss(self, report: LossReport, split: str | None) -> None:
        """Say what a format loses, before anything is written; the next click writes."""
        self._told = (report.format, split)
        self._show()
        self.loss.say(("✓ " if report.is_exact else "⚠ ") + loss_words(report))

    def show_result(self, result: Exported) -> None:
        """Say what was exported."""
        words = f"{counted(result.images, 'image')} with {counted(result.objects, 'object')}"
        self.notes.say(f"✓ {words} written to '{result.folder}'.")

    def _build(self) -> None:
        self.format.fill([(f.title, f.name) for f in list_formats()], keep="coco")
        self.split.fill([("All splits", None), *[(split, split) for split in SPLITS]])
        form = new_form()
        add_row(form, "Forma&t", self.format, "What the other program reads. Default: COCO.")
        add_row(form, "&Split", self.split, "Which images are exported. Default: all.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(form)
        for widget in (self.sentence, self.loss, self.button, self.notes):
            layout.addWidget(widget)

    def _chosen(self) -> tuple[str, str | None]:
        return self.format.currentData(), self.split.currentData()

    def _show(self, *_: object) -> None:
        name, split = self._chosen()
        if name is None:
            return
        found = find_format(name)
        told = found.lossless or self._told == (name, split)
        lost = " Nothing is lost" + ("." if found.keeps_pixel_size else " but the pixel size.")
        self.sentence.say(f"{found.description}{lost if found.lossless else ''}")
        if not told or found.lossless:
            self.loss.say("")
        self.button.setText("&Export…" if told else "What would be &lost?")
        self.button.setEnabled(not self._why)
        explain(
            self.button, self.button.text(),
            self._why
            or ("Write them to a new folder." if told else "Measure first what this format cannot hold."),
        )  # fmt: skip

    def _on_export(self) -> None:
        name, split = self._chosen()
        self.notes.say("")
        if not find_format(name).lossless and self._told != (name, split):
            self.loss_asked.emit(name, split)
            return
        folder, _ = QFileDialog.getSaveFileName(self, "New folder for the export", f"{name}_export")
        if folder:
            self.asked.emit(name, Path(folder), split)


class FilesPanel(QWidget):
    """Import above export."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.imports, self.exports = ImportBox(), ExportBox()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.imports)
        layout.addWidget(self.exports)
        layout.addStretch(1)

    def set_ready(self, ready: bool, why: str, images: Sequence[object]) -> None:
        """Whether something can begin, and why not; an empty dataset can only be imported to."""
        self.imports.set_ready(ready, why)
        has_images = ready and bool(images)
        self.exports.set_ready(has_images, why or "" if has_images else why or "There are no images yet.")


def import_words(path: Path, name: str | None) -> str:
    """What a file or folder is taken for."""
    if name is None and is_dataset(path):
        return "Recognised: another dataset, of which everything is copied. To work on it, press Open… above."
    if is_archive(path):
        return "An archive: it is unpacked first, then its format is recognised."
    found = recognise_format(path) if name is None else find_format(name)
    return f"{'Recognised' if name is None else 'Chosen'}: {found.title}."


def loss_words(report: LossReport) -> str:
    """The loss in words, with the images that lose most."""
    worst = report.per_image().sort_values("worst").head(3) if len(report.rows) else None
    if worst is None:
        return report.words()
    named = ", ".join(f"{row.image} ({row.worst:.2f})" for row in worst.itertuples())
    return f"{report.words()} Most in {named}."
