"""A picture of the canvas with the colour bar of its cells beside it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.events import Job, Progress
from napari_cellseg.features.figures import COLUMN, SMALL, TEXT, axis_label, new_figure, save_figure
from napari_cellseg.viewer.colour_by_feature import ColourScale
from napari_cellseg.viewer.measure_images import provenance_of
from napari_cellseg.viewer.measured_layer import MeasuredLayer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR = 16.0
"""Width of the colour bar with its numbers, mm."""
MOST_WORDS = 20
"""Words that are listed."""


def draw_picture(picture: NDArray[np.uint8], scale: ColourScale, width: float = COLUMN) -> "Figure":
    """A picture and its colour bar.

    Parameters
    ----------
    picture : (H, W, 3 or 4) ndarray of uint8
        What the canvas shows.
    scale : ColourScale
        What the colours of its cells mean.
    width : float
        Of the whole figure, mm.
    """
    height, across = picture.shape[:2]
    figure, axes = new_figure(width, max(30.0, (width - BAR) * height / across))
    axes.imshow(picture, interpolation="nearest")
    axes.set_axis_off()
    (_add_words if scale.words else _add_bar)(figure, axes, scale)
    return figure


def saving_picture(
    measured: MeasuredLayer, picture: NDArray[np.uint8], scale: ColourScale, path: Path
) -> Job[list[Path]]:
    """The job that writes a picture with its colour bar, with where the colours come from.

    Parameters
    ----------
    measured : MeasuredLayer
        Whose cells are coloured.
    picture, scale
        As of `draw_picture`.
    path : Path
        Ends in ``.svg``, ``.pdf`` or ``.png``.
    """
    yield Progress("Drawing", 0, 0, path.name)
    ends = {"words": list(scale.words)} if scale.words else {"low": scale.low, "high": scale.high}
    origin = provenance_of(measured.request, {"coloured by": scale.column, **ends})
    inches = (COLUMN - BAR) / 25.4
    dpi = max(300.0, picture.shape[1] / inches)
    save_figure(draw_picture(picture, scale), path, provenance=origin, title=scale.column, dpi=dpi)
    return [path]


def _add_bar(figure: "Figure", axes: "Axes", scale: ColourScale) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    high = scale.high if scale.high > scale.low else scale.low + 1e-9
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    bar = figure.colorbar(
        ScalarMappable(Normalize(scale.low, high), ListedColormap(scale.colours)),
        ax=axes,
        extend=extend[scale.below > 0, scale.above > 0],
        fraction=0.05,
        pad=0.02,
    )
    bar.set_label(axis_label(scale.column, scale.unit), fontsize=TEXT + 1)
    bar.ax.tick_params(labelsize=TEXT, width=0.6, length=2.5)
    bar.outline.set_linewidth(0.6)


def _add_words(figure: "Figure", axes: "Axes", scale: ColourScale) -> None:
    from matplotlib.patches import Patch

    colours: Any = zip(scale.words[:MOST_WORDS], scale.colours, strict=False)
    figure.legend(
        handles=[Patch(color=tuple(colour), label=word or "none") for word, colour in colours],
        title=axis_label(scale.column),
        loc="outside right center",
        frameon=False,
        fontsize=SMALL,
        title_fontsize=TEXT,
    )
