"""Everything that belongs to the correction of one labels layer."""

from collections.abc import Callable

import pandas as pd
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_cellseg.viewer.coalesced import Later
from napari_cellseg.viewer.correct_tools import Tools
from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.reviewing import Review


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

    Raises
    ------
    LabelsError
        Where the labels cannot be edited in place.
    """

    def __init__(
        self, viewer: ViewerModel, layer: Labels, image_layer: Image | None, later: Later | None
    ) -> None:
        self.layer = layer
        self.correction = Correction(viewer, layer, image_layer, later)
        self.say: Callable[[str], None] = _silent
        self.fail: Callable[[Exception], None] = _silent
        self.tools = Tools(self.correction, self._say, self._fail, later)
        self.review: Review | None = None

    def begin_review(self, rows: pd.DataFrame) -> None:
        """Begin a review, or order the one that is going on anew."""
        if self.review is not None:
            self.review.close()
        self.review = Review(self.correction, rows)

    def close(self) -> None:
        """Let go of the layer."""
        self.tools.close()
        if self.review is not None:
            self.review.close()
        self.correction.close()

    def _say(self, words: str) -> None:
        self.say(words)

    def _fail(self, error: Exception) -> None:
        self.fail(error)


def _silent(news: object) -> None:
    """Nobody listens yet."""
