"""Light and camera: smooth fields, haze, blur, photon and read noise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.errors import OptionError
from napari_cellseg.images.simulation.scene import Field


def noise_field(rng: np.random.Generator, shape: Sequence[int], sigma: float | Sequence[float]) -> Field:
    """Smooth random field of mean 0 and standard deviation 1, periodic at its borders."""
    field = ndimage.gaussian_filter(rng.standard_normal(tuple(shape), dtype=np.float32), sigma, mode="wrap")
    result: Field = (field - field.mean()) / max(float(field.std()), 1e-6)
    return result


def illumination(rng: np.random.Generator, shape: Sequence[int], strength: float) -> Field:
    """Illumination of a field of view, at most 1: a spot off the centre and a slope; 1 for strength 0."""
    height, width = shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    cy, cx = rng.uniform(-0.4, 0.4, 2)
    direction = rng.uniform(0, 2 * np.pi)
    spot = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 1.6)
    slope = (1 + y * np.sin(direction) + x * np.cos(direction)) / 2
    light = 1 - strength * (0.75 * (1 - spot) + 0.25 * slope)
    result: Field = np.clip(light / light.max(), 0.05, 1).astype(np.float32)
    return result


def haze(light: Field, sigma: float) -> Field:
    """A wide blur of the last two axes, computed on a coarse grid: light from out of focus."""
    step = max(1, int(sigma / 3))
    coarse = light[..., ::step, ::step] if step == 1 else _coarse(light, step)
    blur = ndimage.gaussian_filter(coarse, (0,) * (light.ndim - 2) + (sigma / step,) * 2)
    if step == 1:
        fine: Field = blur.astype(np.float32)
        return fine
    at = [(np.arange(n) + 0.5) / step - 0.5 for n in light.shape[-2:]]
    grid = np.meshgrid(*at, indexing="ij")
    planes = [
        ndimage.map_coordinates(p, grid, order=1, mode="nearest") for p in blur.reshape(-1, *blur.shape[-2:])
    ]
    return np.stack(planes).reshape(light.shape).astype(np.float32)


def _coarse(light: Field, step: int) -> Field:
    pad = [(0, 0)] * (light.ndim - 2) + [(0, -n % step) for n in light.shape[-2:]]
    padded = np.pad(light, pad, mode="edge")
    height, width = (n // step for n in padded.shape[-2:])
    blocks = padded.reshape(*light.shape[:-2], height, step, width, step)
    result: Field = blocks.mean(axis=(-3, -1))
    return result


def smear(rng: np.random.Generator, light: Field, length: float) -> Field:
    """Smear along a random direction, `length` pixels long."""
    if length < 1:
        return light
    kernel = line_kernel(length, rng.uniform(0, np.pi))
    result: Field = ndimage.convolve(light, kernel, mode="reflect")
    return result


def line_kernel(length: float, direction: float) -> Field:
    """Kernel (odd square) of a line through its middle, of sum 1: `length` pixels, direction in radians."""
    half = int(np.ceil(length / 2))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    along = x * np.cos(direction) + y * np.sin(direction)
    across = y * np.cos(direction) - x * np.sin(direction)
    kernel = np.clip(1 - np.abs(across), 0, 1) * np.clip(length / 2 + 0.5 - np.abs(along), 0, 1)
    result: Field = (kernel / kernel.sum()).astype(np.float32)
    return result


def expose(
    rng: np.random.Generator, light: Field, *, noise: float, bits: int, brightest: float, offset: float = 0.0
) -> NDArray[Any]:
    """What a camera makes of the light: photon noise, read noise, gain, and whole numbers.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    light : ndarray of float32
        Light on each pixel; 1 is a well lit object.
    noise : float
        0 (none) to 1 (a few photons per pixel).
    bits : int
        8 to 16.
    brightest : float
        Share of the camera's range that light 1 fills.
    offset : float
        Share of the camera's range that no light gives.

    Returns
    -------
    ndarray of uint8 or uint16
    """
    if not 8 <= bits <= 16:
        raise OptionError(f"bits must be between 8 and 16, not {bits}.")
    top = 2**bits - 1
    counted = light
    if noise > 0:
        photons = 4000.0 * 10 ** (-2.6 * noise)
        counted = rng.poisson(np.maximum(light, 0) * photons).astype(np.float32)
        counted += rng.standard_normal(light.shape, dtype=np.float32) * (1 + 3 * noise)
        counted /= photons
    values = np.rint(offset * top + counted * (brightest * top))
    counts: NDArray[Any] = np.clip(values, 0, top).astype(np.uint8 if bits == 8 else np.uint16)
    return counts
