"""Confidence of a network that was trained further: right for the new images, as before for all others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.events import Job, Progress
from napari_cellseg.instances.decoding import VoteDecoding
from napari_cellseg.instances.maps import decode_maps
from napari_cellseg.models.protocols import PixelModel
from napari_cellseg.training.calibration import (
    Candidates,
    adapt_confidence,
    collect_candidates,
    predict_confidence,
)
from napari_cellseg.training.finetuning.validation import Patch
from napari_cellseg.training.samples import Sample
from napari_cellseg.training.scoring import confident

NEW, OLD = "new", "old"
"""Sets of objects: those of corrected images, and those of pictures to remember."""

EMPHASIS = 2.0
"""New images count so much more: more would cost the old ones, less the new ones, than they gain."""

FEWEST = 20
"""Objects of corrected images below which the confidence stays as it was."""


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """A picture, and what was found in it before the training.

    Attributes
    ----------
    picture : (3, H, W) ndarray of float32
        As the network sees it.
    maps : (4, H, W) ndarray of float32
        What the network gave of it at first, the foreground a probability.
    """

    picture: NDArray[np.float32]
    maps: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Adapted:
    """A decoder whose confidence fits, and what became of what was found before.

    Attributes
    ----------
    decoder : VoteDecoding
        How maps become objects.
    before, kept, added : int
        Objects that were found in pictures to remember before the training, how many of them are found now,
        and how many others.
    """

    decoder: VoteDecoding
    before: int
    kept: int
    added: int


def adapting(
    model: PixelModel,
    decoder: VoteDecoding,
    patches: Sequence[Patch],
    remembered: Sequence[Remembered],
    confidence: float,
) -> Job[Adapted]:
    """Fit the confidence to what a model finds now.

    In new images an object is right where it is a corrected one. In those to remember it is right where it
    was found before, with at least `confidence`: were they left out, small objects, say, might no longer
    count anywhere, only because the new images have none.

    Parameters
    ----------
    model : PixelModel
        After its training.
    decoder : VoteDecoding
        As before the training.
    patches : sequence of Patch
        Corrected images.
    remembered : sequence of Remembered
        Pictures to remember; may be empty.
    confidence : float
        From which objects count.
    """
    before = [confident(decode_maps(one.maps, decoder), confidence) for one in remembered]
    samples = [_sample(f"{i}", NEW, patch.labels) for i, patch in enumerate(patches)]
    samples += [_sample(f"{i}", OLD, labels) for i, labels in enumerate(before)]
    maps = []
    unseen = [*(patch.unseen for patch in patches), *(np.zeros((1, 1), np.bool_) for _ in remembered)]
    pictures = [*(patch.picture for patch in patches), *(one.picture for one in remembered)]
    for done, picture in enumerate(pictures):
        yield Progress("Calibrating", done, len(samples), "what a confidence is worth")
        maps.append(np.where(unseen[done], np.float32(0), model.predict_maps(picture[None])[0]))
    candidates = collect_candidates(samples, maps, decoder)
    if np.count_nonzero(candidates.sets == NEW) >= FEWEST:
        decoder = replace(decoder, confidence=_rounded(candidates, decoder))
    old = candidates.take(candidates.sets == OLD)
    counted = predict_confidence(old.features, decoder.confidence) >= confidence
    kept = int(old.correct[counted].sum())
    found = int(sum(labels.max() for labels in before))
    return Adapted(decoder, found, kept, int(np.count_nonzero(counted)) - kept)


def _rounded(candidates: Candidates, decoder: VoteDecoding) -> tuple[float, float, float, float, float]:
    a, b, c, d, e = (
        round(v, 4) for v in adapt_confidence(candidates, decoder.confidence, emphasis={NEW: EMPHASIS})
    )
    return a, b, c, d, e


def _sample(name: str, source: str, labels: NDArray[np.int32]) -> Sample:
    return Sample(name, source, np.zeros((*labels.shape, 1), np.uint8), labels, "grey", 0.0)
