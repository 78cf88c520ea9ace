"""What an operation of augmentation is: a switch, strengths as ranges, and what it does to image or place."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Image: TypeAlias = NDArray[np.float32]
"""(H, W) grey or (H, W, 3) colour, 0 to 1."""
Coordinates: TypeAlias = NDArray[np.float32]
"""(2, H, W): row and column of the source that each pixel of the result shows."""
Bounds: TypeAlias = tuple[float, float]


def within(least: float, most: float) -> AfterValidator:
    """Check of a range (low, high): ascending, and between these."""

    def check(value: Bounds) -> Bounds:
        if not least <= value[0] <= value[1] <= most:
            raise ValueError(f"must be a range (low, high) within {least:g} and {most:g}, not {value}")
        return value

    return AfterValidator(check)


Share: TypeAlias = Annotated[Bounds, within(0, 1)]


def draw(bounds: Bounds, rng: np.random.Generator) -> float:
    """A value of a range, all equally likely."""
    return float(rng.uniform(*bounds))


class Operation(BaseModel):
    """One operation with its strengths; each is drawn from a range, evenly unless told otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    use: bool = Field(True, description="Whether it is among those that are drawn.")


class Photometric(Operation, ABC):
    """Changes the values of an image; labels stay as they are."""

    needs_colour: ClassVar[bool] = False
    """Whether it leaves grey images as they are."""

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Change an image.

        Parameters
        ----------
        image : (H, W) or (H, W, 3) ndarray of float32
            0 to 1; it stays as it is.
        rng : numpy.random.Generator
            Source of every draw.

        Returns
        -------
        ndarray of float32
            Same shape, 0 to 1.
        """
        return np.clip(self._changed(image, rng), 0, 1).astype(np.float32, copy=False)

    @abstractmethod
    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        """The changed image, of any range."""


class Geometric(Operation, ABC):
    """Moves pixels; image, labels and ignored pixels move together."""

    @abstractmethod
    def coordinates(self, shape: tuple[int, int], rng: np.random.Generator) -> Coordinates:
        """Where each pixel of the result comes from.

        Parameters
        ----------
        shape : (int, int)
            Rows and columns of the frame.
        rng : numpy.random.Generator
            Source of every draw.

        Returns
        -------
        (2, H, W) ndarray of float32
            Row and column in the frame; may lie outside of it. H, W are those of the frame, swapped where
            the operation turns it.
        """


def standing(shape: tuple[int, int]) -> Coordinates:
    """Coordinates that leave every pixel of a frame where it is."""
    return np.indices(shape, np.float32)


def by_channel(image: Image, change: Callable[[Image], NDArray[np.floating]]) -> NDArray[np.floating]:
    """A change of grey images, done to each channel."""
    if image.ndim == 2:
        return change(image)
    return np.stack([change(np.ascontiguousarray(image[..., c])) for c in range(image.shape[2])], axis=2)
