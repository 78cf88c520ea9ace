"""A plot of cells in which one can select: a histogram, a scatter, groups side by side."""

from collections.abc import Sequence
from enum import Enum
from html import escape
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_cellseg.viewer.colour_by_feature import OTHERS, WORDS, map_colours
from napari_cellseg.viewer.gates import Gate
from napari_cellseg.viewer.plot_points import PlotKind, PlotPoints, bar_heights, histogram, violin
from napari_cellseg.viewer.point_picture import MOST_GROUPS, SELECTED, View, point_picture

SELECTED_COLOUR = "#d55e00"
POINT_COLOUR = "#56b4e9"
HEIGHT = 260


class Drag(Enum):
    """What dragging in the plot does; the value is the tooltip."""

    BOX = "Drag a box, or a range in a histogram, to select the cells in it."
    LASSO = "Draw around points to select their cells."
    MOVE = "Drag to move the plot, with the right button to zoom; the wheel zooms always."


class _Box(pg.ViewBox):
    """Draws the box or the lasso. Signal `drawn`: corners (K, 2), and whether they are to be added."""

    drawn = Signal(object, bool)

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.drag = Drag.BOX
        self.ranges_only = False
        self._corners: list[tuple[float, float]] = []
        self._line = pg.PlotCurveItem(pen=pg.mkPen(SELECTED_COLOUR, width=2), fillLevel=None)
        self._line.setZValue(100)
        self.addItem(self._line, ignoreBounds=True)

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        """Follow the mouse."""
        if self.drag is Drag.MOVE or event.button() != Qt.MouseButton.LeftButton:
            super().mouseDragEvent(event, axis)
            return
        event.accept()
        start, here = (self.mapToView(p) for p in (event.buttonDownPos(), event.pos()))
        if event.isStart():
            self._corners = [(start.x(), start.y())]
        if self.drag is Drag.LASSO and not self.ranges_only:
            self._corners.append((here.x(), here.y()))
        else:
            self._corners = self._box_corners(start.x(), start.y(), here.x(), here.y())
        self.draw(self._corners)
        if event.isFinish():
            self.finish(bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))

    def draw(self, corners: list[tuple[float, float]]) -> None:
        """Show an outline through these corners."""
        self._corners = corners
        shape = np.array([*corners, corners[0]])
        self._line.setData(shape[:, 0], shape[:, 1])

    def finish(self, add: bool = False) -> None:
        """What is drawn is the selection."""
        corners, self._corners = np.array(self._corners), []
        self._line.setData([], [])
        self.drawn.emit(corners, add)

    def _box_corners(self, x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
        if self.ranges_only:
            (_, _), (y0, y1) = self.viewRange()
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


class PlotCanvas(pg.PlotWidget):
    """Shows `PlotPoints`. Signal `selected`: labels (N,), the `Gate` that chose them, whether they are added.

    Attributes
    ----------
    box : ViewBox
        Where the mouse acts.
    """

    selected = Signal(object, object, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        self.box = _Box()
        super().__init__(parent, viewBox=self.box)
        self.setMinimumWidth(120)
        self.setFixedHeight(HEIGHT)
        self.setAccessibleName("Plot")
        self.hideButtons()
        self._points: PlotPoints | None = None
        self._chosen: NDArray[np.bool_] | None = None
        self._image = pg.ImageItem(axisOrder="row-major")
        self._decoration: list[Any] = []
        self._marks: list[Any] = []
        self._region: Any = None
        self.box.drawn.connect(self._on_drawn)
        self.box.sigRangeChanged.connect(self._draw_points)
        self.box.sigResized.connect(self._draw_points)
        self._text = "black"
        self.plotItem.layout.setContentsMargins(2, 4, 10, 6)
        for name in ("left", "bottom"):
            self.getAxis(name).enableAutoSIPrefix(False)

    def restyle(self, background: str, text: str) -> None:
        """Take over the colours of the window, and draw anew."""
        self._text = text
        self.setBackground(background)
        for name in ("left", "bottom"):
            axis = self.getAxis(name)
            axis.setPen(text)
            axis.setTextPen(text)
        self.show_points(self._points, keep_view=True)

    def show_points(self, points: PlotPoints | None, *, keep_view: bool = False) -> None:
        """Show other points.

        Parameters
        ----------
        points : PlotPoints or None
            None empties the plot.
        keep_view : bool
            Whether the part that is seen stays, because only values changed.
        """
        self._clear()
        self._points, self._chosen = points, None
        if points is None:
            return
        self.setLabel("bottom", points.x_title)
        self.setLabel("left", points.y_title)
        self.box.ranges_only = points.kind is PlotKind.HISTOGRAM
        self.getAxis("bottom").setTicks(None)
        if points.kind is PlotKind.HISTOGRAM:
            self._add_bars(points)
        else:
            if points.kind is PlotKind.GROUPS:
                self._add_violins(points)
            self.addItem(self._image, ignoreBounds=True)
        if not keep_view:
            self._show_all(points)
        self._draw_points()

    def mark(self, labels: NDArray[np.int64]) -> None:
        """Show which cells are selected."""
        if self._points is None:
            return
        self._chosen = self._points.of(labels) if len(labels) else None
        if self._points.kind is PlotKind.HISTOGRAM:
            self._mark_bars()
        else:
            self._draw_points()

    def show_range(self, low: float, high: float) -> None:
        """Show a range of a histogram whose ends can be dragged."""
        self._drop_region()
        self._region = pg.LinearRegionItem((low, high), brush=(213, 94, 0, 40), pen=pg.mkPen(SELECTED_COLOUR))
        self._region.setZValue(50)
        self.addItem(self._region, ignoreBounds=True)
        self._region.sigRegionChanged.connect(self._on_range)

    def _clear(self) -> None:
        self._drop_region()
        for item in (*self._decoration, self._image):
            self.removeItem(item)
        self._decoration = []

    def _drop_region(self) -> None:
        if self._region is not None:
            self.removeItem(self._region)
            self._region = None

    def _show_all(self, points: PlotPoints) -> None:
        x, y = (v[np.isfinite(v)] for v in (points.x, points.y))
        if points.kind is PlotKind.HISTOGRAM:
            edges, _ = histogram(points)
            top = bar_heights(points, edges).max()
            self.box.setRange(xRange=(edges[0], edges[-1]), yRange=(0, top or 1), padding=0.02)
        elif len(x) and len(y):
            ends = (-0.6, len(points.names) - 0.4) if points.kind is PlotKind.GROUPS else (x.min(), x.max())
            self.box.setRange(xRange=_apart(*ends), yRange=_apart(y.min(), y.max()), padding=0.04)

    # -- points -------------------------------------------------------------------------------------------

    def _draw_points(self, *_: object) -> None:
        """Draw the points anew for what is seen."""
        points = self._points
        if points is None or points.kind is PlotKind.HISTOGRAM:
            return
        (left, right), (bottom, top) = self.box.viewRange()
        ratio = self.devicePixelRatioF()
        size = [max(8, round(n * ratio)) for n in (self.box.width(), self.box.height())]
        groups = points.groups if points.kind is PlotKind.SCATTER else np.zeros(len(points.x), np.intp)
        view = View(left, right, bottom, top, *size)
        picture = point_picture(points.x, points.y, view, groups, self._chosen)
        self._image.setImage(self._lookup(points)[picture], autoLevels=False, levels=(0, 255))
        self._image.setRect(QRectF(left, bottom, right - left, top - bottom))

    def _lookup(self, points: PlotPoints) -> NDArray[np.uint8]:
        table = np.zeros((256, 4), np.uint8)
        table[1 : MOST_GROUPS + 1] = group_colours(range(MOST_GROUPS)) if points.groups is not None else 0
        if points.groups is None or points.kind is PlotKind.GROUPS:
            table[1] = _rgba(POINT_COLOUR)
        table[MOST_GROUPS + 1 : 2 * MOST_GROUPS + 1] = map_colours("viridis", MOST_GROUPS) * 255
        table[SELECTED] = _rgba(SELECTED_COLOUR)
        return table

    # -- bars and violins ---------------------------------------------------------------------------------

    def _add_bars(self, points: PlotPoints) -> None:
        edges, _ = histogram(points)
        grouped = points.groups is not None
        self._marks = []
        for group, line in enumerate(bar_heights(points, edges)):
            colour = _group_colour(group) if grouped else POINT_COLOUR
            self._add(_steps(edges, line, colour, *((60, colour) if grouped else (255, None))))
            look = (self._text, 40, self._text) if grouped else (SELECTED_COLOUR, 255, None)
            self._marks.append(_steps(edges, 0 * line, *look))
            self._add(self._marks[-1])

    def _mark_bars(self) -> None:
        points, chosen = self._points, self._chosen
        if points is None:
            return
        edges, _ = histogram(points)
        some = np.zeros(len(points.x), bool) if chosen is None else chosen
        for mark, line in zip(self._marks, bar_heights(points, edges, some), strict=True):
            mark.setData(edges, line, stepMode="center")

    def _add_violins(self, points: PlotPoints) -> None:
        self.getAxis("bottom").setTicks([list(enumerate(points.names))])
        line = self._text
        for group in range(len(points.names)):
            values = points.y[points.groups == group]
            at, width = violin(values)
            if len(at):
                across = np.concatenate([group - width, (group + width)[::-1]])
                outline = pg.PlotCurveItem(
                    np.append(across, across[0]), np.append(np.concatenate([at, at[::-1]]), at[0]), pen=line
                )
                self._add(outline)
            finite = values[np.isfinite(values)]
            if len(finite):
                self._add_box(group, np.percentile(finite, (25, 50, 75)), line)

    def _add_box(self, group: int, quartiles: NDArray[np.float64], line: Any) -> None:
        low, middle, high = quartiles
        half = 0.08
        corners = np.array([(-half, low), (half, low), (half, high), (-half, high), (-half, low)])
        self._add(pg.PlotCurveItem(group + corners[:, 0], corners[:, 1], pen=pg.mkPen(line, width=2)))
        self._add(
            pg.PlotCurveItem([group - half, group + half], [middle, middle], pen=pg.mkPen(line, width=4))
        )

    def _add(self, item: Any) -> None:
        item.setZValue(10)
        self.addItem(item)
        self._decoration.append(item)

    # -- selecting ----------------------------------------------------------------------------------------

    def _on_drawn(self, corners: NDArray[np.float64], add: bool) -> None:
        points = self._points
        if points is None or len(corners) < 3:
            return
        if points.kind is PlotKind.HISTOGRAM:
            low, high = float(corners[:, 0].min()), float(corners[:, 0].max())
            self.show_range(low, high)
            self._tell_range(low, high, add)
            return
        gate = Gate(points.columns, tuple(tuple(float(v) for v in corner) for corner in corners))
        if points.kind is PlotKind.GROUPS:
            gate = Gate(points.columns, ((float(corners[:, 1].min()),), (float(corners[:, 1].max()),)))
        self.selected.emit(points.labels_in_polygon(corners), gate, add)

    def _on_range(self) -> None:
        low, high = self._region.getRegion()
        self._tell_range(float(low), float(high), False)

    def _tell_range(self, low: float, high: float, add: bool) -> None:
        if self._points is not None:
            gate = Gate(self._points.columns, ((low,), (high,)))
            self.selected.emit(self._points.labels_in_range(low, high), gate, add)


def group_colours(groups: Sequence[int]) -> NDArray[np.uint8]:
    """Colours (N, 4) of groups; those beyond the last are grey."""
    return np.array([_rgba(_group_colour(g)) for g in groups], np.uint8).reshape(-1, 4)


def legend(points: PlotPoints | None) -> str:
    """What the colours of groups mean, as rich text; empty where there are none, or the axis names them."""
    if points is None or points.groups is None or points.kind is PlotKind.GROUPS:
        return ""
    counts = np.bincount(points.groups, minlength=len(points.names))
    parts = [
        f'<span style="color:{_group_colour(g)}">■</span>&nbsp;{escape(name)}&nbsp;({counts[g]:,})'
        for g, name in enumerate(points.names[: len(WORDS)])
    ]
    if len(points.names) > len(WORDS):
        parts.append(f'<span style="color:{OTHERS}">■</span>&nbsp;{len(points.names) - len(WORDS)} more')
    return " &nbsp;".join(parts)


def _group_colour(group: int) -> str:
    return WORDS[group] if group < len(WORDS) else OTHERS


def _steps(
    edges: NDArray[np.float64], heights: NDArray[np.float64], colour: str, alpha: int, line: str | None
) -> Any:
    """Bars side by side, with an outline where it has a colour."""
    return pg.PlotCurveItem(
        edges,
        heights,
        stepMode="center",
        fillLevel=0,
        brush=pg.mkColor(*pg.mkColor(colour).getRgb()[:3], alpha),
        pen=None if line is None else pg.mkPen(line, width=1.5),
    )


def _rgba(colour: str) -> tuple[int, ...]:
    return (*(int(colour[i : i + 2], 16) for i in (1, 3, 5)), 255)


def _apart(low: float, high: float) -> tuple[float, float]:
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(high) + 0.5)
