"""Every step of a correction into a journal, until the labels are saved."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
from napari.layers import Image

from napari_cellseg.errors import JournalError
from napari_cellseg.review.entries import REVIEWED
from napari_cellseg.review.image_key import labels_key
from napari_cellseg.review.journal import Journal
from napari_cellseg.review.packing import pack_labels
from napari_cellseg.viewer.editing import Editor, EditStep
from napari_cellseg.viewer.layer_keys import image_key, labels_layer_key
from napari_cellseg.viewer.resuming import Resumed
from napari_cellseg.viewer.saving import copy_by_napari

ReviewState = dict[str, Any] | None
_AT_WORK: "WeakSet[Journaling]" = WeakSet()


class Journaling:
    """Keeps every step of an editor in a journal, which begins with the first one and ends with a save.

    Parameters
    ----------
    editor : Editor
        Whose steps.
    image_layer : napari.layers.Image or None
        What the journal is found by; without one, the labels themselves.
    fail : callable
        Told of a `JournalError`, once per trouble.
    resumed : Resumed, optional
        Work whose journal to go on with.

    Attributes
    ----------
    journal : Journal or None
        None until the first step, and after a save until the next.
    unsaved : int
        Steps since the work was saved, or begun.
    saved : Path or None
        Where it was saved.
    """

    def __init__(
        self,
        editor: Editor,
        image_layer: Image | None,
        fail: Callable[[Exception], None],
        resumed: Resumed | None = None,
    ) -> None:
        self.journal = resumed.journal if resumed is not None else None
        self.whole_review: Callable[[], ReviewState] = _no_review
        self.changed_review: Callable[[], ReviewState] = _no_review
        self.on_saved: Callable[[], object] = _no_review
        self.unsaved = resumed.steps if resumed is not None else 0
        self.saved: Path | None = None
        self._saved_at = ""
        self._editor, self._image, self._fail = editor, image_layer, fail
        self._gave_up, self._last = "", time.time()
        self._more = resumed is not None and resumed.more_than_pixels
        self._key = labels_layer_key(editor.layer) if image_layer is None else None
        editor.watchers.append(self._on_step)
        _AT_WORK.add(self)

    @property
    def sentence(self) -> str:
        """Whether the work is saved, or at least in the journal, for the user."""
        if self._gave_up:
            return f"⚠ This work is not journaled: save often. {self._gave_up}"
        if self.journal is not None and self.journal.trouble:
            return f"⚠ {self.journal.trouble}"
        if self.unsaved:
            steps = "1 step is" if self.unsaved == 1 else f"{self.unsaved:,} steps are"
            return f"{steps} not saved yet, but kept in the journal."
        return f"Saved in '{self.saved.name}' at {self._saved_at}." if self.saved is not None else ""

    def note_review(self) -> None:
        """Keep where the review stands, although nothing was changed."""
        state = self.changed_review()
        self._more = True
        if self.journal is not None and state is not None:
            self._try(lambda journal: journal.append(REVIEWED, review=state))

    def note_saved(self, path: Path) -> None:
        """The labels, with their table, are in a file: the journal has done its duty."""
        if self.journal is not None:
            self._try(Journal.discard)
        self.journal, self.unsaved, self._gave_up, self._more = None, 0, "", False
        self.saved, self._saved_at = path, time.strftime("%H:%M")
        if self._image is None:
            self._key = labels_key(path)
        self.on_saved()

    def close(self) -> None:
        """Let go of the journal, which stays on the disk unless all that it holds was saved by napari."""
        if self._on_step in self._editor.watchers:
            self._editor.watchers.remove(self._on_step)
        _AT_WORK.discard(self)
        if self.journal is None:
            return
        copy = copy_by_napari(self._editor.layer, self._last) if self.unsaved else None
        if copy is not None and not self._more:
            self._try(Journal.discard)
            return
        if copy is not None:
            self._try(lambda journal: journal.note_saved(copy))
        self._try(Journal.close)

    def _on_step(self, step: EditStep | None, what: str) -> None:
        self.unsaved, self._last = self.unsaved + 1, time.time()
        self._more = self._more or (step is not None and step.edit is None)
        if step is None and self._is_of_other_labels():
            self._try(Journal.close)
            self.journal = None
        if self.journal is None:
            self._begin(step, what)
            return
        review = self.changed_review()
        if step is None:
            packed, rows = pack_labels(self._editor.layer.data), self._editor.rows.frame
            self._try(lambda journal: journal.append(what, packed, after=rows, review=review))
            return
        before, after, edit, kind = step.rows.before, step.rows.after, step.edit, step.name
        if what == "undone":
            before, after, kind = after, before, "undo"
            edit = None if edit is None else edit.inverted()
        elif what == "redone":
            kind = "redo"
        self._try(lambda journal: journal.append(kind, edit, before=before, after=after, review=review))

    def _is_of_other_labels(self) -> bool:
        """Whether the journal cannot hold the labels that somebody put in place of those that it is for."""
        data = self._editor.layer.data
        known = None if self.journal is None else (self.journal.about.shape, self.journal.about.dtype)
        return known is not None and known != (tuple(data.shape), np.dtype(data.dtype).str)

    def _begin(self, step: EditStep | None, what: str) -> None:
        """Begin with the state after the first step, so that opening a layer costs nothing."""
        if self._gave_up:
            return
        layer = self._editor.layer
        try:
            key = self._key or image_key(self._image)
            self.journal = Journal.begin(
                key, pack_labels(layer.data), self._editor.rows.frame,
                layer=layer.name, review=self.whole_review(),
            )  # fmt: skip
            if step is None or what != "done":
                self.journal.append(what)
            else:
                rows = step.rows
                self.journal.append(step.name, step.edit, before=rows.before, after=rows.after, in_base=True)
        except JournalError as error:
            self._gave_up = "" if self.journal is not None else str(error)
            self._fail(error)

    def _try(self, action: Callable[[Journal], None]) -> None:
        if self.journal is not None:
            try:
                action(self.journal)
            except JournalError as error:
                self._fail(error)


def journaling_of(data: Any) -> Journaling | None:
    """Who keeps the steps of the layer with this very data, if anybody."""
    return next((found for found in _AT_WORK if found._editor.layer.data is data), None)


def _no_review() -> ReviewState:
    return None
