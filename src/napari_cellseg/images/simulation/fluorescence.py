"""A field of fluorescent nuclei."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.images.metadata import PixelSize
from napari_cellseg.images.simulation.optics import expose, haze, illumination, noise_field
from napari_cellseg.images.simulation.scene import (
    Field,
    SimulatedImage,
    check_dials,
    check_scene,
    object_count,
)
from napari_cellseg.images.simulation.shapes import Footprint, place_outlines

_FIELD = 512


def simulate_fluorescence(
    shape: tuple[int, int] = (512, 512),
    *,
    objects: int | None = None,
    diameter: tuple[float, float] = (20.0, 38.0),
    touching: float = 0.3,
    irregularity: float = 0.12,
    texture: float = 0.5,
    background: float = 0.15,
    uneven: float = 0.3,
    blur: float = 1.2,
    noise: float = 0.3,
    bits: int = 16,
    seed: int = 0,
) -> SimulatedImage:
    """Simulate a field of stained nuclei.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    objects : int, optional
        Nuclei wanted; fewer where they don't fit. None covers a fifth of the image.
    diameter : (float, float)
        Smallest and largest, in pixels.
    touching : float
        Share of nuclei that are put against another one, 0 to 1.
    irregularity : float
        How far outlines depart from ellipses, 0 to 1.
    texture : float
        Contrast of chromatin and nucleoli, 0 to 1.
    background : float
        Light from the background and from out of focus, as a share of a nucleus's, 0 to 1.
    uneven : float
        How much the illumination falls off, 0 to 1.
    blur : float
        Standard deviation of the point spread, in pixels.
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
        touching=touching, irregularity=irregularity, texture=texture,
        background=background, uneven=uneven, noise=noise,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.int32)
    mean_area = np.pi / 4 * (sum(diameter) / 2) ** 2
    count = object_count(objects, labels.size, mean_area, 0.2)
    outlines, footprints = place_outlines(
        rng, labels, count, diameter, touching=touching, irregularity=irregularity
    )
    stain = NuclearStain(rng, texture)
    light = np.zeros(labels.shape, np.float32)
    for outline, place in zip(outlines, footprints, strict=True):
        stain.paint(light, place, NucleusLook.draw(rng), outline.radius)
    lamp = illumination(rng, labels.shape, uneven)
    image = photograph(rng, light, background=background, blur=blur, noise=noise, bits=bits, lamp=lamp)
    return SimulatedImage(image, labels, "YX", PixelSize(0.5, 0.5))


@dataclass(frozen=True, slots=True)
class NucleusLook:
    """What stays the same about a nucleus while it moves.

    Attributes
    ----------
    brightness : float
        Light of its middle.
    chromatin : (int, int)
        Where its texture starts in the stain's noise field.
    nucleoli : (n, 3) ndarray
        Offset from the centre in y and x, and size, as shares of the radius; size 0 is none.
    condensed : bool
        Bright and without texture, as before a division.
    """

    brightness: float
    chromatin: tuple[int, int]
    nucleoli: NDArray[np.float64]
    condensed: bool

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "NucleusLook":
        """A random nucleus; one in forty is condensed and bright."""
        condensed = bool(rng.random() < 0.025)
        brightness = float(np.clip(rng.lognormal(-0.45, 0.32), 0.25, 1.3)) * (1.5 if condensed else 1.0)
        chromatin = (int(rng.integers(_FIELD)), int(rng.integers(_FIELD)))
        angles, distances = rng.uniform(0, 2 * np.pi, 3), rng.uniform(0.1, 0.6, 3)
        sizes = rng.uniform(0.10, 0.2, 3) * (rng.random(3) < 0.7)
        nucleoli = np.stack([distances * np.sin(angles), distances * np.cos(angles), sizes], axis=1)
        return cls(brightness, chromatin, nucleoli, condensed)


class NuclearStain:
    """Paints nuclei: bright, thinner towards their edge, with chromatin texture and dark nucleoli."""

    def __init__(self, rng: np.random.Generator, texture: float) -> None:
        fine, coarse = (noise_field(rng, (_FIELD, _FIELD), s) for s in (1.3, 3.5))
        self.texture = texture
        self.field: Field = 0.6 * fine + 0.8 * coarse

    def paint(self, light: Field, place: Footprint, look: NucleusLook, radius: float) -> None:
        """Add a nucleus to `light`, only where the footprint's mask is."""
        height, width = place.rho.shape
        strength = self.texture * (0.15 if look.condensed else 0.4)
        rows = (np.arange(height) + look.chromatin[0]) % _FIELD
        columns = (np.arange(width) + look.chromatin[1]) % _FIELD
        body = 0.72 + 0.28 * np.sqrt(np.clip(1 - place.rho**2, 0, 1))
        body *= np.clip(1 + strength * self.field[np.ix_(rows, columns)], 0.25, 2.2)
        if not look.condensed and self.texture > 0:
            y, x = np.mgrid[:height, :width]
            # The point of smallest rho is the centre of the outline.
            cy, cx = np.unravel_index(int(np.argmin(place.rho)), place.rho.shape)
            for dy, dx, size in look.nucleoli[look.nucleoli[:, 2] > 0]:
                squared = (y - cy - dy * radius) ** 2 + (x - cx - dx * radius) ** 2
                body *= 1 - min(1.0, 1.1 * self.texture) * np.exp(-squared / (2 * (size * radius) ** 2))
        light[place.window] += np.where(place.mask, body * look.brightness, 0).astype(np.float32)


def photograph(
    rng: np.random.Generator,
    light: Field,
    *,
    background: float,
    blur: float,
    noise: float,
    bits: int,
    lamp: Field | None = None,
) -> NDArray[np.uint8 | np.uint16]:
    """Image of fluorescent light: point spread, haze, uneven illumination, camera."""
    sharp: Field = ndimage.gaussian_filter(light, blur) if blur > 0 else light
    total = sharp + background * (0.35 + 1.2 * haze(light, 18.0)) + 0.06 * haze(light, 4.0)
    if lamp is not None:
        total *= lamp
    return expose(rng, total, noise=noise, bits=bits, brightest=0.28, offset=0.006)
