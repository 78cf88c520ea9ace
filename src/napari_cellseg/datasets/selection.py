"""Parts of a plane that become a sample: the objects that a person found right, or a reviewed region."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import Annotation, ObjectMask
from napari_cellseg.datasets.encoding import pixels_hash
from napari_cellseg.datasets.sample import Pixels, Region, Sample
from napari_cellseg.datasets.splitting import is_place
from napari_cellseg.errors import DatasetError
from napari_cellseg.review.status import Status

Bits: TypeAlias = NDArray[np.bool_]
Only: TypeAlias = Literal["accepted"]
"""Which objects are added."""


def selected(
    samples: Iterable[Sample], mask: Bits | None = None, only: Only | None = None
) -> Iterator[Sample]:
    """What is chosen of whole planes.

    Parameters
    ----------
    samples : iterable of Sample
        Planes.
    mask : (Y, X) ndarray of bool, optional
        The reviewed region, see `within`.
    only : {"accepted"}, optional
        See `accepted_only`; planes without such an object are left out.

    Raises
    ------
    DatasetError
        Where nothing is left of all planes, or `only` is something else.
    """
    if only not in (None, "accepted"):
        raise DatasetError(f"only must be 'accepted' or None, not {only!r}.")
    name, found = "", False
    for sample in samples:
        name = name or sample.name
        part = sample if mask is None else within(sample, mask)
        if only is None or accepted_labels(part):
            found = True
            yield part if only is None else accepted_only(part)
    if name and not found:
        raise _nothing_accepted(name)


def accepted_only(sample: Sample) -> Sample:
    """The box around the objects that a person accepted, edited or added; pixels of all others are ignored.

    Parameters
    ----------
    sample : Sample
        A whole plane, or a part of one.

    Raises
    ------
    DatasetError
        Where there is no such object.
    """
    kept = accepted_labels(sample)
    if not kept:
        raise _nothing_accepted(sample.name)
    annotation = sample.annotation.take(kept)
    found = annotation.labels != 0
    others = (sample.annotation.labels != 0) & ~found
    return _cut(replace(sample, annotation=annotation), box_of(found), others)


def accepted_labels(sample: Sample) -> list[int]:
    """Labels of the objects that a person accepted, edited or added."""
    table = sample.annotation.objects
    return [int(label) for label in table["index"][table["status"] != Status.PREDICTED.value]]


def within(sample: Sample, mask: Bits) -> Sample:
    """The box around a region; what lies in the box but not in the region is ignored.

    Parameters
    ----------
    sample : Sample
        A whole plane, or a part of one.
    mask : (Y, X) ndarray of bool
        The region; at least one pixel. Objects that reach out of it keep what is inside.

    Raises
    ------
    DatasetError
        Where the mask is of another shape, or has no pixel.
    """
    annotation = sample.annotation
    if mask.shape != annotation.shape or not mask.any():
        raise DatasetError(
            f"A region must be a mask of the labels' shape, {annotation.shape}, with at least one pixel, "
            f"not of shape {mask.shape} with {int(np.count_nonzero(mask)):,}."
        )
    if annotation.covered:
        masks = (ObjectMask(m.index, m.top, m.left, m.pixels & mask[m.window]) for m in annotation.masks())
        inside = Annotation.from_masks(annotation.shape, masks, annotation.objects)
    else:
        inside = Annotation.from_labels(np.where(mask, annotation.labels, 0), annotation.objects)
    return _cut(replace(sample, annotation=inside), box_of(mask), ~mask)


def box_and_mask(region: Any) -> tuple[Region | None, Bits | None]:
    """A region as a box or as a mask, as it was given.

    Parameters
    ----------
    region : tuple of int, (Y, X) array-like of bool, or None
        ``y0, x0, y1, x1``, or the pixels of the region.

    Raises
    ------
    DatasetError
        Where it is neither.
    """
    if region is None:
        return None, None
    given = np.asarray(region)
    if given.ndim == 2 and given.dtype == bool:
        return None, given
    if given.shape == (4,) and given.dtype.kind in "iu":
        y0, x0, y1, x1 = (int(edge) for edge in given)
        return (y0, x0, y1, x1), None
    raise DatasetError(
        "A region must be y0, x0, y1, x1 as whole numbers, or a (Y, X) mask of bool, not "
        f"{given.dtype} of shape {given.shape}."
    )


def box_of(mask: Bits) -> Region:
    """The box around the true pixels, of which there must be one: ``y0, x0, y1, x1``."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _cut(sample: Sample, region: Region, ignored: Bits) -> Sample:
    """The part of a sample in a box, with these pixels ignored besides its own."""
    y0, x0, y1, x1 = region
    window = (slice(y0, y1), slice(x0, x1))
    shown = ignored[window] if sample.ignored is None else ignored[window] | sample.ignored[window]
    cut = replace(sample, annotation=sample.annotation.crop(region), ignored=shown if shown.any() else None)
    if region == (0, 0, *sample.annotation.shape):
        return cut
    top, left = (0, 0) if sample.origin.region is None else sample.origin.region[:2]
    region = (top + y0, left + x0, top + y1, left + x1)
    origin = replace(sample.origin, region=region, plane=_plane_of(sample))
    return replace(cut, read_pixels=_reader(sample, window), origin=origin)


def _plane_of(sample: Sample) -> str:
    """What parts of one plane are known by; empty where their source tells."""
    known = sample.origin.plane or is_place(sample.origin.source) or sample.read_pixels is None
    return sample.origin.plane if known else pixels_hash(sample.pixels())


def _reader(sample: Sample, window: tuple[slice, slice]) -> Callable[[], Pixels] | None:
    return None if sample.read_pixels is None else lambda: sample.pixels()[window]


def _nothing_accepted(name: str) -> DatasetError:
    return DatasetError(
        f"No object of '{name}' was accepted, edited or added by a person: review them first, in the CellSeg "
        "correct dock or by their status."
    )
