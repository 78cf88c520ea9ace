"""Plots of what was measured, linked with the canvas; what is selected can become a class."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.utils.theme import get_theme
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.errors import CellSegError, MissingDependencyError
from napari_cellseg.viewer.cell_picking import CellPicking
from napari_cellseg.viewer.cell_selection import CellSelection, SelectionLayer
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.gates import Gate, set_gate
from napari_cellseg.viewer.measure_figure import saving_plot
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.viewer.plot_points import GROUPED_BY, PlotKind, PlotPoints, plot_points
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import (
    NarrowCombo,
    Sentence,
    add_row,
    explain,
    later_of,
    new_form,
    set_row_visible,
)
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.measure_columns import fill_columns
from napari_cellseg.widgets.messages import ErrorBox
from napari_cellseg.widgets.save_dialog import ask_figure

PLOT_INTERVAL = 0.3
"""Seconds between two plots while values change."""


class PlotPanel(QWidget):
    """Chooses what to plot, shows it, and links it with the canvas. Signal `gated`: a class was given."""

    gated = Signal(str)

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._measured: MeasuredLayer | None = None
        self._later = later_of(self)
        self._replot = Coalesced(self._plot_again, PLOT_INTERVAL, self._later)
        self._gate = Gate()
        self._shown: tuple[Any, ...] = ()
        self._points: PlotPoints | None = None
        self.selection = CellSelection()
        self.selection.on_change.append(self._on_selection)
        self._picking: CellPicking | None = None
        self._light: SelectionLayer | None = None
        self.kind, self.x, self.y, self.by, self.planes = (NarrowCombo() for _ in range(5))
        self.planes.fill([("all planes", False), ("the plane that is shown", True)])
        self.kind.fill([(kind.value, kind) for kind in PlotKind])
        self.canvas = _canvas()
        self.sentence = Sentence("What is missing")
        self.line = Sentence("Selected cells")
        self.name = QLineEdit()
        self.make = QPushButton("Make a &class")
        self.clear = QPushButton("&Deselect")
        self.legend = QLabel()
        self.save_button = QPushButton("Save fi&gure…")
        self.job = JobPanel(step="figure")
        self.error, self.notes = ErrorBox(), Sentence("Notes")
        self.on_image = QPushButton()
        self.drags: dict[Any, QPushButton] = {}
        self._build()
        self._connect()
        connections.connect(viewer.events.theme, self.restyle)
        self.restyle()
        self.show_measured(None)

    # -- the form -----------------------------------------------------------------------------------------

    def _build(self) -> None:
        self._form = form = new_form()
        add_row(form, "P&lot", self.kind, "Histogram of one feature, scatter of two, or one by group.")
        add_row(form, "&Feature", self.x, "Along x; of grouped plots along y. Default: area.")
        self._y_row = add_row(form, "&Against", self.y, "Feature along y.")
        self._by_row = add_row(
            form,
            "&Group by",
            self.by,
            "Class, status, time or plane: colours of a histogram or scatter, or side by side.",
        )
        self._planes_row = add_row(
            form, "Cells &of", self.planes,
            "A point for each cell in every plane or time, or only those in the shown one. Default: all.",
        )  # fmt: skip
        explain(self.name, "Class", "Name of the class that the selected cells get.")
        self.name.setPlaceholderText("name of a class")
        explain(self.clear, "Deselect", "Select no cell.")
        explain(self.make, "Make a class", "Give the selected cells this class.")
        self.on_image.setText("Box on the image")
        self.on_image.setCheckable(True)
        explain(
            self.on_image, "Box on the image",
            "Drag a box on the image to select the cells in it; Shift adds. A click on a cell selects it in "
            "any case.",
        )  # fmt: skip
        self.legend.setWordWrap(True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setAccessibleName("Colours of the groups")
        explain(
            self.save_button, "Save figure",
            "The plot in the size of a journal's column, selected cells outlined: SVG whose texts can be "
            "edited, PDF, or PNG with 300 dpi.",
        )  # fmt: skip
        gate = QHBoxLayout()
        gate.addWidget(self.name, 1)
        gate.addWidget(self.make)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(5)
        layout.addLayout(form)
        layout.addWidget(self.sentence)
        layout.addLayout(self._tool_row())
        if self.canvas is not None:
            layout.addWidget(self.canvas)
        for widget in (self.legend, self.line):
            layout.addWidget(widget)
        layout.addLayout(gate)
        for widget in (self.save_button, self.job, self.error, self.notes):
            layout.addWidget(widget)
        layout.addStretch(1)

    def _tool_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        if self.canvas is not None:
            group = QButtonGroup(self)
            for drag in type(self.canvas.box.drag):
                button = QPushButton(drag.name.capitalize())
                button.setCheckable(True)
                button.setChecked(drag is self.canvas.box.drag)
                explain(button, drag.name.capitalize(), drag.value)
                button.clicked.connect(self._use(drag))
                group.addButton(button)
                row.addWidget(button)
                self.drags[drag] = button
        row.addWidget(self.on_image)
        row.addStretch(1)
        row.addWidget(self.clear)
        return row

    def _connect(self) -> None:
        for combo in (self.kind, self.x, self.y, self.by, self.planes):
            combo.currentIndexChanged.connect(self._on_choice)
        self.make.clicked.connect(self._on_gate)
        self.name.returnPressed.connect(self._on_gate)
        self.name.textChanged.connect(self._show_line)
        self.clear.clicked.connect(lambda: self.selection.choose([]))
        self.on_image.toggled.connect(self._on_boxes)
        self.save_button.clicked.connect(self._on_save)
        self.job.succeeded.connect(lambda paths: self.notes.say(f"Saved {paths[0]}."))
        self.job.failed.connect(self.error.show_error)
        self.job.running_changed.connect(lambda on: self.save_button.setEnabled(not on))
        if self.canvas is not None:
            self.canvas.selected.connect(self._on_drawn)

    def _use(self, drag: Any) -> Callable[[], None]:
        def use() -> None:
            self.canvas.box.drag = drag

        return use

    # -- what is shown ------------------------------------------------------------------------------------

    def show_measured(self, measured: MeasuredLayer | None) -> None:
        """Work on a measured layer; None where there is none."""
        if measured is not self._measured:
            self._leave()
            self._measured = measured
            if self.isVisible():
                self._meet()
        if measured is not None:
            for combo in (self.x, self.y):
                fill_columns(combo, measured, default="area" if combo is self.x else "perimeter")
            known = [name for name in GROUPED_BY if name in measured.table]
            self.by.fill([("nothing", ""), *((name, name) for name in known)], keep=self.by.currentData())
        self._show_rows()
        self._replot.request()

    def showEvent(self, event: QEvent) -> None:
        """The tab comes to the front: clicks on the canvas select cells."""
        super().showEvent(event)
        self._meet()
        self._replot.request()

    def hideEvent(self, event: QEvent) -> None:
        """The tab goes: the mouse is napari's own again; what is selected stays."""
        super().hideEvent(event)
        self._drop_picking()

    def restyle(self, event: object = None) -> None:
        """Take over the viewer's theme."""
        if self.canvas is not None:
            theme = get_theme(self._viewer.theme)
            self.canvas.restyle(theme.background.as_hex(), theme.text.as_hex())

    def close_plots(self) -> None:
        """Let go of the layer."""
        self._replot.cancel()
        self._leave()
        self._measured = None

    def _meet(self) -> None:
        """Let clicks on the canvas select cells, and light up what is selected."""
        measured = self._measured
        if measured is None or self._picking is not None:
            return
        self._picking = CellPicking(self._viewer, measured.layer, self.selection)
        self._picking.use_boxes(self.on_image.isChecked())
        if self._light is None:
            self._light = SelectionLayer(self._viewer, measured.layer, self.selection, self._later)

    def _drop_picking(self) -> None:
        if self._picking is not None:
            self._picking.close()
            self._picking = None

    def _leave(self) -> None:
        self._drop_picking()
        self.selection.choose([])
        if self._light is not None:
            self._light.close()
            self._light = None

    def _show_rows(self) -> None:
        kind = self.kind.currentData()
        set_row_visible(self._form, self._y_row, kind is PlotKind.SCATTER)
        several = self._measured is not None and bool(self._measured.request.outer)
        set_row_visible(self._form, self._planes_row, several)

    def _on_choice(self, index: int) -> None:
        if self.kind.currentData() is PlotKind.GROUPS and not self.by.currentData() and self.by.count() > 1:
            self.by.setCurrentIndex(1)
        self._show_rows()
        self._plot()

    def _plot_again(self) -> None:
        if self.isVisible():
            self._plot()
            if self._light is not None and len(self.selection):
                self._light.redraw.request()

    def _plot(self) -> None:
        measured, canvas = self._measured, self.canvas
        problem = "" if measured is not None else "Measure the cells first: the tab Measure."
        if canvas is None:
            problem = str(MissingDependencyError("A plot", "pyqtgraph", "all"))
        points = None
        if not problem and measured is not None:
            chosen = (c.currentData() for c in (self.kind, self.x, self.y, self.by, self.planes))
            choice = (measured, *chosen)
            try:
                points = plot_points(measured, *choice[1:])
            except CellSegError as error:
                problem = str(error)
            if canvas is not None and points is not None:
                canvas.show_points(points, keep_view=choice == self._shown)
                canvas.mark(self.selection.labels)
                self._shown = choice
        if canvas is not None:
            canvas.setVisible(points is not None)
            words = "" if points is None else plot_canvas().legend(points)
            self.legend.setText(words)
            self.legend.setVisible(bool(words))
        self._points = points
        self.save_button.setVisible(points is not None)
        self.sentence.say(problem)
        self._show_line()

    # -- saving -------------------------------------------------------------------------------------------

    def _on_save(self) -> None:
        name = " ".join(self._points.columns) if self._points is not None else "plot"
        path = ask_figure(self, "Save the figure", f"{name}.svg")
        if path is not None:
            self.save_figure(path)

    def save_figure(self, path: Path) -> None:
        """Write what is shown, with the selected cells outlined."""
        if self._measured is not None and self._points is not None and not self.job.running:
            self.error.clear()
            self.notes.say("")
            self.job.start(saving_plot(self._measured, self._points, self.selection.labels, path))

    # -- selecting ----------------------------------------------------------------------------------------

    def _on_drawn(self, labels: NDArray[np.int64], gate: Gate, add: bool) -> None:
        (self.selection.add if add else self.selection.choose)(labels)
        self._gate = Gate() if add else gate
        self._show_line()

    def _on_selection(self) -> None:
        self._gate = Gate()
        if self.canvas is not None:
            self.canvas.mark(self.selection.labels)
        self._show_line()

    def _on_boxes(self, on: bool) -> None:
        if self._picking is not None:
            self._picking.use_boxes(on)

    def _show_line(self, *_: object) -> None:
        chosen = len(self.selection)
        self.clear.setEnabled(chosen > 0)
        named = bool(self.name.text().strip())
        self.make.setEnabled(chosen > 0 and named)
        why = "" if chosen else "Select cells first: draw in the plot, or click cells in the image."
        why = why or ("" if named else "Give the class a name.")
        explain(self.make, "Make a class", why or "Give the selected cells this class. Ctrl+Z undoes it.")
        if self._measured is None:
            self.line.say("")
            return
        total = self._measured.table["index"].nunique()
        share = f", {100 * chosen / total:.1f} %" if chosen and total else ""
        words = f"{chosen:,} of {total:,} cells selected{share}"
        self.line.say(f"{words}.")

    def _on_gate(self) -> None:
        if self._measured is None or not self.make.isEnabled():
            return
        layer = self._measured.layer
        try:
            words = set_gate(layer, self.selection.labels, self.name.text(), self._gate, self._later)
        except CellSegError as error:
            words = f"⚠ {error}"
        self.notes.say(words)
        self.gated.emit(words)


def _canvas() -> Any:
    """The plot, where the package that draws it is installed."""
    return None if find_spec("pyqtgraph") is None else plot_canvas().PlotCanvas()


def plot_canvas() -> Any:
    """The module that draws, which needs pyqtgraph."""
    from napari_cellseg.widgets import plot_canvas as module

    return module
