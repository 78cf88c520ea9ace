"""napari's own features table, opened for a labels layer."""

from typing import Any

from napari.layers import Labels
from napari.viewer import Viewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QTableView, QWidget

TABLE = "Features table widget"
"""Name of the table in napari's own manifest."""
HEIGHT = 260
"""Height that the table opens with, in pixels."""
ROWS_MEASURED = 20
"""Rows that the table looks at for the width of its columns; all of them take a second for large tables."""


def open_features_table(viewer: Viewer, layer: Labels) -> Any:
    """Open napari's features table with the rows of a layer, below the canvas.

    Returns
    -------
    QDockWidget
        The table's dock.
    """
    was_open = any(TABLE in name for name in viewer.window.dock_widgets)
    viewer.layers.selection = {layer} if was_open else set()  # filled at once, it would measure every row
    dock, widget = viewer.window.add_plugin_dock_widget("napari", TABLE, tabify=False)
    speed_up(widget)
    viewer.layers.selection = {layer}
    if not was_open:
        _put_below_canvas(dock)
    dock.show()
    dock.raise_()
    return dock


def _put_below_canvas(dock: QDockWidget) -> None:
    """Between the side docks, which need the window's whole height on a laptop's screen."""
    window = dock.window()
    window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
    window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
    window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
    window.resizeDocks([dock], [HEIGHT], Qt.Orientation.Vertical)


def speed_up(widget: QWidget) -> None:
    """Make an open table cheap to update."""
    for table in widget.findChildren(QTableView):
        table.horizontalHeader().setResizeContentsPrecision(ROWS_MEASURED)
