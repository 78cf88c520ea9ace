"""The values of a recipe as a form, made from what the recipe says about itself."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QFormLayout, QSpinBox, QVBoxLayout, QWidget
from superqt.utils import create_worker

from napari_cellseg.models.devices import available_devices
from napari_cellseg.viewer.recipe_fields import RecipeField, changes_of
from napari_cellseg.widgets.fields import NarrowCombo, add_row, new_form

AUTOMATIC = "automatic"
SMALLEST = 1e-7
"""Smallest number above 0 that a number can be set to."""


class RecipeForm(QWidget):
    """Shows some values of a recipe, and the device. Signal `changed`: one of them is another."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fields: list[RecipeField] = []
        self.controls: dict[str, QWidget] = {}
        self.device = NarrowCombo()
        self.device.fill([("Automatic", "auto"), ("CPU", "cpu")])
        self.device.currentIndexChanged.connect(self.changed)
        self._rows = QWidget()
        device_form = new_form()
        add_row(
            device_form, "De&vice", self.device,
            "What computes. Default: automatic, a GPU where one can be used, else the CPU.",
        )  # fmt: skip
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addLayout(device_form)
        self._layout.addWidget(self._rows)

    def show_fields(self, fields: Sequence[RecipeField]) -> None:
        """Offer other values, each as its preset has it."""
        if [*fields] == self._fields:
            return
        self._layout.removeWidget(self._rows)
        self._rows.hide()
        self._rows.deleteLater()
        self._fields, self.controls = [*fields], {}
        self._rows = QWidget()
        form = new_form()
        self._rows.setLayout(form)
        for field in fields:
            self._add(form, field)
        self._layout.addWidget(self._rows)

    def changes(self) -> dict[str, Any]:
        """Values that differ from the preset's, and the device where it was chosen."""
        values = {field.name: _value(self.controls[field.name], field) for field in self._fields}
        device = {} if self.device.currentData() == "auto" else {"device": self.device.currentData()}
        return {**changes_of(self._fields, values), **device}

    def list_devices(self) -> None:
        """Look for GPUs in a thread, which takes a moment the first time."""
        worker = create_worker(available_devices)
        worker.returned.connect(self._on_devices)
        worker.start()

    def _on_devices(self, devices: tuple) -> None:
        entries = [("Automatic", "auto")] + [(d.title, d.name) for d in devices]
        self.device.fill(entries, keep=self.device.currentData())

    def _add(self, form: QFormLayout, field: RecipeField) -> None:
        control = _control(field)
        self.controls[field.name] = control
        default = AUTOMATIC if field.default is None else field.default
        shown = {True: "on", False: "off"}.get(default, default) if field.kind == "tick" else default
        add_row(form, field.title, control, f"{field.help} Default: {shown}.")
        for name in ("valueChanged", "currentIndexChanged", "toggled"):
            if hasattr(control, name):
                getattr(control, name).connect(self.changed)


def _control(field: RecipeField) -> QWidget:
    match field.kind:
        case "tick":
            box = QCheckBox()
            box.setChecked(bool(field.default))
            return box
        case "choice":
            combo = NarrowCombo()
            none = [(AUTOMATIC, None)] if field.may_be_none else []
            combo.fill([*none, *((str(c), c) for c in field.choices)], keep=field.default)
            return combo
        case "whole":
            return _whole_box(field)
    return _number_box(field)


def _whole_box(field: RecipeField) -> QSpinBox:
    box = QSpinBox()
    low = int(field.low)
    box.setRange(low - field.step if field.may_be_none else low, int(field.high))
    box.setSingleStep(field.step)
    box.setKeyboardTracking(False)
    if field.may_be_none:
        box.setSpecialValueText(AUTOMATIC)
    box.setValue(box.minimum() if field.default is None else int(field.default))
    return box


class _NumberBox(QDoubleSpinBox):
    """Shows as many digits as a number has."""

    def textFromValue(self, value: float) -> str:
        return f"{value:g}"


def _number_box(field: RecipeField) -> QDoubleSpinBox:
    box = _NumberBox()
    box.setDecimals(6)
    box.setRange(0.0 if field.may_be_none or field.low == 0 else field.low, field.high)
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    box.setKeyboardTracking(False)
    if field.may_be_none:
        box.setSpecialValueText(AUTOMATIC)
    box.setValue(0.0 if field.default is None else float(field.default))
    return box


def _value(control: QWidget, field: RecipeField) -> Any:
    """What a control says; just the default where it shows that, whatever its digits."""
    if isinstance(control, QCheckBox):
        return control.isChecked()
    if isinstance(control, NarrowCombo):
        return control.currentData()
    value = control.value()
    if field.may_be_none and value == control.minimum():
        return None
    if field.default is not None and abs(value - field.default) < SMALLEST:
        return field.default
    return value
