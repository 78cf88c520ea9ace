"""Tools of the Correct dock: what a click or a drag on the canvas does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from napari.layers import Labels, Points
from numpy.typing import NDArray

from napari_cellseg.errors import CellSegError
from napari_cellseg.viewer.coalesced import Later
from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.ghosts import Ghosts
from napari_cellseg.viewer.outlines import add_beside

MARKS_KEY = "napari-cellseg marks"
"""Key of a layer's metadata that marks the points of a tool."""
CLICK_REACH = 4.0
"""Screen pixels that the mouse may move in a click."""


@dataclass(frozen=True, slots=True)
class ToolText:
    """What the user reads of a tool.

    Attributes
    ----------
    title : str
        On its button.
    key : str
        That switches to it.
    hint : str
        What to do, while it is on.
    """

    title: str
    key: str
    hint: str


class Tool(Enum):
    """What the mouse does on the canvas."""

    SELECT = ToolText("Select", "Q", "click an object to select it")
    DELETE = ToolText("Delete", "Shift-D", "click objects to delete them")
    MERGE = ToolText("Merge", "C", "click two or more objects, then press C again")
    LINE = ToolText("Split: line", "S", "draw a line right across an object")
    SEEDS = ToolText("Split: seeds", "Shift-S", "click into each part of an object, then press Shift+S again")
    ADD = ToolText("Add by click", "G", "click into an object that is missing")
    PROMOTE = ToolText("Candidates", "T", "click into an outline to add that candidate")


MARKING = (Tool.MERGE, Tool.LINE, Tool.SEEDS)
"""Tools that show where one has clicked or drawn."""


class Tools:
    """The tool in use, and the points that it has collected.

    Parameters
    ----------
    correction : Correction
        What the tools act on.
    say : callable
        Told what happened, in words.
    fail : callable
        Told of errors.
    later : Later, optional
        How to wait without blocking.
    """

    def __init__(
        self,
        correction: Correction,
        say: Callable[[str], None],
        fail: Callable[[Exception], None],
        later: Later | None = None,
    ) -> None:
        self.correction = correction
        self.tool: Tool | None = None
        self.on_change: list[Callable[[], None]] = []
        self.chosen: list[int] = []
        self.ghosts = Ghosts(correction, later)
        self._say, self._fail = say, fail
        self._points: list[NDArray[np.float64]] = []
        self._marks: Points | None = None
        layer = correction.layer
        layer.mouse_drag_callbacks.append(self._on_mouse)
        layer.events.mode.connect(self._on_mode)

    def press(self, tool: Tool) -> None:
        """What a tool's key or button does: switch to it, do what was prepared with it, or switch it off."""
        if self.tool is not tool:
            self.use(tool)
        elif self._points:
            self.finish()
        else:
            self.use(None)

    def use(self, tool: Tool | None) -> None:
        """Switch to a tool; None gives the mouse back to napari."""
        self.forget()
        self.tool = tool
        layer = self.correction.layer
        if tool is not None:
            layer.mode = "pan_zoom"
        layer.mouse_pan = tool is not Tool.LINE and str(layer.mode) == "pan_zoom"
        if tool not in MARKING:
            self._remove_marks()
        self._try(lambda: self._begin(tool))
        self._tell()

    def targets(self) -> list[int]:
        """The chosen objects, or the selected one; empty where there is none."""
        index = self.correction.editor.index
        chosen = [label for label in self.chosen if label in index]
        selected = self.correction.selected
        return chosen or ([selected] if selected is not None else [])

    def finish(self) -> None:
        """Do what was prepared by clicks: merge what was chosen, split by the seeds."""
        points, chosen = list(self._points), list(self.chosen)
        self.forget()
        if self.tool is Tool.MERGE:
            self._try(lambda: self.correction.merge(chosen))
        elif self.tool is Tool.SEEDS and points:
            owners = [self.correction.object_at(p) for p in points]
            label = next((owner for owner in owners if owner), 0)
            self._try(lambda: self.correction.split_by_seeds(label, np.array(points)))

    def grow_from(self, choice: str) -> None:
        """Grow objects from a model's maps or from the intensity from now on; see `ClickGrowing.choice`."""
        self._try(lambda: self._grow_from(choice))

    def forget(self) -> None:
        """Drop what was prepared by clicks."""
        self.chosen, self._points = [], []
        self._show_points()

    def close(self) -> None:
        """Give the mouse back to napari."""
        self.use(None)
        self.ghosts.close()
        layer = self.correction.layer
        layer.mouse_drag_callbacks.remove(self._on_mouse)
        layer.events.mode.disconnect(self._on_mode)

    def _on_mode(self, event: Any = None) -> None:
        """A tool of napari's own takes over."""
        if self.tool is not None and str(self.correction.layer.mode) != "pan_zoom":
            self.use(None)

    def _on_mouse(self, layer: Labels, event: Any) -> Iterator[None]:
        if self.tool is None or event.button != 1 or event.modifiers:
            return
        start, places = np.array(event.pos, float), [self._place(event)]
        moved = False
        yield
        while event.type == "mouse_move":
            moved = moved or bool(np.linalg.norm(np.array(event.pos) - start) > CLICK_REACH)
            if self.tool is Tool.LINE:
                places.append(self._place(event))
                self._points = places
                self._show_points()
            yield
        if self.tool is Tool.LINE:
            self.forget()
            places.append(self._place(event))
            if moved:
                self._try(lambda: self.correction.split_by_line(np.array(places)))
        elif not moved:
            self._try(lambda: self._click(places[0]))
            self._tell()

    def _place(self, event: Any) -> NDArray[np.float64]:
        layer = self.correction.layer
        return np.asarray(layer.world_to_data(event.position[-layer.ndim :]), float)

    def _click(self, place: NDArray[np.float64]) -> str:
        correction = self.correction
        if self.tool is Tool.ADD:
            return correction.add_at(place)
        if self.tool is Tool.PROMOTE:
            return correction.promote_at(place)
        correction.editor.ready()
        label = correction.object_at(place)
        if not label:
            return "There is no object here."
        if self.tool is Tool.DELETE:
            return correction.delete([label])
        correction.select(label)
        if self.tool is Tool.MERGE:
            return self._choose(label, place)
        if self.tool is Tool.SEEDS:
            self._points.append(place)
            self._show_points()
            return f"{len(self._points)} seeds in object {label}; Shift+S splits it."
        return correction.describe(label)

    def _choose(self, label: int, place: NDArray[np.float64]) -> str:
        """Choose an object for merging, or take it out again."""
        if label in self.chosen:
            at = self.chosen.index(label)
            del self.chosen[at], self._points[at]
        else:
            self.chosen.append(label)
            self._points.append(place)
        self._show_points()
        return f"{len(self.chosen)} chosen: {', '.join(map(str, self.chosen))}; C merges them."

    def _try(self, action: Callable[[], str]) -> None:
        try:
            self._say(action())
        except CellSegError as error:
            self._fail(error)

    def _begin(self, tool: Tool | None) -> str:
        """Get ready for the first click with a tool."""
        words = self._show_ghosts(tool is Tool.PROMOTE)
        return self.correction.prepare_growing() if tool is Tool.ADD else words

    def _grow_from(self, choice: str) -> str:
        self.correction.growing.choose(choice)
        return self.correction.prepare_growing()

    def _show_ghosts(self, shown: bool) -> str:
        self.ghosts.show(shown)
        if not shown:
            return ""
        count = self.ghosts.count
        if not count:
            return (
                "There are no candidates: they come with labels that the Segment dock made in this session."
            )
        noun = "candidate" if count == 1 else "candidates"
        return f"{count:,} {noun} below the confidence; click into an outline to add one."

    def _tell(self) -> None:
        for callback in list(self.on_change):
            callback()

    def _remove_marks(self) -> None:
        if self._marks is not None and self._marks in self.correction.viewer.layers:
            self.correction.viewer.layers.remove(self._marks)
        self._marks = None

    def _show_points(self) -> None:
        """Show the line, the seeds or the choice as points on top of the labels."""
        correction = self.correction
        if self._marks is None or self._marks not in correction.viewer.layers:
            if not self._points:
                return
            self._marks = self._add_marks()
        shown = np.array(self._points) if self._points else np.zeros((0, correction.layer.ndim))
        self._marks.selected_data = set()
        self._marks.data = shown

    def _add_marks(self) -> Points:
        correction = self.correction
        layer, viewer = correction.layer, correction.viewer
        marks = Points(
            np.zeros((0, layer.ndim)), name="marks", size=6, canvas_size_limits=(6, 12), face_color="#f0e442",
            border_color="black", metadata={MARKS_KEY: True}, scale=layer.scale, translate=layer.translate,
            rotate=layer.rotate, shear=layer.shear, affine=layer.affine, units=layer.units,
            axis_labels=layer.axis_labels,
        )  # fmt: skip
        add_beside(viewer, marks, layer)
        return marks
