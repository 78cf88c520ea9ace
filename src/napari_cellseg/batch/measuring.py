"""Measure many label images: their objects, the images themselves, contacts between classes."""

from collections.abc import Iterable, Sequence

import pandas as pd

from napari_cellseg.batch.labelled import (
    IMAGE,
    LabelledFile,
    MeasuredFiles,
    OpenedLabels,
    Reading,
    measuring_each,
)
from napari_cellseg.events import Job
from napari_cellseg.features.classes import SHUFFLES
from napari_cellseg.features.enrichment import measuring_enrichment
from napari_cellseg.features.growth import (
    GROWING,
    SECONDS,
    TIME,
    Growth,
    add_times,
    fit_growth,
    frame_series,
    growth_record,
)
from napari_cellseg.features.images import measuring_images
from napari_cellseg.features.measuring import measuring
from napari_cellseg.statistics.correction import corrected_p

HOURS = "h"
"""Unit of times that files tell."""


def measuring_files(
    files: Sequence[LabelledFile], reading: Reading, *, features: str | Iterable[str] | None = None
) -> Job[MeasuredFiles]:
    """Measure the objects of label files step by step.

    Classes and confidences in ``NAME_features.csv`` beside the labels join in.

    Parameters
    ----------
    files : sequence of LabelledFile
        From `find_labelled`.
    reading : Reading
        How they are read.
    features
        As in `napari_cellseg.measure`.

    Yields
    ------
    Progress
        Counts files; the payload is the `Progress` of the one that is measured.

    Returns
    -------
    MeasuredFiles
        A row for each object.

    Raises
    ------
    OptionError
        Where some files have a pixel size and others have none, so that their numbers can't be compared.
    """
    chosen = None if features is None else [features] if isinstance(features, str) else list(features)

    def measure(opened: OpenedLabels) -> Job[pd.DataFrame]:
        return measuring(
            opened.labels,
            opened.image,
            features=chosen,
            scale=opened.scale,
            unit=opened.unit,
            axes=opened.axes,
            channels=opened.channels,
            table=opened.table,
            volume=reading.volume,
        )

    return measuring_each(files, reading, measure, {"features": chosen})


def measuring_image_files(
    files: Sequence[LabelledFile], reading: Reading, *, interval: tuple[float, str] | None = None
) -> Job[MeasuredFiles]:
    """Describe images step by step: a row for each image, plane or volume.

    Parameters
    ----------
    files, reading
        As of `measuring_files`.
    interval : (float, str), optional
        Time between two frames, and one of ``"s"``, ``"min"``, ``"h"``, ``"d"``. None: what the files say;
        frames are numbered where they say nothing.

    Returns
    -------
    MeasuredFiles
        The columns of `measure_images`, and `TIME` after ``t`` where times are known. Of time series the
        provenance holds under ``"growth"`` the fits of count and confluence.
    """

    def describe(opened: OpenedLabels) -> Job[pd.DataFrame]:
        table = yield from measuring_images(
            opened.labels,
            opened.image,
            scale=opened.scale,
            unit=opened.unit,
            axes=opened.axes,
            channels=opened.channels,
            table=opened.table,
            volume=reading.volume,
        )
        if "t" not in table:
            return table
        if interval is not None:
            return add_times(table, *interval)
        return table if opened.interval is None else add_times(table, opened.interval / SECONDS[HOURS], HOURS)

    settings = {"interval": None if interval is None else list(interval)}
    found = yield from measuring_each(files, reading, describe, settings)
    found.table.attrs["provenance"]["growth"] = {
        name: {column: growth_record(fit, unit) for column, (fit, unit) in fits.items()}
        for name, fits in film_growth(found.table, files[0].name).items()
    }
    return found


def film_growth(table: pd.DataFrame, name: str) -> dict[str, dict[str, tuple[Growth, str]]]:
    """How each time series of a table of images grows.

    Parameters
    ----------
    table : DataFrame
        From `measuring_image_files`.
    name : str
        What the image is called where there is only one.

    Returns
    -------
    dict
        By image and column (count, confluence) the fit and the unit of its times; empty where nothing has a
        time axis.
    """
    if "t" not in table:
        return {}
    films = table.groupby(IMAGE, sort=False) if IMAGE in table else [(name, table)]
    found = {}
    for film, rows in films:
        if rows["t"].notna().any():
            own = rows.drop(columns=TIME) if TIME in rows and rows[TIME].isna().all() else rows
            own.attrs = table.attrs
            found[str(film)] = {column: _fit(own, column) for column in GROWING}
    return found


def _fit(table: pd.DataFrame, column: str) -> tuple[Growth, str]:
    times, values, unit = frame_series(table, column)
    return fit_growth(times, values), unit


def enriching_files(
    files: Sequence[LabelledFile], reading: Reading, *, shuffles: int = SHUFFLES, seed: int = 0
) -> Job[MeasuredFiles]:
    """Compare contacts between classes with chance step by step: rows for each image, plane or volume.

    Classes come from ``NAME_features.csv`` beside the labels.

    Parameters
    ----------
    files, reading
        As of `measuring_files`.
    shuffles, seed
        As of `contact_enrichment`.

    Returns
    -------
    MeasuredFiles
        The columns of `measure_enrichment`; ``p_corrected`` is for all pairs of all images.
    """

    def enrich(opened: OpenedLabels) -> Job[pd.DataFrame]:
        return measuring_enrichment(
            opened.labels,
            opened.table,
            axes=opened.axes and "".join(a for a in opened.axes if a.upper() not in "CS"),
            volume=reading.volume,
            shuffles=shuffles,
            seed=seed,
        )

    found = yield from measuring_each(files, reading, enrich, {"shuffles": shuffles, "seed": seed})
    if "p" in found.table:
        found.table["p_corrected"] = corrected_p(found.table["p"].to_numpy())
    return found
