"""Between classes: how far an object is from each and how often it touches it, and whether by chance."""

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.features.contacts import TOUCHING_GAP, find_contacts
from napari_cellseg.features.feature import Columns, Feature
from napari_cellseg.features.neighbours import centroids, nearest_of
from napari_cellseg.features.objects import Objects
from napari_cellseg.statistics.correction import corrected_p

SHUFFLES = 1000
PARTS = 100
"""Steps of progress of the shuffles, at most."""

Names = Sequence[str | None]

FEATURES = (
    Feature(
        name="nearest_distance_to",
        group="classes",
        quantity="length",
        dtype="float64",
        dims=(2, 3),
        definition="Distance from the object's centroid to that of the nearest other object of a class.",
        formula="min over j ≠ i of class C of |c_j − c_i|",
        source="Clark & Evans 1954, between classes",
        default=True,
        note="NaN where there is no other object of that class.",
    ),
    Feature(
        name="contacts_with",
        group="classes",
        quantity="count",
        dtype="int64",
        dims=(2, 3),
        definition="Number of other objects of a class that the object touches.",
        formula="#{j ≠ i of class C : touching(i, j)}",
        source="Schapiro et al. 2017 (histoCAT)",
        default=True,
        note="Touching as in neighbours_touching.",
    ),
)


def classes(objects: Objects, everyone: Objects, names: Names, kinds: Sequence[str] | None = None) -> Columns:
    """Measure the classes group: ``nearest_distance_to-CLASS`` and ``contacts_with-CLASS`` of each class.

    Parameters
    ----------
    objects : Objects
        What to measure.
    everyone : Objects
        All objects in the same labels.
    names : sequence of str or None
        Class of each object of `everyone`; None where it has none.
    kinds : sequence of str, optional
        The classes that have columns. None: those that are there.

    Raises
    ------
    OptionError
        Where the classes don't fit the objects, or one is not among `kinds`.
    """
    kinds, codes = _coded(everyone, names, kinds)
    centres = centroids(everyone)
    rows = np.searchsorted(everyone.ids, objects.ids)
    contacts = find_contacts(objects)
    other_codes = codes[np.searchsorted(everyone.ids, contacts.others)]
    columns: Columns = {}
    for code, kind in enumerate(kinds):
        members = np.flatnonzero(codes == code)
        own = np.where(codes[rows] == code, np.searchsorted(members, rows), -1)
        columns[f"nearest_distance_to-{kind}"] = nearest_of(centres[rows], centres[members], own)[0]
        touched = contacts.rows[other_codes == code]
        columns[f"contacts_with-{kind}"] = np.bincount(touched, minlength=len(objects))
    return columns


def enriching(
    everyone: Objects, names: Names, *, gap: int = TOUCHING_GAP, shuffles: int = SHUFFLES, seed: int = 0
) -> Job[pd.DataFrame]:
    """Compare contacts with chance step by step; `contact_enrichment` does it in one go and explains it."""
    if shuffles < 1:
        raise OptionError(f"There must be at least one shuffle, not {shuffles}.")
    kinds, codes = _coded(everyone, names, None)
    contacts = find_contacts(everyone, gap)
    others = np.searchsorted(everyone.ids, contacts.others)
    known = (contacts.rows < others) & (codes[contacts.rows] >= 0) & (codes[others] >= 0)
    first, second = contacts.rows[known], others[known]
    observed = _counted(codes[first], codes[second], len(kinds))
    chance = yield from _chances(codes, first, second, len(kinds), shuffles, seed)
    return _enrichment_table(kinds, observed, chance)


def contact_enrichment(
    everyone: Objects,
    names: Names,
    *,
    gap: int = TOUCHING_GAP,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    progress: Callable[[Progress], object] | None = None,
) -> pd.DataFrame:
    """Do objects of two classes touch more often than if the classes were dealt out by chance?

    Classes are shuffled among the objects that have one; places and contacts stay.

    Parameters
    ----------
    everyone : Objects
        All objects in the labels.
    names : sequence of str or None
        Class of each; objects without one take no part.
    gap : int
        As in `find_contacts`.
    shuffles : int
        How often the classes are shuffled.
    seed : int
        The same seed gives the same numbers.
    progress : callable, optional
        Called with each `Progress`.

    Returns
    -------
    DataFrame
        A row for each pair of classes, a class with itself too. ``contacts``: pairs of objects that touch.
        ``expected`` and ``std``: mean and standard deviation (n − 1) among the shuffles. ``ratio``:
        contacts / expected. ``z_score``: (contacts − expected) / std, NaN without spread. ``p``: two-sided,
        twice the share of shuffles at least as extreme on the rarer side, with the observation counted as one
        of them (Phipson & Smyth 2010), so never 0. ``p_corrected``: for the number of pairs (Benjamini &
        Hochberg 1995).

    Raises
    ------
    OptionError
        Where the classes don't fit the objects, or there is no shuffle.

    Notes
    -----
    Definition: Schapiro et al. 2017 (histoCAT); Palla et al. 2022 (squidpy, ``nhood_enrichment``).
    """
    return drain(enriching(everyone, names, gap=gap, shuffles=shuffles, seed=seed), progress)


def _coded(
    everyone: Objects, names: Names, kinds: Sequence[str] | None
) -> tuple[list[str], NDArray[np.int64]]:
    """The classes in order, and which of them each object has; -1 where it has none."""
    if len(names) != len(everyone):
        raise OptionError(f"Each of the {len(everyone)} objects needs a class or None, not {len(names)}.")
    there = {name for name in names if name is not None}
    kinds = sorted(there) if kinds is None else list(kinds)
    if not there <= set(kinds):
        raise OptionError(f"The classes are {kinds}, but there are objects of {sorted(there - set(kinds))}.")
    place = {name: code for code, name in enumerate(kinds)}
    codes = np.array([-1 if name is None else place[name] for name in names], np.int64)
    return kinds, codes


def _counted(first: NDArray[np.int64], second: NDArray[np.int64], kinds: int) -> NDArray[np.int64]:
    """Contacts (kinds, kinds) of each pair of classes, in the upper triangle."""
    both = np.minimum(first, second) * kinds + np.maximum(first, second)
    return np.bincount(both, minlength=kinds * kinds).reshape(kinds, kinds)


def _chances(
    codes: NDArray[np.int64], first: NDArray[Any], second: NDArray[Any], kinds: int, shuffles: int, seed: int
) -> Generator[Progress, None, NDArray[np.int64]]:
    """Contacts (shuffles, kinds, kinds) with shuffled classes."""
    rng = np.random.default_rng(seed)
    members = np.flatnonzero(codes >= 0)
    shuffled = codes.copy()
    found = np.zeros((shuffles, kinds, kinds), np.int64)
    often = -(-shuffles // PARTS)
    for i in range(shuffles):
        shuffled[members] = rng.permutation(codes[members])
        found[i] = _counted(shuffled[first], shuffled[second], kinds)
        if (i + 1) % often == 0 or i + 1 == shuffles:
            yield Progress("Shuffling classes", i + 1, shuffles)
    return found


def _enrichment_table(
    kinds: list[str], observed: NDArray[np.int64], chance: NDArray[np.int64]
) -> pd.DataFrame:
    low, high = np.triu_indices(len(kinds))
    contacts, dealt = observed[low, high], chance[:, low, high]
    expected = dealt.mean(axis=0)
    std = dealt.std(axis=0, ddof=1) if len(dealt) > 1 else np.full(len(low), np.nan)
    more, less = (dealt >= contacts).sum(axis=0) + 1, (dealt <= contacts).sum(axis=0) + 1
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, z = contacts / expected, (contacts - expected) / std
    p = np.minimum(1, 2 * np.minimum(more, less) / (len(dealt) + 1))
    return pd.DataFrame(
        {
            "class": [kinds[i] for i in low],
            "other": [kinds[i] for i in high],
            "contacts": contacts,
            "expected": expected,
            "std": std,
            "ratio": ratio,
            "z_score": np.where(std > 0, z, np.nan),
            "p": p,
            "p_corrected": corrected_p(p),
        }
    )
