"""What the images are like: a row for each, growth over time, contacts between classes."""

from pathlib import Path

from napari.components import ViewerModel
from qtpy.QtCore import QModelIndex
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_cellseg.features.growth import GROWING, SECONDS
from napari_cellseg.features.growth_plots import plot_growth
from napari_cellseg.viewer.measure_images import (
    DescribedImages,
    GrowthChoices,
    cells_of,
    describing,
    fit_frames,
    frame_interval,
    growth_line,
    images_line,
    saving_growth,
    saving_images,
    timed,
)
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.widgets.fields import (
    NarrowCombo,
    Sentence,
    add_row,
    bring_into_view,
    explain,
    new_form,
    primary_button,
)
from napari_cellseg.widgets.figure_box import FigureBox
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.measure_contacts import ContactsBox
from napari_cellseg.widgets.messages import ErrorBox
from napari_cellseg.widgets.number_table import NumberTable
from napari_cellseg.widgets.save_dialog import ask_figure, ask_table


class GrowthBox(QWidget):
    """How a culture grows: its curve, and how the curve is fitted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._described: DescribedImages | None = None
        self.column, self.unit = NarrowCombo(), NarrowCombo()
        self.column.fill([(name, name) for name in GROWING])
        self.unit.fill([(name, name) for name in SECONDS], keep="h")
        self.unit.setMinimumContentsLength(3)
        self.interval = QDoubleSpinBox()
        self.interval.setRange(0, 1_000_000)
        self.interval.setDecimals(3)
        self.interval.setSpecialValueText("unknown: in frames")
        self.interval.setKeyboardTracking(False)
        self.first, self.last = QSpinBox(), QSpinBox()
        self.line = Sentence("Growth")
        self.figure = FigureBox("Growth over time")
        form = new_form()
        add_row(form, "&Growth of", self.column, "Cells, or the share of the image that they cover.")
        add_row(
            form, "&Time step", self.interval,
            "Time between two frames; 0 counts frames. Default: from the layer or its file.", self.unit,
        )  # fmt: skip
        explain(self.unit, "Unit of time", "Unit of the time step. Default: h.")
        explain(self.last, "Last frame", "Last frame of the fit. Default: the last one.")
        add_row(
            form, "&Fit frames", self.first,
            "First and last frame of exponential growth: before it cells settle, after it they lack room. "
            "Default: all.", self.last,
        )  # fmt: skip
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.line)
        layout.addWidget(self.figure)
        for combo in (self.column, self.unit):
            combo.currentIndexChanged.connect(self._draw)
        for spin in (self.interval, self.first, self.last):
            spin.valueChanged.connect(self._draw)

    @property
    def choices(self) -> GrowthChoices:
        """What the form says."""
        first, last = sorted((self.first.value(), self.last.value()))
        every = first <= self.first.minimum() and last >= self.last.maximum()
        return GrowthChoices(
            self.column.currentData(),
            self.interval.value() or None,
            self.unit.currentData(),
            None if every else (first, last),
        )

    def use_interval(self, known: tuple[float, str] | None) -> None:
        """Take over the time between two frames that is known; None leaves it unknown."""
        for widget in (self.interval, self.unit):
            widget.blockSignals(True)
        self.interval.setValue(known[0] if known else 0)
        self.unit.choose(known[1] if known else "h")
        for widget in (self.interval, self.unit):
            widget.blockSignals(False)

    def show_described(self, described: DescribedImages) -> None:
        """Show the growth of other images."""
        self._described = described
        last = int(described.frames["t"].max())
        for spin, value in ((self.first, 0), (self.last, last)):
            whole = spin.maximum() != last
            spin.blockSignals(True)
            spin.setRange(0, last)
            spin.setValue(value if whole else spin.value())
            spin.blockSignals(False)
        self._draw()

    def _draw(self, *_: object) -> None:
        described, choices = self._described, self.choices
        self.unit.setEnabled(choices.interval is not None)
        if described is None:
            return
        words = growth_line(described, choices)
        figure = plot_growth(timed(described, choices), choices.column, fit_frames(described, choices)[0])
        self.line.say(words)
        self.figure.show_figure(figure, words)


class ImagesPanel(QWidget):
    """Describes the images of a measured layer, and tests contacts between its classes."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._measured: MeasuredLayer | None = None
        self._described: DescribedImages | None = None
        self.sentence = Sentence("What will be described")
        self.button = primary_button("&Describe the images")
        self.job = JobPanel(step="image")
        explain(self.job.cancel_button, "Cancel", "Stop after the current image; nothing is kept.")
        self.error, self.notes = ErrorBox(), Sentence("Notes")
        self.line, self.outdated = Sentence("Result"), Sentence("Whether the result still holds")
        self.table = NumberTable("Images", "A row for each image or frame; a click shows the frame.")
        self.growth, self.contacts = GrowthBox(), ContactsBox()
        self.save_button, self.figure_button = QPushButton("&Save table…"), QPushButton("Save fi&gure…")
        explain(
            self.save_button, "Save table",
            "A row for each image as CSV, CSV for Excel, or Parquet; units, definitions and growth lie in a "
            "second file beside it.",
        )  # fmt: skip
        explain(
            self.figure_button, "Save figure",
            "The growth curve in the size of a journal's column: SVG whose texts can be edited, PDF, or PNG.",
        )  # fmt: skip
        self._build()
        self._connect()
        self.show_measured(None)

    def _build(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.save_button)
        buttons.addWidget(self.figure_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        for widget in (
            self.sentence, self.button, self.job, self.error, self.notes, self.line, self.outdated,
            self.table, self.growth,
        ):  # fmt: skip
            layout.addWidget(widget)
        layout.addLayout(buttons)
        layout.addWidget(self.contacts)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.button.clicked.connect(self.start)
        self.save_button.clicked.connect(self._on_save)
        self.figure_button.clicked.connect(self._on_save_figure)
        self.table.clicked.connect(self._on_row)
        self.job.succeeded.connect(self._on_success)
        self.job.failed.connect(self.error.show_error)
        self.job.cancelled.connect(lambda: self.notes.say("Cancelled; nothing was kept."))
        self.job.warned.connect(self.notes.say)
        self.job.running_changed.connect(lambda on: self._show())

    # -- what is described --------------------------------------------------------------------------------

    def show_measured(self, measured: MeasuredLayer | None) -> None:
        """Work on a measured layer; None where there is none."""
        if measured is not self._measured:
            self._described = None
            self.error.clear()
            self.notes.say("")
            if measured is not None:
                self.growth.use_interval(frame_interval(measured.request))
        self._measured = measured
        self.contacts.show_measured(measured)
        self._show()

    def start(self) -> None:
        """Describe the images."""
        if self._measured is None or self.job.running:
            return
        self.error.clear()
        self.notes.say("")
        self.job.start(describing(self._measured))

    def save(self, path: Path, *, excel: bool = False) -> None:
        """Write the rows of the images."""
        if self._described is not None and not self.job.running:
            self.error.clear()
            self.job.start(saving_images(self._described, self.growth.choices, path, excel=excel))

    def save_figure(self, path: Path) -> None:
        """Write the growth curve."""
        if self._described is not None and not self.job.running:
            self.error.clear()
            self.job.start(saving_growth(self._described, self.growth.choices, path))

    def _on_success(self, result: DescribedImages | list[Path]) -> None:
        if isinstance(result, list):
            beside = f"; units and definitions in {result[1].name}" if len(result) > 1 else ""
            self.notes.say(f"Saved {result[0]}{beside}.")
        elif self._measured is not None and result.request.layer is self._measured.layer:
            self._described = result
            self._show_described(result)
            bring_into_view(self.table)
        self._show()

    def _on_save(self) -> None:
        chosen = ask_table(self, "Save the table of images", "images.csv")
        if chosen is not None:
            self.save(chosen[0], excel=chosen[1])

    def _on_save_figure(self) -> None:
        path = ask_figure(self, "Save the figure", "growth.svg")
        if path is not None:
            self.save_figure(path)

    def _on_row(self, index: QModelIndex) -> None:
        """Show the frame of a row that was clicked."""
        described = self._described
        if described is None or len(described.frames) < 2:
            return
        row, request = described.frames.iloc[index.row()], described.request
        for axis in request.outer:
            own = request.labels.dimensions[request.labels.axes.index(axis)]
            place = self._viewer.dims.ndim - request.layer.ndim + own
            steps = request.layer.data_to_world(
                [row[axis.lower()] if d == own else 0 for d in range(request.layer.ndim)]
            )
            self._viewer.dims.set_point(place, steps[own])

    # -- showing ------------------------------------------------------------------------------------------

    def _show(self) -> None:
        measured, described = self._measured, self._described
        problem = "" if measured is not None else "Measure the cells first: the tab Measure."
        blocked = "A job is going on: wait for it, or cancel it." if self.job.running else problem
        self.button.setEnabled(not blocked)
        explain(
            self.button, "Describe the images", blocked or "Count, confluence, classes, focus: a row each."
        )
        self.sentence.say(problem or self._what(measured))
        has = described is not None
        for widget in (self.table, self.save_button):
            widget.setVisible(has)
        grows = has and described.has_time
        for widget in (self.growth, self.figure_button):
            widget.setVisible(grows)
        for button in (self.save_button, self.figure_button):
            button.setEnabled(not self.job.running)
        self.line.say(f"{images_line(described)}." if has else "")
        changed = has and measured is not None and not described.cells.equals(cells_of(measured))
        self.outdated.say("⚠ The cells have changed since: describe the images again." if changed else "")

    def _show_described(self, described: DescribedImages) -> None:
        frames = described.frames
        self.table.show_table(frames, upright=len(frames) == 1)
        if described.has_time:
            self.growth.show_described(described)

    def _what(self, measured: MeasuredLayer) -> str:
        names = [channel.name for channel in measured.request.choices.channels]
        quality = f"; focus, saturation and light of {', '.join(names)}" if names else ""
        return f"Describes '{measured.layer.name}': count, confluence, density, classes{quality}."
