"""Colour the cells by what was measured, with a colour bar; a picture of both."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.colour_by_feature import MAPS, ColourChoices, FeatureColours, is_number
from napari_cellseg.viewer.colour_picture import saving_picture
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.widgets.colour_bar import ColourBar
from napari_cellseg.widgets.fields import NarrowCombo, Sentence, add_row, explain, later_of, new_form
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.measure_columns import fill_columns
from napari_cellseg.widgets.messages import ErrorBox
from napari_cellseg.widgets.save_dialog import ask_figure

WAIT = 0.2
"""Seconds that the choices must rest before the cells are coloured again."""


class ColourPanel(QWidget):
    """Which feature, which colours; a button to colour, one to go back, one to save a picture.

    Parameters
    ----------
    picture : callable
        Gives what the canvas shows, (H, W, 4) ndarray of uint8.
    """

    def __init__(self, picture: Callable[[], NDArray[np.uint8]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture = picture
        self._measured: MeasuredLayer | None = None
        self._colours: dict[MeasuredLayer, FeatureColours] = {}
        self._later = later_of(self)
        self._again = Coalesced(self._recolour, WAIT, self._later)
        self.feature, self.colour_map = NarrowCombo(), NarrowCombo()
        self.colour_map.fill([(title, name) for name, title in MAPS.items()])
        self.low, self.high = QDoubleSpinBox(), QDoubleSpinBox()
        for box, value in ((self.low, 1.0), (self.high, 99.0)):
            box.setRange(0, 100)
            box.setDecimals(1)
            box.setSuffix(" %")
            box.setValue(value)
            box.setKeyboardTracking(False)
        self.whole = QCheckBox("whole &range")
        self.button = QPushButton("Colour the c&ells")
        self.back = QPushButton("&Old colours")
        self.bar = ColourBar()
        self.save_button = QPushButton("Save &picture…")
        self.job = JobPanel(step="picture")
        self.error, self.notes = ErrorBox(), Sentence("Notes")
        self.sentence = Sentence("What is coloured")
        self._build()
        self.feature.currentIndexChanged.connect(self._on_choice)
        self.colour_map.currentIndexChanged.connect(self._on_choice)
        self.low.valueChanged.connect(self._on_choice)
        self.high.valueChanged.connect(self._on_choice)
        self.whole.toggled.connect(self._on_choice)
        self.save_button.clicked.connect(self._on_save)
        self.job.succeeded.connect(lambda paths: self.notes.say(f"Saved {paths[0]}."))
        self.job.failed.connect(self.error.show_error)
        self.job.running_changed.connect(lambda on: self._show())
        self.button.clicked.connect(self.colour)
        self.back.clicked.connect(self._on_back)
        self.show_measured(None)

    def _build(self) -> None:
        form = new_form()
        explain(self.high, "Upper end", "Share of the cells below the last colour. Default: 99 %.")
        add_row(form, "Fea&ture", self.feature, "What the colours show. Default: the first one, area.")
        add_row(
            form, "Co&lours", self.colour_map,
            "From low to high values. Default: viridis. All can be read by colour-blind eyes.",
        )  # fmt: skip
        add_row(
            form, "&Range", self.low,
            "Share of the cells below the first and below the last colour, so that a few extreme cells don't "
            "use up the colours; far outliers (3 interquartile ranges) are beyond too. Default: 1, 99 %.",
            self.high,
        )  # fmt: skip
        explain(
            self.whole, "Whole range",
            "Spread the colours from the smallest to the largest value. Default: off, so that a few specks "
            "with odd values, such as a circularity above 1, don't use up the colours.",
        )  # fmt: skip
        form.addRow("", self.whole)
        explain(
            self.save_button, "Save picture",
            "What the canvas shows with the colour bar beside it, as PNG, SVG or PDF.",
        )  # fmt: skip
        explain(self.back, "Old colours", "Give the labels the colours back that they had before.")
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, 1)
        buttons.addWidget(self.back)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(form)
        layout.addWidget(self.sentence)
        layout.addLayout(buttons)
        for widget in (self.bar, self.save_button, self.job, self.error, self.notes):
            layout.addWidget(widget)
        layout.addStretch(1)

    @property
    def choices(self) -> ColourChoices:
        """What the form says."""
        low, high = sorted((self.low.value(), self.high.value()))
        ends = (0.0, 100.0) if self.whole.isChecked() else (low, high)
        return ColourChoices(self.feature.currentData(), self.colour_map.currentData(), ends)

    def show_measured(self, measured: MeasuredLayer | None) -> None:
        """Work on a measured layer; None where there is none."""
        self._measured = measured
        if measured is not None:
            fill_columns(self.feature, measured, words=True)
        self._show()

    def colour(self) -> None:
        """Colour the cells as the form says."""
        measured = self._measured
        if measured is None:
            return
        if measured not in self._colours:
            self._colours[measured] = FeatureColours(measured, self._later)
            self._colours[measured].on_change.append(self._show)
        self._colours[measured].show(self.choices)
        measured.layer.visible = True

    def save(self, path: Path) -> None:
        """Write what the canvas shows, with the colour bar."""
        found = self._found()
        if found is not None and found.scale is not None and not self.job.running:
            self.error.clear()
            self.notes.say("")
            self.job.start(saving_picture(self._measured, self._picture(), found.scale, path))

    def _on_save(self) -> None:
        path = ask_figure(self, "Save the picture", f"{self.feature.currentData()}.png")
        if path is not None:
            self.save(path)

    def forget(self, measured: MeasuredLayer) -> None:
        """A layer is gone: let go of it."""
        colours = self._colours.pop(measured, None)
        if colours is not None:
            colours.close()

    def close_colours(self) -> None:
        """Give all layers their old colours back."""
        for measured in list(self._colours):
            self.forget(measured)

    def _found(self) -> FeatureColours | None:
        found = self._colours.get(self._measured) if self._measured is not None else None
        return found if found is not None and found.shown else None

    def _on_choice(self, *_: object) -> None:
        self._show()
        if self._found() is not None:
            self._again.defer()

    def _recolour(self) -> None:
        if self._found() is not None:
            self.colour()

    def _on_back(self) -> None:
        found = self._found()
        if found is not None:
            found.hide()

    def _show(self) -> None:
        measured, found = self._measured, self._found()
        self.button.setEnabled(measured is not None)
        problem = "" if measured is not None else "Measure the cells first: the tab Measure."
        explain(self.button, "Colour the cells", problem or "Give each cell the colour of its value.")
        self.back.setEnabled(found is not None)
        self.sentence.say(problem)
        number = measured is not None and is_number(measured.table[self.feature.currentData()])
        for widget in (self.colour_map, self.whole):
            widget.setEnabled(number)
        for widget in (self.low, self.high):
            widget.setEnabled(number and not self.whole.isChecked())
        self.save_button.setVisible(found is not None)
        self.save_button.setEnabled(not self.job.running)
        self.bar.show_scale(None if found is None else found.scale)
