"""The confidence slider of a layer while an edit of the whole image holds, which it cannot follow."""

from typing import TYPE_CHECKING

from napari.layers import Labels

from napari_cellseg.viewer.attached import filter_of

if TYPE_CHECKING:
    from napari_cellseg.viewer.confidence import ConfidenceFilter


class SliderRest:
    """Lets the slider of a layer rest from an edit of the whole image until that is undone.

    Steps are undone in their order, so the layer is then what the slider left.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer; it may have no slider.
    """

    def __init__(self, layer: Labels) -> None:
        self._layer = layer
        self._slider: ConfidenceFilter | None = None
        self._reason = ""

    @property
    def words(self) -> str:
        """Why the slider does not work, for the user; empty where it does, or where there is none."""
        if self._slider is not None and self._slider.resting:
            return f"The confidence slider rests until '{self._reason}' is undone."
        return f"'{self._reason}' has ended the confidence slider." if self._reason else ""

    def begin(self, name: str) -> None:
        """Rest, because an edit of the whole image with this name comes now."""
        found = filter_of(self._layer)
        if found is not None:
            self._slider, self._reason = found, name
            found.forget_redo()
            found.rest()

    def over(self) -> None:
        """Work again, because no edit of the whole image holds any more."""
        if self._slider is not None:
            self._slider.wake()
            self._slider, self._reason = None, ""

    def end(self) -> None:
        """Rest for good, because the edit can never be undone."""
        if self._slider is not None:
            self._slider.close()
            self._slider = None
