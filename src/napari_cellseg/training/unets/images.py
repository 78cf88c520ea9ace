"""Images to learn from and to validate with: read from a dataset, split before anything is augmented."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_cellseg.datasets.record import Entry
from napari_cellseg.datasets.sample import Origin, Sample
from napari_cellseg.datasets.splitting import split_anew
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import CellSegWarning, OptionError, TrainingError
from napari_cellseg.images.scaling import IntensityRange, intensity_range, scale_intensity
from napari_cellseg.training.unets.operation import Image

UNSCALED = IntensityRange(0.0, 1.0)
VALIDATION = 0.2
"""Share of the images that validate, where a dataset does not say which."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingImage:
    """An annotated image in memory.

    Attributes
    ----------
    name : str
        What it is called.
    pixels : (H, W) or (H, W, 3) ndarray
        Raw, of any integer or float dtype.
    labels : (H, W) ndarray of int32
        0 is background.
    ignored : (H, W) ndarray of bool, optional
        Pixels that nobody has reviewed.
    group : str
        What must not be split between training and validation: a plate, well, patient. Empty: itself.
    classes : mapping of int to str
        Class of each label; labels that are absent have none.
    range : IntensityRange
        Raw intensities that become 0 and 1.
    """

    name: str
    pixels: NDArray[Any]
    labels: NDArray[np.int32]
    ignored: NDArray[np.bool_] | None = None
    group: str = ""
    classes: Mapping[int, str] = field(default_factory=dict)
    range: IntensityRange = UNSCALED

    @classmethod
    def from_arrays(
        cls,
        name: str,
        pixels: ArrayLike,
        labels: ArrayLike,
        *,
        ignored: ArrayLike | None = None,
        group: str = "",
        classes: Mapping[int, str] | None = None,
        channel: int | None = None,
        percentiles: tuple[float, float] = (1.0, 99.8),
    ) -> "TrainingImage":
        """An image from arrays.

        Parameters
        ----------
        name : str
            What to call it.
        pixels : (H, W) or (H, W, C) array-like
            Raw; three equal channels become one.
        labels : (H, W) array-like of int
            0 is background.
        ignored : (H, W) array-like of bool, optional
            Pixels that nobody has reviewed.
        group, classes
            As the attributes.
        channel : int, optional
            Channel to use, from 0; needed where there are neither one nor three.
        percentiles : (float, float)
            Of the whole image; what becomes 0 and 1.

        Raises
        ------
        TrainingError
            Where the arrays don't fit, or a channel must be chosen.
        """
        shown = _shown(name, np.asarray(pixels), channel)
        truth = np.ascontiguousarray(labels, np.int32)
        unseen = None if ignored is None else np.ascontiguousarray(ignored, bool)
        for what, array in (("labels", truth), ("ignored pixels", unseen)):
            if array is not None and array.shape != shown.shape[:2]:
                raise TrainingError(
                    f"The {what} of '{name}' must have the shape of its image, {shown.shape[:2]}, "
                    f"not {array.shape}."
                )
        scale = intensity_range(shown, *percentiles)
        return cls(name, shown, truth, unseen, group, dict(classes or {}), scale)

    @property
    def is_colour(self) -> bool:
        """Whether it has three channels."""
        return self.pixels.ndim == 3

    def scaled(self, window: tuple[slice, slice] = (slice(None), slice(None))) -> Image:
        """Its pixels in a window, or all, from 0 to 1: (h, w) or (h, w, 3)."""
        scaled = scale_intensity(self.pixels[window], self.range)
        return np.clip(scaled, 0, 1, out=scaled)


def dataset_images(
    dataset: Dataset,
    *,
    channel: int | None = None,
    percentiles: tuple[float, float] = (1.0, 99.8),
    seed: int = 0,
) -> tuple[list[TrainingImage], list[TrainingImage]]:
    """Training and validation images of a dataset, by its own splits; its test images are left out.

    Where there are no validation images, a fifth of the training images is held out by group, and a
    `CellSegWarning` says so.

    Parameters
    ----------
    dataset : Dataset
        All its images come into memory, in their own depth.
    channel : int, optional
        Channel to use, from 0; needed where images have neither one nor three.
    percentiles : (float, float)
        Of a whole image; what becomes 0 and 1.
    seed : int
        Of holding out.

    Raises
    ------
    TrainingError
        Where there is nothing to train or to validate with, or a channel must be chosen.
    DatasetError
        Where a file is missing or damaged.
    """
    train, validation = (
        [_from_sample(sample, channel, percentiles) for sample in dataset.samples(split)]
        for split in ("train", "val")
    )
    if train and not validation:
        train, validation = split_images(train, seed=seed)
        names = ", ".join(image.name for image in validation[:3]) + " …" * (len(validation) > 3)
        warnings.warn(
            f"'{dataset.folder}' has no validation images: {len(validation)} of its training images are held "
            f"out ({names}).",
            CellSegWarning,
            stacklevel=2,
        )
    if not train or not validation:
        raise TrainingError(
            f"'{dataset.folder}' has {len(train)} images to train and {len(validation)} to validate with. "
            f"Add images, or move some to the splits train and val."
        )
    return train, validation


def split_images(
    images: Sequence[TrainingImage], *, validation: float = VALIDATION, seed: int = 0
) -> tuple[list[TrainingImage], list[TrainingImage]]:
    """Split images into training and validation, groups unbroken; the same seed gives the same split.

    Parameters
    ----------
    images : sequence of TrainingImage
        With distinct names.
    validation : float
        Share of the images that validate, above 0 and below 1.
    seed : int
        Of the split.

    Raises
    ------
    OptionError
        Where the share is out of range.
    TrainingError
        Where names repeat, or there are fewer than two groups.
    """
    if not 0 < validation < 1:
        raise OptionError(f"validation must be above 0 and below 1, not {validation}.")
    if len({image.name for image in images}) < len(images):
        raise TrainingError("Images must have distinct names to be split.")
    entries = [
        Entry(
            name=image.name,
            split="train",
            shape=image.pixels.shape,
            dtype=str(image.pixels.dtype),
            origin=Origin(group=image.group),
        )
        for image in images
    ]
    chosen = split_anew(entries, (1 - validation, validation, 0.0), seed)
    parts = tuple([i for i in images if chosen[i.name] == split] for split in ("train", "val"))
    if not all(parts):
        raise TrainingError(
            f"{len(images)} images in {len({i.group or i.name for i in images})} groups cannot be split into "
            f"training and validation. Add images of another group."
        )
    return parts[0], parts[1]


def _from_sample(sample: Sample, channel: int | None, percentiles: tuple[float, float]) -> TrainingImage:
    objects = sample.annotation.objects
    return TrainingImage.from_arrays(
        sample.name,
        sample.pixels(),
        sample.annotation.labels,
        ignored=sample.ignored,
        group=sample.origin.group,
        classes=dict(zip(objects["index"].tolist(), objects["class"].tolist(), strict=True)),
        channel=channel,
        percentiles=percentiles,
    )


def _shown(name: str, pixels: NDArray[Any], channel: int | None) -> NDArray[Any]:
    """What a network sees of an image: one channel, or three."""
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise TrainingError(f"The image of '{name}' must be (Y, X) or (Y, X, C), not {pixels.shape}.")
    if pixels.ndim == 2:
        return np.ascontiguousarray(pixels)
    channels = pixels.shape[2]
    if channel is not None and not 0 <= channel < channels:
        raise TrainingError(
            f"'{name}' has {channels} channels: choose one from 0 to {channels - 1}, not {channel}."
        )
    if channel is None and channels not in (1, 3):
        raise TrainingError(f"'{name}' has {channels} channels: choose one of them.")
    if channel is None and channels == 3 and not (pixels == pixels[..., :1]).all():
        return np.ascontiguousarray(pixels)
    return np.ascontiguousarray(pixels[..., channel or 0])
