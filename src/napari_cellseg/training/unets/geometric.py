"""Operations of augmentation that move pixels, as coordinates of where each pixel comes from."""

from typing import Annotated

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from napari_cellseg.images.simulation.optics import noise_field
from napari_cellseg.training.unets.operation import (
    Bounds,
    Coordinates,
    Geometric,
    draw,
    standing,
    within,
)

FINENESS = 3.0
"""Points of an elastic field per pixel are this over its smoothing length."""


class Elastic(Geometric):
    """Bending like rubber: a smooth random displacement of every pixel.

    The ratio of displacement to smoothing decides how much shapes bend; above about a half, they fold.

    References
    ----------
    Simard, Steinkraus, Platt: Best practices for convolutional neural networks applied to visual document
    analysis. ICDAR 2003.
    """

    displacement: Annotated[Bounds, within(0, 40)] = Field(
        (1.5, 4.0), description="Standard deviation of the displacement along each axis, pixels."
    )
    smoothing: Annotated[Bounds, within(2, 100)] = Field(
        (10.0, 16.0), description="Standard deviation of the Gaussian that smooths the displacement, pixels."
    )

    def coordinates(self, shape: tuple[int, int], rng: np.random.Generator) -> Coordinates:
        """See `Geometric.coordinates`."""
        displacement, smoothing = draw(self.displacement, rng), draw(self.smoothing, rng)
        step = max(1.0, smoothing / FINENESS)
        points = [int(np.ceil(n / step)) + 2 for n in shape]
        coarse = np.stack([noise_field(rng, points, smoothing / step) for _ in range(2)])
        return standing(shape) + np.float32(displacement) * _spread(coarse, step, *shape)


class GridDistortion(Geometric):
    """Rows and columns of a grid made wider and narrower; the border stays where it is, nothing folds."""

    limit: Annotated[Bounds, within(0, 0.9)] = Field(
        (0.1, 0.3), description="Largest change of the width of a row or column, share."
    )
    steps: int = Field(5, ge=1, le=50, description="Rows and columns of the grid.")

    def coordinates(self, shape: tuple[int, int], rng: np.random.Generator) -> Coordinates:
        """See `Geometric.coordinates`."""
        limit = draw(self.limit, rng)
        axes = [self._axis(n, limit, rng) for n in shape]
        return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)

    def _axis(self, length: int, limit: float, rng: np.random.Generator) -> NDArray[np.float64]:
        widths = 1 + rng.uniform(-limit, limit, self.steps)
        source = np.concatenate([[0.0], np.cumsum(widths)]) * (length - 1) / widths.sum()
        result: NDArray[np.float64] = np.interp(
            np.arange(length), np.linspace(0, length - 1, self.steps + 1), source
        )
        return result


class Affine(Geometric):
    """Scaling, translation, rotation and shearing about the middle."""

    scale: Annotated[Bounds, within(0.2, 5)] = Field(
        (0.9, 1.2), description="Magnification, drawn for each axis; above 1 enlarges cells."
    )
    shift: Annotated[Bounds, within(-1, 1)] = Field(
        (-0.1, 0.1), description="Translation along each axis, share of the patch."
    )
    rotation: Annotated[Bounds, within(-180, 180)] = Field((-30.0, 30.0), description="Degrees.")
    shear: Annotated[Bounds, within(-60, 60)] = Field((-10.0, 10.0), description="Degrees.")

    def coordinates(self, shape: tuple[int, int], rng: np.random.Generator) -> Coordinates:
        """See `Geometric.coordinates`."""
        low, high = np.log(self.scale)
        scale = np.exp(rng.uniform(low, high, 2))
        shift = np.array([draw(self.shift, rng) * n for n in shape])
        angle, shear = (np.deg2rad(draw(b, rng)) for b in (self.rotation, self.shear))
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1.0, 0.0], [np.tan(shear), 1.0]])
        matrix = np.diag(1 / scale) @ turn
        middle = (np.array(shape) - 1) / 2
        offset = middle - matrix @ (middle + shift)
        y, x = np.ogrid[: shape[0], : shape[1]]
        return np.stack([m[0] * y + m[1] * x + o for m, o in zip(matrix, offset, strict=True)]).astype(
            np.float32
        )


class ResizedCrop(Geometric):
    """A part of the patch, enlarged to its size."""

    area: Annotated[Bounds, within(0.01, 1)] = Field((0.5, 1.0), description="Area of the part, share.")
    aspect: Annotated[Bounds, within(0.25, 4)] = Field(
        (0.8, 1.25), description="Width over height of the part."
    )

    def coordinates(self, shape: tuple[int, int], rng: np.random.Generator) -> Coordinates:
        """See `Geometric.coordinates`."""
        area = draw(self.area, rng)
        aspect = np.exp(draw((float(np.log(self.aspect[0])), float(np.log(self.aspect[1]))), rng))
        shares = np.minimum(1.0, np.sqrt(area) * np.array([aspect**-0.5, aspect**0.5]))
        axes = []
        for length, share in zip(shape, shares, strict=True):
            part = share * length
            axes.append(rng.uniform(0, length - part) + (np.arange(length) + 0.5) * share - 0.5)
        return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


class PadAndCrop(Geometric):
    """The patch padded on all sides by what lies around it, and a random part of its own size cut out."""

    padding: Annotated[Bounds, within(0, 1)] = Field((0.05, 0.2), description="Padding, share of the edge.")

    def coordinates(self, shape: tuple[int, int], rng: np.random.Generator) -> Coordinates:
        """See `Geometric.coordinates`."""
        padding = draw(self.padding, rng)
        moves = [int(rng.integers(-reach, reach + 1)) for reach in (round(padding * n) for n in shape)]
        return standing(shape) + np.array(moves, np.float32)[:, None, None]


class HorizontalFlip(Geometric):
    """Left and right swapped."""

    def coordinates(self, shape: tuple[int, int], rng: np.random.Generator) -> Coordinates:
        """See `Geometric.coordinates`."""
        return standing(shape)[:, :, ::-1]


class VerticalFlip(Geometric):
    """Top and bottom swapped."""

    def coordinates(self, shape: tuple[int, int], rng: np.random.Generator) -> Coordinates:
        """See `Geometric.coordinates`."""
        return standing(shape)[:, ::-1]


class Rotate90(Geometric):
    """One, two or three quarter turns."""

    def coordinates(self, shape: tuple[int, int], rng: np.random.Generator) -> Coordinates:
        """See `Geometric.coordinates`."""
        return np.rot90(standing(shape), int(rng.integers(1, 4)), axes=(1, 2))


class Transpose(Geometric):
    """Rows and columns swapped."""

    def coordinates(self, shape: tuple[int, int], rng: np.random.Generator) -> Coordinates:
        """See `Geometric.coordinates`."""
        return standing(shape).transpose(0, 2, 1)


class Crowding(Affine):
    """An affine transform that shrinks, so that more and smaller cells are in the patch."""

    scale: Annotated[Bounds, within(0.2, 5)] = Field(
        (0.65, 0.9), description="Magnification, drawn for each axis; below 1 shrinks cells."
    )


@njit(cache=True, nogil=True)
def _spread(coarse, step, height, width):  # type: ignore[no-untyped-def]
    """(2, H, W) linearly interpolated from points (2, h, w) that are `step` pixels apart."""
    out = np.empty((2, height, width), np.float32)
    for i in range(height):
        y = i / step
        y0 = int(y)
        wy = np.float32(y - y0)
        for j in range(width):
            x = j / step
            x0 = int(x)
            wx = np.float32(x - x0)
            for k in range(2):
                upper = (1 - wx) * coarse[k, y0, x0] + wx * coarse[k, y0, x0 + 1]
                lower = (1 - wx) * coarse[k, y0 + 1, x0] + wx * coarse[k, y0 + 1, x0 + 1]
                out[k, i, j] = (1 - wy) * upper + wy * lower
    return out
