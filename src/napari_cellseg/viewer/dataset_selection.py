"""Parts of a plane that become a sample: the objects that a person found right, or what was drawn around."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.sample import Pixels, Region, Sample
from napari_cellseg.errors import OptionError
from napari_cellseg.review.status import Status
from napari_cellseg.viewer.dataset_preview import box_of

Bits = NDArray[np.bool_]


def accepted_only(sample: Sample) -> Sample:
    """The box around the objects that a person accepted, edited or added; pixels of all others are ignored.

    Parameters
    ----------
    sample : Sample
        A whole plane.

    Raises
    ------
    OptionError
        Where there is no such object.
    """
    table = sample.annotation.objects
    kept = table["index"][table["status"] != Status.PREDICTED.value].tolist()
    if not kept:
        raise OptionError("No object was accepted yet: review them in the CellSeg correct dock.")
    found = np.isin(sample.annotation.labels, kept)
    others = (sample.annotation.labels != 0) & ~found
    return _cut(replace(sample, annotation=sample.annotation.take(kept)), box_of(found), others)


def within(sample: Sample, mask: Bits) -> Sample:
    """The box around a region; what lies in the box but not in the region is ignored.

    Parameters
    ----------
    sample : Sample
        A whole plane.
    mask : (Y, X) ndarray of bool
        The region; at least one pixel. Objects that reach out of it keep what is inside.
    """
    inside = np.where(mask, sample.annotation.labels, 0).astype(np.int32)
    annotation = Annotation.from_labels(inside, sample.annotation.objects)
    return _cut(replace(sample, annotation=annotation), box_of(mask), ~mask)


def _cut(sample: Sample, region: Region, ignored: Bits) -> Sample:
    y0, x0, y1, x1 = region
    window = (slice(y0, y1), slice(x0, x1))
    shown = ignored[window]
    whole = (0, 0, *sample.annotation.shape)
    return replace(
        sample,
        annotation=sample.annotation.crop(region),
        read_pixels=_reader(sample, window),
        origin=replace(sample.origin, region=None if region == whole else region),
        ignored=shown if shown.any() else None,
    )


def _reader(sample: Sample, window: tuple[slice, slice]) -> Callable[[], Pixels]:
    return lambda: sample.pixels()[window]
