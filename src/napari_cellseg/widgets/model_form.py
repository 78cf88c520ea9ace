"""What segments: the model, the size of the objects, the confidence, and the rarely used rest."""

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import create_worker

from napari_cellseg.errors import CellSegError, UntrustedFileError
from napari_cellseg.models.card import ModelCard
from napari_cellseg.models.devices import available_devices
from napari_cellseg.models.registry import find_model, list_models
from napari_cellseg.models.trust import check_trusted, trust_file
from napari_cellseg.viewer.choices import SIZE_TITLES, SegmentChoices
from napari_cellseg.widgets.confidence_slider import ConfidenceSlider
from napari_cellseg.widgets.fields import NarrowCombo, add_row, as_tooltip, explain, new_form

MODEL_FILES = "Models (*.onnx *.json *.pt *.engine *.safetensors);;All files (*)"
SLOW_SUFFIXES = (".pt", ".engine")
"""Endings of files that take seconds to open, since torch must be loaded first."""


class ModelForm(QWidget):
    """Chooses a model and how it is used; signals `changed` and, for the slider, its own signals."""

    changed = Signal()
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = NarrowCombo()
        self.open_file = QPushButton("&Open…")
        self.trust = QPushButton("&Trust this file")
        self.size_by = NarrowCombo()
        self.size = QDoubleSpinBox()
        self.confidence = ConfidenceSlider()
        self.device = NarrowCombo()
        self.tile = QSpinBox()
        self._files: list[str] = []
        self._untrusted = ""
        self._set_up()
        self._build()
        self._connect()
        self.refresh_models()

    @property
    def card(self) -> ModelCard | None:
        """Card of the chosen model; None where it cannot be read."""
        try:
            return find_model(self.model.currentData()).card if self.model.currentData() else None
        except CellSegError:
            return None

    def show_choices(self, choices: SegmentChoices) -> None:
        """Fill the form."""
        known = [self.model.itemData(i) for i in range(self.model.count())]
        if choices.model not in known and Path(choices.model).is_file():
            self._files.append(choices.model)
            self.refresh_models()
        self.model.choose(choices.model)
        self.size_by.choose(choices.size_by)
        self.size.setValue(choices.size)
        if self.device.findData(choices.device) < 0:
            self.device.addItem(choices.device, choices.device)
        self.device.choose(choices.device)
        self.tile.setValue(choices.tile or 0)
        if choices.confidence is not None:
            self.confidence.set_value(choices.confidence)

    def refresh_models(self) -> None:
        """Look for models again, and keep the choice."""
        chosen = self.model.currentData() or "nuclei"
        entries = [(f"{e.card.name} ({e.origin})", e.card.name) for e in list_models()]
        entries += [(Path(f).name, f) for f in self._files]
        self.model.fill(entries, keep=chosen)
        self._on_model()

    def showEvent(self, event: QShowEvent) -> None:
        """Other docks may have brought models meanwhile."""
        super().showEvent(event)
        known = {self.model.itemData(i) for i in range(self.model.count())}
        if known != {*(entry.card.name for entry in list_models()), *self._files}:
            self.refresh_models()

    def list_devices(self) -> None:
        """Look for GPUs in a thread, which takes a moment the first time."""
        worker = create_worker(available_devices)
        worker.returned.connect(self._on_devices)
        worker.start()

    def _set_up(self) -> None:
        self.size_by.fill([(title, key) for key, title in SIZE_TITLES.items()])
        self.size.setRange(1, 10_000)
        self.size.setDecimals(1)
        self.size.setValue(30)
        self.size.setKeyboardTracking(False)
        self.device.fill([("Automatic", "auto"), ("CPU", "cpu")])
        self.tile.setRange(0, 8192)
        self.tile.setSingleStep(64)
        self.tile.setSpecialValueText("automatic")
        self.tile.setSuffix(" px")
        self.tile.setKeyboardTracking(False)

    def _build(self) -> None:
        self.form = new_form()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self.form)
        explain(self.open_file, "Open a model file", "Use a model from a file on this computer.")
        add_row(
            self.form, "&Model", self.model,
            "The network that finds the objects. Default: nuclei, which comes with this plugin.",
            self.open_file,
        )  # fmt: skip
        explain(
            self.trust, "Trust this file",
            "Open the file now and from now on. It can run any code that its author put inside.",
        )  # fmt: skip
        self.trust.setVisible(False)
        self.form.addRow("", self.trust)
        sizes = QWidget()
        row = QHBoxLayout(sizes)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.size_by, 1)
        row.addWidget(self.size)
        explain(self.size, "Object size", "Diameter of a typical object, in pixels of the image or in µm.")
        add_row(
            self.form, "Object si&ze", sizes,
            "Diameter of a typical object, in pixels or µm. Default: as the model expects.",
            buddy=self.size_by,
        )  # fmt: skip
        explain(self.confidence.slider, "Confidence", "Confidence from which objects are shown, 0 to 1.")
        add_row(
            self.form, "Con&fidence", self.confidence,
            "Objects at or above it are shown, 0 to 1. After a run it changes the result at once, without "
            "running again. Default: the model's own.",
            buddy=self.confidence.box,
        )  # fmt: skip

    def add_advanced_rows(self, form: QFormLayout) -> None:
        """Put device and tile into another form."""
        add_row(
            form, "&Device", self.device,
            "What runs the network. Default: automatic, a GPU where one can be used, else the CPU.",
        )  # fmt: skip
        add_row(
            form, "&Tile", self.tile,
            "Largest edge of the pieces that the network sees at once, in pixels. Default: automatic; "
            "smaller tiles need less memory.",
        )  # fmt: skip

    def _connect(self) -> None:
        self.model.currentIndexChanged.connect(self._on_model)
        self.open_file.clicked.connect(self._on_open)
        self.trust.clicked.connect(self._on_trust)
        for signal in (
            self.size_by.currentIndexChanged,
            self.size.valueChanged,
            self.device.currentIndexChanged,
            self.tile.valueChanged,
        ):
            signal.connect(self._on_change)

    def _on_change(self, *_: object) -> None:
        by = self.size_by.currentData()
        self.size.setVisible(by in ("pixels", "micrometres"))
        self.size.setSuffix(" µm" if by == "micrometres" else " px")
        self.changed.emit()

    def _on_model(self, *_: object) -> None:
        card = self.card
        if card is not None:
            self.confidence.set_value(card.confidence)
            lines = [card.title, card.description, *(f"Not for: {n}" for n in card.not_for)]
            self.model.setToolTip(as_tooltip(" ".join(lines)))
        self._on_change()

    def _on_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a model", "", MODEL_FILES)
        if path:
            self.open_model(path)

    def open_model(self, path: str) -> None:
        """Use a model file; where it is none, `failed` says why.

        A pickle that is not trusted yet is not opened: `trust` appears, which opens it. Files of which torch
        must be loaded are opened in a thread.
        """
        self._untrusted = ""
        try:
            check_trusted(path)
            if Path(path).suffix.lower() not in SLOW_SUFFIXES:
                find_model(path)
                self._use_file(path)
                return
        except UntrustedFileError as error:
            self._untrusted = path
            self.failed.emit(error)
            return
        except CellSegError as error:
            self.failed.emit(error)
            return
        finally:
            self.trust.setVisible(bool(self._untrusted))
        self.open_file.setEnabled(False)
        worker = create_worker(_problems_of, path)
        worker.returned.connect(lambda problems: self._on_opened(path, problems))
        worker.finished.connect(lambda: self.open_file.setEnabled(True))
        worker.start()

    def _on_opened(self, path: str, problems: list[CellSegError]) -> None:
        for problem in problems:
            self.failed.emit(problem)
        if not problems:
            self._use_file(path)

    def _use_file(self, path: str) -> None:
        if path not in self._files:
            self._files.append(path)
        self.refresh_models()
        self.model.choose(path)

    def _on_trust(self) -> None:
        path = self._untrusted
        try:
            trust_file(path)
        except CellSegError as error:
            self.failed.emit(error)
            return
        self.open_model(path)

    def _on_devices(self, devices: tuple) -> None:
        entries = [("Automatic", "auto")] + [(d.title, d.name) for d in devices]
        self.device.fill(entries, keep=self.device.currentData())


def _problems_of(path: str) -> list[CellSegError]:
    """Why a model file cannot be used; in a list, since a worker raises an error that it returns."""
    try:
        find_model(path)
    except CellSegError as error:
        return [error]
    return []
