"""Pictures of a model's work: its best, median and worst images, and its reliability."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg.training.releasing import CalibrationReport, SegmentedSample
from napari_cellseg.training.scoring import group_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRUTH, FOUND = "#0072b2", "#e69f00"
"""Colours of outlines, from the palette of Okabe and Ito."""


def write_pictures(segmented: Sequence[SegmentedSample], path: Path, *, most: int = 512) -> None:
    """Best, median and worst image of each set by AP at 0.5, outlines of truth and of what was found.

    Parameters
    ----------
    segmented : sequence of SegmentedSample
        Scored images; those without any true object are left out.
    path : Path
        PNG to write, a row for each set and kind.
    most : int
        Larger images are cut to their middle, pixels.
    """
    sets: dict[str, list[SegmentedSample]] = defaultdict(list)
    for item in segmented:
        if item.sample.labels.any():
            sets[group_name(item.sample)].append(item)
    figure = _figure(4.2 * 3, 4.4 * len(sets))
    for row, (name, items) in enumerate(sorted(sets.items())):
        items.sort(key=lambda item: -item.counts.ap[0])
        for column, (word, item) in enumerate(
            (("best", items[0]), ("median", items[len(items) // 2]), ("worst", items[-1]))
        ):
            axes = figure.add_subplot(len(sets), 3, 3 * row + column + 1)
            _draw(axes, item, most)
            scaled = f", scaled {item.scale:.2g}" if item.scale != 1 else ""
            axes.set_title(f"{name}, {word}: AP50 {item.counts.ap[0]:.2f}{scaled}", fontsize=9)
    figure.savefig(path, dpi=90)


def _draw(axes: "Axes", item: SegmentedSample, most: int) -> None:
    height, width = item.sample.labels.shape
    y, x = max(0, (height - most) // 2), max(0, (width - most) // 2)
    window = slice(y, y + most), slice(x, x + most)
    axes.imshow(np.clip(item.sample.scaled()[window], 0, 1) ** 0.7)
    for labels, colour in ((item.sample.labels, TRUTH), (item.labels, FOUND)):
        _outline(axes, labels[window], colour)
    axes.set_axis_off()


def _outline(axes: "Axes", labels: np.ndarray[Any, Any], colour: str) -> None:
    """Lines on the pixel edges where labels change."""
    from matplotlib.collections import LineCollection

    padded = np.pad(labels, 1)
    lines: list[Any] = []
    y, x = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    lines += [((b - 0.5, a - 0.5), (b + 0.5, a - 0.5)) for a, b in zip(y, x, strict=True)]
    y, x = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    lines += [((b - 0.5, a - 0.5), (b - 0.5, a + 0.5)) for a, b in zip(y, x, strict=True)]
    axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.7))


def write_reliability(report: CalibrationReport, path: Path) -> None:
    """Reliability diagrams of all objects and of each set, as PNG or SVG.

    Confidences are cross-validated by image; bars are 95 % credible intervals of the share of right objects.
    """
    figure = _figure(3.0 * len(report.rows), 4.0)
    for column, (name, row) in enumerate(report.rows.items()):
        curve = report.curve(name)
        axes = figure.add_subplot(1, len(report.rows), column + 1)
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        reach = np.abs(np.stack([curve.correct - curve.low, curve.high - curve.correct]))
        axes.errorbar(curve.confidence, curve.correct, reach, fmt="o", markersize=4, color=TRUTH)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", aspect="equal")
        axes.set_title(f"{name}\n{row['objects']:,} objects, ECE {row['ece']:.3f}", fontsize=9)
        if column == 0:
            axes.set_ylabel("share right at IoU 0.5")
    figure.savefig(path, dpi=110)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
