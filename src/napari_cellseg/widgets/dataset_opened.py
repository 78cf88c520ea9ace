"""The image of the dataset that is being corrected, and the button that writes it back."""

import time

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.viewer.attached import editor_of
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.dataset_layers import opened_from
from napari_cellseg.viewer.dataset_objects import review_words
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import Sentence, explain, later_of, primary_button

INTERVAL = 0.5
"""Seconds between two looks at the objects while they are corrected."""


class OpenedBox(QWidget):
    """Shown while an image of the dataset is open.

    Signals: `update_asked` (its labels layer), `followed` (another layer is meant, or None).
    """

    update_asked = Signal(object)
    followed = Signal(object)

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._connections = viewer, connections
        self._dataset: Dataset | None = None
        self._watched: Labels | None = None
        self._busy = False
        self._written: dict[str, str] = {}
        self.about = Sentence("Image that is being corrected")
        self.button = primary_button("&Update")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.about)
        layout.addWidget(self.button)
        self._refresh = Coalesced(self._show, INTERVAL, later_of(self))
        self.button.clicked.connect(self._on_update)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            connections.connect(event, self.follow)
        connections.connect(viewer.layers.selection.events.active, self.follow)
        self.follow()

    @property
    def layer(self) -> Labels | None:
        """The labels that *Update* writes."""
        return self._watched

    def show_dataset(self, dataset: Dataset | None) -> None:
        """Look for images of another dataset."""
        self._dataset = dataset
        self.follow()

    def set_busy(self, busy: bool) -> None:
        """Whether a job is going on, during which nothing else can begin."""
        self._busy = busy
        self._show()

    def note_written(self, name: str) -> None:
        """An image was written back."""
        self._written[name] = time.strftime("%H:%M")
        self._show()

    def follow(self, event: object = None) -> None:
        """Take the active layer if it is an image of the dataset, else the topmost one that is."""
        layer = next(
            (x for x in [self._viewer.layers.selection.active, *self._tops()] if self._fits(x)), None
        )
        if layer is not self._watched:
            self._watch(layer)
        self._show()

    def _tops(self) -> list[Labels]:
        return [layer for layer in reversed(self._viewer.layers) if layer.visible]

    def _fits(self, layer: object) -> bool:
        found = opened_from(layer) if isinstance(layer, Labels) and layer in self._viewer.layers else None
        return found is not None and self._dataset is not None and found.folder == self._dataset.folder

    def _watch(self, layer: Labels | None) -> None:
        if self._watched is not None:
            self._connections.disconnect(self._watched.events.features, self._on_features)
        self._watched = layer
        if layer is not None:
            self._connections.connect(layer.events.features, self._on_features)
        self.followed.emit(layer)

    def _on_features(self, event: object = None) -> None:
        self._refresh.request()

    def _show(self) -> None:
        found = opened_from(self._watched)
        self.setVisible(found is not None)
        if found is None or self._watched is None:
            return
        name = found.sample.name
        written = f" Updated at {self._written[name]}." if name in self._written else ""
        self.about.say(f"'{name}' is open: {review_words(self._watched.features)}.{written}")
        self.button.setText(f"&Update '{_short(name)}' in the dataset")
        self.button.setEnabled(not self._busy)
        explain(
            self.button, f"Update {name} in the dataset",
            "Wait until the job below is done." if self._busy else
            "Write the labels, their classes and their status as they are now into the dataset, in the place "
            "of those that were there. The image and its split stay.",
        )  # fmt: skip

    def _on_update(self) -> None:
        layer = self._watched
        if layer is None:
            return
        editor = editor_of(layer)
        if editor is not None:
            editor.ready()
            editor.flush()
        self.update_asked.emit(layer)


def _short(name: str, most: int = 18) -> str:
    """A name that leaves room on a button."""
    name = name if len(name) <= most else f"{name[: most // 2]}…{name[-(most // 2 - 1) :]}"
    return name.replace("&", "&&")
