"""Every step into a journal, and back from one after a crash."""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_cellseg.errors import CellSegError, JournalError
from napari_cellseg.review.image_key import ImageKey, array_key, file_key
from napari_cellseg.review.journal import Journal
from napari_cellseg.review.packing import pack_labels
from napari_cellseg.review.resuming import FoundJournal, Restored, find_journals, resume_journal
from napari_cellseg.viewer.editing import Editor, EditStep
from napari_cellseg.viewer.feature_rows import rows_by_id, too_sparse
from napari_cellseg.viewer.label_layer import LabelGeometry, make_labels_layer, replace_labels
from napari_cellseg.viewer.layer_image import read_layer
from napari_cellseg.viewer.pixel_size import source_path

ReviewState = dict[str, Any] | None


class Journaling:
    """Keeps every step of an editor in a journal, which begins with the first one.

    Parameters
    ----------
    editor : Editor
        Whose steps.
    image_layer : napari.layers.Image or None
        What the journal is found by; without one nothing is kept.
    fail : callable
        Told of a `JournalError`, once per trouble.
    journal : Journal, optional
        One to go on with.
    """

    def __init__(
        self,
        editor: Editor,
        image_layer: Image | None,
        fail: Callable[[Exception], None],
        journal: Journal | None = None,
    ) -> None:
        self.journal = journal
        self.whole_review: Callable[[], ReviewState] = _no_review
        self.changed_review: Callable[[], ReviewState] = _no_review
        self._editor, self._image, self._fail = editor, image_layer, fail
        self._gave_up = False
        editor.watchers.append(self._on_step)

    def note_review(self) -> None:
        """Keep where the review stands, although nothing was changed."""
        state = self.changed_review()
        if self.journal is not None and state is not None:
            self._try(lambda journal: journal.append("review", review=state))

    def close(self) -> None:
        """Let go of the journal, which stays on the disk."""
        if self._on_step in self._editor.watchers:
            self._editor.watchers.remove(self._on_step)
        if self.journal is not None:
            self._try(Journal.close)

    def _on_step(self, step: EditStep | None, what: str) -> None:
        if self.journal is None:
            self._begin(step.name if step is not None else what)
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

    def _begin(self, kind: str) -> None:
        """Begin with the state after the first step, so that opening a layer costs nothing."""
        if self._image is None or self._gave_up:
            return
        layer = self._editor.layer
        try:
            self.journal = Journal.begin(
                image_key(self._image), pack_labels(layer.data), self._editor.rows.frame,
                layer=layer.name, review=self.whole_review(),
            )  # fmt: skip
            self.journal.append(kind)
        except JournalError as error:
            self._gave_up = self.journal is None
            self._fail(error)

    def _try(self, action: Callable[[Journal], None]) -> None:
        if self.journal is not None:
            try:
                action(self.journal)
            except JournalError as error:
                self._fail(error)


def image_key(layer: Image) -> ImageKey:
    """What an image is found by again: its file, or its name and pixels.

    Raises
    ------
    JournalError
        Where its file cannot be read.
    """
    path = source_path(layer)
    data = layer.data[0] if layer.multiscale else layer.data
    return file_key(path) if path is not None else array_key(data, layer.name)


def journals_of(layer: Image) -> list[FoundJournal]:
    """Journals of an image that hold steps and that nobody works with, the latest first; errors as above."""
    return [found for found in find_journals(image_key(layer)) if found.steps and not found.owner]


def resume(viewer: ViewerModel, image: Image, found: FoundJournal) -> tuple[Labels, Journal, Restored]:
    """Bring back the labels of a journal, into the layer of the same name or into a new one.

    Raises
    ------
    JournalError
        Where the journal cannot be read, or another process has it.
    """
    journal, restored = resume_journal(found.path)
    try:
        layer = _layer_for(viewer, image, found, restored)
    except CellSegError:
        journal.close()
        raise
    largest = int(restored.features["index"].max()) if len(restored.features) else 0
    rows = restored.features
    if not too_sparse(largest, len(rows)):
        rows = rows_by_id(rows, np.arange(largest + 1))
    layer.features = rows
    return layer, journal, restored


def _layer_for(viewer: ViewerModel, image: Image, found: FoundJournal, restored: Restored) -> Labels:
    for layer in viewer.layers:
        fitting = isinstance(layer, Labels) and tuple(layer.data.shape) == restored.labels.shape
        if fitting and layer.name == found.about.layer:
            if isinstance(layer.data, np.ndarray):
                replace_labels(layer, restored.labels)
            else:
                layer.data[...] = restored.labels
                layer.refresh()
            return layer
    geometry = LabelGeometry.of(read_layer(image))
    plain = restored.labels.ndim == len(geometry.labels_axes)
    if plain:
        layer = make_labels_layer(restored.labels, geometry, image, found.about.layer)
    else:
        layer = Labels(restored.labels, name=found.about.layer)
    viewer.add_layer(layer)
    return layer


def _no_review() -> ReviewState:
    return None
