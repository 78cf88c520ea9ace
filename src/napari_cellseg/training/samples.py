"""Training images in memory, their kinds, and the crops that are drawn from them."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.io import imread

from napari_cellseg.images.scaling import intensity_range, scale_intensity
from napari_cellseg.training.augmentation import (
    Augmentation,
    augment_intensity,
    draw_scale,
    draw_transform,
    empty_image,
    warp_crop,
)
from napari_cellseg.training.targets import Targets, pixel_targets

BRIGHT_MEDIAN = 100
"""A grey 8-bit image with a median above this is bright-field: dark objects on a bright ground."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An image with its labels.

    Attributes
    ----------
    name, source : str
        File stem and the set that it belongs to.
    image : (H, W, C) ndarray
        Raw pixels, C is 1 for grey images and 3 for colour.
    labels : (H, W) ndarray of int32
        0 is background.
    kind : str
        ``"grey"``, ``"bright"`` (grey, dark on bright) or ``"colour"``.
    diameter : float
        Median of the diameters of circles of the objects' areas, pixels; 0 without objects.
    """

    name: str
    source: str
    image: NDArray[np.integer]
    labels: NDArray[np.int32]
    kind: str
    diameter: float

    def scaled(self, percentiles: tuple[float, float] = (1.0, 99.8)) -> NDArray[np.float32]:
        """Network input (H, W, 3), scaled by the percentiles of the whole image."""
        scaled = scale_intensity(self.image, intensity_range(self.image, *percentiles))
        return np.ascontiguousarray(np.broadcast_to(scaled, (*scaled.shape[:2], 3)))


def read_sample(folder: Path, name: str) -> Sample:
    """Read ``images/NAME.png`` and ``labels/NAME.png``; equal channels become one."""
    image = imread(folder / "images" / f"{name}.png")
    labels = imread(folder / "labels" / f"{name}.png").astype(np.int32)
    return as_sample(name, folder.name, image[..., None] if image.ndim == 2 else image[..., :3], labels)


def as_sample(name: str, source: str, image: NDArray[Any], labels: NDArray[np.int32]) -> Sample:
    """A sample of an image (H, W, 1 or 3), whose kind and diameter are found out; equal channels become one.

    Labels below 0 are no objects.
    """
    if image.shape[2] == 3 and (image == image[..., :1]).all():
        image = image[..., :1]
    kind = "colour" if image.shape[2] > 1 else "grey"
    if kind == "grey" and image.dtype == np.uint8 and np.median(image) > BRIGHT_MEDIAN:
        kind = "bright"
    areas = np.bincount(labels[labels > 0])
    areas = areas[areas > 0]
    diameter = float(np.median(2 * np.sqrt(areas / np.pi))) if areas.size else 0.0
    return Sample(name, source, image, labels, kind, diameter)


def read_samples(data: Path, sources: Sequence[str], part: str) -> list[Sample]:
    """Samples of one part (``"train"`` or ``"val"``) of the sets in a folder, in the order of their names."""
    samples = []
    for source in sources:
        split = json.loads((data / source / "split.json").read_text(encoding="utf-8"))
        samples += [read_sample(data / source, name) for name in sorted(split[part])]
    return samples


def sampling_weights(
    samples: Sequence[Sample], emphasis: Mapping[str, float] | None = None
) -> NDArray[np.float64]:
    """Probability of each sample, (N,): kinds of images are balanced, not images.

    Samples of one set, kind, size and coarse diameter form a group; a group weighs the square root of
    its count, more for colour and bright-field images and by the `emphasis` of its set; inside a group,
    larger images weigh more.
    """
    emphasis = emphasis or {}
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i, s in enumerate(samples):
        size = int(np.round(np.log(s.diameter + 1) / np.log(1.6)))
        groups[(s.source, s.kind, s.labels.shape, size)].append(i)
    weights = np.zeros(len(samples))
    boost = {"grey": 1.0, "bright": 1.6, "colour": 1.7}
    for members in groups.values():
        areas = np.sqrt([samples[i].labels.size for i in members])
        first = samples[members[0]]
        factor = boost[first.kind] * emphasis.get(first.source, 1.0)
        weights[members] = np.sqrt(len(members)) * factor * areas / areas.sum()
    return weights / weights.sum()


class CropSource:
    """Draws augmented crops; crop number i of a seed is always the same.

    Parameters
    ----------
    samples : sequence of Sample
        Training images.
    edge : int
        Height and width of a crop, pixels.
    augmentation : Augmentation
        Strengths.
    empty : float
        Share of crops that are noise without any object.
    emphasis : mapping of str to float, optional
        How much more often than by `sampling_weights` alone the images of a set are drawn; 1 where absent.
    finish : tuple of int and Augmentation, optional
        From this crop on, other strengths.
    seed : int
        Of every draw.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        edge: int,
        augmentation: Augmentation,
        *,
        empty: float = 0.03,
        emphasis: Mapping[str, float] | None = None,
        finish: tuple[int, Augmentation] | None = None,
        seed: int = 0,
    ) -> None:
        self.samples = samples
        self.edge = edge
        self.augmentation = augmentation
        self.empty = empty
        self.finish = finish
        self.seed = seed
        self._ranges = [intensity_range(s.image) for s in samples]
        self._cumulative = np.cumsum(sampling_weights(samples, emphasis))

    def crop(self, number: int) -> tuple[NDArray[np.float32], Targets]:
        """Image (3, edge, edge) and targets of one crop."""
        image, labels = self.raw_crop(number)
        return np.ascontiguousarray(image.transpose(2, 0, 1)), pixel_targets(labels)

    def raw_crop(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Image (edge, edge, 3) and labels of one crop."""
        rng = np.random.default_rng((self.seed, number))
        settings = self._settings(number)
        if rng.random() < self.empty:
            return empty_image(self.edge, rng), np.zeros((self.edge, self.edge), np.int32)
        index = min(int(np.searchsorted(self._cumulative, rng.random())), len(self.samples) - 1)
        sample = self.samples[index]
        scale = draw_scale(sample.diameter, settings, rng)
        matrix = draw_transform(scale, settings, rng)
        centre = self._centre(sample, scale, rng)
        image, corner = self._window(index, matrix, centre)
        labels = sample.labels[corner[0] : corner[2], corner[1] : corner[3]]
        middle = (centre[0] - corner[0], centre[1] - corner[1])
        image, labels = warp_crop(image, labels, matrix, middle, self.edge)
        return augment_intensity(image, settings, rng), labels

    def _settings(self, number: int) -> Augmentation:
        """Strengths for a crop."""
        if self.finish is None or number < self.finish[0]:
            return self.augmentation
        return self.finish[1]

    def _centre(self, sample: Sample, scale: float, rng: np.random.Generator) -> tuple[float, float]:
        """Middle of the crop, kept away from the border as far as the crop fits into the image."""
        half = 0.45 * self.edge / scale
        y, x = (
            float(rng.uniform(half, size - half))
            if size > 2 * half
            else size / 2 + float(rng.normal(0, 0.1 * size))
            for size in sample.labels.shape
        )
        return y, x

    def _window(
        self, index: int, matrix: NDArray[np.float64], centre: tuple[float, float]
    ) -> tuple[NDArray[np.float32], tuple[int, int, int, int]]:
        """Scaled part of the image that the crop can reach, and its corners y0, x0, y1, x1."""
        sample = self.samples[index]
        reach = np.abs(matrix).sum(axis=1) * self.edge / 2 + 3
        height, width = sample.labels.shape
        y0, x0 = max(0, int(centre[0] - reach[0])), max(0, int(centre[1] - reach[1]))
        y1, x1 = min(height, int(centre[0] + reach[0]) + 1), min(width, int(centre[1] + reach[1]) + 1)
        scaled = scale_intensity(sample.image[y0:y1, x0:x1], self._ranges[index])
        return np.ascontiguousarray(scaled), (y0, x0, y1, x1)
