"""The confidence slider of a labels layer: previews, undoable steps, and the table that goes along."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from app_model.types import KeyCode, KeyMod
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_cellseg.viewer.attached import attach_filter, editor_of
from napari_cellseg.viewer.coalesced import FEATURES_INTERVAL, Coalesced, Later
from napari_cellseg.viewer.detected import DetectedObjects, as_planes
from napari_cellseg.viewer.filter_rows import filter_rows
from napari_cellseg.viewer.label_layer import METADATA_KEY, LabelGeometry, empty_history
from napari_cellseg.viewer.painted import painted_ids
from napari_cellseg.viewer.refilter import Refilter, Step

HISTORY = 100
"""Undo steps that napari keeps per labels layer."""
COUNTED_AT_ONCE = 2**24
"""Pixels that are counted between two redraws of a drag."""
PREVIEW_INTERVAL = 0.04
"""Seconds between two redraws while the slider is dragged."""
BY_PERSON = ("edited", "added", "accepted")
_UNDO = KeyMod.CtrlCmd | KeyCode.KeyZ
_REDO = KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyZ


@dataclass
class _Change:
    """One undo step of the layer: a move of the threshold, or something that a person painted."""

    before: dict[int, str]
    after: dict[int, str]
    step: Step | None = None
    renamed: list[tuple[int, int, int]] = field(default_factory=list)


class ConfidenceFilter:
    """Ties the threshold, the pixels of a labels layer and its table together, undo and redo included.

    Parameters
    ----------
    layer : napari.layers.Labels
        Layer that shows the result.
    labels : (…, Y, X) ndarray of int32
        The array that the layer's data are a view of.
    geometry : LabelGeometry
        How it lies in the layer's dimensions.
    objects : DetectedObjects
        All objects, shown or not.
    threshold : float
        Confidence that the shown ones were kept by.
    later : Later, optional
        How to wait without blocking; None updates at once.
    """

    def __init__(
        self,
        layer: Labels,
        labels: NDArray[np.int32],
        geometry: LabelGeometry,
        objects: DetectedObjects,
        threshold: float,
        later: Later | None = None,
    ) -> None:
        self.layer = layer
        self.objects = objects
        self.closed = self.resting = False
        self.preview_of: Layer | None = None
        self.on_change: list[Callable[[], None]] = []
        self._labels, self._geometry = labels, geometry
        self.refilter = Refilter(as_planes(labels), objects, threshold)
        self._dragged: list[Step] = []
        self._person: dict[int, str] = {}
        self._erased: set[int] = set()
        self._unsure: set[int] = set()
        self._undo: deque[_Change] = deque(maxlen=HISTORY)
        self._redo: deque[_Change] = deque(maxlen=HISTORY)
        self.own_step: Step | None = None
        self._covered: int | None = None
        self._table = Coalesced(self._write_table, FEATURES_INTERVAL, later)
        self._news = Coalesced(self._tell, 0, later)
        self._picture = Coalesced(self._redraw, PREVIEW_INTERVAL, later)
        self._write_table()
        self._connect()
        attach_filter(layer, self)

    @property
    def threshold(self) -> float:
        """Confidence from which objects are shown."""
        return self.refilter.threshold

    @property
    def shown_confidence(self) -> NDArray[np.float32]:
        """Confidence of each detected object that is shown; those that a person erased are not."""
        self._find_erased()
        erased = np.isin(self.refilter.ids, list(self._erased))
        return self.refilter.confidence[self.refilter.shown & ~erased]

    @property
    def hidden(self) -> int:
        """Number of detected objects that are not shown."""
        return int(np.count_nonzero(~self.refilter.shown))

    @property
    def added(self) -> int:
        """Number of objects that a person added."""
        self._find_erased()
        return sum(s == "added" and label not in self._erased for label, s in self._person.items())

    def covered_pixels(self) -> int:
        """Pixels that belong to any object; of huge images the last count while the slider is dragged."""
        if not self._dragged or self._labels.size <= COUNTED_AT_ONCE or self._covered is None:
            self._covered = int(np.count_nonzero(self._labels))
        return self._covered

    def preview(self, threshold: float) -> None:
        """Show another threshold while the slider moves; not an undo step, the table stays."""
        if not self._dragged:
            self._read_table()
        step = self.refilter.move(threshold, self._person)
        self._dragged.append(step)
        self._picture.request()
        self._tell()

    def commit(self, threshold: float) -> None:
        """Make a threshold hold, as one undo step."""
        if not self._dragged and threshold == self.threshold:
            return
        self._drop_preview()
        self._read_table()
        step = self.refilter.move(threshold, self._person)
        touched = {label: self._person.get(label, "predicted") for label in step.touched}
        self._person.update(dict.fromkeys(step.touched, "edited"))
        self.refilter.revert_pixels(step)
        if self._paint(step):
            self._redo.clear()
            self._undo.append(_Change(touched, dict.fromkeys(touched, "edited"), step))
        self._table.request()
        self._tell()

    def settle(self) -> None:
        """Make what is shown hold, even where the slider has not come to rest."""
        if self._dragged:
            self.commit(self.threshold)

    def promote(self, position: int) -> bool:
        """Show one hidden object, whatever the threshold, as one undo step; False where it has no room."""
        self.settle()
        self._read_table()
        step = self.refilter.show(position)
        self._person |= {int(self.refilter.ids[i]): "added" for i in step.added}
        self.refilter.revert_pixels(step)
        if self._paint(step):
            self._redo.clear()
            labels = [int(self.refilter.ids[i]) for i in step.added]
            self._undo.append(_Change(dict.fromkeys(labels, ""), dict.fromkeys(labels, "added"), step))
        self._table.request()
        self._tell()
        return bool(step.added)

    def undo(self, layer: Labels | None = None) -> None:
        """Undo the layer's last step, table and threshold included."""
        self._drop_preview()
        self._read_table()
        self.layer.undo()
        self.note_undone()

    def note_undone(self) -> None:
        """Follow the layer, whose last step was undone."""
        if self._undo:
            change = self._undo.pop()
            self._redo.append(change)
            for position, old, _ in change.renamed:
                self.refilter.give_new_id(position, old)
            if change.step is not None:
                self.refilter.forget(change.step)
            self._unsure.update(change.before)
            self._set_statuses(change.before)

    def redo(self, layer: Labels | None = None) -> None:
        """Do the layer's last undone step again, table and threshold included."""
        self._drop_preview()
        self._read_table()
        self.layer.redo()
        self.note_redone()

    def note_redone(self) -> None:
        """Follow the layer, whose last undone step was done again."""
        if self._redo:
            change = self._redo.pop()
            self._undo.append(change)
            for position, _, new in change.renamed:
                self.refilter.give_new_id(position, new)
            if change.step is not None:
                self.refilter.note(change.step)
            self._unsure.update(change.after)
            self._set_statuses(change.after)

    def forget_redo(self) -> None:
        """Follow the layer, whose undone steps can't be done again."""
        self._redo.clear()

    def flush(self) -> None:
        """Write what waits: the table and the picture."""
        self._table.flush()
        self._picture.flush()
        self._news.flush()

    def rest(self) -> None:
        """Let go of the layer until `wake`, because what is done to it now cannot be followed."""
        self.close()
        self.resting = True
        self._tell()

    def wake(self) -> None:
        """Take up a layer whose pixels and table are again what they were when `rest` was called."""
        if self.resting:
            self.closed = self.resting = False
            attach_filter(self.layer, self)
            self._connect()
            self._table.request()
            self._tell()

    def close(self) -> None:
        """Let go of the layer: its keys are napari's again."""
        self.resting = False
        if self.closed:
            return
        self._drop_preview()
        self.flush()
        self.closed = True
        attach_filter(self.layer, None)
        self.layer.events.paint.disconnect(self._on_paint)
        self.layer.events.data.disconnect(self._on_new_data)
        self.layer.events.editable.disconnect(self._on_editable)
        self.layer.mouse_drag_callbacks.remove(self._before_stroke)
        if editor_of(self.layer) is None:
            for key in (_UNDO, _REDO):
                self.layer.bind_key(key, None)

    def bind_keys(self) -> None:
        """Take the layer's keys for undo and redo, unless an editor has them."""
        if editor_of(self.layer) is None:
            self.layer.bind_key(_UNDO, self.undo, overwrite=True)
            self.layer.bind_key(_REDO, self.redo, overwrite=True)

    def _connect(self) -> None:
        self.layer.events.paint.connect(self._on_paint)
        self.layer.events.data.connect(self._on_new_data)
        self.layer.events.editable.connect(self._on_editable)
        self.layer.mouse_drag_callbacks.insert(0, self._before_stroke)
        self.bind_keys()

    def _paint(self, step: Step) -> bool:
        """Write a step through the layer's history; whether there was anything to write."""
        plane, y, x, values = step.pixels()
        if not len(values):
            self._redraw()
            return False
        outer = self._labels.shape[:-2]
        index = (*np.unravel_index(plane, outer), y, x) if outer else (y, x)
        self.own_step = step
        try:
            with self.layer.block_history():
                self.layer.data_setitem(self._geometry.to_layer_indices(index), values)
        finally:
            self.own_step = None
        return True

    def _drop_preview(self) -> None:
        """Back to what was shown before the slider was dragged."""
        for step in reversed(self._dragged):
            self.refilter.revert_pixels(step)
            self.refilter.forget(step)
        if self._dragged:
            self._dragged = []
            self._picture.cancel()

    def _before_stroke(self, layer: Labels, event: Any) -> None:
        """A person works on what is shown, even where the slider has not come to rest."""
        self.settle()

    def _on_paint(self, event: Any) -> None:
        if self.own_step is None and editor_of(self.layer) is None:
            self.note_painted(*painted_ids(event.value))

    def note_painted(self, lost: set[int], gained: set[int]) -> None:
        """Follow the layer, where a person took pixels from some labels and gave them to others."""
        self._read_table()
        before = {label: self._person.get(label, "") for label in lost | gained}
        renamed = [moved for label in gained if (moved := self._keep_id_free(label))]
        for label in lost | gained:
            position = self.refilter.position(label)
            detected = position is not None and bool(self.refilter.shown[position])
            added = self._person.get(label) == "added" or not detected
            self._person[label] = "added" if added else "edited"
        self._erased -= gained
        self._unsure = (self._unsure | lost) - gained
        self._redo.clear()
        after = {label: self._person[label] for label in before}
        self._undo.append(_Change(before, after, renamed=renamed))
        self._table.defer()  # napari may write the pixels after it tells of them
        self._news.defer()

    def _find_erased(self) -> None:
        """Note which of the labels that a person changed have no pixels any more."""
        labels, self._unsure = self._unsure, set()
        editor = editor_of(self.layer)
        seen = self.refilter.is_seen if editor is None else editor.index.__contains__
        unseen = [label for label in labels if not seen(label)]
        self._erased.difference_update(labels)
        for plane in as_planes(self._labels) if editor is None else ():
            if not unseen:
                break
            present = np.unique(plane[np.isin(plane, unseen)])
            unseen = [label for label in unseen if label not in present]
        self._erased.update(unseen)
        self._erased.intersection_update(self._person)

    def _keep_id_free(self, label: int) -> tuple[int, int, int] | None:
        """Where a person paints with the id reserved for a hidden object, that object gets another one."""
        position = self.refilter.position(label)
        if position is None or self.refilter.shown[position]:
            return None
        unused = max(int(self.refilter.ids.max()), label, *self._person, 0) + 1
        self.refilter.give_new_id(position, unused)
        return position, label, unused

    def _set_statuses(self, changes: dict[int, str]) -> None:
        for label, status in changes.items():
            if status in BY_PERSON:
                self._person[label] = status
            else:
                self._person.pop(label, None)
        self._table.request()
        self._tell()

    def _read_table(self) -> None:
        """Take over what a person wrote into the status column."""
        self._table.flush()
        self._find_erased()
        features = self.layer.features
        if "status" in features and "index" in features:
            status = features["status"].astype(str).to_numpy()
            by_person = np.isin(status, BY_PERSON)
            labels = features["index"].to_numpy(np.int64)[by_person]
            erased = {i: self._person[i] for i in self._erased if i in self._person}
            self._person = dict(zip(labels.tolist(), status[by_person].tolist(), strict=True)) | erased

    def _write_table(self) -> None:
        """Rows up to the largest label in use, and the threshold into the provenance; other columns stay."""
        if self.closed:
            return
        self._find_erased()
        if editor_of(self.layer) is None:
            words = self._person | dict.fromkeys(self._erased, "")
            self.layer.features = filter_rows(self.refilter, self.objects, words, self.layer.features)
        count = len(self.shown_confidence) + self.added
        shown = {"confidence": self.threshold, "objects": count}
        record = {**self.layer.metadata.get(METADATA_KEY, {}), "shown": shown}
        self.layer.metadata = {**self.layer.metadata, METADATA_KEY: record}

    def _redraw(self) -> None:
        if not self.closed:
            self.layer.refresh(extent=False, thumbnail=False, highlight=False)

    def _on_new_data(self, event: Any = None) -> None:
        """Somebody replaced the labels: what we know of them is void, and so are the layer's undo steps."""
        data = self.layer.data
        if isinstance(data, np.ndarray) and np.may_share_memory(data, self._labels):
            return
        self._dragged = []
        self._table.cancel()
        self._picture.cancel()
        self._news.cancel()
        self.close()
        empty_history(self.layer)
        self._tell()

    def _on_editable(self, event: Any = None) -> None:
        """napari empties its history when a layer becomes read-only."""
        if not self.layer.editable:
            self._undo.clear()
            self._redo.clear()

    def _tell(self) -> None:
        for callback in list(self.on_change):
            callback()
