"""Editing a labels layer: one undo order over painting, edits and table rows behind Ctrl+Z."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from app_model.types import KeyCode, KeyMod
from napari.layers import Labels

from napari_cellseg.errors import CellSegError, LabelsError
from napari_cellseg.labels.combining import edits_together
from napari_cellseg.labels.edit import Edit, edit_of_strokes
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.whole_edit import WholeEdit, apply_whole_edit, compress_edit
from napari_cellseg.review.status import Cells, is_present
from napari_cellseg.viewer.attached import attach_editor, filter_of
from napari_cellseg.viewer.candidates import rows_of_step
from napari_cellseg.viewer.coalesced import Later
from napari_cellseg.viewer.edit_step import EditStep, Watcher
from napari_cellseg.viewer.label_layer import check_paintable, empty_history
from napari_cellseg.viewer.label_rows import LabelRows
from napari_cellseg.viewer.painted import (
    forget_redo,
    forget_undo,
    history_lengths,
    in_stroke,
    painted_strokes,
)
from napari_cellseg.viewer.slider_rest import SliderRest
from napari_cellseg.viewer.step_rows import origin_of, rows_after_edit, rows_after_whole, with_rows

HISTORY = 100
"""Steps that can be undone."""
UNDO = KeyMod.CtrlCmd | KeyCode.KeyZ
REDO = KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyZ
LARGE = 2**20
"""Pixels from which a step is kept as compressed runs; napari's own history takes 24 bytes for each."""


class Editor:
    """Owns the undo order, the object index and the table of a labels layer until it is closed.

    Whatever else is attached to the layer, such as a confidence filter, follows.

    Parameters
    ----------
    layer : napari.layers.Labels
        Its data must be a writable numpy or zarr array.
    later : Later, optional
        How to wait between two events of the table without blocking; None tells at once.

    Raises
    ------
    LabelsError
        Where the data cannot be edited in place.
    """

    def __init__(self, layer: Labels, later: Later | None = None) -> None:
        check_paintable(layer.data)
        self.layer = layer
        self.closed = False
        self.watchers: list[Watcher] = []
        self._done: deque[EditStep] = deque(maxlen=HISTORY)
        self._undone: deque[EditStep] = deque(maxlen=HISTORY)
        self._busy = False
        self._announced: list[Any] = []
        self.slider_rest = SliderRest(layer)
        self.index = ObjectIndex.build(layer.data)
        self.rows = LabelRows(layer, later)
        self._origin = origin_of(layer)
        self._settle_filter()
        self.rows.lay_out(self.index.labels(), "predicted", self._origin)
        attach_editor(layer, self)
        self._lengths = history_lengths(layer)
        self._connect()

    @property
    def undo_names(self) -> tuple[str, ...]:
        """What can be undone, the next one last."""
        return tuple(step.name for step in self._done)

    @property
    def redo_names(self) -> tuple[str, ...]:
        """What can be done again, the next one last."""
        return tuple(step.name for step in self._undone)

    def ready(self) -> ObjectIndex:
        """The index, after everything that is shown was taken in; ask for it before an edit is made."""
        self._settle_filter()
        self._take_in()
        return self.index

    def apply(self, edit: Edit, rows: Mapping[int, Mapping[str, Any]] | None = None) -> bool:
        """Apply an edit as one step.

        Parameters
        ----------
        edit : Edit
            Made from the index that `ready` gave.
        rows : mapping of label to mapping of column to value, optional
            What the table says of some labels, beyond what follows from the edit.

        Returns
        -------
        bool
            Whether anything changed.

        Raises
        ------
        LabelsError
            Where the pixels are no longer what they were when the edit was made.
        """
        self.ready()
        if edit.is_empty:
            return False
        if edit.before.size >= LARGE:
            changes = with_rows(rows_after_edit(edit, self.rows), rows)
            return self.apply_whole(compress_edit(self.layer.data, edit), changes)
        if not np.array_equal(np.asarray(self.layer.data[edit.indices]), edit.before):
            raise LabelsError(
                f"The labels have changed since the edit '{edit.name}' was made. Make it again."
            )
        self._busy = True
        try:
            with self.layer.block_history():
                self.layer.data_setitem(*edit.indices_values())
        finally:
            self._busy = False
        self._note(edit, rows)
        return True

    def apply_together(
        self, name: str, makers: Iterable[Callable[[ObjectIndex], Edit]]
    ) -> tuple[Edit, list[CellSegError]]:
        """Make edits, each on what those before it leave, and apply all as one step; see `edits_together`."""
        edit, problems = edits_together(name, self.layer.data, self.ready(), makers)
        self.apply(edit)
        return edit, problems

    def apply_whole(self, edit: WholeEdit, rows: Cells | None = None) -> bool:
        """Apply an edit of the whole image as one step, until whose undo a confidence slider rests.

        Parameters
        ----------
        edit : WholeEdit
            The pixels.
        rows : mapping of label to mapping of column to value, optional
            All that changes in the table; else what follows from objects that are gone or renumbered.

        Raises
        ------
        LabelsError
            Where the pixels are no longer what they were when the edit was made.
        """
        self.ready()
        if edit.is_empty:
            return False
        changes = rows_after_whole(edit, self.rows) if rows is None else rows
        self.slider_rest.begin(edit.name)
        try:
            self._rewrite(edit)
        except LabelsError:
            self._settle_rest()
            raise
        forget_redo(self.layer)
        self._push(EditStep(edit.name, edit, self.rows.write(changes)))
        return True

    def set_rows(self, name: str, rows: Mapping[int, Mapping[str, Any]]) -> bool:
        """Change cells of the table as one step without pixels; returns whether anything changed."""
        self.ready()
        change = self.rows.write(rows)
        if change.is_empty:
            return False
        forget_redo(self.layer)
        found = filter_of(self.layer)
        if found is not None:
            found.forget_redo()
        self._push(EditStep(name, None, change))
        return True

    def undo(self, layer: Labels | None = None) -> None:
        """Undo the last step, pixels and table."""
        self.ready()
        if self._done:
            self._load(undo=True)
        elif history_lengths(self.layer)[0]:
            self._step_unknown(undo=True)

    def redo(self, layer: Labels | None = None) -> None:
        """Do the last undone step again, pixels and table."""
        self.ready()
        if self._undone:
            self._load(undo=False)
        elif history_lengths(self.layer)[1]:
            self._step_unknown(undo=False)

    def rebuild(self) -> None:
        """Look at all pixels again, after somebody changed them in a way that cannot be followed."""
        self._forget_steps()
        self._announced.clear()
        self.index = ObjectIndex.build(self.layer.data)
        self.rows.lay_out(self.index.labels(), "predicted", self._origin)
        frame = self.rows.frame
        gone = ~np.isin(frame["index"], self.index.labels()) & is_present(frame)
        self.rows.write({int(label): {"status": ""} for label in frame["index"][gone]})
        self._lengths = history_lengths(self.layer)
        self._tell(None, "replaced")

    def flush(self) -> None:
        """Tell of what the table has not told yet."""
        self.rows.flush()

    def close(self) -> None:
        """Let go of the layer: its keys are the filter's or napari's again."""
        if self.closed:
            return
        self._take_in()
        self._forget_steps()
        self.closed = True
        self.rows.close()
        events = self.layer.events
        events.paint.disconnect(self._on_paint)
        events.labels_update.disconnect(self._on_redrawn)
        events.set_data.disconnect(self._on_redrawn)
        events.data.disconnect(self._on_new_data)
        events.features.disconnect(self._on_new_table)
        events.editable.disconnect(self._on_editable)
        for key in (UNDO, REDO):
            self.layer.bind_key(key, None)
        attach_editor(self.layer, None)
        found = filter_of(self.layer)
        if found is not None:
            found.bind_keys()

    # -- steps ----------------------------------------------------------------------------------------------

    def _note(self, edit: Edit, rows: Mapping[int, Mapping[str, Any]] | None = None) -> None:
        """Take an edit, whose pixels are written, into the index, the table and the undo order."""
        self.index.update(edit)
        found = filter_of(self.layer)
        if found is not None and found.own_step is not None:
            changes = rows_of_step(found, found.own_step, self._origin)
        else:
            changes = rows_after_edit(edit, self.rows)
            if found is not None:
                found.note_painted(set(np.unique(edit.before)) - {0}, set(np.unique(edit.after)) - {0})
        self._push(EditStep(edit.name, edit, self.rows.write(with_rows(changes, rows))))

    def _push(self, step: EditStep) -> None:
        self._undone.clear()
        if len(self._done) == HISTORY and isinstance(self._done[0].edit, WholeEdit):
            self.slider_rest.end()
            forget_undo(self.layer, sum(isinstance(kept.edit, Edit) for kept in (*self._done, step)))
        self._done.append(step)
        self._lengths = history_lengths(self.layer)
        self._tell(step, "done")

    def _load(self, *, undo: bool, pixels: bool = True) -> None:
        """Move one step between the two stacks; with `pixels` False they are written already."""
        source, target = (self._done, self._undone) if undo else (self._undone, self._done)
        step = source.pop()
        edit = step.edit.inverted() if undo and step.edit is not None else step.edit
        if isinstance(edit, WholeEdit):
            if not undo:
                self.slider_rest.begin(step.name)
            self._rewrite(edit)
        elif edit is not None:
            if pixels:
                self._load_pixels(undo)
            self.index.update(edit)
        self.rows.restore(step.rows, undo=undo)
        target.append(step)
        self._settle_rest()
        self._lengths = history_lengths(self.layer)
        self._tell(step, "undone" if undo else "redone")

    def _settle_rest(self) -> None:
        """Let the slider work again where no edit of the whole image holds."""
        if not any(isinstance(step.edit, WholeEdit) for step in self._done):
            self.slider_rest.over()

    def _forget_steps(self) -> None:
        """Undo nothing any more; what napari keeps from before an edit of the whole image is void then."""
        whole = any(isinstance(step.edit, WholeEdit) for step in (*self._done, *self._undone))
        self._done.clear()
        self._undone.clear()
        self.slider_rest.end()
        if whole:
            with self.layer.events.editable.blocker():
                empty_history(self.layer)

    def _rewrite(self, edit: WholeEdit) -> None:
        """Change pixels all over the image, which napari's history knows nothing of."""
        self._busy = True
        try:
            apply_whole_edit(self.layer.data, edit)
            self.layer.refresh()
        finally:
            self._busy = False
        self.index = ObjectIndex.build(self.layer.data)

    def _load_pixels(self, undo: bool) -> None:
        """One step of napari's own history, with the filter that follows it."""
        owner = filter_of(self.layer) or self.layer
        self._busy = True
        try:
            owner.undo() if undo else owner.redo()
        finally:
            self._busy = False

    def _step_unknown(self, *, undo: bool) -> None:
        """A step of napari's history that was made before this editor was there."""
        self._load_pixels(undo)
        self.rebuild()

    # -- what others do -------------------------------------------------------------------------------------

    def _connect(self) -> None:
        events = self.layer.events
        events.paint.connect(self._on_paint)
        events.labels_update.connect(self._on_redrawn)
        events.set_data.connect(self._on_redrawn)
        events.data.connect(self._on_new_data)
        events.features.connect(self._on_new_table)
        events.editable.connect(self._on_editable)
        self.layer.bind_key(UNDO, self.undo, overwrite=True)
        self.layer.bind_key(REDO, self.redo, overwrite=True)

    def _settle_filter(self) -> None:
        found = filter_of(self.layer)
        if found is not None:
            found.settle()

    def _on_paint(self, event: Any) -> None:
        if not self._busy:
            self._announced.append(event.value)
            self._take_in()

    def _take_in(self) -> None:
        """Follow the strokes that were announced, once their pixels are written."""
        found = filter_of(self.layer)
        name = found.own_step.name if found is not None and found.own_step is not None else "paint"
        while self._announced:
            edit = edit_of_strokes(name, self.index, painted_strokes(self._announced[0]))
            if not np.array_equal(np.asarray(self.layer.data[edit.indices]), edit.after):
                return
            del self._announced[0]
            if not edit.is_empty:
                self._note(edit)

    def _on_redrawn(self, event: Any = None) -> None:
        """napari redrew, perhaps because somebody undid a step behind our back."""
        if self._busy or in_stroke(self.layer):
            return
        self._take_in()
        undone, redone = history_lengths(self.layer)
        moved = (undone - self._lengths[0], redone - self._lengths[1])
        if self._announced or moved == (0, 0):
            return
        if moved in ((-1, 1), (1, -1)):
            self._follow(undo=moved[0] < 0)
        else:
            self.rebuild()

    def _follow(self, *, undo: bool) -> None:
        """Somebody undid or redid a step of pixels on the layer itself: go along, table and all."""
        found = filter_of(self.layer)
        if found is not None:
            found.note_undone() if undo else found.note_redone()
        steps = self._done if undo else self._undone
        while steps and steps[-1].edit is None:
            self._load(undo=undo)
        if steps and isinstance(steps[-1].edit, Edit):
            self._load(undo=undo, pixels=False)
        else:
            self.rebuild()

    def _on_new_data(self, event: Any = None) -> None:
        """Somebody replaced the labels: what we know of them is void, and so are the layer's undo steps."""
        if self.layer.data is self.index.array:
            return
        empty_history(self.layer)
        try:
            check_paintable(self.layer.data)
        except LabelsError:
            self.close()
            self._tell(None, "replaced")
            return
        self.rebuild()

    def _on_new_table(self, event: Any = None) -> None:
        """Somebody replaced the table, perhaps by measurements alone."""
        if self.rows.take_over():
            self.rows.lay_out(self.index.labels(), "predicted", self._origin)

    def _on_editable(self, event: Any = None) -> None:
        """napari empties its history when a layer becomes read-only."""
        if not self.layer.editable:
            self._forget_steps()
            self._lengths = history_lengths(self.layer)

    def _tell(self, step: EditStep | None, what: str) -> None:
        for watcher in list(self.watchers):
            watcher(step, what)
