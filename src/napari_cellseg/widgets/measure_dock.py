"""The Measure dock: what each cell is like, in numbers, colours and plots."""

from napari.viewer import Viewer
from qtpy.QtWidgets import QTabWidget, QWidget

from napari_cellseg.widgets.connections import unwrapped
from napari_cellseg.widgets.dock import Dock, scrolling
from napari_cellseg.widgets.measure_colours import ColourPanel
from napari_cellseg.widgets.measure_compare import ComparePanel
from napari_cellseg.widgets.measure_images import ImagesPanel
from napari_cellseg.widgets.measure_panel import MeasurePanel
from napari_cellseg.widgets.measure_plots import PlotPanel


class MeasureDock(Dock):
    """Measures the objects of a labels layer, colours, plots and compares them, describes the images."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        viewer = unwrapped(viewer)
        self.panel = MeasurePanel(viewer, self._connections)
        self.colours = ColourPanel(lambda: viewer.screenshot(flash=False))
        self.plots = PlotPanel(viewer, self._connections)
        self.compare = ComparePanel(viewer, self._connections, lambda: self.panel.measured_layers)
        self.images = ImagesPanel(viewer)
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName("Measure, colour, plot, compare, or describe the images")
        self.tabs.addTab(scrolling(self.panel), "Measure")
        self.tabs.addTab(scrolling(self.colours), "Colour")
        self.tabs.addTab(scrolling(self.plots), "Plot")
        self.tabs.addTab(scrolling(self.compare), "Compare")
        self.tabs.addTab(scrolling(self.images), "Images")
        self.fill(viewer, self.tabs)
        self.panel.measured_changed.connect(self._on_measured)
        self.panel.forgotten.connect(self.colours.forget)
        self._connections.at_end(self.plots.close_plots)
        self._connections.at_end(self.colours.close_colours)
        self._connections.at_end(self.panel.close_results)
        self._connections.at_end(self.panel.job.close_job())
        panels = (self.colours, self.plots, self.compare, self.images, self.images.contacts)
        for panel in panels:
            self._connections.at_end(panel.job.close_job())

    def _on_measured(self) -> None:
        self.colours.show_measured(self.panel.measured)
        self.plots.show_measured(self.panel.measured)
        self.compare.on_measured()
        self.images.show_measured(self.panel.measured)
