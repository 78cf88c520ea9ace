"""What is trained: the dataset, what to start from, how thoroughly, and the new model's name."""

from collections.abc import Callable, Sequence
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLineEdit, QVBoxLayout, QWidget

from napari_cellseg.errors import CellSegError
from napari_cellseg.training.families import StartingPoint, starting_points
from napari_cellseg.viewer.recent_datasets import recent_datasets
from napari_cellseg.viewer.recipe_fields import recipe_fields
from napari_cellseg.viewer.train_choices import TrainChoices, default_preset, load_train_choices
from napari_cellseg.viewer.train_dataset import DatasetLook
from napari_cellseg.viewer.train_runs import free_model_name
from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.fields import Disclosure, NarrowCombo, Sentence, add_row, as_tooltip, new_form
from napari_cellseg.widgets.recipe_form import RecipeForm


class TrainForm(QWidget):
    """Signals: `changed`, `dataset_changed` (Path or None)."""

    changed = Signal()
    dataset_changed = Signal(object)

    def __init__(
        self, points: Callable[[], list[StartingPoint]] = starting_points, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._list_points = points
        self.points: Sequence[StartingPoint] = ()
        self._named = ""
        self.data, self.point, self.preset = NarrowCombo(), NarrowCombo(), NarrowCombo()
        self.name = QLineEdit()
        self.open = small_button("Open…", "Choose the folder of a dataset, which holds 'dataset.json'.")
        self.about, self.help = Sentence("What is in the dataset"), Sentence("What to expect")
        self.recipe = RecipeForm()
        self.advanced = Disclosure(
            "Ad&vanced", "Device, epochs, batch and the rest of the recipe: rarely needed.", self.recipe
        )
        self._build()
        self.refresh_points(load_train_choices())
        self.refresh_datasets()
        self._connect()

    def choices(self) -> TrainChoices:
        """What the form says."""
        return TrainChoices(
            data=self.data.currentData() or "",
            point=self.point.currentData() or "",
            preset=self.preset.currentData() or "",
            name=self.name.text().strip(),
            changes=self.recipe.changes(),
        )

    @property
    def folder(self) -> Path | None:
        """The chosen dataset."""
        return Path(self.data.currentData()) if self.data.currentData() else None

    def open_dataset(self, folder: str | Path) -> None:
        """Choose a dataset."""
        self.refresh_datasets(str(folder))
        self.dataset_changed.emit(self.folder)

    def refresh_datasets(self, chosen: str = "") -> None:
        """List the datasets that were used last, and keep the choice."""
        chosen = chosen or self.data.currentData() or ""
        known = recent_datasets()
        folders = known if chosen in known or not chosen else [chosen, *known]
        entries = [(Path(folder).name, folder) for folder in folders]
        self.data.fill(entries or [("none chosen", None)], keep=chosen)
        self.data.setToolTip(as_tooltip(self.data.currentData() or "None chosen."))

    def refresh_points(self, choices: TrainChoices | None = None) -> None:
        """List what can be started from, and keep the choice."""
        wanted = self.choices() if choices is None else choices
        self.points = self._list_points()
        self.point.fill([(point.title, point.key) for point in self.points], keep=wanted.point)
        self._show_point(wanted.preset)
        self.suggest_name()

    def suggest_name(self) -> None:
        """Suggest a name that is free, unless the user typed one."""
        if self.name.text() == self._named:
            point = self._chosen()
            stem = Path(point.start).stem if point is not None and point.start else ""
            self._named = free_model_name(f"{stem}-mine" if stem else "my-model")
            self.name.setText(self._named)

    def show_look(self, look: DatasetLook | None) -> None:
        """Say what is in the dataset, and what its check found."""
        if look is None:
            self.about.say("Choose what you corrected: a dataset made in the CellSeg dataset dock.")
            return
        self.about.say("\n".join(filter(None, (look.words, look.check, look.advice))))

    def _build(self) -> None:
        form = new_form()
        add_row(
            form, "&Dataset", self.data,
            "Corrected images to learn from, collected in the CellSeg dataset dock; the last ones.",
            self.open,
        )  # fmt: skip
        below = new_form()
        add_row(
            below, "&Start from", self.point,
            "What the new model begins with. It is not changed. Default: the model of the last time; "
            "a model of this plugin needs the fewest corrected images.",
        )  # fmt: skip
        add_row(
            below, "&How", self.preset,
            "How long and thoroughly it learns. Default: balanced, where there is one.",
        )  # fmt: skip
        add_row(
            below, "&New model", self.name,
            "Name of the new model: letters, digits, dots, dashes and underscores. It appears in the "
            "CellSeg segment dock once you use it.",
        )  # fmt: skip
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addLayout(form)
        layout.addWidget(self.about)
        layout.addLayout(below)
        layout.addWidget(self.help)
        layout.addWidget(self.advanced)

    def _connect(self) -> None:
        self.data.currentIndexChanged.connect(lambda: self.open_dataset(self.data.currentData() or ""))
        self.open.clicked.connect(self._on_open)
        self.point.currentIndexChanged.connect(self._on_point)
        self.preset.currentIndexChanged.connect(self._on_preset)
        self.name.textChanged.connect(self.changed)
        self.recipe.changed.connect(self.changed)
        self.advanced.toggled.connect(self._on_advanced)

    def _on_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a dataset")
        if folder:
            self.open_dataset(folder)

    def _on_point(self, *_: object) -> None:
        self._show_point("")
        self.suggest_name()
        self.changed.emit()

    def _on_preset(self, *_: object) -> None:
        self._show_preset()
        self.changed.emit()

    def _on_advanced(self, open_: bool) -> None:
        if open_:
            self.recipe.list_devices()

    def _chosen(self) -> StartingPoint | None:
        return next((point for point in self.points if point.key == self.point.currentData()), None)

    def _show_point(self, preset: str) -> None:
        """Offer the presets of what is started from."""
        point = self._chosen()
        presets = {} if point is None else point.family.presets
        known = preset if preset in presets or point is None else default_preset(point.family)
        self.preset.fill([(each.title, name) for name, each in presets.items()], keep=known)
        self._show_preset()

    def _show_preset(self) -> None:
        """Say what to expect of point and preset, and offer the values of the recipe."""
        point = self._chosen()
        if point is None:
            self.help.say("")
            return
        preset = point.family.presets.get(self.preset.currentData())
        self.point.setToolTip(as_tooltip(point.help))
        self.help.say(f"{point.help} {preset.help if preset is not None else ''}".strip())
        try:
            values = {"data": ".", "model": f"new{point.family.suffix}"}
            self.recipe.show_fields(
                recipe_fields(point.family.make(self.preset.currentData(), point.start, values))
            )
        except CellSegError as error:
            self.help.say(f"⚠ {error}")
