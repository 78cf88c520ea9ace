"""Figures for papers: their size, their colours, and the files that they are saved in."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cellseg import __version__
from napari_cellseg.errors import OptionError
from napari_cellseg.outputs import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, COLUMNS = 85.0, 174.0
"""Width of one and of two columns of a journal, mm."""
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
"""Colours that colour-blind eyes tell apart (Okabe & Ito 2008), in the order of plots on the screen."""
MARKERS = "os^DvPX"
"""Markers that go with them, for those who print in grey."""
TEXT, SMALL = 7.0, 6.0
"""Sizes of the text, points."""
_MM = 25.4


def new_figure(width: float = COLUMN, height: float = 70.0) -> tuple["Figure", "Axes"]:
    """A figure without a window, with one pair of axes.

    Parameters
    ----------
    width, height : float
        Its size, mm.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _MM, height / _MM), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_linewidth(0.6)
    axes.tick_params(labelsize=TEXT, width=0.6, length=2.5, pad=2)
    axes.xaxis.label.set_fontsize(TEXT + 1)
    axes.yaxis.label.set_fontsize(TEXT + 1)
    return figure, axes


def axis_label(feature: str, unit: str = "") -> str:
    """What an axis says: the feature in words, and its unit."""
    words = feature.replace("_", " ")
    return f"{words} ({unit})" if unit else words


def add_legend(axes: "Axes", title: str) -> None:
    """A legend above the axes, where it hides nothing."""
    axes.legend(
        frameon=False,
        fontsize=TEXT,
        title=title,
        title_fontsize=TEXT,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderpad=0,
        alignment="left",
    )


def add_note(figure: "Figure", text: str) -> None:
    """Small print under a figure."""
    figure.supxlabel(text, fontsize=SMALL - 0.5, color="0.4", x=0.99, ha="right")


def save_figure(
    figure: "Figure",
    path: str | Path,
    *,
    provenance: Mapping[str, Any] | None = None,
    title: str = "",
    dpi: float = 300.0,
) -> None:
    """Save a figure with where it comes from.

    Parameters
    ----------
    figure : Figure
        Made by one of the plots of `napari_cellseg.features`.
    path : str or Path
        Ends in ``.svg`` (texts stay texts, which can be edited), ``.pdf`` or ``.png``.
    provenance : mapping, optional
        Kept as JSON in the file's metadata: ``Description`` of SVG and PNG, ``Subject`` of PDF.
    title : str
        ``Title`` of the metadata.
    dpi : float
        Dots per inch of a PNG, and of the many points in the others.

    Raises
    ------
    OptionError
        If the path ends in something else.
    OutputError
        If the file cannot be written.
    """
    import matplotlib

    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("svg", "pdf", "png"):
        raise OptionError(f"A figure must end in .svg, .pdf or .png, not '{path.name}'.")
    said = json.dumps(dict(provenance or {}), ensure_ascii=False, default=str)
    creator = f"napari-cellseg {__version__}"
    metadata: dict[str, Any] = {"Title": title} if title else {}
    if kind == "png":
        metadata |= {"Software": creator, "Description": said}
        metadata["Creation Time"] = datetime.now(UTC).isoformat(timespec="seconds")
    else:
        metadata |= {"Creator": creator, "Description" if kind == "svg" else "Subject": said}
    with replacing(path) as temporary, matplotlib.rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
        figure.savefig(temporary, format=kind, dpi=dpi, metadata=metadata)
