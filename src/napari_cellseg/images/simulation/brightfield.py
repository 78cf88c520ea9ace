"""Unstained cells in bright field: faint phase objects, and everything that spoils such images."""

import numpy as np
from scipy import ndimage

from napari_cellseg.images.metadata import PixelSize
from napari_cellseg.images.simulation.optics import expose, haze, illumination, noise_field, smear
from napari_cellseg.images.simulation.scene import (
    Field,
    SimulatedImage,
    check_dials,
    check_scene,
    object_count,
)
from napari_cellseg.images.simulation.shapes import Footprint, Outline, place_outlines


def simulate_brightfield(
    shape: tuple[int, int] = (512, 512),
    *,
    objects: int | None = None,
    diameter: tuple[float, float] = (36.0, 64.0),
    touching: float = 0.35,
    irregularity: float = 0.25,
    contrast: float = 0.4,
    uneven_light: float = 0.4,
    bubbles: float = 0.2,
    debris: float = 0.25,
    motion_blur: float = 0.0,
    defocus: float = 0.2,
    noise: float = 0.2,
    bits: int = 12,
    seed: int = 0,
) -> SimulatedImage:
    """Simulate whole, unstained cells in bright field.

    Cells change the phase of light, not its amount; a little out of focus this shows as rims and halos
    (the Laplacian of the phase, as the transport-of-intensity equation has it).

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    objects : int, optional
        Cells wanted; fewer where they don't fit. None covers a quarter of the image.
    diameter : (float, float)
        Smallest and largest, in pixels.
    touching, irregularity : float
        Share of cells put against another one; how far outlines depart from ellipses. 0 to 1.
    contrast : float
        Contrast of the cells against the background, 0 to 1.
    uneven_light : float
        How much the illumination falls off, 0 to 1.
    bubbles, debris : float
        How many air bubbles, and how much dirt, 0 to 1. Neither is in the truth.
    motion_blur : float
        Smear along a direction, 0 to 1 (12 pixels).
    defocus : float
        0 (sharp) to 1 (rims 5 pixels wide).
    noise : float
        0 (none) to 1 (a few photons per pixel).
    bits : int
        Depth of the camera, 8 to 16.
    seed : int
        The same seed gives the same image.

    Returns
    -------
    SimulatedImage
        Axes ``"YX"``.

    Raises
    ------
    OptionError
        If a dial is out of its range.
    """
    height, width = check_scene(shape, 2, diameter)
    check_dials(
        touching=touching, irregularity=irregularity, contrast=contrast, uneven_light=uneven_light,
        bubbles=bubbles, debris=debris, motion_blur=motion_blur, defocus=defocus, noise=noise,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.int32)
    count = object_count(objects, labels.size, np.pi / 4 * (sum(diameter) / 2) ** 2, 0.25)
    outlines, footprints = place_outlines(
        rng, labels, count, diameter, touching=touching, irregularity=irregularity, stretch=(1.0, 2.2)
    )
    phase = np.zeros(labels.shape, np.float32)
    for outline, place in zip(outlines, footprints, strict=True):
        phase[place.window] += np.where(place.mask, _thickness(rng, place, outline), 0)
    light = 1 + contrast * _phase_contrast(phase, defocus)
    light *= _dirt(rng, labels.shape, debris) * _air(rng, labels.shape, bubbles)
    light = smear(rng, ndimage.gaussian_filter(light, 0.7 + 3 * defocus), 12 * motion_blur)
    light *= illumination(rng, labels.shape, uneven_light)
    image = expose(rng, light, noise=0.5 * noise, bits=bits, brightest=0.62)
    return SimulatedImage(image, labels, "YX", PixelSize(0.5, 0.5))


def _thickness(rng: np.random.Generator, place: Footprint, outline: Outline) -> Field:
    """Phase of a cell: spread and flat, or rounded up; with a nucleus and granules."""
    height, width = place.rho.shape
    rounded = rng.random() < 0.15
    dome = np.clip(1 - place.rho**2, 0, 1)
    body = 1.6 * np.sqrt(dome) if rounded else 0.75 * np.clip(dome * 3.0, 0, 1) ** 0.7 + 0.25 * dome
    y, x = np.mgrid[:height, :width]
    cy, cx = (float(c) for c in np.unravel_index(int(np.argmin(place.rho)), place.rho.shape))
    off = rng.normal(0, 0.12 * outline.radius, 2)
    distance = np.hypot(y - cy - off[0], x - cx - off[1]) / (0.42 * outline.radius)
    body += 0.45 * np.clip(1 - distance**2, 0, 1) ** 0.8
    granules = np.maximum(noise_field(rng, (height, width), 1.1) - 1.3, 0)
    clear = 1 / (1 + np.exp(-(distance - 1.0) * 6))
    body += 0.45 * granules * clear * np.sqrt(dome)
    result: Field = (body * rng.uniform(0.75, 1.2)).astype(np.float32)
    return result


def _phase_contrast(phase: Field, defocus: float) -> Field:
    """Relative change of the light: a dark rim with a bright ring around it, a wide faint halo."""
    width = 1.5 + 3.0 * defocus
    rim = ndimage.gaussian_laplace(phase, width) * width**1.5
    soft = ndimage.gaussian_filter(phase, 1.0)
    wide = haze(phase, 14.0)
    result: Field = 0.85 * rim - 0.16 * soft + 0.22 * wide
    return np.clip(result, -0.9, 1.2)


def _dirt(rng: np.random.Generator, shape: tuple[int, ...], amount: float) -> Field:
    """Transmission of dust, dead fragments and fibres, some of them out of focus."""
    mass = [np.zeros(shape, np.float32), np.zeros(shape, np.float32)]
    pieces = rng.poisson(amount * 90 * shape[0] * shape[1] / 512**2)
    for _ in range(pieces):
        layer = mass[int(rng.random() < 0.4)]
        y, x = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        fibre = rng.random() < 0.06
        steps = int(rng.integers(30, 90)) if fibre else int(rng.integers(2, 9))
        turn, direction = rng.normal(0, 0.12 if fibre else 1.5, steps), rng.uniform(0, 2 * np.pi)
        headings = direction + np.cumsum(turn)
        ys = np.clip(y + np.cumsum(np.sin(headings)), 0, shape[0] - 1).astype(int)
        xs = np.clip(x + np.cumsum(np.cos(headings)), 0, shape[1] - 1).astype(int)
        np.add.at(layer, (ys, xs), np.float32(rng.uniform(0.2, 0.7) if fibre else rng.uniform(0.5, 1.8)))
    sharp = ndimage.gaussian_filter(mass[0], 1.0)
    ring = ndimage.gaussian_filter(mass[1], 3.0) - 0.55 * ndimage.gaussian_filter(mass[1], 4.5)
    result: Field = np.clip(1 - 0.7 * np.clip(sharp, 0, 1.1) - 2.4 * ring, 0.15, 1.3)
    return result


def _air(rng: np.random.Generator, shape: tuple[int, ...], amount: float) -> Field:
    """Transmission of air bubbles: a thick dark edge, bright rings on both sides of it, a bright middle."""
    light = np.ones(shape, np.float32)
    for _ in range(rng.poisson(amount * 12 * shape[0] * shape[1] / 512**2)):
        radius = float(np.clip(rng.lognormal(2.5, 0.55), 4, 45))
        y, x = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        reach = 1.6 * radius + 4
        y0, y1 = (int(np.clip(y + s * reach, 0, shape[0])) for s in (-1, 1))
        x0, x1 = (int(np.clip(x + s * reach, 0, shape[1])) for s in (-1, 1))
        rows, columns = np.ogrid[y0:y1, x0:x1]
        rho = np.hypot(rows - y, columns - x) / radius
        soft = max(0.05, 0.8 / radius)
        edge = np.exp(-(((rho - 0.86) / 0.14) ** 2))
        outer = np.exp(-(((rho - 1.12) / (0.05 + soft)) ** 2))
        inner = np.exp(-(((rho - 0.62) / 0.08) ** 2))
        middle = np.exp(-((rho / 0.28) ** 2))
        change = 1 - 0.82 * edge + 0.4 * outer + 0.22 * inner + 0.3 * middle
        light[y0:y1, x0:x1] *= change.astype(np.float32)
    return light
