"""What the images of a measured layer are like: a row each, their growth, contacts between classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Labels

from napari_cellseg.errors import OptionError
from napari_cellseg.events import Job, Progress
from napari_cellseg.features.classes import SHUFFLES
from napari_cellseg.features.enrichment import measuring_enrichment
from napari_cellseg.features.figures import save_figure
from napari_cellseg.features.growth import (
    SECONDS,
    Growth,
    add_times,
    fit_growth,
    frame_series,
    growth_record,
    growth_words,
)
from napari_cellseg.features.growth_plots import plot_growth
from napari_cellseg.features.images import measuring_images
from napari_cellseg.features.joining import kinds_of
from napari_cellseg.features.tables import sidecar_path, table_provenance, write_table
from napari_cellseg.viewer.measure_run import MeasureRequest, joined_rows
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.viewer.pixel_size import file_metadata

_CELLS = ("index", "t", "z", "area", "class")
"""Columns that say which cells there are and how large; what is described rests on them."""


@dataclass(frozen=True, eq=False)
class DescribedImages:
    """The images of a layer.

    Attributes
    ----------
    request : MeasureRequest
        What was measured.
    frames : DataFrame
        A row for each image, as `measure_images` gives it.
    cells : DataFrame
        Which cells there were.
    """

    request: MeasureRequest
    frames: pd.DataFrame
    cells: pd.DataFrame

    @property
    def has_time(self) -> bool:
        """Whether there are several times."""
        return "t" in self.frames and self.frames["t"].nunique() > 1


@dataclass(frozen=True, eq=False)
class ClassContacts:
    """Contacts between the classes of a layer's cells against chance, as `measure_enrichment` gives them."""

    request: MeasureRequest
    pairs: pd.DataFrame
    cells: pd.DataFrame
    shuffles: int
    seed: int


@dataclass(frozen=True)
class GrowthChoices:
    """How growth is looked at.

    Attributes
    ----------
    column : {"count", "confluence"}
        What grows.
    interval : float or None
        Time between two frames; None counts frames.
    unit : str
        Its unit.
    frames : (int, int) or None
        First and last frame of the fit; None: all.
    """

    column: str = "count"
    interval: float | None = None
    unit: str = "h"
    frames: tuple[int, int] | None = None


def describing(measured: MeasuredLayer) -> Job[DescribedImages]:
    """The job that describes the images of a measured layer, with the cells as they are now."""
    request = measured.request
    labels, cells, known = _still(request), cells_of(measured), class_rows(request.layer)
    return _describing(request, labels, cells, known)


def _describing(
    request: MeasureRequest, labels: Any, cells: pd.DataFrame, known: pd.DataFrame | None
) -> Job[DescribedImages]:
    frames = yield from measuring_images(
        labels,
        request.image,
        scale=request.scale,
        unit=request.unit,
        axes=request.labels.axes,
        channels=[channel.name for channel in request.choices.channels] or None,
        table=known,
        volume=request.choices.volume,
    )
    return DescribedImages(request, frames, cells)


def enriching_layer(
    measured: MeasuredLayer, *, shuffles: int = SHUFFLES, seed: int = 0
) -> Job[ClassContacts]:
    """The job that compares contacts between classes with chance, with the classes as they are now.

    Raises
    ------
    OptionError
        Where there are not at least two classes.
    """
    problem = contacts_problem(measured)
    if problem:
        raise OptionError(problem)
    request = measured.request
    labels, cells, known = _still(request), cells_of(measured), class_rows(request.layer)
    return _enriching(request, labels, cells, known, shuffles, seed)


def _enriching(
    request: MeasureRequest,
    labels: Any,
    cells: pd.DataFrame,
    known: pd.DataFrame | None,
    shuffles: int,
    seed: int,
) -> Job[ClassContacts]:
    pairs = yield from measuring_enrichment(
        labels,
        known,
        axes=request.labels.axes,
        volume=request.choices.volume,
        shuffles=shuffles,
        seed=seed,
    )
    return ClassContacts(request, pairs, cells, shuffles, seed)


def contacts_problem(measured: MeasuredLayer | None) -> str:
    """Why contacts between classes can't be compared with chance, in words; empty where they can."""
    if measured is None:
        return "Measure the cells first: the tab Measure."
    kinds = kinds_of(class_rows(measured.layer))
    if len(kinds) >= 2:
        return ""
    there = f"there is only '{kinds[0]}'" if kinds else "they have none"
    return f"It takes cells of two classes; {there}. Give classes in the tab Plot, or in CellSeg correct."


def class_rows(layer: Labels) -> pd.DataFrame | None:
    """Classes of a layer's objects; None where it has none."""
    rows = joined_rows(layer)
    return None if rows is None or "class" not in rows or not kinds_of(rows) else rows[["index", "class"]]


def cells_of(measured: MeasuredLayer) -> pd.DataFrame:
    """Which cells there are, their size and class."""
    table = measured.table
    return table[[name for name in _CELLS if name in table]].copy()


def frame_interval(request: MeasureRequest) -> tuple[float, str] | None:
    """Time between two frames, from the layer's scale and units, else from its file; None where unknown."""
    if "T" not in request.labels.axes:
        return None
    layer = request.layer
    dimension = request.labels.dimensions[request.labels.axes.index("T")]
    unit = layer.units[dimension]
    seconds = None
    if unit.is_compatible_with("s"):
        seconds = float((1 * unit).to("s").magnitude) * abs(float(layer.scale[dimension]))
    else:
        metadata, _ = file_metadata(layer)
        seconds = metadata.time_interval if metadata is not None else None
    if not seconds:
        return None
    name = "h" if seconds >= 900 else "min" if seconds >= 60 else "s"
    return seconds / SECONDS[name], name


def fit_frames(described: DescribedImages, choices: GrowthChoices) -> tuple[Growth, str]:
    """An exponential through count or confluence over time, and the unit of its times.

    Raises
    ------
    OptionError
        Where there is no time, or the frames are none.
    """
    times, values, unit = frame_series(timed(described, choices), choices.column)
    between = None
    if choices.frames is not None:
        first, last = choices.frames
        between = tuple(n * (choices.interval or 1.0) for n in (first - 0.5, last + 0.5))
    return fit_growth(times, values, between=between), unit


def timed(described: DescribedImages, choices: GrowthChoices) -> pd.DataFrame:
    """The rows of the images, with times where these are known."""
    if choices.interval is None or "t" not in described.frames:
        return described.frames
    return add_times(described.frames, choices.interval, choices.unit)


def growth_line(described: DescribedImages, choices: GrowthChoices) -> str:
    """How the culture grows, in a line."""
    growth, unit = fit_frames(described, choices)
    left = f" Through {growth.n} of {growth.n + growth.left_out} times." if growth.left_out else ""
    return f"{choices.column.capitalize()} {growth_words(growth, unit)}.{left}"


def images_line(described: DescribedImages) -> str:
    """The images in a line."""
    frames, count = described.frames, len(described.frames)
    share, cells = 100 * frames["confluence"], frames["count"]
    name = "filled" if described.request.choices.volume else "confluence"
    words = f"{count:,} {'image' if count == 1 else 'images'}, "
    if count == 1:
        one = cells.iloc[0]
        return f"{words}{one:,} {'cell' if one == 1 else 'cells'}, {name} {share.iloc[0]:.3g} %"
    return f"{words}{cells.min():,} to {cells.max():,} cells, {name} {share.min():.3g} to {share.max():.3g} %"


def contacts_line(contacts: ClassContacts) -> str:
    """What stands out among the contacts, in a line."""
    pairs = contacts.pairs
    found = pairs[pairs["p_corrected"] < 0.05]
    words = f"{len(found)} of {len(pairs)} pairs differ from chance (corrected p < 0.05)"
    if contacts.request.outer:
        return f"{words}, in {len(pairs[list(contacts.request.outer.lower())].drop_duplicates())} images."
    told = [
        f"{row['class']} and {row['other']} touch {'more' if row['ratio'] > 1 else 'less'} often"
        for row in found.to_dict("records")[:3]
    ]
    return f"{words}{': ' if told else '.'}{'; '.join(told)}{'.' if told else ''}"


def saving_images(
    described: DescribedImages, choices: GrowthChoices, path: Path, *, excel: bool
) -> Job[list[Path]]:
    """The job that writes the rows of the images, with their growth in the file beside."""
    settings: dict[str, Any] = {}
    if described.has_time:
        settings["growth"] = _growth_settings(described, choices)
    return _saving(described.request, timed(described, choices), path, excel, settings)


def saving_contacts(contacts: ClassContacts, path: Path, *, excel: bool) -> Job[list[Path]]:
    """The job that writes the contacts between classes."""
    settings = {"shuffles": contacts.shuffles, "seed": contacts.seed}
    return _saving(contacts.request, contacts.pairs, path, excel, settings)


def saving_growth(described: DescribedImages, choices: GrowthChoices, path: Path) -> Job[list[Path]]:
    """The job that writes the figure of the growth."""
    yield Progress("Drawing", 0, 0, path.name)
    origin = provenance_of(described.request, {"growth": _growth_settings(described, choices)})
    figure = plot_growth(timed(described, choices), choices.column, fit_frames(described, choices)[0])
    save_figure(figure, path, provenance=origin, title=f"{choices.column} over time")
    return [path]


def _growth_settings(described: DescribedImages, choices: GrowthChoices) -> dict[str, Any]:
    growth, unit = fit_frames(described, choices)
    frames = None if choices.frames is None else list(choices.frames)
    return {"column": choices.column, "frames": frames, **growth_record(growth, unit)}


def _saving(
    request: MeasureRequest, table: pd.DataFrame, path: Path, excel: bool, settings: Mapping[str, Any]
) -> Job[list[Path]]:
    yield Progress("Reading the labels", 0, 2)
    origin = provenance_of(request, settings)
    yield Progress("Writing the table", 1, 2)
    write_table(table, path, excel=excel, provenance=origin)
    return [path, sidecar_path(path)]


def provenance_of(request: MeasureRequest, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Where what was measured in a layer comes from; reads all its labels."""
    choices = request.choices
    known = {
        "layer": request.layer.name,
        "channels": [channel.name for channel in choices.channels],
        "volume": choices.volume,
    }
    return table_provenance(
        np.asarray(request.labels.data),
        scale=request.scale,
        unit=request.unit,
        settings=known | dict(settings),
    )


def _still(request: MeasureRequest) -> Any:
    """The labels as they are now: later edits don't reach them."""
    data = request.labels.data
    return data.copy() if isinstance(data, np.ndarray) else data
