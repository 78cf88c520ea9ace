"""Objects with classes: counts per class and the confusion between classes."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.matching import Matching, match_overlaps
from napari_cellseg.evaluation.overlaps import Ids, Overlaps
from napari_cellseg.evaluation.ranking import select_pairs
from napari_cellseg.evaluation.tallies import Tally, object_tally

BACKGROUND = "background"
"""Row of inventions and column of misses in a confusion matrix."""

Confusion = Counter[tuple[str, str]]
"""How often each pair of true and predicted class occurs."""


def check_classes(names: Sequence[str]) -> None:
    """Refuse a class that goes by the name of the background.

    Raises
    ------
    OptionError
        If there is one.
    """
    if BACKGROUND in names:
        raise OptionError(
            f"A class must not be called '{BACKGROUND}', the row of objects that are not there."
        )


def of_class(overlaps: Overlaps, predicted: Sequence[str], true: Sequence[str], name: str) -> Overlaps:
    """Overlaps among the objects of one class."""
    return select_pairs(overlaps, _positions(predicted, name), _positions(true, name))


def class_tally(overlaps: Overlaps, iou: float) -> Tally:
    """Objects of one class and their matches with objects of the same class."""
    return object_tally(overlaps, match_overlaps(overlaps, iou))


def confusion_counts(
    overlaps: Overlaps, matching: Matching, predicted: Sequence[str], true: Sequence[str]
) -> Confusion:
    """Pairs of true and predicted class of one image, matched without regard to class.

    Parameters
    ----------
    overlaps : Overlaps
        Overlapping pairs.
    matching : Matching
        The matches.
    predicted, true : sequence of str
        Class of each object, in the order of `overlaps`.
    """
    p = np.searchsorted(overlaps.prediction, matching.prediction)
    t = np.searchsorted(overlaps.truth, matching.truth)
    counts: Confusion = Counter((true[b], predicted[a]) for a, b in zip(p, t, strict=True))
    missed = np.searchsorted(overlaps.truth, matching.false_negatives)
    invented = np.searchsorted(overlaps.prediction, matching.false_positives)
    counts.update((true[i], BACKGROUND) for i in missed)
    counts.update((BACKGROUND, predicted[i]) for i in invented)
    return counts


def found_of_class(counts: Confusion, name: str) -> int:
    """True objects of a class that match a predicted one of whatever class."""
    return sum(n for (true, predicted), n in counts.items() if true == name and predicted != BACKGROUND)


def confusion_table(counts: Confusion, names: Sequence[str]) -> pd.DataFrame:
    """Confusion matrix: true classes in rows, predicted ones in columns, background last in both.

    The corner of background and background is 0: objects that neither has are not counted.
    """
    axis = [*names, BACKGROUND]
    table = pd.DataFrame(0, index=pd.Index(axis, name="truth"), columns=pd.Index(axis, name="prediction"))
    for (true, predicted), count in counts.items():
        table.loc[true, predicted] = count
    return table


def _positions(classes: Sequence[str], name: str) -> Ids:
    return np.flatnonzero(np.array([c == name for c in classes], bool)).astype(np.int64)
