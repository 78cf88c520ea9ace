"""Contacts between classes against chance, in every plane of labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg.errors import OptionError
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.features.aligned import align
from napari_cellseg.features.classes import SHUFFLES, enriching
from napari_cellseg.features.contacts import TOUCHING_GAP
from napari_cellseg.features.joining import INDEX, check_known, classes_of, kinds_of
from napari_cellseg.features.objects import Objects
from napari_cellseg.statistics.correction import corrected_p

STAGE = "Shuffling classes"
DEFINITIONS = {
    "class": "Class of one of the objects that touch.",
    "other": "Class of the other one.",
    "contacts": "Pairs of objects of these classes that touch.",
    "expected": "Mean number of such pairs where the classes are shuffled among the objects.",
    "std": "Standard deviation among the shuffles (n - 1).",
    "ratio": "contacts / expected: above 1 they touch more often than by chance.",
    "z_score": "(contacts - expected) / std.",
    "p": "Two-sided, from the shuffles; never 0 (Phipson & Smyth 2010).",
    "p_corrected": "p, corrected for all pairs of the table (Benjamini & Hochberg 1995).",
}
"""What the columns of the table mean."""


def measuring_enrichment(
    labels: Any,
    table: pd.DataFrame | None,
    *,
    axes: str | None = None,
    volume: bool = False,
    gap: int = TOUCHING_GAP,
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> Job[pd.DataFrame]:
    """Compare contacts with chance step by step; `measure_enrichment` explains the parameters."""
    planes = align(labels, None, axes=axes, channels=None, volume=volume)
    places = tuple(a.lower() for a in planes.outer_axes)
    known = check_known(table, places)
    kinds = kinds_of(known)
    if len(kinds) < 2:
        raise OptionError(
            "Contacts between classes need objects of at least two classes (column 'class' of their table); "
            + (f"there is only '{kinds[0]}'." if kinds else "the objects have none.")
        )
    total = shuffles * len(planes)
    yield Progress(STAGE, 0, total)
    parts = []
    for plane in range(len(planes)):
        everyone = Objects.found_in(planes.read_labels(plane))
        place = {axis.lower(): i for axis, i in planes.place(plane).items()}
        ids = pd.DataFrame({INDEX: everyone.ids} | {p: np.full(len(everyone), i) for p, i in place.items()})
        names = classes_of(ids, known, places)
        job = enriching(everyone, names, gap=gap, shuffles=shuffles, seed=seed)
        found = yield from _among(job, plane * shuffles, total)
        for position, (name, at) in enumerate(place.items()):
            found.insert(position, name, at)
        parts.append(found)
    result = pd.concat(parts, ignore_index=True)
    result["p_corrected"] = corrected_p(result["p"].to_numpy())
    result.attrs["definitions"] = {name: DEFINITIONS[name] for name in result if name in DEFINITIONS}
    return result


def _among(job: Job[pd.DataFrame], before: int, total: int) -> Job[pd.DataFrame]:
    """The shuffles of one plane as some of those of all."""
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            table: pd.DataFrame = end.value
            return table
        yield Progress(STAGE, before + step.done, total)


def measure_enrichment(
    labels: Any,
    table: pd.DataFrame | None,
    *,
    axes: str | None = None,
    volume: bool = False,
    gap: int = TOUCHING_GAP,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    progress: Callable[[Progress], object] | None = None,
) -> pd.DataFrame:
    """Do objects of two classes touch more often than by chance? A row for each pair of classes and plane.

    Parameters
    ----------
    labels : (…, Y, X) array-like of int
        0 is background.
    table : DataFrame
        With the columns ``index`` and ``class``, and ``t`` and ``z`` where an object has a row for each
        plane. Objects without a class take no part.
    axes, volume
        As of `measure`.
    gap, shuffles, seed
        As of `contact_enrichment`, which says what the columns mean.
    progress : callable, optional
        Called with each `Progress`.

    Returns
    -------
    DataFrame
        ``t`` and ``z`` where there are such axes, then the columns of `contact_enrichment`; ``p_corrected``
        is for all rows. ``attrs["definitions"]``: what each column means.

    Raises
    ------
    OptionError
        Where there are not at least two classes, or there is no shuffle.
    """
    job = measuring_enrichment(labels, table, axes=axes, volume=volume, gap=gap, shuffles=shuffles, seed=seed)
    return drain(job, progress)
