"""Pictures of images with their objects coloured by what became of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.evaluation.boundaries import outlines
from napari_cellseg.evaluation.matching import match_overlaps
from napari_cellseg.evaluation.mistakes import OUTCOME_COLOURS, Outcome, find_mistakes
from napari_cellseg.evaluation.numbering import NumberedLabels
from napari_cellseg.evaluation.pairs import LabelPair
from napari_cellseg.evaluation.results import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGE = 900
"""Longest edge of a picture, pixels; larger images are shown through every n-th pixel."""

Colours = NDArray[np.float64]


def outcome_pictures(
    pair: LabelPair, iou: float = 0.5, background: NDArray[Any] | None = None
) -> tuple[Colours, Colours]:
    """The truth and the prediction, each object in the colour of its outcome, outlined.

    Parameters
    ----------
    pair : LabelPair
        One plane; of a volume the plane with the most labelled pixels is shown.
    iou : float
        IoU of a hit.
    background : (Y, X) or (Y, X, 3) ndarray, optional
        The image below the objects.

    Returns
    -------
    truth, prediction : (H, W, 3) ndarray of float64
        RGB, 0 to 1.
    """
    mistakes = find_mistakes(pair.overlaps, match_overlaps(pair.overlaps, iou))
    plane = int(np.argmax((pair.truth.volume > 0).sum((1, 2)) + (pair.prediction.volume > 0).sum((1, 2))))
    below = grey_background(background, pair.truth.volume.shape[1:])
    return (
        _coloured(pair.truth, plane, mistakes.truth, below),
        _coloured(pair.prediction, plane, mistakes.prediction, below),
    )


def plot_worst(
    report: Report, n: int = 4, metric: str = "F1", images: Mapping[str, Any] | None = None
) -> "Figure":
    """The images that do worst, as pictures of truth and prediction.

    Parameters
    ----------
    report : Report
        What `evaluate` gave; its label images are read again.
    n : int
        How many images.
    metric : str
        By which they are the worst.
    images : mapping, optional
        Image by name, (…, Y, X) or (…, Y, X, 3), shown below the objects.

    Returns
    -------
    Figure
        A row per image; without an image of a defined metric the figure says so.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    worst = report.worst(n, metric)
    figure = Figure(figsize=(7.4, 3.8 * max(1, len(worst)) + 0.5), layout="constrained")
    by_name = {pair.name: pair for pair in report.pairs}
    if worst.empty:
        figure.suptitle(f"No image has a defined {metric}.")
        return figure
    axes = figure.subplots(len(worst), 2, squeeze=False)
    for row, (_, place) in zip(axes, worst.iterrows(), strict=True):
        source = by_name[place["image"]]
        plane = int(place["plane"])
        below = None if images is None or source.name not in images else images[source.name]
        if below is not None and source.outer_shape:
            below = below[np.unravel_index(plane, source.outer_shape)]
        pictures = outcome_pictures(source.read(plane), report.settings["iou"], below)
        name = source.name if len(source) == 1 else f"{source.name}, plane {plane}"
        titles = f"{name}: truth", f"prediction, {metric} {place[metric]:.3f}"
        for axis, picture, title in zip(row, pictures, titles, strict=True):
            axis.imshow(picture, interpolation="nearest")
            axis.set_title(title, fontsize=9)
            axis.set_axis_off()
    legend = [Patch(color=colour, label=outcome.name.lower()) for outcome, colour in OUTCOME_COLOURS.items()]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), frameon=False)
    return figure


def _coloured(
    labels: NumberedLabels, plane: int, outcomes: NDArray[np.uint8], background: Colours
) -> Colours:
    numbers = labels.volume[plane]
    palette = np.array([rgb_of(OUTCOME_COLOURS[o]) for o in Outcome])
    kind = np.concatenate([np.zeros(1, np.uint8), outcomes])[numbers]
    inside = kind > 0
    picture = background.copy()
    picture[inside] = 0.35 * picture[inside] + 0.65 * palette[kind[inside] - 1]
    edge = outlines(numbers[None], edge=False)[0]
    picture[edge] = 0.55 * palette[kind[edge] - 1]
    step = max(1, -(-max(numbers.shape) // EDGE))
    return picture[::step, ::step]


def grey_background(image: NDArray[Any] | None, shape: tuple[int, ...]) -> Colours:
    """An image between black and light grey, so that colours stand out.

    Parameters
    ----------
    image : (Y, X) or (Y, X, C) ndarray, optional
        Up to three channels are averaged; nearly black unless given.
    shape : tuple of int
        (Y, X).

    Returns
    -------
    (Y, X, 3) ndarray of float64
        RGB, 0 to 1.
    """
    if image is None:
        return np.full((*shape, 3), 0.08)
    values = np.asarray(image, float)
    low, high = np.nanpercentile(values, (1, 99.8))
    scaled = np.nan_to_num(np.clip((values - low) / max(high - low, 1e-12), 0, 1))
    grey = scaled if scaled.ndim == len(shape) else scaled[..., :3].mean(-1)
    return np.repeat(0.85 * grey[..., None], 3, axis=-1)


def rgb_of(colour: str) -> tuple[float, float, float]:
    """Red, green and blue, 0 to 1, of a colour such as ``"#009E73"``."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue
