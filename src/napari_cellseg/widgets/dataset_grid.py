"""The images of a dataset as a grid of thumbnails, made in the background as they come into sight."""

from collections import deque
from collections.abc import Callable, Generator, Hashable, Sequence
from threading import Event
from typing import Any

import numpy as np
from napari.qt.threading import create_worker
from qtpy.QtCore import QAbstractListModel, QModelIndex, QObject, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPainter, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QFrame, QListView, QSizePolicy, QWidget
from superqt.utils import GeneratorWorker

from napari_cellseg.viewer.dataset_rows import DatasetRow
from napari_cellseg.viewer.dataset_thumbnails import EDGE, Picture, ThumbnailCache
from napari_cellseg.widgets.fields import as_tooltip, explain

ROW = Qt.ItemDataRole.UserRole
"""Role of the `DatasetRow` of an item."""
CELL = QSize(EDGE + 8, EDGE + 44)
"""Room of one image in the grid."""
_WAITING = 60
"""Thumbnails that wait at most: those that were scrolled past long ago are not worth making."""


class Thumbnails(QObject):
    """Makes thumbnails one by one in a thread, the one asked for last first. Signal `made` (key).

    Parameters
    ----------
    make : callable
        Gives the picture of a key; called in the thread.
    """

    made = Signal(object)

    def __init__(self, make: Callable[[Any], Picture], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._make = make
        self._cache = ThumbnailCache()
        self._failed: dict[Hashable, str] = {}
        self._wanted: deque[Hashable] = deque(maxlen=_WAITING)
        self._worker: GeneratorWorker | None = None
        self._stop = Event()

    def picture(self, key: Hashable) -> Picture | None:
        """The picture of a key; None where it is still to be made, which begins then, or cannot be."""
        found = self._cache.get(key)
        if found is None and key not in self._failed and not self._stop.is_set():
            if key not in self._wanted:
                self._wanted.append(key)
            self._begin()
        return found

    def __len__(self) -> int:
        """Number of thumbnails that are there."""
        return len(self._cache)

    def failure(self, key: Hashable) -> str:
        """Why a picture cannot be made; empty where it can."""
        return self._failed.get(key, "")

    def close(self) -> None:
        """Make no more."""
        self._stop.set()
        self._wanted.clear()
        self._worker = None

    def _begin(self) -> None:
        if self._worker is not None:
            return
        worker = create_worker(_making, self._make, self._wanted, self._stop, _worker_class=GeneratorWorker)
        worker.yielded.connect(self._on_made)
        worker.finished.connect(self._on_finished)
        self._worker = worker
        worker.start()

    def _on_made(self, result: tuple[Hashable, Picture | Exception]) -> None:
        key, picture = result
        if self._stop.is_set():
            return
        if isinstance(picture, Exception):
            self._failed[key] = str(picture)
        else:
            self._cache.put(key, picture)
        self.made.emit(key)

    def _on_finished(self) -> None:
        self._worker = None
        if self._wanted and not self._stop.is_set():
            self._begin()


class DatasetModel(QAbstractListModel):
    """Rows of a dataset with their thumbnails.

    Parameters
    ----------
    make : callable
        Gives the picture of a row; called in a thread.
    """

    def __init__(self, make: Callable[[DatasetRow], Picture], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.thumbnails = Thumbnails(make, self)
        self.thumbnails.made.connect(self._on_made)
        self._rows: list[DatasetRow] = []
        self._empty = _icon(np.full((EDGE, EDGE, 3), 110, np.uint8), faint=True)

    def show_rows(self, rows: Sequence[DatasetRow]) -> None:
        """Replace the rows."""
        self.beginResetModel()
        self._rows = list(rows)
        self.endResetModel()

    def row(self, index: QModelIndex) -> DatasetRow:
        """The row at an index."""
        return self._rows[index.row()]

    def find(self, name: str) -> QModelIndex:
        """Index of an image, invalid where it is not listed."""
        number = next((i for i, row in enumerate(self._rows) if row.name == name), -1)
        return self.index(number)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Number of images."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Name and state, thumbnail, tooltip."""
        row = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{row.name}\n{row.line}"
        if role == Qt.ItemDataRole.DecorationRole:
            picture = self.thumbnails.picture(row.key)
            return self._empty if picture is None else _icon(picture)
        if role == Qt.ItemDataRole.ToolTipRole:
            failure = self.thumbnails.failure(row.key)
            return as_tooltip(f"{row.words}\n⚠ {failure}" if failure else row.words).replace("\n", "<br>")
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return row.words
        return row if role == ROW else None

    def _on_made(self, key: Hashable) -> None:
        for number, row in enumerate(self._rows):
            if row.key == key:
                self.dataChanged.emit(self.index(number), self.index(number))


class DatasetGrid(QListView):
    """The thumbnails. Signals: `opened` (DatasetRow; double click or Enter) and `chosen` (other ones)."""

    opened = Signal(object)
    chosen = Signal()

    def __init__(self, model: DatasetModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        explain(
            self,
            "Images of the dataset",
            "Double-click an image, or press Enter, to open it; Ctrl or Shift chooses several. "
            "● all objects reviewed, ◐ some, ○ none.",
        )
        self.setToolTip("")
        self._model = model
        self.setModel(model)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setUniformItemSizes(True)
        self.setIconSize(QSize(EDGE, EDGE))
        self.setGridSize(CELL)
        self.setSpacing(0)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMinimumSize(120, EDGE)
        self.activated.connect(self._on_activated)
        self.selectionModel().selectionChanged.connect(self._on_selection)

    def selected(self) -> list[DatasetRow]:
        """The chosen images, in order."""
        indexes = sorted(self.selectionModel().selectedIndexes(), key=lambda index: index.row())
        return [self._model.row(index) for index in indexes]

    def show_rows(self, rows: Sequence[DatasetRow]) -> None:
        """List other rows; those that were chosen stay so where they are still listed."""
        before, place = [row.name for row in self.selected()], self.verticalScrollBar().value()
        blocked = self.blockSignals(True)
        self._model.show_rows(rows)
        self.select(before)
        self.blockSignals(blocked)
        self.verticalScrollBar().setValue(place)
        self.chosen.emit()

    def select(self, names: Sequence[str]) -> None:
        """Choose images by name."""
        selection = self.selectionModel()
        selection.clearSelection()
        for index in (self._model.find(name) for name in names):
            if index.isValid():
                selection.select(index, selection.SelectionFlag.Select)
                selection.setCurrentIndex(index, selection.SelectionFlag.NoUpdate)

    def _on_activated(self, index: QModelIndex) -> None:
        self.opened.emit(self._model.row(index))

    def _on_selection(self, *_: object) -> None:
        if not self.signalsBlocked():
            self.chosen.emit()


def _making(
    make: Callable[[Any], Picture], wanted: deque[Hashable], stop: Event
) -> Generator[tuple[Hashable, Picture | Exception], None, None]:
    """Make what is wanted, the latest first, until nothing is."""
    while wanted and not stop.is_set():
        key = wanted.pop()
        try:
            picture: Picture | Exception = make(key)
        except Exception as error:
            picture = error
        yield key, picture


def _icon(picture: Picture, *, faint: bool = False) -> QIcon:
    """A picture in the middle of a square."""
    height, width = picture.shape[:2]
    data = np.ascontiguousarray(picture)
    image = QImage(data.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    square = QPixmap(EDGE, EDGE)
    square.fill(QColor(0, 0, 0, 0))
    painter = QPainter(square)
    painter.setOpacity(0.35 if faint else 1.0)
    painter.drawImage((EDGE - width) // 2, (EDGE - height) // 2, image)
    painter.end()
    return QIcon(square)
