"""What a person does to the objects of a labels layer: each a method, each one step to undo."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_cellseg.errors import LabelsError, OptionError
from napari_cellseg.events import Job
from napari_cellseg.labels.adding import add_region
from napari_cellseg.labels.crop import Plane
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.merging import merge
from napari_cellseg.labels.removing import delete, keep_largest_piece
from napari_cellseg.labels.resizing import grow, shrink
from napari_cellseg.labels.shaping import fill_holes, smooth
from napari_cellseg.labels.splitting import split_automatically, split_by_line, split_by_seeds
from napari_cellseg.labels.whole import removing_border_touching, removing_small, renumbering, smoothing_all
from napari_cellseg.labels.whole_edit import WholeEdit
from napari_cellseg.review.status import Status, cells_with_class, cells_with_status
from napari_cellseg.viewer.attached import filter_of
from napari_cellseg.viewer.candidates import hidden_pieces
from napari_cellseg.viewer.click_growing import ClickGrowing
from napari_cellseg.viewer.coalesced import Later
from napari_cellseg.viewer.editing import Editor

Position: TypeAlias = Sequence[float]
"""A point in data coordinates of the labels layer, one number per dimension."""
Shaping: TypeAlias = Callable[["Correction", tuple[int, ...]], Edit]

WHOLE_ACTIONS = ("renumber", "remove_small", "remove_border", "smooth_all")
"""Edits of the whole image."""
FEW = 5
"""Objects from which their usual size is known."""


class Correction:
    """The objects of one labels layer, and what can be done to them.

    Parameters
    ----------
    viewer : ViewerModel
        Tells which plane is shown.
    layer : napari.layers.Labels
        The labels.
    image_layer : napari.layers.Image, optional
        What a click grows an object from.
    later : Later, optional
        How to wait without blocking.

    Raises
    ------
    LabelsError
        Where the labels cannot be edited in place.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        layer: Labels,
        image_layer: Image | None = None,
        later: Later | None = None,
    ) -> None:
        self.viewer, self.layer, self.image_layer = viewer, layer, image_layer
        self.editor = Editor(layer, later)
        self.growing = ClickGrowing(viewer, layer)
        self.all_planes = False
        self.pixels = 1.0

    @property
    def plane(self) -> Plane:
        """Leading indices of the plane that edits stay in; None for all planes.

        Raises
        ------
        OptionError
            Where the viewer shows other axes than rows and columns.
        """
        if self.layer.ndim == 2 or self.all_planes:
            return None
        dims = self.viewer.dims
        if tuple(dims.displayed[-2:]) != (dims.ndim - 2, dims.ndim - 1) or dims.ndisplay != 2:
            raise OptionError("Edits work in rows and columns: show the last two axes in 2-D.")
        point = np.asarray(self.layer.world_to_data(dims.point[-self.layer.ndim :]), float)
        limit = np.array(self.layer.data.shape) - 1
        return tuple(int(i) for i in np.clip(np.round(point), 0, limit)[: self.layer.ndim - 2])

    @property
    def selected(self) -> int | None:
        """The selected object, None where the selected label has no pixels."""
        label = int(self.layer.selected_label)
        return label if label in self.editor.index else None

    def object_at(self, position: Position) -> int:
        """Label at a point, 0 for background and outside."""
        index = tuple(int(np.round(p)) for p in position)
        inside = all(0 <= i < n for i, n in zip(index, self.layer.data.shape, strict=True))
        return int(np.asarray(self.layer.data[index])) if inside else 0

    def select(self, label: int) -> None:
        """Make an object the selected one."""
        self.layer.selected_label = label

    # -- edits ------------------------------------------------------------------------------------------

    def delete(self, objects: Iterable[int]) -> str:
        """Delete objects; returns what happened, in words."""
        return self._do(lambda index: delete(self.layer.data, index, objects, plane=self.plane), "")

    def merge(self, objects: Iterable[int]) -> str:
        """Make one object of several, which is selected then."""
        chosen = sorted(objects)
        volume = self.all_planes and self.layer.axis_labels[-3:-2] == ("z",)
        words = self._do(
            lambda index: merge(self.layer.data, index, chosen, plane=self.plane, through_planes=volume), ""
        )
        self.select(chosen[0])
        return words

    def split_by_line(self, points: NDArray[np.float64]) -> str:
        """Cut the objects that a line (N, ndim) crosses right through."""
        return self._do(
            lambda index: split_by_line(self.layer.data, index, None, points[:, -2:], plane=self.plane),
            "the line crosses no object right through",
        )

    def split_by_seeds(self, label: int, seeds: NDArray[np.float64]) -> str:
        """Cut an object into one part per seed (N, ndim)."""
        return self._do(
            lambda index: split_by_seeds(
                self.layer.data, index, label, seeds[:, len(self.plane or ()) :], plane=self.plane
            ),
            "two seeds in one object are needed",
        )

    def split_automatically(self, objects: Sequence[int]) -> str:
        """Cut an object at its necks."""
        return self._do(
            lambda index: split_automatically(self.layer.data, index, objects[0], plane=self.plane),
            "the object has no neck to be cut at; draw a line or set seeds",
        )

    def fill_holes(self, objects: Sequence[int]) -> str:
        """Fill the holes of objects."""
        return self._do(
            lambda index: fill_holes(self.layer.data, index, objects, plane=self.plane), "there is no hole"
        )

    def smooth(self, objects: Sequence[int]) -> str:
        """Smooth the borders of objects."""
        return self._do(
            lambda index: smooth(self.layer.data, index, objects, plane=self.plane), "it is smooth already"
        )

    def keep_largest_piece(self, objects: Sequence[int]) -> str:
        """Drop all but the largest piece of objects."""
        return self._do(
            lambda index: keep_largest_piece(self.layer.data, index, objects, plane=self.plane),
            "it is one piece",
        )

    def grow(self, objects: Sequence[int]) -> str:
        """Grow objects by `pixels`, not into others."""
        return self._do(
            lambda index: grow(self.layer.data, index, objects, self.pixels, plane=self.plane),
            "there is no room",
        )

    def shrink(self, objects: Sequence[int]) -> str:
        """Shrink objects by `pixels`."""
        return self._do(
            lambda index: shrink(self.layer.data, index, objects, self.pixels, plane=self.plane), ""
        )

    def _do(self, make: Callable[[ObjectIndex], Edit], why_not: str) -> str:
        edit = make(self.editor.ready())
        if not self.editor.apply(edit):
            return f"Nothing changed: {why_not}." if why_not else "Nothing changed."
        return edit_words(edit)

    # -- new objects --------------------------------------------------------------------------------------

    def add_at(self, position: Position) -> str:
        """Grow a new object from a click on the image, with a model's maps or from the intensity.

        Raises
        ------
        LabelsError
            Where there is no image, or nothing stands out there; see `ClickGrowing`.
        """
        index = self.editor.ready()
        plane = self.shown_plane()
        grown = self.growing.grow(self.image_layer, plane, position[-2:], self._usual_diameter(index))
        edit = add_region(self.layer.data, index, grown.mask, grown.origin, plane=plane or None)
        self.editor.apply(edit, {edit.added[0]: grown.cells})
        self.select(edit.added[0])
        return f"{edit_words(edit)} {grown.words}"

    def prepare_growing(self) -> str:
        """Have what the next click on the image needs loaded in the background; what is wrong, in words."""
        return self.growing.prepare(self.image_layer, self._usual_diameter(self.editor.index))

    def shown_plane(self) -> tuple[int, ...]:
        """Leading indices of the shown plane, whatever edits are confined to; errors as in `plane`."""
        everywhere, self.all_planes = self.all_planes, False
        try:
            return self.plane or ()
        finally:
            self.all_planes = everywhere

    def _usual_diameter(self, index: ObjectIndex) -> float | None:
        """Usual diameter of the objects of this image, pixels; None where they are too few to tell."""
        areas = index.extents()[3]
        return float(np.sqrt(4 * np.median(areas) / np.pi)) if len(areas) >= FEW else None

    def promote_at(self, position: Position) -> str:
        """Add the candidate under a point.

        Raises
        ------
        LabelsError
            Where there is none, or it has no room.
        """
        self.editor.ready()
        slider = filter_of(self.layer)
        found = self._candidate_at(position)
        if slider is None or found is None:
            raise LabelsError("There is no candidate here: click into one of the outlines.")
        if not slider.promote(found):
            raise LabelsError("Other objects leave this candidate no room.")
        label = int(slider.refilter.ids[found])
        self.select(label)
        return f"Added the candidate as {label}."

    def _candidate_at(self, position: Position) -> int | None:
        slider = filter_of(self.layer)
        if slider is None:
            return None
        y, x = (int(np.round(p)) for p in position[-2:])
        number = plane_number(self.shown_plane(), self.layer.data.shape)
        for place, pieces in hidden_pieces(slider):
            for piece in pieces:
                inside = piece.y.start <= y < piece.y.stop and piece.x.start <= x < piece.x.stop
                if piece.plane == number and inside and piece.mask[y - piece.y.start, x - piece.x.start]:
                    return place
        return None

    # -- the whole image ----------------------------------------------------------------------------------

    def whole_edit(self, action: str, pixels: int) -> Job[WholeEdit]:
        """The job that prepares an edit of the whole image; see `whole_edit`."""
        leading = 0 if self.all_planes else self.layer.ndim - 2
        return whole_edit(action, self.layer.data, self.editor.ready(), pixels, leading)

    # -- rows ---------------------------------------------------------------------------------------------

    def set_class(self, objects: Iterable[int], name: str) -> str:
        """Give objects a class."""
        labels = list(objects)
        changed = self.editor.set_rows("set class", cells_with_class(self.editor.rows.read(labels), name))
        return f"{_objects(labels)}: class '{name}'." if changed else "Nothing changed."

    def set_status(self, objects: Iterable[int], status: Status) -> str:
        """Give objects a status."""
        labels = list(objects)
        cells = cells_with_status(self.editor.rows.read(labels), status)
        changed = self.editor.set_rows(f"mark as {status.value}", cells)
        return f"{_objects(labels)}: {status.value}." if changed else "Nothing changed."

    def classes(self) -> list[str]:
        """Classes in use, in order of the alphabet."""
        names = self.editor.rows.frame["class"].dropna().astype(str).unique().tolist()
        return sorted(name for name in names if name)

    def describe(self, label: int | None) -> str:
        """What is known of an object, in a line."""
        if label is None:
            return "No object is selected."
        if label not in self.editor.index:
            return f"Object {label} is gone."
        row = next(iter(self.editor.rows.read([label]).to_dict("records")), {})
        confidence = row.get("confidence", np.nan)
        known = (str(row.get("class", "")), str(row.get("status", "")))
        parts = [*known, f"{self.editor.index.area(label):,} px"]
        if np.isfinite(float(confidence)):
            parts.append(f"confidence {float(confidence):.2f}")
        return f"Object {label}: {', '.join(part for part in parts if part)}"

    def close(self) -> None:
        """Let go of the layer."""
        self.growing.close()
        self.editor.close()


def whole_edit(action: str, labels: Any, index: ObjectIndex, pixels: int, leading: int = 0) -> Job[WholeEdit]:
    """The job that prepares an edit of the whole image.

    Parameters
    ----------
    action : str
        One of `WHOLE_ACTIONS`.
    labels : (…, Y, X) array of int
        The labels.
    index : ObjectIndex
        Their objects.
    pixels : int
        Least area of an object that stays, for ``"remove_small"``.
    leading : int
        Leading axes that set planes apart, for ``"smooth_all"``.
    """
    if action == "remove_small":
        return removing_small(labels, index, pixels)
    if action == "smooth_all":
        return smoothing_all(labels, index, leading=leading)
    return (removing_border_touching if action == "remove_border" else renumbering)(labels, index)


def plane_number(leading: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Number of a plane among all planes of an array."""
    return int(np.ravel_multi_index(leading, shape[: len(leading)])) if leading else 0


def edit_words(edit: Edit) -> str:
    """What an edit did, in words."""
    parts = [f"{edit.name[:1].upper()}{edit.name[1:]}"]
    if edit.changed:
        parts.append(f"changed {_numbers(edit.changed)}")
    if edit.added:
        parts.append(f"new {_numbers(edit.added)}")
    if edit.removed:
        parts.append(f"gone {_numbers(edit.removed)}")
    return f"{parts[0]}: {', '.join(parts[1:])}."


def _objects(labels: Sequence[int]) -> str:
    return f"Object {labels[0]}" if len(labels) == 1 else f"{len(labels):,} objects"


def _numbers(labels: Sequence[int]) -> str:
    shown = ", ".join(map(str, labels[:4]))
    return f"{shown} and {len(labels) - 4:,} more" if len(labels) > 4 else shown
