"""Unfinished work of a journal back into a viewer: labels, table, undo order."""

from dataclasses import dataclass

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_cellseg.errors import CellSegError
from napari_cellseg.labels.edit import Edit
from napari_cellseg.review.entries import Entry
from napari_cellseg.review.journal import Journal
from napari_cellseg.review.resuming import FoundJournal, Restored, find_journals, resume_journal
from napari_cellseg.review.status import Cells
from napari_cellseg.review.undo_order import Rewound, cells_of_entry, edit_of_entry, rewind
from napari_cellseg.viewer.editing import HISTORY, Editor
from napari_cellseg.viewer.feature_rows import rows_by_id, too_sparse
from napari_cellseg.viewer.label_layer import LabelGeometry, make_labels_layer, replace_labels
from napari_cellseg.viewer.layer_image import read_layer
from napari_cellseg.viewer.layer_keys import image_key, labels_layer_key


@dataclass(frozen=True, eq=False)
class Resumed:
    """Work that was brought back, up to the steps that can be undone.

    Attributes
    ----------
    layer : napari.layers.Labels
        Where it is.
    journal : Journal
        To go on with.
    restored : Restored
        What the journal led to; its labels are now those of the layer.
    rewound : Rewound
        The steps that are to be done again, see `replay`.
    """

    layer: Labels
    journal: Journal
    restored: Restored
    rewound: Rewound

    @property
    def more_than_pixels(self) -> bool:
        """Whether the work holds classes, accepted objects or a review."""
        rows_only = any(e.pixels is None and e.after is not None for e in self.restored.entries)
        return rows_only or self.restored.review is not None

    @property
    def steps(self) -> int:
        """What was done since the work began or was saved."""
        return sum(entry.is_step for entry in self.restored.entries)

    @property
    def words(self) -> str:
        """What was brought back, and what could not be, for the user."""
        steps = "1 step" if self.steps == 1 else f"{self.steps:,} steps"
        return f"Resumed after {steps}. {self.restored.words}".strip()

    def replay(self, editor: Editor) -> None:
        """Do the last steps again, so that they can be undone as before.

        Parameters
        ----------
        editor : Editor
            Of the layer, new.
        """
        for entry in (*self.rewound.done, *self.rewound.undone):
            _do_again(editor, entry)
        for _ in self.rewound.undone:
            editor.undo()


def journals_of(layer: Image | Labels) -> list[FoundJournal]:
    """Journals of a layer that hold steps and that nobody works with, the latest first.

    Raises
    ------
    JournalError
        Where the layer's file cannot be read, or none of its journals.
    """
    key = image_key(layer) if isinstance(layer, Image) else labels_layer_key(layer)
    return [found for found in find_journals(key) if found.steps and not found.owner]


def resume(viewer: ViewerModel, anchor: Image | Labels, found: FoundJournal) -> Resumed:
    """Bring back the labels of a journal, into the layer of the same name or into a new one.

    Parameters
    ----------
    viewer : ViewerModel
        Where to.
    anchor : napari.layers.Image or napari.layers.Labels
        The layer that the journal was found by.
    found : FoundJournal
        The journal.

    Raises
    ------
    JournalError
        Where the journal cannot be read, or another process has it.
    """
    journal, restored = resume_journal(found.path)
    try:
        rewound = rewind(restored, HISTORY)
        layer = _layer_for(viewer, anchor, found, rewound)
    except CellSegError:
        journal.close()
        raise
    rows = rewound.features
    largest = int(rows["index"].max()) if len(rows) else 0
    layer.features = rows if too_sparse(largest, len(rows)) else rows_by_id(rows, np.arange(largest + 1))
    return Resumed(layer, journal, restored, rewound)


def _do_again(editor: Editor, entry: Entry) -> None:
    edit, cells = edit_of_entry(entry, editor.ready()), cells_of_entry(entry)
    if edit is not None:
        editor.apply(edit, _rows_kept(editor, edit) | cells)
    else:
        editor.set_rows(entry.kind, cells)


def _rows_kept(editor: Editor, edit: Edit) -> Cells:
    """Rows as they are: an edit of the whole image leaves those of the objects that it only reshapes."""
    rows = editor.rows.read(edit.changed)
    return {int(row.pop("index")): row for row in rows.to_dict("records")}


def _layer_for(viewer: ViewerModel, anchor: Image | Labels, found: FoundJournal, rewound: Rewound) -> Labels:
    shape, name = rewound.labels.shape, found.about.layer
    for layer in [anchor, *viewer.layers]:
        named = layer is anchor or layer.name == name
        if isinstance(layer, Labels) and named and tuple(layer.data.shape) == shape:
            if isinstance(layer.data, np.ndarray):
                replace_labels(layer, rewound.labels)
            else:
                layer.data[...] = rewound.labels
                layer.refresh()
            return layer
    layer = None
    if isinstance(anchor, Image):
        geometry = LabelGeometry.of(read_layer(anchor))
        if rewound.labels.ndim == len(geometry.labels_axes):
            layer = make_labels_layer(rewound.labels, geometry, anchor, name)
    layer = layer or Labels(rewound.labels, name=name)
    viewer.add_layer(layer)
    return layer
