"""The tab that adds what is in the viewer to a dataset."""

from collections.abc import Sequence

from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QLineEdit, QVBoxLayout, QWidget

from napari_cellseg.datasets.sample import SPLITS
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import CellSegError
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.dataset_adding import (
    TITLES,
    AddChoices,
    AddRequest,
    AddWhat,
    make_request,
    plane_count,
    request_sentence,
    suggested_name,
)
from napari_cellseg.viewer.dataset_objects import classes_of
from napari_cellseg.viewer.dataset_rows import DatasetRow
from napari_cellseg.viewer.run_on import add_region_layer
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.dataset_answers import LastAnswer
from napari_cellseg.widgets.fields import (
    NarrowCombo,
    Sentence,
    add_row,
    explain,
    later_of,
    new_form,
    primary_button,
    set_row_visible,
)
from napari_cellseg.widgets.layer_choice import LabelsChoice, LayerChoice

INTERVAL = 0.3
"""Seconds between two looks at what would be added."""


class AddPanel(QWidget):
    """Chooses what is added. Signal `asked` (AddRequest)."""

    asked = Signal(object)

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._connections = viewer, connections
        self._why = ""
        self._names: Sequence[str] = ()
        self._suggested = ""
        self._watched: list[tuple[object, object]] = []
        self.request: AddRequest | None = None
        self.image = LayerChoice(viewer, Image, connections, "no image layer")
        self.labels = LabelsChoice(viewer, Labels, connections, "no labels layer")
        self.shapes = LayerChoice(viewer, Shapes, connections, "no Shapes layer")
        self.draw = small_button("New…", "Add a Shapes layer to draw the reviewed region in.")
        self.what, self.split, self.group = NarrowCombo(), NarrowCombo(), NarrowCombo()
        self.all_planes = QCheckBox("All &planes of the stack")
        self.name = QLineEdit()
        self.sentence = Sentence("What will be added")
        self.button = primary_button("&Add to the dataset")
        self._preview = LastAnswer(request_sentence, self)
        self._preview.told.connect(self._on_told)
        self._check = Coalesced(self.check, INTERVAL, later_of(self))
        self._build()
        self._connect()
        self._on_layers()

    def choices(self) -> AddChoices:
        """What the form says."""
        return AddChoices(
            self.what.currentData(),
            self.name.text().strip() or self._suggested,
            self.group.currentText().strip(),
            self.split.currentData(),
            self.all_planes.isChecked() and not self.all_planes.isHidden(),
        )

    def class_names(self) -> tuple[str, ...]:
        """Classes of the chosen labels, for a new dataset."""
        layer = self.labels.layer
        return () if layer is None else classes_of(layer.features)

    def show_dataset(self, dataset: Dataset | None, rows: Sequence[DatasetRow]) -> None:
        """Offer the groups of a dataset, and know which names are taken."""
        self._names = [row.name for row in rows]
        text = self.group.currentText()
        groups = sorted({row.group for row in rows if row.group})
        self.group.fill([(name, name) for name in groups])
        self.group.setEditText(text)
        self._check.request()

    def set_ready(self, why: str) -> None:
        """Why nothing can be added; empty where it can."""
        self._why = why
        self._check.request()

    def check(self) -> None:
        """Look at what would be added; what that is is said as soon as it is counted."""
        set_row_visible(self._form, self._region_row, self.what.currentData() is AddWhat.REGION)
        try:
            self._preview.ask(self._make_request(), self._names)
        except CellSegError as error:
            self._preview.forget()
            self._fail(error)
            return
        self._enable("" if self.request is not None else "Wait a moment: the objects are counted.")

    def _on_told(self, asked: tuple[AddRequest, Sequence[str]], words: str | Exception) -> None:
        if isinstance(words, Exception):
            self._fail(words)
        else:
            self.request = asked[0]
            self.sentence.say(words)
            self._enable("")

    def _fail(self, error: Exception) -> None:
        """Say why nothing can be added."""
        self.request = None
        self.sentence.say(f"⚠ {error}")
        self._enable(str(error))

    def _enable(self, problem: str) -> None:
        why = self._why or problem
        self.button.setEnabled(not why)
        explain(self.button, "Add to the dataset", why or "Write image, labels and table into the dataset.")

    def _make_request(self) -> AddRequest:
        if self.image.layer is None or self.labels.layer is None:
            raise CellSegError("An image layer and its labels layer are needed.")
        self._suggest_name()
        return make_request(
            self._viewer, self.image.layer, self.labels.layer, self.shapes.layer, self.choices()
        )

    def _suggest_name(self) -> None:
        """The image's own name, unless the user typed another."""
        name = suggested_name(self.image.layer, self.labels.layer)
        if name != self._suggested:
            if self.name.text() in ("", self._suggested):
                self.name.setText(name)
            self._suggested = name

    def _build(self) -> None:
        self._form = new_form()
        add_row(self._form, "&Image", self.image, "Image layer to add, with all its channels and full depth.")
        add_row(self._form, "&Labels", self.labels, "Its labels layer, with classes and status of its table.")
        self.what.fill([(title, what) for what, title in TITLES.items()])
        add_row(
            self._form, "&What", self.what,
            "Whole plane: you have looked at all of it, so that what is not labelled is background. "
            "Accepted objects only: pixels of all others are blanked out. Region: what you drew around.",
        )  # fmt: skip
        self._region_row = add_row(
            self._form, "&Region", self.shapes,
            "Shapes layer with rectangles or polygons around what was reviewed.", self.draw,
        )  # fmt: skip
        explain(
            self.all_planes, "All planes of the stack",
            "Add every time point or depth as an image of its own, in one group. Default: the shown plane.",
        )  # fmt: skip
        self._form.addRow("", self.all_planes)
        add_row(self._form, "&Name", self.name, "Name in the dataset. Default: that of the image.")
        self.group.setEditable(True)
        self.group.lineEdit().setPlaceholderText("none: the image alone")
        add_row(
            self._form, "&Group", self.group,
            "What stays together in one split: plate, well, patient, time-lapse. Default: the image alone.",
        )  # fmt: skip
        self.split.fill([("automatic", None), *[(split, split) for split in SPLITS]])
        add_row(self._form, "&Split", self.split, "Train, validation or test. Default: automatic, by group.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(self._form)
        layout.addWidget(self.sentence)
        layout.addWidget(self.button)
        layout.addStretch(1)

    def _connect(self) -> None:
        for choice in (self.image, self.labels, self.shapes):
            choice.chosen.connect(self._on_layers)
        for combo in (self.what, self.split):
            combo.currentIndexChanged.connect(self._check.request)
        self.group.editTextChanged.connect(self._check.request)
        self.name.textChanged.connect(self._check.request)
        self.all_planes.toggled.connect(self._check.request)
        self.draw.clicked.connect(self._on_draw)
        self.button.clicked.connect(self._on_add)
        self._connections.connect(self._viewer.dims.events.current_step, self._on_event)

    def _on_layers(self) -> None:
        """Follow the chosen layers, and look at them again."""
        for emitter, callback in self._watched:
            self._connections.disconnect(emitter, callback)
        image, labels, shapes = self.image.layer, self.labels.layer, self.shapes.layer
        events = [
            (image, ("data", "scale", "axis_labels")),
            (labels, ("data", "features")),
            (shapes, ("data",)),
        ]
        self._watched = [
            (getattr(layer.events, name), self._on_event)
            for layer, names in events if layer is not None for name in names
        ]  # fmt: skip
        if shapes is not None:
            self._watched.append((shapes.events.highlight, self._on_event))
        for emitter, callback in self._watched:
            self._connections.connect(emitter, callback)
        self.all_planes.setVisible(image is not None and plane_count(image) > 1)
        self._check.request()

    def _on_event(self, event: object = None) -> None:
        self._check.request()

    def _on_draw(self) -> None:
        if self.image.layer is not None:
            self.shapes.choose(add_region_layer(self._viewer, self.image.layer))

    def _on_add(self) -> None:
        try:
            self.asked.emit(self._make_request())
        except CellSegError as error:
            self._fail(error)
