"""How good a network in training is on parts of validation images, at the scale that suits their objects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.evaluation.matching import AveragePrecision, average_precision, pool
from napari_cellseg.images.planes import open_planes
from napari_cellseg.instances.maps import decode_maps
from napari_cellseg.models.card import ModelCard
from napari_cellseg.models.protocols import PixelModel
from napari_cellseg.pipeline.finding import decoder_of
from napari_cellseg.pipeline.options import scale_for
from napari_cellseg.pipeline.view import PlaneView, measure_intensities
from napari_cellseg.training.calibration import labels_at
from napari_cellseg.training.finetuning.images import UNSEEN
from napari_cellseg.training.finetuning.recipe import STRIDE
from napari_cellseg.training.samples import Sample
from napari_cellseg.training.scoring import confident
from napari_cellseg.training.shown import shown_window

PIXELS = 1_500_000
"""Network pixels that are validated on, about, at most."""

LARGEST, SMALLEST = 640, 160
"""Edges of a patch, network pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Part of an image as the network sees it.

    Attributes
    ----------
    name : str
        Name of the image.
    picture : (3, H, W) ndarray of float32
        Scaled in intensity and size.
    labels : (H, W) ndarray of int32
        Its objects; 0 is background, and what nobody has reviewed.
    unseen : (H, W) ndarray of bool
        What nobody has reviewed, and what lies outside of the image.
    """

    name: str
    picture: NDArray[np.float32]
    labels: NDArray[np.int32]
    unseen: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Objects of a patch.

    Attributes
    ----------
    patch : Patch
        Where.
    labels : (H, W) ndarray of int32
        What was found.
    counts : AveragePrecision
        How much of it is right.
    """

    patch: Patch
    labels: NDArray[np.int32]
    counts: AveragePrecision


def cut_patches(samples: Sequence[Sample], card: ModelCard) -> list[Patch]:
    """A part of each image, around the middle of its objects."""
    edge = patch_edge(len(samples))
    return [_cut(sample, card, edge) for sample in samples]


def patch_edge(count: int) -> int:
    """Edge of each of so many patches, network pixels, at most."""
    edge = int((PIXELS / max(1, count)) ** 0.5)
    return max(SMALLEST, min(LARGEST, edge // STRIDE * STRIDE))


def _cut(sample: Sample, card: ModelCard, edge: int) -> Patch:
    is_colour = sample.image.shape[2] > 1
    planes = open_planes(
        sample.image if is_colour else sample.image[..., 0], axes="YXS" if is_colour else "YX"
    )
    limits = measure_intensities(planes, 0, card.scaling).range
    scale = scale_for(sample.diameter, card) if sample.diameter else 1.0
    view = PlaneView(planes, 0, limits, scale, card.channels)
    whole = labels_at(sample.labels, view.shape)
    window = shown_window(np.maximum(whole, 0), edge)
    rows, columns = (_padded(span, size) for span, size in zip(window, view.shape, strict=True))
    known = whole[rows, columns]
    labels = np.full((rows.stop - rows.start, columns.stop - columns.start), UNSEEN, np.int32)
    labels[: known.shape[0], : known.shape[1]] = known
    unseen = labels == UNSEEN
    return Patch(sample.name, view.read(rows, columns), np.where(unseen, np.int32(0), labels), unseen)


def _padded(span: slice, size: int) -> slice:
    """As many pixels as the network asks for; some may lie beyond the image."""
    length = min(span.stop, size) - span.start
    return slice(span.start, span.start - -length // STRIDE * STRIDE)


def look(model: PixelModel, patch: Patch) -> Found:
    """Objects that a model finds in a patch, with its card's confidence; unseen ones do not count."""
    maps = np.where(patch.unseen, np.float32(0), model.predict_maps(patch.picture[None])[0])
    labels = confident(decode_maps(maps, decoder_of(model.card)), model.card.confidence)
    return Found(patch, labels, average_precision(labels, patch.labels))


def score(found: Sequence[Found]) -> dict[str, float]:
    """AP50, AP75 and AP50-95 of all objects."""
    counts = pool(one.counts for one in found)
    at = dict(zip(counts.thresholds, counts.ap, strict=True))
    return {"AP50": float(at[0.5]), "AP75": float(at[0.75]), "AP50_95": float(counts.mean)}
