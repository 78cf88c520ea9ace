"""What part of the image is segmented."""

from napari.components import ViewerModel
from napari.layers import Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.viewer.choices import can_link
from napari_cellseg.viewer.layer_image import LayerImage
from napari_cellseg.viewer.run_on import TITLES, RunOn
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import NarrowCombo, add_row, explain, new_form, set_row_visible
from napari_cellseg.widgets.layer_choice import LayerChoice


class PartForm(QWidget):
    """Chooses what to run on; signals `changed`."""

    changed = Signal()
    new_region = Signal()

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: LayerImage | None = None
        self._wanted = RunOn.PLANE
        self.run_on = NarrowCombo()
        self.shapes = LayerChoice(viewer, Shapes, connections, "no Shapes layer")
        self.draw = QPushButton("&New…")
        self.link = QCheckBox("&Link planes into 3-D objects")
        self._build()
        self.run_on.currentIndexChanged.connect(self._on_run_on)
        self.shapes.chosen.connect(self.changed)
        self.link.toggled.connect(self.changed)
        self.draw.clicked.connect(self.new_region)
        self.show_image(None)

    @property
    def value(self) -> RunOn:
        """What to run on."""
        return self.run_on.currentData()

    @property
    def link_z(self) -> bool:
        """Whether planes are to be joined."""
        return self.link.isChecked()

    def choose(self, run_on: RunOn, link_z: bool) -> None:
        """Fill the form."""
        self._wanted = run_on
        self.link.setChecked(link_z)
        self.show_image(self._image)

    def show_image(self, image: LayerImage | None) -> None:
        """Offer what makes sense for an image."""
        self._image = image
        stack = image is not None and image.plane_count > 1
        kinds = list(RunOn) if stack else [RunOn.VISIBLE, RunOn.PLANE, RunOn.SHAPES]
        titles = TITLES if stack else {**TITLES, RunOn.PLANE: "Whole image"}
        wanted = RunOn.PLANE if self._wanted is RunOn.ALL and not stack else self._wanted
        self.run_on.fill([(titles[k], k) for k in kinds], keep=wanted)
        self._show()

    def _build(self) -> None:
        self.form = new_form()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self.form)
        add_row(
            self.form, "&Run on", self.run_on,
            "What to segment. The visible field is a quick preview. Default: the current plane.",
        )  # fmt: skip
        explain(self.draw, "New region", "Add a Shapes layer to draw the region in, as a rectangle.")
        self.shapes_label = add_row(
            self.form, "Re&gion", self.shapes,
            "Shapes layer with the region: the box around the selected shapes, or around all of them.",
            self.draw,
        )  # fmt: skip
        explain(
            self.link,
            "Link planes into 3-D objects",
            "Objects that overlap in neighbouring z planes become one. Works on all planes. Default: off.",
        )
        layout.addWidget(self.link)

    def _on_run_on(self, *_: object) -> None:
        self._wanted = self.value
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        set_row_visible(self.form, self.shapes_label, self.value is RunOn.SHAPES)
        self.link.setVisible(self._image is not None and can_link(self._image))
        self.link.setEnabled(self.value is RunOn.ALL)
