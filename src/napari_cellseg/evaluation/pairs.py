"""What is compared with what: images and planes of a prediction and a truth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.numbering import NumberedLabels, number_labels, numbered_overlaps
from napari_cellseg.evaluation.overlaps import Overlaps

Dimensions = Literal[2, 3]
"""2: each plane is an image of its own. 3: the last three axes are a volume with objects in 3-D."""


@dataclass(frozen=True, slots=True)
class LabelPair:
    """Prediction and truth of one plane or volume, numbered and overlapped.

    Attributes
    ----------
    image : str
        Name of the image.
    plane : int
        Number of the plane or volume within the image, from 0 in C order of its outer axes.
    prediction, truth : NumberedLabels
        The label images.
    overlaps : Overlaps
        Their overlapping pairs of objects.
    """

    image: str
    plane: int
    prediction: NumberedLabels
    truth: NumberedLabels
    overlaps: Overlaps


@dataclass(frozen=True)
class ImagePair:
    """Prediction and truth of one image, read plane by plane.

    Attributes
    ----------
    name : str
        Name of the image.
    prediction, truth : array-like of int
        (…, Y, X) or, with `dimensions` 3, (…, Z, Y, X); numpy, dask or zarr.
    dimensions : 2 or 3
        Axes of one piece.
    """

    name: str
    prediction: Any = field(repr=False)
    truth: Any = field(repr=False)
    dimensions: Dimensions = 2

    def __post_init__(self) -> None:
        shapes = tuple(self.prediction.shape), tuple(self.truth.shape)
        if shapes[0] != shapes[1]:
            raise OptionError(
                f"Prediction and truth of '{self.name}' must have one shape, not {shapes[0]} and {shapes[1]}."
            )
        if len(shapes[0]) < self.dimensions or 0 in shapes[0]:
            raise OptionError(
                f"A label image needs at least {self.dimensions} axes and a pixel; "
                f"'{self.name}' has shape {shapes[0]}."
            )

    @property
    def outer_shape(self) -> tuple[int, ...]:
        """Sizes of the axes before the plane or volume."""
        return tuple(int(n) for n in self.truth.shape[: len(self.truth.shape) - self.dimensions])

    def __len__(self) -> int:
        return int(np.prod(self.outer_shape))

    def read(self, plane: int) -> LabelPair:
        """One plane or volume, by its number."""
        index = tuple(int(i) for i in np.unravel_index(plane, self.outer_shape)) if self.outer_shape else ()
        prediction = number_labels(_read(self.prediction, index))
        truth = number_labels(_read(self.truth, index))
        return LabelPair(self.name, plane, prediction, truth, numbered_overlaps(prediction, truth))


def _read(array: Any, index: tuple[int, ...]) -> NDArray[Any]:
    return np.asarray(array[index] if index else array[...])


def image_pairs(
    prediction: Any, truth: Any, names: Sequence[str] | None = None, dimensions: Dimensions = 2
) -> list[ImagePair]:
    """Pair the images of a prediction with those of a truth.

    Parameters
    ----------
    prediction, truth : array-like, sequence or mapping of array-like
        One image each, as many images each, or images by name (the truth's names decide the order).
    names : sequence of str, optional
        A name per image, all different; for mappings their keys.
    dimensions : 2 or 3
        See `Dimensions`.

    Raises
    ------
    OptionError
        If the two do not fit together.
    """
    if dimensions not in (2, 3):
        raise OptionError(f"dimensions must be 2 or 3, not {dimensions!r}.")
    if isinstance(prediction, Mapping) != isinstance(truth, Mapping):
        raise OptionError("Prediction and truth must both be mappings by name, or neither.")
    if isinstance(truth, Mapping):
        if names is not None:
            raise OptionError("Names cannot be given for mappings, whose keys are the names.")
        different = sorted(map(str, set(prediction) ^ set(truth)))
        if different:
            raise OptionError(
                f"Prediction and truth must name the same images; only one has {different[:5]}."
            )
        names = [str(key) for key in truth]
        prediction, truth = [prediction[key] for key in truth], list(truth.values())
    predictions, truths = list(_images(prediction)), list(_images(truth))
    if len(predictions) != len(truths) or not truths:
        raise OptionError(
            "Prediction and truth need as many images, at least one; "
            f"got {len(predictions)} and {len(truths)}."
        )
    names = _names(names, len(truths))
    return [ImagePair(*each, dimensions) for each in zip(names, predictions, truths, strict=True)]


def _images(source: Any) -> Iterator[Any]:
    """Images of a sequence, or the one image; numbers in nested lists are an image."""
    if isinstance(source, list | tuple):
        yield from (a if hasattr(a, "shape") else np.asarray(a) for a in source)
    else:
        yield source if hasattr(source, "shape") else np.asarray(source)


def _names(names: Sequence[str] | None, n: int) -> list[str]:
    if names is None:
        return ["image"] if n == 1 else [f"image {i + 1}" for i in range(n)]
    if len(names) != n or len(set(names)) != n:
        raise OptionError(f"Each of the {n} images needs a name of its own, got {len(set(names))} names.")
    return [str(name) for name in names]
