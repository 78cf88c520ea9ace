"""measure(): a row for each object, a column for each feature."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.events import Job, Progress, drain, relay
from napari_cellseg.features.aligned import AlignedPlanes, align, resolve_spacing
from napari_cellseg.features.choosing import Chosen, choose_features, kept_columns
from napari_cellseg.features.feature import Columns, Feature
from napari_cellseg.features.found import FoundObjects
from napari_cellseg.features.joining import INDEX, check_known, classes_of, join, kinds_of
from napari_cellseg.features.objects import Objects
from napari_cellseg.features.registry import unit_of
from napari_cellseg.features.running import Extra, run_aside, run_extra, run_groups

STAGE = "Measuring"
PARTS = 100
"""Steps of progress for each plane."""


def measuring(
    labels: Any,
    image: Any = None,
    *,
    features: str | Iterable[str] | None = None,
    scale: float | Sequence[float] | None = None,
    unit: str = "px",
    axes: str | None = None,
    channels: Sequence[str] | None = None,
    table: pd.DataFrame | None = None,
    extra: Mapping[str, Extra] | None = None,
    only: Iterable[int] | None = None,
    found: FoundObjects | None = None,
    volume: bool = False,
) -> Job[pd.DataFrame]:
    """Measure objects step by step; `measure` does the same in one go and explains the parameters.

    Yields
    ------
    Progress
        Stage ``"Measuring"``, a hundred steps for each plane, at least ten times a second while kernels run;
        closing the generator ends the job.

    Returns
    -------
    DataFrame
    """
    planes = align(labels, image, axes=axes, channels=channels, volume=volume)
    places = tuple(a.lower() for a in planes.outer_axes)
    known = check_known(table, places)
    has_classes = known is not None and "class" in known
    chosen = choose_features(features, len(planes.spatial), image=image is not None, classes=has_classes)
    task = _Task(
        planes,
        resolve_spacing(scale, planes),
        chosen,
        dict(extra or {}),
        None if only is None else np.unique(np.fromiter((int(i) for i in only), np.int64)),
        FoundObjects() if found is None else found,
        known,
    )
    _check_extra(task)
    yield Progress(STAGE, 0, PARTS * len(planes))
    parts = []
    units: dict[str, str] = {}
    for plane in range(len(planes)):
        parts.append((yield from _measure_plane(task, plane, units, unit)))
    measured = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    result = join(measured, known, places)
    result.attrs["units"] = units | dict.fromkeys(task.extra, "")
    return result


def measure(
    labels: Any,
    image: Any = None,
    *,
    features: str | Iterable[str] | None = None,
    scale: float | Sequence[float] | None = None,
    unit: str = "px",
    axes: str | None = None,
    channels: Sequence[str] | None = None,
    table: pd.DataFrame | None = None,
    extra: Mapping[str, Extra] | None = None,
    only: Iterable[int] | None = None,
    found: FoundObjects | None = None,
    volume: bool = False,
    progress: Callable[[Progress], object] | None = None,
) -> pd.DataFrame:
    """Measure the objects of a label image.

    Parameters
    ----------
    labels : (…, Y, X) array-like of int
        0 is background; numpy, dask or zarr. Each plane is measured on its own, so that an object that is in
        several has a row for each.
    image : (…, Y, X[, C]) array-like, optional
        The image of these labels, for intensity and texture.
    features : str or iterable of str, optional
        Names (``"area"``), families (``"bbox"``), groups (``"shape"``) or ``"default"``;
        `napari_cellseg.features.registry.registry` lists them. None: the default set, as far as an image and
        classes are there.
    scale : float or sequence of float, optional
        Size of a pixel: one number, or one for each axis, (y, x) or (z, y, x). None: 1.
    unit : str
        Unit of that size.
    axes : str, optional
        A letter of ``"TZYX"`` for each dimension of the labels, or of ``"TZCYXS"`` for each of the image.
        None: the last two are Y and X; what comes before is Z, or T and Z.
    channels : sequence of str, optional
        Names of the image's channels, which end the names of their columns. None: their numbers. The columns
        of a single channel have plain names.
    table : DataFrame, optional
        What is known already, a row for each object: column ``index`` and any others (``class``,
        ``confidence``, …), which join in. Columns that are measured are replaced.
    extra : mapping of str to callable, optional
        Own features by column name: functions of an object's mask (h, w) and intensities (h, w[, C]), or
        None without an image, that return a number.
    only : iterable of int, optional
        Objects to measure, for example those that an edit touched. None: all.
    found : FoundObjects, optional
        Where the objects of planes are that were searched before: with `only` nothing but the objects and
        their surroundings is read then. Other planes are searched, and taken in.
    volume : bool
        Whether Z is an axis of space, so that objects are measured in three dimensions.
    progress : callable, optional
        Called with each `Progress`.

    Returns
    -------
    DataFrame
        ``index`` (the label), ``t`` and ``z`` where there are such axes, the joined columns, then the
        features in the order of the registry, then `extra`. ``attrs["units"]``: unit of each measured
        column.

    Raises
    ------
    LabelsError, AxesError, OptionError
        Where the labels, the image or an argument cannot be used; the text says why.
    """
    job = measuring(
        labels,
        image,
        features=features,
        scale=scale,
        unit=unit,
        axes=axes,
        channels=channels,
        table=table,
        extra=extra,
        only=only,
        found=found,
        volume=volume,
    )
    return drain(job, progress)


@dataclass(frozen=True, slots=True)
class _Task:
    """What is measured, the same for all planes."""

    planes: AlignedPlanes
    spacing: tuple[float, ...]
    chosen: Chosen
    extra: dict[str, Extra]
    only: NDArray[np.int64] | None
    found: FoundObjects
    known: pd.DataFrame | None


def _check_extra(task: _Task) -> None:
    taken = {f.name for kept in task.chosen.values() for f in kept} | {INDEX, "t", "z"}
    for name, function in task.extra.items():
        if name in taken or not callable(function):
            raise OptionError(
                f"extra must be functions by new names, but '{name}' "
                + ("is a column already." if name in taken else f"is {function!r}.")
            )


def _measure_plane(
    task: _Task, plane: int, units: dict[str, str], unit: str
) -> Generator[Progress, None, pd.DataFrame]:
    """Table of one plane; the units of its columns are added to `units`."""
    planes = task.planes
    total, count = PARTS * len(planes), len(planes)
    detail = f"plane {plane + 1} of {count}" if count > 1 else ""
    columns, features = yield from relay(
        _measure_objects(task, plane),
        lambda share: Progress(STAGE, PARTS * plane + int(share * PARTS), total, detail),
    )
    units |= {name: unit_of(feature, unit) for name, feature in features.items()}
    return pd.DataFrame(columns)


def _measure_objects(task: _Task, plane: int) -> Generator[float, None, tuple[Columns, dict[str, Feature]]]:
    """Yields the finished share of a plane; returns all columns, and the features behind those of groups."""
    at_once = task.only is not None and tuple(task.planes.place(plane).values()) in task.found
    everyone, objects = yield from run_aside(lambda: _find_objects(task, plane), at_once)
    boxes = None if task.only is None else objects.boxes
    image = yield from run_aside(lambda: task.planes.read_image(plane, boxes), at_once)
    rows = slice(None) if task.only is None else np.searchsorted(everyone.ids, objects.ids)
    places = {axis.lower(): np.full(len(everyone), i) for axis, i in task.planes.place(plane).items()}
    first = {INDEX: everyone.ids, **places}
    classes = classes_of(pd.DataFrame(first), task.known, tuple(places))
    names = {"channels": task.planes.channels, "classes": classes, "kinds": kinds_of(task.known)}
    part = 0.5 if task.extra else 1.0
    found = yield from relay(
        run_groups(task.chosen, objects, everyone, image, names), lambda share: part * share
    )
    own = yield from relay(run_extra(task.extra, objects, image), lambda share: part + (1 - part) * share)
    features = kept_columns(task.chosen, found)
    measured = {name: values for columns in found.values() for name, values in columns.items()}
    columns = {name: values[rows] for name, values in first.items()}
    return columns | {name: measured[name] for name in features} | own, features


def _find_objects(task: _Task, plane: int) -> tuple[Objects, Objects]:
    """All objects of a plane, and those to measure."""
    place = tuple(task.planes.place(plane).values())
    everyone = task.found.get(place, task.planes.read_labels(plane), task.spacing)
    if task.only is None:
        return everyone, everyone
    return everyone, everyone.take(np.flatnonzero(np.isin(everyone.ids, task.only)))
