"""All of the Dataset dock: which dataset, its images, what is added, classes, checks, import and export."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_cellseg.datasets.exporting import Exported
from napari_cellseg.datasets.finding import Finding
from napari_cellseg.datasets.importing import Imported
from napari_cellseg.datasets.intake import Added
from napari_cellseg.datasets.loss import LossReport
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import CellSegError
from napari_cellseg.viewer.dataset_adding import AddRequest, adding
from napari_cellseg.viewer.dataset_classes import ClassColours, checked_name
from napari_cellseg.viewer.dataset_jobs import Loaded, calling, loading, thumbnail_of, updating
from napari_cellseg.viewer.dataset_layers import (
    find_opened,
    note_written,
    open_sample,
    opened_from,
    show_object,
)
from napari_cellseg.viewer.dataset_rows import counted
from napari_cellseg.viewer.journaling import journaling_of
from napari_cellseg.viewer.recent_datasets import remember_dataset
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.dataset_add import AddPanel
from napari_cellseg.widgets.dataset_checks import DatasetChecks
from napari_cellseg.widgets.dataset_classes import ClassesPanel
from napari_cellseg.widgets.dataset_files import FilesPanel
from napari_cellseg.widgets.dataset_grid import DatasetModel
from napari_cellseg.widgets.dataset_header import DatasetHeader
from napari_cellseg.widgets.dataset_images import ImagesPanel
from napari_cellseg.widgets.dataset_opened import OpenedBox
from napari_cellseg.widgets.dataset_splits import SplitsBox
from napari_cellseg.widgets.dataset_work import DatasetWork
from napari_cellseg.widgets.dock import scrolling
from napari_cellseg.widgets.fields import Sentence, explain, later_of
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.messages import ErrorBox

NO_DATASET = "Open a dataset, or make a new one, first."
BUSY = "Wait until the job below is done, or cancel it."


class DatasetPanel(QWidget):
    """The dock's content."""

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.job = JobPanel(step="image")
        explain(self.job.cancel_button, "Cancel", "Stop after the current image. Nothing is changed then.")
        self.work = DatasetWork(self.job, self)
        self.model = DatasetModel(thumbnail_of, self)
        self.header = DatasetHeader()
        self.opened = OpenedBox(viewer, connections)
        self.images, self.adding = ImagesPanel(self.model), AddPanel(viewer, connections)
        self.classes, self.checks, self.files = ClassesPanel(), DatasetChecks(), FilesPanel()
        self.splits = SplitsBox()
        self._colours: ClassColours | None = None
        self.error, self.notes = ErrorBox(), Sentence("Notes")
        self._build()
        self._connect()
        self._show()

    def _build(self) -> None:
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName("Images, add, classes, check, import and export")
        self.tabs.setUsesScrollButtons(False)
        settings = QWidget()
        inner = QVBoxLayout(settings)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.classes, 1)
        inner.addWidget(self.splits)
        for widget, title in (
            (self.images, "Images"),
            (scrolling(self.adding), "Add"),
            (scrolling(settings), "Classes"),
            (self.checks, "Check"),
            (scrolling(self.files), "Files"),
        ):
            self.tabs.addTab(widget, title)
        self.tabs.setTabToolTip(2, "Classes and splits")
        self.tabs.setTabToolTip(4, "Import from other programs, export for them")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(5)
        layout.addWidget(self.header)
        layout.addWidget(self.opened)
        layout.addWidget(self.tabs, 1)
        for widget in (self.job, self.error, self.notes):
            layout.addWidget(widget)

    def _connect(self) -> None:
        work = self.work
        self.header.open_asked.connect(self.open)
        self.header.create_asked.connect(self.create)
        self.opened.update_asked.connect(self._update)
        self.images.open_asked.connect(self.open_image)
        self.images.removal_asked.connect(self._remove)
        self.images.move_asked.connect(self._move)
        self.adding.asked.connect(self._add)
        self.classes.renamed.connect(self._rename_class)
        self.classes.merged.connect(self._merge_class)
        self.classes.added.connect(self._add_class)
        self.classes.colours_toggled.connect(self._show_colours)
        self.opened.followed.connect(self._show_colours)
        self.splits.asked.connect(self._split_anew)
        self.checks.asked.connect(self._check)
        self.checks.opened.connect(self._open_finding)
        self.files.imports.asked.connect(self._import)
        self.files.exports.loss_asked.connect(self._measure_loss)
        self.files.exports.asked.connect(self._export)
        work.listed.connect(self._show)
        work.switched.connect(self._on_switched)
        work.busy_changed.connect(self._show_busy)
        work.began.connect(self._on_began)
        work.said.connect(self.notes.say)
        work.failed.connect(self.error.show_error)

    # -- which dataset ------------------------------------------------------------------------------------

    def open(self, folder: str | Path) -> None:
        """Open a dataset."""
        self.work.open(folder)

    def create(self, folder: str | Path) -> None:
        """Make a dataset with the classes of the labels that are chosen in *Add*; open it if it is one."""
        self.work.create(folder, self.adding.class_names() or ("cell",))

    def _on_switched(self) -> None:
        self.checks.forget()
        self.opened.show_dataset(self.work.dataset)
        self.tabs.setCurrentIndex(0 if self.work.rows else 1)
        try:
            remember_dataset(self.work.dataset.folder)
        except CellSegError as error:
            self.error.show_error(error)

    def _show(self) -> None:
        dataset, rows = self.work.dataset, self.work.rows
        self.header.show_dataset(dataset, rows)
        self.images.show_rows(rows)
        if dataset is not None:
            self.splits.show_fractions(dataset.settings.fractions)
        self.classes.show_classes(dataset.classes if dataset is not None else (), rows)
        self._show_colours()
        self.adding.show_dataset(dataset, rows)
        self.files.exports.forget_loss()
        self._show_busy()

    def _show_busy(self, *_: object) -> None:
        busy, ready = self.work.busy, self.work.dataset is not None and not self.work.busy
        why = BUSY if busy else "" if ready else NO_DATASET
        self.header.set_busy(busy)
        self.opened.set_busy(busy)
        self.images.set_busy(busy)
        self.adding.set_ready(why)
        self.classes.setEnabled(ready)
        self.splits.setEnabled(ready)
        self.checks.set_ready(
            ready and bool(self.work.rows), why or ("" if self.work.rows else "No images yet.")
        )
        self.files.set_ready(ready, why, self.work.rows)

    def _on_began(self) -> None:
        self.error.clear()
        self.notes.say("")

    # -- images -------------------------------------------------------------------------------------------

    def open_image(self, name: str, objects: Sequence[int] = ()) -> None:
        """Open an image of the dataset to correct it, or bring it to the front where it is open already.

        Parameters
        ----------
        name : str
            The image.
        objects : sequence of int
            Labels; the first one is selected and shown.
        """
        dataset = self.work.dataset
        if dataset is None:
            return
        layer = find_opened(self._viewer.layers, dataset.folder, name)
        if layer is None:
            self.work.run(loading(dataset, name), lambda found: self._on_loaded(found, objects))
            return
        for shown in (*opened_from(layer).beside, layer):
            shown.visible = True
        self._viewer.layers.selection.active = layer
        self.notes.say(f"'{name}' is open already.")
        show_object(self._viewer, layer, objects)

    def _on_loaded(self, found: Loaded, objects: Sequence[int]) -> None:
        layer = open_sample(self._viewer, found.folder, found.sample, found.pixels)
        self.opened.follow()
        self.notes.say(
            f"'{found.sample.name}' is open, other layers are hidden. Correct it in the CellSeg correct "
            "dock, then press Update."
        )
        show_object(self._viewer, layer, objects)

    def _open_finding(self, finding: Finding) -> None:
        self.open_image(finding.image, finding.objects)

    def _update(self, layer: Labels) -> None:
        dataset, found = self.work.dataset, opened_from(layer)
        if dataset is not None and found is not None:
            self.work.write(updating(dataset, found, layer), lambda result: self._on_updated(layer, *result))

    def _on_updated(self, layer: Labels, added: Added, sample: Sample) -> None:
        note_written(layer, self.work.dataset.folder, sample)
        journaling = journaling_of(layer.data)
        if journaling is not None:
            journaling.note_saved(self.work.dataset.folder)
        self.opened.note_written(added.name)
        objects = counted(len(sample.annotation), "object")
        self.notes.say(" ".join([f"✓ '{added.name}' is updated in the dataset: {objects}.", *added.notes]))

    def _remove(self, names: Sequence[str]) -> None:
        dataset = self.work.dataset
        if dataset is not None and names:
            said = f"{counted(len(names), 'image')} removed."
            self.work.write(
                calling("Removing", lambda: dataset.remove(names)), lambda _: self.notes.say(said)
            )

    def _move(self, names: Sequence[str], split: str) -> None:
        dataset = self.work.dataset
        if dataset is not None:
            said = f"{counted(len(names), 'image')} moved to {split}."
            self.work.write(
                calling("Moving", lambda: dataset.move(names, split)), lambda _: self.notes.say(said)
            )

    # -- adding, classes, checks --------------------------------------------------------------------------

    def _add(self, request: AddRequest) -> None:
        if self.work.dataset is not None:
            self.work.write(adding(self.work.dataset, request), self._on_added)

    def _on_added(self, added: list[Added]) -> None:
        new = sum(not one.updated for one in added)
        parts = [f"{counted(new, 'image')} added"] if new else []
        parts += [f"{counted(len(added) - new, 'image')} updated"] if new < len(added) else []
        twins = [f"'{one.name}' looks like '{one.twin_of}'." for one in added if one.twin_of]
        notes = dict.fromkeys(note for one in added for note in one.notes)
        self.notes.say(" ".join([f"✓ {', '.join(parts)}: '{added[0].name}'.", *twins[:2], *list(notes)[:4]]))

    def _rename_class(self, old: str, new: str) -> None:
        dataset = self.work.dataset
        name = self._checked_class(new)
        if dataset is not None and name:
            self.work.write(dataset.renaming_class(old, name))

    def _merge_class(self, old: str, into: str) -> None:
        dataset = self.work.dataset
        if dataset is not None:
            said = f"✓ '{old}' is merged into '{into}'."
            self.work.write(dataset.merging_class(old, into), lambda _: self.notes.say(said))

    def _show_colours(self, *_: object) -> None:
        """Colour the image that is open by class, where that is wanted, and no other one."""
        layer, dataset, shown = self.opened.layer, self.work.dataset, self._colours
        wanted = self.classes.colours.isChecked() and layer is not None and dataset is not None
        if shown is not None and wanted and (shown.layer, shown.names) == (layer, dataset.classes):
            return
        self.close_colours()
        if wanted:
            self._colours = ClassColours(layer, dataset.classes, later_of(self))

    def close_colours(self) -> None:
        """Colour the image as it was before."""
        if self._colours is not None:
            self._colours.close()
            self._colours = None

    def _add_class(self, typed: str) -> None:
        dataset = self.work.dataset
        name = self._checked_class(typed)
        if dataset is not None and name:
            names = (*dataset.classes, name)
            self.work.write(calling("Adding the class", lambda: dataset.set_classes(names)))

    def _split_anew(self, fractions: tuple[float, float, float]) -> None:
        def show(left: Mapping[str, str]) -> None:
            self.notes.say(f"✓ Split anew: {counted(len(left), 'image')} changed the split.")

        if self.work.dataset is not None:
            self.work.write(self.work.dataset.resplitting(fractions), show)

    def _checked_class(self, typed: str) -> str:
        try:
            return checked_name(typed, self.work.dataset.classes)
        except CellSegError as error:
            self.error.show_error(error)
            return ""

    def _check(self) -> None:
        if self.work.dataset is not None:
            self.work.run(self.work.dataset.checking(), self.checks.show_findings)

    # -- import and export --------------------------------------------------------------------------------

    def _import(self, path: Path, format: str | None, images: Path | None, group: str | None) -> None:
        dataset = self.work.dataset
        if dataset is not None:
            job = dataset.importing(path, format, images=images, group_pattern=group)
            self.work.write(job, self._on_imported)

    def _on_imported(self, result: Imported) -> None:
        self.files.imports.show_result(result)

    def _measure_loss(self, format: str, split: str | None) -> None:
        dataset = self.work.dataset

        def show(report: LossReport) -> None:
            self.files.exports.show_loss(report, split)

        if dataset is not None:
            self.work.run(dataset.losing(format, split=split), show)

    def _export(self, format: str, folder: Path, split: str | None) -> None:
        dataset = self.work.dataset
        if dataset is not None:
            job = dataset.exporting(format, folder, split=split, loss=False)
            self.work.run(job, self._on_exported)

    def _on_exported(self, result: Exported) -> None:
        self.files.exports.show_result(result)
