"""Everything that belongs to the correction of one labels layer."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_cellseg.errors import OutputError
from napari_cellseg.review.status import ABSENT, is_present
from napari_cellseg.viewer.coalesced import Later
from napari_cellseg.viewer.correct_tools import Tools
from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.highlight import Highlight
from napari_cellseg.viewer.journaling import Journaling, ReviewState
from napari_cellseg.viewer.resuming import Resumed
from napari_cellseg.viewer.reviewing import Review
from napari_cellseg.viewer.saving import save_layer, take_table
from napari_cellseg.viewer.status_colours import StatusColours


class CorrectSession:
    """The objects of a layer, the tool in use, and the review, if one was begun.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layer is.
    layer : napari.layers.Labels
        The labels.
    image_layer : napari.layers.Image, optional
        Their image.
    later : Later, optional
        How to wait without blocking.
    resumed : Resumed, optional
        Work to go on with; else a new journal begins with the first step.

    Raises
    ------
    LabelsError
        Where the labels cannot be edited in place.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        layer: Labels,
        image_layer: Image | None,
        later: Later | None,
        resumed: Resumed | None = None,
    ) -> None:
        self.layer = layer
        self.note = self._take_table()
        self.correction = Correction(viewer, layer, image_layer, later)
        if self.note:
            self._drop_absent()
        self.say: Callable[[str], None] = _silent
        self.fail: Callable[[Exception], None] = _silent
        self.tools = Tools(self.correction, self._say, self._fail, later)
        self.highlight = Highlight(self.correction)
        self.colours = StatusColours(self.correction.editor, later)
        self.review: Review | None = None
        if resumed is not None:
            resumed.replay(self.correction.editor)
        self.journaling = Journaling(self.correction.editor, image_layer, self._fail, resumed)
        self.journaling.whole_review = self._whole_review
        self.journaling.changed_review = self._changed_review

    def begin_review(self, rows: pd.DataFrame, state: Mapping[str, Any] | None = None) -> Review:
        """Begin a review, order the one that is going on anew, or go on with one that was broken off.

        Parameters
        ----------
        rows : DataFrame
            The objects, see `doubting`.
        state : mapping, optional
            Where the review stood.
        """
        before, self.review = self.review, Review(self.correction, rows)
        if before is not None:
            before.close()
            self.review.queue.filter(before.queue.statuses, before.queue.classes)
        if state is not None:
            self.review.queue.restore(state)
        self.review.on_change.append(self.journaling.note_review)
        return self.review

    def save(self, path: str | Path) -> None:
        """Write the labels and their table; the journal ends, because nothing can be lost any more.

        Raises
        ------
        OutputError
            Where they cannot be written.
        """
        self.correction.editor.flush()
        self.journaling.note_saved(save_layer(self.layer, path)[0])

    def close(self) -> None:
        """Let go of the layer."""
        self.tools.close()
        self.highlight.close()
        self.colours.close()
        if self.review is not None:
            self.review.close()
        self.correction.close()
        self.journaling.close()

    def show_targets(self) -> None:
        """Outline what the keys act on, while a tool or a review is on."""
        working = self.tools.tool is not None or self.review is not None
        self.highlight.show(self.tools.targets() if working else ())

    def _take_table(self) -> str:
        """Labels from a file bring the table beside it; a sentence for the user where they do."""
        try:
            path = take_table(self.layer)
        except OutputError as error:
            return str(error)
        return "" if path is None else f"Took classes and status from '{path.name}'."

    def _drop_absent(self) -> None:
        """Objects of the table that a file has no pixels of have no status."""
        editor = self.correction.editor
        frame = editor.rows.frame
        absent = is_present(frame) & ~frame["index"].isin(editor.index.labels())
        editor.rows.write({int(label): {"status": ABSENT} for label in frame["index"][absent]})

    def _whole_review(self) -> ReviewState:
        return None if self.review is None else self.review.queue.state()

    def _changed_review(self) -> ReviewState:
        return None if self.review is None else self.review.queue.change()

    def _say(self, words: str) -> None:
        self.say(words)

    def _fail(self, error: Exception) -> None:
        self.fail(error)


def _silent(news: object) -> None:
    """Nobody listens yet."""
