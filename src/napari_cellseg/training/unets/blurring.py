"""Blur as microscopes have it: motion while the shutter is open, defocus, and change of magnification."""

from typing import Annotated

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from napari_cellseg.images.simulation.optics import line_kernel
from napari_cellseg.training.unets.operation import Bounds, Image, Photometric, by_channel, draw, within

ZOOM_STEP = 1.5
"""Pixels between two exposures in the corners of a zoom blur."""


class MotionBlur(Photometric):
    """Smear along a random direction; at most one pixel long leaves the image as it is."""

    length: Annotated[Bounds, within(1, 31)] = Field((3.0, 7.0), description="Length, pixels.")

    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        length, direction = draw(self.length, rng), rng.uniform(0, np.pi)
        return image if length <= 1 else convolved(image, line_kernel(length, direction))


class Defocus(Photometric):
    """Blur by a disk, the image of a point that is out of focus."""

    radius: Annotated[Bounds, within(0, 15)] = Field((1.0, 3.0), description="Radius of the disk, pixels.")

    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        return convolved(image, disk_kernel(draw(self.radius, rng)))


class ZoomBlur(Photometric):
    """Mean of exposures of rising magnification, as many below as above 1, so that labels stay in place."""

    zoom: Annotated[Bounds, within(1, 2)] = Field(
        (1.02, 1.08), description="Magnification of the last exposure over that of the first."
    )

    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        zoom = draw(self.zoom, rng)
        reach = np.hypot(*image.shape[:2]) / 2 * (zoom - 1)
        count = 2 * int(np.ceil(reach / ZOOM_STEP / 2)) + 1
        factors = zoom ** np.linspace(-0.5, 0.5, count)
        return by_channel(image, lambda plane: _zoomed(plane, factors)) if count > 1 else image


def disk_kernel(radius: float) -> NDArray[np.float32]:
    """Square kernel (odd edge) of a disk with soft edge, of sum 1; radius in pixels, 0 for a single pixel."""
    half = int(np.ceil(radius))
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(y, x), 0, 1)
    result: NDArray[np.float32] = (kernel / kernel.sum()).astype(np.float32)
    return result


def convolved(image: Image, kernel: NDArray[np.float32]) -> NDArray[np.floating]:
    """An image, reflected at its border, convolved with a kernel, channel by channel."""
    result: NDArray[np.floating] = ndimage.convolve(
        image, kernel if image.ndim == 2 else kernel[..., None], mode="reflect"
    )
    return result


@njit(cache=True, nogil=True)
def _zoomed(plane, factors):  # type: ignore[no-untyped-def]
    """Mean of (H, W) magnified about its middle by each factor, by linear interpolation."""
    height, width = plane.shape
    cy, cx = (height - 1) / 2, (width - 1) / 2
    out = np.zeros((height, width), np.float32)
    columns, fractions = np.empty(width, np.int64), np.empty(width, np.float32)
    for factor in factors:
        for j in range(width):
            x = min(max((j - cx) / factor + cx, 0.0), width - 1.0)
            columns[j] = min(int(x), max(0, width - 2))
            fractions[j] = x - columns[j]
        for i in range(height):
            y = min(max((i - cy) / factor + cy, 0.0), height - 1.0)
            y0 = int(y)
            y1 = min(y0 + 1, height - 1)
            wy = np.float32(y - y0)
            for j in range(width):
                x0, wx = columns[j], fractions[j]
                x1 = min(x0 + 1, width - 1)
                upper = plane[y0, x0] + wx * (plane[y0, x1] - plane[y0, x0])
                lower = plane[y1, x0] + wx * (plane[y1, x1] - plane[y1, x0])
                out[i, j] += upper + wy * (lower - upper)
    return out / np.float32(len(factors))
