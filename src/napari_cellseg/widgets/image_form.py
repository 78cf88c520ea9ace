"""What is segmented: the image layer, its channel, its axes, its pixel size."""

from dataclasses import replace
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QLineEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_cellseg.errors import CellSegError
from napari_cellseg.images.reading import PixelSize
from napari_cellseg.viewer.layer_image import LayerImage, read_layer
from napari_cellseg.viewer.pixel_size import apply_pixel_size, same_size
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import NarrowCombo, Sentence, add_row, new_form, set_row_visible
from napari_cellseg.widgets.layer_choice import LayerChoice


class ImageForm(QWidget):
    """Chooses an image; signals `changed` whenever what it describes is another image.

    Attributes
    ----------
    image : LayerImage or None
        The image as the core sees it.
    problem : str
        Why there is none, in words.
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._connections = connections
        self.image: LayerImage | None = None
        self.problem = ""
        self._entered: PixelSize | None = None
        self.layers = LayerChoice(viewer, Image, connections, "no image is open")
        self.channel = NarrowCombo()
        self.axes = QLineEdit()
        self.axes.setMaxLength(6)
        self._build_pixel_size()
        self._build()
        self._watched: Image | None = None
        self.layers.chosen.connect(self._on_layer)
        self.channel.currentIndexChanged.connect(self.changed)
        self.axes.editingFinished.connect(self._read)
        self.pixel.valueChanged.connect(self._on_pixel_size)
        self.apply.clicked.connect(self._apply)
        self._on_layer()

    @property
    def layer(self) -> Image | None:
        """The chosen layer."""
        return self.layers.layer

    @property
    def channel_value(self) -> Any:
        """The `channel` of `napari_cellseg.segment`."""
        return self.channel.currentData()

    @property
    def pixel_size(self) -> PixelSize | None:
        """As entered, else as known; None where it is unknown."""
        known = self.image.pixel_size.size if self.image else None
        return self._entered or known

    def _build_pixel_size(self) -> None:
        self.pixel = QDoubleSpinBox()
        self.pixel.setRange(0, 10_000)
        self.pixel.setDecimals(4)
        self.pixel.setSingleStep(0.05)
        self.pixel.setSuffix(" µm")
        self.pixel.setSpecialValueText("unknown")
        self.pixel.setKeyboardTracking(False)
        self.pixel.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.apply = QPushButton("To la&yer")
        self.apply.setToolTip("Set the layer's scale and units to this pixel size, so that napari shows µm.")
        self.apply.setAccessibleName("Apply the pixel size to the layer")
        self.source = Sentence("Where the pixel size is known from")

    def _build(self) -> None:
        self.form = new_form()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self.form)
        add_row(
            self.form, "&Image", self.layers,
            "The image layer to segment. Default: the layer selected in the layer list.",
        )  # fmt: skip
        self.channel_label = add_row(
            self.form, "C&hannel", self.channel,
            "The channel that shows what you want to find, numbered from 0. Default: the first, or colour.",
        )  # fmt: skip
        add_row(
            self.form, "Pi&xel size", self.pixel,
            "Width of a pixel in µm. Default: from the layer's scale, else from the file; 0 means unknown.",
            self.apply,
        )  # fmt: skip
        self.form.addRow("", self.source)

    def add_axes_row(self, form: Any) -> None:
        """Put the axes, which are rarely needed, into another form."""
        add_row(
            form, "A&xes", self.axes,
            "One letter per dimension: T time, Z depth, C channel, Y rows, X columns. "
            "Default: empty, taken from the layer's axis labels, the file, or the shape.",
        )  # fmt: skip

    def _on_layer(self) -> None:
        self._entered = None
        blocked = self.axes.blockSignals(True)
        self.axes.clear()
        self.axes.blockSignals(blocked)
        self._watch()
        self._read()

    def _watch(self) -> None:
        """Follow the chosen layer's own scale, units, axis labels and data."""
        names = ("scale", "units", "axis_labels", "data")
        if self._watched is not None:
            for name in names:
                self._connections.disconnect(getattr(self._watched.events, name), self._read)
        self._watched = self.layer
        if self._watched is not None:
            for name in names:
                self._connections.connect(getattr(self._watched.events, name), self._read)

    def _read(self, event: object = None) -> None:
        """Look at the layer again."""
        self.image, self.problem = None, "Open an image first: File → Open, or File → Open Sample → CellSeg."
        if self.layer is not None:
            try:
                self.image, self.problem = read_layer(self.layer, self.axes.text() or None), ""
            except CellSegError as error:
                self.problem = str(error)
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        channels = self.image.channels if self.image else ()
        self.channel.fill([(c.title, c.value) for c in channels], keep=self.channel_value)
        set_row_visible(self.form, self.channel_label, bool(channels))
        self.axes.setPlaceholderText(self.image.layer_axes if self.image else "")
        self._show_pixel_size()

    def _show_pixel_size(self) -> None:
        size, known = self.pixel_size, self.image.pixel_size if self.image else None
        blocked = self.pixel.blockSignals(True)
        self.pixel.setValue(size.x if size else 0)
        self.pixel.blockSignals(blocked)
        self.pixel.setEnabled(self.image is not None)
        applied = known is not None and known.in_layer and same_size(size, known.size)
        self.apply.setEnabled(size is not None and not applied)
        if known is None:
            text = ""
        elif self._entered is not None:
            text = "Pixel size as you entered it."
        elif size is None:
            text = (
                f"{known.source}: enter it to work in µm."
                if known.source == "Pixel size unknown"
                else known.source
            )
        else:
            text = f"Pixel size {known.source}."
        self.source.say(text)

    def _on_pixel_size(self, value: float) -> None:
        known = self.image.pixel_size.size if self.image else None
        if value <= 0:
            self._entered = None
        else:
            self._entered = PixelSize(y=value, x=value, z=known.z if known else None)
        self._show_pixel_size()
        self.changed.emit()

    def _apply(self) -> None:
        size = self.pixel_size
        if self.layer is None or self.image is None or size is None:
            return
        self._entered = None
        apply_pixel_size(self.layer, self.image.layer_axes, replace(size))
        self._read()
