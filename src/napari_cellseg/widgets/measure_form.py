"""What is measured: labels, channels, groups of features, pixel size."""

from dataclasses import dataclass

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QGridLayout, QSizePolicy, QVBoxLayout, QWidget

from napari_cellseg.errors import CellSegError, OptionError
from napari_cellseg.images.reading import PixelSize
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.measure_groups import chosen_features, group_choices
from napari_cellseg.viewer.measure_inputs import ImageChannel, MeasuredLabels, image_channels, read_labels
from napari_cellseg.viewer.measure_run import PIXELS, MeasureChoices, MeasureRequest, make_request
from napari_cellseg.viewer.outcome_layer import is_overlay
from napari_cellseg.viewer.pixel_size import MICROMETRE, KnownPixelSize
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import (
    LABEL_WIDTH,
    Disclosure,
    NarrowCombo,
    Sentence,
    add_row,
    explain,
    later_of,
    new_form,
    set_row_visible,
)
from napari_cellseg.widgets.layer_choice import LabelsChoice
from napari_cellseg.widgets.tick_list import TickList

READ_INTERVAL = 0.1
"""Seconds between two looks at the layers while they change."""
MOST_TICKED = 4
"""Channels that are ticked by default."""


@dataclass(frozen=True)
class _Unit:
    """How many there are in a µm, and how many decimals a pixel's size needs."""

    per_micrometre: float
    decimals: int


UNITS = {MICROMETRE: _Unit(1.0, 4), "nm": _Unit(1000.0, 2), "mm": _Unit(0.001, 7)}
"""Units of length that the user chooses from."""
LAYER_EVENTS = ("scale", "units", "axis_labels", "data")


class MeasureForm(QWidget):
    """The form of the Measure dock. Signals: `changed`, `layer_changed` (another labels layer is chosen).

    Attributes
    ----------
    problem : str
        Why nothing can be measured, in words.
    """

    changed = Signal()
    layer_changed = Signal()

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._connections = viewer, connections
        self._read_labels: MeasuredLabels | None = None
        self._entered: float | None = None
        self._unit_chosen = False
        self._watched: list[Layer] = []
        self.problem = ""
        self._again = Coalesced(self._read, READ_INTERVAL, later_of(self))
        self.labels = LabelsChoice(viewer, Labels, connections, "no labels layer")
        self.channels = TickList()
        self.objects, self.unit = NarrowCombo(), NarrowCombo()
        self.objects.fill([("2-D: each plane for itself", False), ("3-D: volumes (z stack)", True)])
        self.whole = QCheckBox("every feature of the ticked groups")
        self.groups: dict[str, QCheckBox] = {}
        self._build()
        self._connect()
        self._on_layer()

    @property
    def layer(self) -> Labels | None:
        """The chosen labels layer."""
        return self.labels.layer

    def request(self) -> MeasureRequest:
        """What to measure.

        Raises
        ------
        OptionError
            Where that is not possible; in words.
        """
        if self.layer is None or self._read_labels is None:
            raise OptionError(self.problem)
        return make_request(self.layer, self._read_labels, self._choices())

    def _choices(self) -> MeasureChoices:
        volume = bool(self.objects.currentData()) and self._has_z()
        ticked = [name for name, box in self.groups.items() if box.isChecked() and box.isEnabled()]
        features = chosen_features(ticked, 3 if volume else 2, whole=self.whole.isChecked())
        channels = tuple(self.channels.ticked())
        return MeasureChoices(features, channels, self._pixel_size(), volume, self.unit.currentData())

    def _has_z(self) -> bool:
        return self._read_labels is not None and self._read_labels.axes.endswith("ZYX")

    def _pixel_size(self) -> PixelSize | None:
        """Size of a pixel in the chosen unit."""
        known = self._read_labels.pixel_size if self._read_labels else None
        size = known.size if known else None
        if known is not None and size is not None and known.unit_known:
            factor = UNITS[self.unit.currentData()].per_micrometre
            z = None if size.z is None else size.z * factor
            size = PixelSize(y=size.y * factor, x=size.x * factor, z=z)
        if self._entered is None:
            return size
        entered = self._entered
        return PixelSize(y=entered, x=entered, z=size.z if size else None) if entered > 0 else None

    # -- building -----------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.pixel = QDoubleSpinBox()
        self.pixel.setRange(0, 1_000_000)
        self.pixel.setSingleStep(0.05)
        self.unit.fill([(name, name) for name in UNITS])
        self.unit.setMinimumContentsLength(3)
        self.unit.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.pixel.setMinimumWidth(90)
        explain(
            self.unit, "Unit of length",
            "Unit of the pixel size and of all lengths. Default: µm. Where the layer's scale has no unit, "
            "say which it is.",
        )  # fmt: skip
        self.pixel.setSpecialValueText("unknown: in pixels")
        self.pixel.setKeyboardTracking(False)
        self.pixel.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.source = Sentence("Where the pixel size is known from")
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        for column in range(2):
            self._grid.setColumnStretch(column, 1)
        boxes = QWidget()
        boxes.setLayout(self._grid)
        self._form = form = new_form()
        add_row(form, "&Labels", self.labels, "Labels layer to measure. It follows the layer you select.")
        self._channels_row = add_row(
            form, "&Image", self.channels,
            "Channels to measure intensity and texture in: images of the labels' size. Default: up to four.",
        )  # fmt: skip
        self._objects_row = add_row(
            form, "&Objects", self.objects,
            "2-D measures each plane for itself. 3-D measures objects that go through the planes of a z "
            "stack. Default: 2-D.",
        )  # fmt: skip
        add_row(form, "Features", boxes, "What to measure. Default: what is ticked at first, the usual set.")
        add_row(
            form, "Pi&xel size", self.pixel,
            "Width of a pixel; 0 measures in pixels. Default: from the layer's scale, else from the image.",
            self.unit,
        )  # fmt: skip
        self.source.setContentsMargins(LABEL_WIDTH + 6, 0, 0, 0)
        explain(self.whole, "Every feature", "Also what is rarely needed, such as moments. Default: off.")
        self.advanced = Disclosure("Ad&vanced", "All features of a group: rarely needed.", self.whole)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.source)
        layout.addWidget(self.advanced)

    def _connect(self) -> None:
        self.labels.chosen.connect(self._on_layer)
        self.channels.changed.connect(self._on_channels)
        self.objects.currentIndexChanged.connect(self._on_objects)
        self.pixel.valueChanged.connect(self._on_pixel)
        self.unit.currentIndexChanged.connect(self._on_unit)
        self.whole.toggled.connect(self.changed)
        layers = self._viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.reordered):
            self._connections.connect(event, self._on_layers)
        self._connections.connect(layers.renamed, self._on_layers)

    def _fill_groups(self) -> None:
        volume = bool(self.objects.currentData()) and self._has_z()
        unit = self.unit.currentData() if self._pixel_size() else PIXELS
        before, ticked = self.groups, {name for name, box in self.groups.items() if box.isChecked()}
        while self._grid.count():
            self._grid.takeAt(0).widget().deleteLater()
        self.groups = {}
        channels = bool(self.channels.ticked())
        classed = self.layer is not None and "class" in self.layer.features
        possible = {"labels": True, "image": channels, "classes": classed}
        for place, choice in enumerate(group_choices(3 if volume else 2, unit)):
            box = QCheckBox(choice.title)
            box.setChecked(choice.name in ticked if choice.name in before else choice.usual)
            box.setEnabled(possible[choice.needs])
            explain(box, choice.title, choice.tooltip)
            box.setMinimumWidth(60)
            box.toggled.connect(self.changed)
            self._grid.addWidget(box, *divmod(place, 2))
            self.groups[choice.name] = box

    # -- following ----------------------------------------------------------------------------------------

    def _on_layers(self, event: object = None) -> None:
        self._again.defer()

    def _on_unit(self, index: int) -> None:
        self._unit_chosen = True
        self._show_pixel_size()
        self._fill_groups()
        self.changed.emit()

    def _on_layer(self) -> None:
        self._entered, self._unit_chosen = None, False
        self._read()
        self.layer_changed.emit()

    def _on_objects(self, index: int) -> None:
        self._fill_groups()
        self.changed.emit()

    def _on_channels(self) -> None:
        self._fill_groups()
        self.changed.emit()

    def _on_pixel(self, value: float) -> None:
        self._entered = value
        self._show_source()
        self._fill_groups()
        self.changed.emit()

    def _read(self, event: object = None) -> None:
        """Look at the layers again."""
        images = [layer for layer in self._viewer.layers if type(layer) is Image]
        self._watch([*images, *([self.layer] if self.layer is not None else [])])
        self._read_labels, self.problem = None, "Segment an image first, or add a labels layer."
        if self.layer is not None:
            try:
                self._read_labels, self.problem = read_labels(self.layer, images), ""
            except CellSegError as error:
                self.problem = str(error)
        self._fill_channels(image_channels(self._read_labels, images) if self._read_labels else [])
        set_row_visible(self._form, self._objects_row, self._has_z())
        self._show_pixel_size()
        self._fill_groups()
        self.changed.emit()

    def _watch(self, layers: list[Layer]) -> None:
        for layer in self._watched:
            for name in LAYER_EVENTS:
                self._connections.disconnect(getattr(layer.events, name), self._on_layers)
        self._watched = [layer for layer in layers if not is_overlay(layer)]
        for layer in self._watched:
            for name in LAYER_EVENTS:
                self._connections.connect(getattr(layer.events, name), self._on_layers)

    def _fill_channels(self, found: list[ImageChannel]) -> None:
        before, ticked = self.channels.values(), self.channels.ticked()
        fresh = [channel for channel in found if channel not in before]
        chosen = [channel for channel in found if channel in ticked]
        chosen += fresh[: max(0, MOST_TICKED - len(chosen))]
        self.channels.fill([(c.name, c) for c in found], chosen, "Tick it to measure in this channel.")
        set_row_visible(self._form, self._channels_row, bool(found))

    def _show_pixel_size(self) -> None:
        size = self._pixel_size()
        blocked = self.pixel.blockSignals(True)
        self.pixel.setDecimals(UNITS[self.unit.currentData()].decimals)
        self.pixel.setValue(size.x if size else 0)
        self.pixel.blockSignals(blocked)
        self._show_source()

    def _show_source(self) -> None:
        known = self._read_labels.pixel_size if self._read_labels else None
        self.unit.setEnabled(self._pixel_size() is not None)
        self.source.say("" if known is None else self._source_words(known))

    def _source_words(self, known: KnownPixelSize) -> str:
        if self._entered is not None:
            return "As you entered it." if self._entered > 0 else "Measured in pixels."
        if known.size is None:
            return f"{known.source}."
        if known.unit_known:
            return f"Pixel size {known.source}."
        unit = self.unit.currentData()
        if self._unit_chosen:
            return f"From the layer's scale, in {unit} as you chose."
        return f"⚠ The layer's scale has no unit of length, taken as {unit}. Choose it, or 0 for pixels."
