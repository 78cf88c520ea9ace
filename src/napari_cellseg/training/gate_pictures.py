"""Pictures of images that a new model does worse: the truth, what the old model found, and the new one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from napari_cellseg.datasets.encoding import write_png
from napari_cellseg.evaluation.boundaries import outlines
from napari_cellseg.evaluation.matching import match_overlaps
from napari_cellseg.evaluation.mistakes import OUTCOME_COLOURS, Outcome, find_mistakes
from napari_cellseg.evaluation.numbering import NumberedLabels
from napari_cellseg.evaluation.pairs import LabelPair
from napari_cellseg.evaluation.pictures import grey_background, rgb_of
from napari_cellseg.outputs import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGE = 512
"""Longest edge of the part of an image that is shown, pixels."""

LEAST = 256
"""Smaller pictures are magnified, by whole numbers, until their shorter edge has about as many pixels."""

TRUTH_COLOUR = "#FFFFFF"
"""Outline of true objects."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class WorseImage:
    """An image that got worse, as pictures of one part of it.

    Attributes
    ----------
    name : str
        Its name.
    old_score, new_score, difference : float
        The metric of this image, and new − old.
    truth, old, new : (H, W, 3) ndarray of uint8
        The image with outlines: of the true objects; of what each model found, and of the true objects that
        it did not find as they are, coloured by what became of them (`OUTCOME_COLOURS`).
    window : tuple of int
        ``y0, x0, y1, x1``: the part that is shown, where the models differ most.
    """

    name: str
    old_score: float
    new_score: float
    difference: float
    truth: Picture = field(repr=False)
    old: Picture = field(repr=False)
    new: Picture = field(repr=False)
    window: tuple[int, int, int, int]

    def write(self, path: str | Path) -> None:
        """Write the three pictures side by side as PNG.

        Raises
        ------
        OutputError
            Where it cannot be written.
        """
        gap = np.full((self.truth.shape[0], 6, 3), 255, np.uint8)
        with replacing(path) as temporary:
            write_png(temporary, np.concatenate([self.truth, gap, self.old, gap, self.new], axis=1))


def worse_image(
    name: str, scores: tuple[float, float], pixels: NDArray[Any], old: LabelPair, new: LabelPair, iou: float
) -> WorseImage:
    """Pictures of an image that got worse.

    Parameters
    ----------
    name : str
        Its name.
    scores : tuple of float
        The metric of the old and of the new model.
    pixels : (Y, X) or (Y, X, C) ndarray
        The image.
    old, new : LabelPair
        What each model found, against the same truth.
    iou : float
        IoU of a hit.
    """
    window = _window(old, new, iou)
    below = grey_background(pixels, old.truth.volume.shape[1:])
    before, after = scores
    truth = _cut(_true_outlines(old, below), window)
    first, second = (_cut(_found_outlines(pair, below, iou), window) for pair in (old, new))
    box = (window[0].start, window[1].start, window[0].stop, window[1].stop)
    return WorseImage(name, before, after, after - before, truth, first, second, box)


def _true_outlines(pair: LabelPair, below: NDArray[np.float64]) -> NDArray[np.float64]:
    picture = below.copy()
    picture[_edges(pair.truth.volume)] = rgb_of(TRUTH_COLOUR)
    return picture


def _found_outlines(pair: LabelPair, below: NDArray[np.float64], iou: float) -> NDArray[np.float64]:
    mistakes = find_mistakes(pair.overlaps, match_overlaps(pair.overlaps, iou))
    picture = below.copy()
    not_hit = np.concatenate([[False], mistakes.truth != Outcome.HIT])[pair.truth.volume]
    sides = (
        (np.where(not_hit, pair.truth.volume, 0), mistakes.truth),
        (pair.prediction.volume, mistakes.prediction),
    )
    palette = np.array([rgb_of(OUTCOME_COLOURS[outcome]) for outcome in Outcome])
    for volume, outcomes in sides:
        edge = _edges(volume)
        picture[edge] = palette[outcomes[volume[0][edge] - 1] - 1]
    return picture


def _edges(volume: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Outlines of one plane, (Y, X); in larger planes two pixels wide."""
    edges: NDArray[np.bool_] = outlines(volume, edge=False)[0]
    if min(edges.shape) > LEAST:
        edges = binary_dilation(edges) & (volume[0] > 0)
    return edges


def _window(old: LabelPair, new: LabelPair, iou: float) -> tuple[slice, slice]:
    """The part in which the new model misses or invents most that the old one did not."""
    lost = _wrong(new, iou) & ~_wrong(old, iou)
    return tuple(_span(lost.sum(axis=1 - axis)) for axis in (0, 1))  # type: ignore[return-value]


def _wrong(pair: LabelPair, iou: float) -> NDArray[np.bool_]:
    mistakes = find_mistakes(pair.overlaps, match_overlaps(pair.overlaps, iou))
    sides: list[tuple[NumberedLabels, NDArray[np.uint8]]] = [
        (pair.truth, mistakes.truth),
        (pair.prediction, mistakes.prediction),
    ]
    wrong = [np.concatenate([[False], of != Outcome.HIT])[labels.volume[0]] for labels, of in sides]
    both: NDArray[np.bool_] = wrong[0] | wrong[1]
    return both


def _span(weights: NDArray[np.int64]) -> slice:
    """The `EDGE` pixels of an axis with the largest sum, in the middle of equal ones."""
    if len(weights) <= EDGE:
        return slice(0, len(weights))
    total = np.concatenate([[0], np.cumsum(weights)])
    sums = total[EDGE:] - total[:-EDGE]
    best = np.flatnonzero(sums == sums.max())
    start = int(best[len(best) // 2])
    return slice(start, start + EDGE)


def _cut(picture: NDArray[np.float64], window: tuple[slice, slice]) -> Picture:
    shown = np.rint(picture[window].clip(0, 1) * 255).astype(np.uint8)
    times = max(1, round(LEAST / min(shown.shape[:2])))
    return shown.repeat(times, axis=0).repeat(times, axis=1)


def plot_worse(worse: Sequence[WorseImage], old: str, new: str, metric: str) -> "Figure":
    """The images that got worse in one figure.

    Parameters
    ----------
    worse : sequence of WorseImage
        A row each; where there is none the figure says so.
    old, new : str
        What the models are called.
    metric : str
        What the scores are.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(10.5, 3.7 * max(1, len(worse)) + 0.5), layout="constrained")
    if not worse:
        figure.suptitle("No image got worse.")
        return figure
    for row, image in zip(figure.subplots(len(worse), 3, squeeze=False), worse, strict=True):
        titles = (
            f"{image.name}: truth",
            f"{old}: {metric} {image.old_score:.3f}",
            f"{new}: {metric} {image.new_score:.3f} ({image.difference:+.3f})",
        )
        for axis, picture, title in zip(row, (image.truth, image.old, image.new), titles, strict=True):
            axis.imshow(picture, interpolation="nearest")
            axis.set_title(title, fontsize=9)
            axis.set_axis_off()
    legend = [Patch(color=colour, label=outcome.name.lower()) for outcome, colour in OUTCOME_COLOURS.items()]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), frameon=False)
    return figure
