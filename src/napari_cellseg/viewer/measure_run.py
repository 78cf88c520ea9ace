"""One measurement of the Measure dock on napari's models: labels, channels, features; and what it found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Labels

from napari_cellseg.errors import OptionError
from napari_cellseg.events import Job, Progress
from napari_cellseg.features.found import FoundObjects
from napari_cellseg.features.measuring import measuring
from napari_cellseg.features.objects import Objects
from napari_cellseg.features.tables import sidecar_path, table_provenance, write_table
from napari_cellseg.images.reading import PixelSize
from napari_cellseg.viewer.evaluate_run import full_labels, size_words
from napari_cellseg.viewer.measure_inputs import ImageChannel, MeasuredLabels, stacked
from napari_cellseg.viewer.pixel_size import MICROMETRE, describe

PIXELS = "px"
PROGRESS_INTERVAL = 0.05
"""Seconds between two steps of progress."""
JOINED = ("class", "confidence", "status", "origin")
"""Columns of the layer's table that come along with the measured ones."""


@dataclass(frozen=True)
class MeasureChoices:
    """What the form of the Measure dock says, besides the labels.

    Attributes
    ----------
    features : tuple of str or None
        Names of features or groups; None is the usual set.
    channels : tuple of ImageChannel
        What intensities are measured in; may be empty.
    pixel_size : PixelSize or None
        In `unit`; None measures in pixels.
    volume : bool
        Whether objects go through the planes of a z stack.
    unit : str
        Unit of lengths where there is a pixel size.
    """

    features: tuple[str, ...] | None = None
    channels: tuple[ImageChannel, ...] = ()
    pixel_size: PixelSize | None = None
    volume: bool = False
    unit: str = MICROMETRE


@dataclass(frozen=True)
class MeasureRequest:
    """A measurement that can be started, and repeated for a part of the objects.

    Attributes
    ----------
    layer : napari.layers.Labels
        The layer.
    labels : MeasuredLabels
        Its labels.
    image : array-like or None
        Channels in the shape of the labels, several as the last axis.
    choices : MeasureChoices
        What to measure.
    """

    layer: Labels
    labels: MeasuredLabels
    image: Any
    choices: MeasureChoices

    @property
    def spatial(self) -> str:
        """The axes that an object extends along."""
        return "ZYX" if self.choices.volume else "YX"

    @property
    def outer(self) -> str:
        """The axes whose positions are measured one by one."""
        return self.labels.axes.removesuffix(self.spatial)

    @property
    def unit(self) -> str:
        """Unit of lengths."""
        return self.choices.unit if self.choices.pixel_size is not None else PIXELS

    @property
    def scale(self) -> tuple[float, ...]:
        """Size of a pixel along the axes of an object."""
        size = self.choices.pixel_size
        if size is None:
            return (1.0,) * len(self.spatial)
        return tuple(float(getattr(size, axis.lower()) or 0) for axis in self.spatial)

    @property
    def area(self) -> float:
        """Area of all planes together, or volume of all volumes, in the unit."""
        return float(np.prod(self.labels.data.shape, dtype=float) * np.prod(self.scale))


@dataclass(frozen=True, eq=False)
class Measurement:
    """What was measured.

    Attributes
    ----------
    request : MeasureRequest
        What was asked for.
    table : DataFrame
        A row per object and plane: ``index``, where there are several planes ``t`` and ``z``, then the
        features; units in ``attrs["units"]``.
    found : FoundObjects
        Where the objects were.
    """

    request: MeasureRequest
    table: pd.DataFrame
    found: FoundObjects


def make_request(layer: Labels, labels: MeasuredLabels, choices: MeasureChoices) -> MeasureRequest:
    """What to measure, from what the user chose.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.
    labels : MeasuredLabels
        What `read_labels` made of it.
    choices : MeasureChoices
        What the user chose.

    Raises
    ------
    OptionError
        Where the choices don't go together; in words.
    """
    if choices.features is not None and not choices.features:
        raise OptionError("Tick at least one group of features.")
    if choices.volume and not labels.axes.endswith("ZYX"):
        raise OptionError("Volumes need a z stack; these labels have no z axis.")
    if choices.volume and choices.pixel_size is not None and not choices.pixel_size.z:
        raise OptionError(
            "The distance between planes is unknown: set the layer's z scale, or the pixel size to 0 for "
            "pixels."
        )
    image = stacked(labels, choices.channels) if choices.channels else None
    return MeasureRequest(layer, labels, image, choices)


def renewed(request: MeasureRequest) -> MeasureRequest | None:
    """The same measurement of the layer's labels as they are now; None where they have another size."""
    data, dimensions = full_labels(request.layer)
    if tuple(data.shape) != tuple(request.labels.data.shape) or dimensions != request.labels.dimensions:
        return None
    return replace(request, labels=replace(request.labels, data=data))


def request_sentence(request: MeasureRequest) -> str:
    """What will be measured, in words."""
    choices, shape = request.choices, request.labels.data.shape
    size = size_words(shape)
    if len(request.outer) and not choices.volume:
        size += ", each plane for itself"
    elif choices.volume:
        size += ", objects in 3-D"
    names = [channel.name for channel in choices.channels]
    on = f" on {', '.join(names)}" if names else ""
    lengths = "in pixels"
    if choices.pixel_size is not None:
        lengths = f"in {choices.unit} ({describe(choices.pixel_size, choices.unit)} a pixel)"
    return f"Measures '{request.layer.name}'{on}: {size}. Lengths {lengths}."


def measuring_layer(request: MeasureRequest) -> Job[Measurement]:
    """The job to run in a thread, on the labels as they are now: later edits don't reach it."""
    data = request.labels.data
    still = data.copy() if isinstance(data, np.ndarray) else data
    joined = joined_rows(request.layer)
    return _measuring(request, still, joined)


def _measuring(request: MeasureRequest, labels: Any, joined: pd.DataFrame | None) -> Job[Measurement]:
    found = FoundObjects()
    arguments = {"axes": request.labels.axes, "table": joined, "found": found, **_arguments(request)}
    table = yield from _seldom(measuring(labels, request.image, **arguments))
    return Measurement(request, without_joined(table), found)


def _seldom(job: Job[pd.DataFrame]) -> Job[pd.DataFrame]:
    """A job whose steps are told no more often than an eye can follow, because each costs a thread's turn."""
    last = -np.inf
    try:
        while True:
            try:
                step = next(job)
            except StopIteration as end:
                return end.value
            if monotonic() - last >= PROGRESS_INTERVAL:
                last = monotonic()
                yield step
    finally:
        job.close()


def measuring_again(
    request: MeasureRequest,
    only: Sequence[int],
    plane: tuple[int, ...],
    objects: Objects,
    features: Sequence[str] | None = None,
) -> Job[pd.DataFrame]:
    """Rows of some objects in one plane, measured anew.

    Parameters
    ----------
    request : MeasureRequest
        As it was measured before.
    only : sequence of int
        Labels; those that have no pixels any more get no row.
    plane : tuple of int
        Position along the outer axes.
    objects : Objects
        All objects of the plane, as they are now: nothing but `only` and what is around them is read.
    features : sequence of str, optional
        Those of the request that are measured; None: all.
    """
    known = FoundObjects()
    known.put((), objects)
    joined = joined_rows(request.layer)
    image = None if request.image is None else request.image[plane]
    measured = yield from measuring(
        objects.labels,
        image,
        axes=request.spatial,
        table=joined if joined is not None and "class" in joined else None,
        only=only,
        found=known,
        **(_arguments(request) | ({} if features is None else {"features": features})),
    )
    table = without_joined(measured)
    for position, (axis, at) in enumerate(zip(request.outer, plane, strict=True)):
        table.insert(1 + position, axis.lower(), at)
    return table


def _arguments(request: MeasureRequest) -> dict[str, Any]:
    channels = [channel.name for channel in request.choices.channels]
    return {
        "features": request.choices.features,
        "scale": request.scale,
        "unit": request.unit,
        "channels": channels or None,
        "volume": request.choices.volume,
    }


def saving_table(
    measurement: Measurement, table: pd.DataFrame, path: Path, *, excel: bool
) -> Job[list[Path]]:
    """The job that writes a table with its units and where it comes from.

    Parameters
    ----------
    measurement : Measurement
        What was measured.
    table : DataFrame
        Its rows as they are now, classes included.
    path : Path
        Ends in ``.csv`` or ``.parquet``.
    excel : bool
        Whether a CSV is for Excel.
    """
    request = measurement.request
    yield Progress("Reading the labels", 0, 2)
    origin = table_provenance(
        np.asarray(request.labels.data),
        scale=request.scale,
        unit=request.unit,
        settings={
            "layer": request.layer.name,
            "features": list(request.choices.features or ()),
            "channels": [channel.name for channel in request.choices.channels],
            "volume": request.choices.volume,
        },
    )
    yield Progress("Writing the table", 1, 2)
    written = table.copy()
    written.attrs["units"] = measurement.table.attrs.get("units", {})
    write_table(written, path, excel=excel, provenance=origin)
    return [path, sidecar_path(path)]


def joined_rows(layer: Labels) -> pd.DataFrame | None:
    """What the layer's table says of each object besides measurements; None where it has nothing."""
    table = layer.features
    names = [name for name in JOINED if name in table]
    if "index" not in table or not names:
        return None
    return table.loc[table["index"] > 0, ["index", *names]].reset_index(drop=True)


def without_joined(table: pd.DataFrame) -> pd.DataFrame:
    """A measured table without the columns that the layer's table has anyway."""
    kept = table.drop(columns=[name for name in JOINED if name in table])
    kept.attrs.update(table.attrs)
    return kept
