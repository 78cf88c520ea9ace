"""The order in which images are worth correcting: doubt in what was found, novelty, and no twins in a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.datasets.twins import Signatures
from napari_cellseg.training.image_statistics import (
    CLOSE,
    STATISTICS,
    distances,
    pair_distances,
    unlike_words,
)

Values = NDArray[np.float64]

COLUMNS = (
    "image",
    "score",
    "reasons",
    "plane",
    "objects",
    "wrong",
    "error",
    "disagreement",
    "distance",
    "like",
)

MISSED_PER_WRONG = 0.5
"""True objects that are not found as they are for each object that is wrong."""

WEAKER_MISSED = 0.3
"""Missed objects for each that the confidence of weaker ones promises: many are pieces of what was found."""

FEW = 1.0
"""An image with as many objects counts half with its own error, half with that of all images."""

DISAGREEMENT_WEIGHT, DISTANCE_WEIGHT = 0.5, 0.25
"""How much more an image teaches where the networks disagree, and where it is unlike all others."""

REPEATED = 0.25
"""What is left of the score of an image that shows what one before it shows."""

SIMILAR = 0.8
"""What is left of the score of an image whose numbers are those of one before it."""

TELLING = 0.1
"""Disagreement from which it is a reason."""

_NOTHING = np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a model finds in an image.

    Attributes
    ----------
    image : str
        Its path.
    plane : int
        Number of the plane that was looked at.
    confidence, weaker : (N,) and (M,) ndarray of float64
        Confidence of the objects, and of those below the threshold; calibrated, so that it is the share of
        such objects that are right.
    disagreement : float
        Mean disagreement of an ensemble's members over the objects, 0 to 1; NaN where there is none.
    description : (K,) ndarray of float64
        See `describe_image`.
    signature : str
        What near-duplicates are found by.
    is_known : bool
        Whether the dataset has these very pixels.
    failure : str
        Why it cannot be looked at; else empty.
    """

    image: str
    plane: int = 0
    confidence: Values = field(default_factory=lambda: _NOTHING)
    weaker: Values = field(default_factory=lambda: _NOTHING)
    disagreement: float = np.nan
    description: Values = field(default_factory=lambda: np.full(len(STATISTICS), np.nan))
    signature: str = ""
    is_known: bool = False
    failure: str = ""

    @property
    def wrong(self) -> float:
        """Objects that are probably wrong: invented, or not as they are."""
        return float((1 - self.confidence).sum())

    @property
    def missed(self) -> float:
        """True objects that are probably not found, or not as they are."""
        return WEAKER_MISSED * float(self.weaker.sum()) + MISSED_PER_WRONG * self.wrong

    @property
    def counted(self) -> float:
        """Found objects and true ones, as F1 counts both."""
        return 2 * float(self.confidence.sum()) + self.wrong + self.missed

    @property
    def error(self) -> float:
        """Probable 1 − F1: wrong and missed objects by found and true ones; 0 where there is nothing."""
        return (self.wrong + self.missed) / self.counted if self.counted > 0 else 0.0


def in_order(
    looks: Sequence[Look],
    references: Values | None = None,
    signatures: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Images by how much correcting them would teach.

    Parameters
    ----------
    looks : sequence of Look
        The images.
    references : (R, K) ndarray of float64, optional
        Descriptions of the images that were corrected so far.
    signatures : mapping of str to str, optional
        Their signatures by name.

    Returns
    -------
    DataFrame
        A row per image, the one to correct next first: ``image``; ``score``, 0 to 1, before those that come
        earlier are taken into account; ``reasons`` in words; ``plane``; ``objects`` that were found, and how
        many of them are probably ``wrong``; ``error``, the probable 1 − F1; ``disagreement`` of an ensemble;
        ``distance`` from the nearest corrected image, 1 being usual among these (both NaN where not known);
        ``like``, the image before it, or of the dataset, that it nearly equals. Last those that the dataset
        has, and those that cannot be read, whose score is NaN.
    """
    rows, usable = [], [look for look in looks if not look.failure]
    descriptions = np.array([look.description for look in usable]).reshape(len(usable), len(STATISTICS))
    far = distances(descriptions, references)
    errors = _settled_errors(usable)
    scores = _scores(errors, np.array([look.disagreement for look in usable]), far)
    for place, like in _greedy(usable, scores, descriptions, signatures or {}):
        look = usable[place]
        unlike = unlike_words(descriptions[place], references)
        rows.append(
            {
                "image": look.image,
                "score": 0.0 if look.is_known else scores[place],
                "reasons": _reasons(look, far[place], unlike, like),
                "plane": look.plane,
                "objects": len(look.confidence),
                "wrong": look.wrong,
                "error": errors[place],
                "disagreement": look.disagreement,
                "distance": far[place],
                "like": like,
            }
        )
    rows += [{"image": k.image, "score": np.nan, "reasons": k.failure} for k in looks if k.failure]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table[["plane", "objects"]] = table[["plane", "objects"]].fillna(0).astype(int)
    return table.fillna({"like": ""})


def _settled_errors(looks: Sequence[Look]) -> Values:
    """Probable errors, those of images with few objects drawn to the error of all."""
    if not looks:
        return np.zeros(0)
    top = np.array([look.wrong + look.missed for look in looks])
    bottom = np.array([look.counted for look in looks])
    usual = top.sum() / bottom.sum() if bottom.sum() > 0 else 0.0
    settled: Values = (top + 2 * FEW * usual) / (bottom + 2 * FEW)
    return settled


def _scores(errors: Values, disagreement: Values, far: Values) -> Values:
    """Probable errors, larger where networks disagree and where an image is unlike the corrected ones."""
    beyond = np.maximum(np.nan_to_num(far) - 1, 0)
    more = DISAGREEMENT_WEIGHT * np.nan_to_num(disagreement) + DISTANCE_WEIGHT * beyond / (beyond + 2)
    return np.asarray((errors * (1 + more)).clip(0, 1))


def _greedy(
    looks: Sequence[Look], scores: Values, descriptions: Values, known: Mapping[str, str]
) -> list[tuple[int, str]]:
    """Places of the images, best first, each with what it nearly equals; images that are known last."""
    twins = _twins(looks, known)
    kept = np.ones(len(looks))
    like = [""] * len(looks)
    for place, names in enumerate(twins):
        if any(isinstance(name, str) for name in names):
            like[place] = next(name for name in names if isinstance(name, str))
            kept[place] = REPEATED
    left = np.array([not look.is_known for look in looks], bool)
    order: list[tuple[int, str]] = []
    while left.any():
        best = int(np.argmax(np.where(left, scores * kept, -1.0)))
        order.append((best, like[best]))
        left[best] = False
        apart = pair_distances(descriptions, descriptions[[best]])[:, 0] / CLOSE
        near = np.exp(-(apart**2))
        kept = np.minimum(kept, 1 - (1 - SIMILAR) * near)
        for twin in twins[best]:
            if isinstance(twin, int) and left[twin]:
                kept[twin] = min(kept[twin], REPEATED)
                like[twin] = like[twin] or looks[best].image
    return order + [(place, "") for place, look in enumerate(looks) if look.is_known]


def _twins(looks: Sequence[Look], known: Mapping[str, str]) -> list[list[int | str]]:
    """Near-duplicates of each image: places of others, and names of images that are known."""
    signatures = Signatures(dict(known) | {f"\n{place}": look.signature for place, look in enumerate(looks)})
    found: list[list[int | str]] = []
    for place, look in enumerate(looks):
        alike = [name for name in signatures.alike(look.signature) if name != f"\n{place}"]
        found.append([int(name[1:]) if name.startswith("\n") else name for name in alike])
    return found


def _reasons(look: Look, far: float, unlike: Sequence[str], like: str) -> str:
    if look.is_known:
        return "the dataset has it already"
    words = []
    found, wrong = len(look.confidence), look.wrong + look.missed
    if not found:
        words.append("nothing was found")
    if wrong >= 0.5:
        objects = "object is" if round(wrong) == 1 else "objects are"
        words.append(f"about {wrong:,.0f} {objects} probably wrong or missing, {found:,} were found")
    if look.disagreement >= TELLING:
        words.append(f"the networks disagree ({look.disagreement:.2f})")
    if far > 2 or unlike:
        words.append("unlike the corrected images" + (f": {', '.join(unlike)}" if unlike else ""))
    if like:
        words.append(f"nearly the same as {Path(like).name}")
    return "; ".join(words) or "the model is sure of it"
