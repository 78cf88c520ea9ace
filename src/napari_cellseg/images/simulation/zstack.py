"""A z stack of fluorescent nuclei."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.images.metadata import PixelSize
from napari_cellseg.images.simulation.fluorescence import photograph
from napari_cellseg.images.simulation.optics import noise_field
from napari_cellseg.images.simulation.scene import (
    Field,
    SimulatedImage,
    check_dials,
    check_scene,
    object_count,
)
from napari_cellseg.images.simulation.shapes import Outline, draw_outline, largest_part

PIXEL_SIZE = PixelSize(0.4, 0.4, 1.0)


def simulate_zstack(
    shape: tuple[int, int, int] = (24, 256, 256),
    *,
    objects: int | None = None,
    diameter: tuple[float, float] = (20.0, 34.0),
    touching: float = 0.3,
    irregularity: float = 0.1,
    texture: float = 0.5,
    background: float = 0.2,
    blur: float = 1.1,
    noise: float = 0.3,
    bits: int = 16,
    seed: int = 0,
) -> SimulatedImage:
    """Simulate a z stack of nuclei, as tilted, irregular ellipsoids.

    Planes lie 1 µm apart, pixels 0.4 µm; blur along z is three times as wide as across, and deep planes
    are dimmer.

    Parameters
    ----------
    shape : (int, int, int)
        Planes, rows, columns.
    objects : int, optional
        Nuclei wanted; fewer where they don't fit. None fills an eighth of the volume.
    diameter : (float, float)
        Smallest and largest, in pixels across.
    touching : float
        Share of nuclei that may touch another one, 0 to 1.
    irregularity, texture, background, noise : float
        As `simulate_fluorescence` has them, 0 to 1.
    blur : float
        Standard deviation of the point spread across, in pixels.
    bits : int
        Depth of the camera, 8 to 16.
    seed : int
        The same seed gives the same stack.

    Returns
    -------
    SimulatedImage
        Axes ``"ZYX"``; the truth is 3-D.

    Raises
    ------
    OptionError
        If a dial is out of its range.
    """
    size = check_scene(shape, 3, diameter)
    check_dials(
        touching=touching, irregularity=irregularity, texture=texture, background=background, noise=noise
    )
    rng = np.random.default_rng(seed)
    labels = np.zeros(size, np.int32)
    light = np.zeros(size, np.float32)
    flatten = PIXEL_SIZE.x / (PIXEL_SIZE.z or 1.0)
    mean_volume = np.pi / 6 * (sum(diameter) / 2) ** 3 * flatten
    chromatin = 0.4 * texture * noise_field(rng, size, (1.0, 2.2, 2.2))
    placed = 0
    for _ in range(object_count(objects, labels.size, mean_volume, 0.125)):
        outline = draw_outline(rng, diameter, irregularity, stretch=(1.0, 1.5))
        may_touch = bool(rng.random() < touching)
        for _ in range(20):
            at = rng.uniform(0, 1, 3) * size
            ellipsoid = _Ellipsoid(outline.moved(at[1], at[2]), at[0], outline.radius * flatten, may_touch)
            if ellipsoid.place(rng, labels, light, chromatin, placed + 1):
                placed += 1
                break
    light = ndimage.gaussian_filter(light, (3 * blur * flatten, 0, 0)) if blur > 0 else light
    light *= np.linspace(1.0, 0.7, size[0], dtype=np.float32)[:, None, None]
    image = np.stack(
        [photograph(rng, plane, background=background, blur=blur, noise=noise, bits=bits) for plane in light]
    )
    return SimulatedImage(image, labels, "ZYX", PIXEL_SIZE)


class _Ellipsoid:
    """An outline that shrinks above and below its middle plane."""

    def __init__(self, outline: Outline, z: float, half_height: float, may_touch: bool) -> None:
        self.outline = outline
        self.z = z
        self.half_height = max(0.75, half_height)
        self.gap = 0.0 if may_touch else 3.0 / outline.radius

    def place(
        self, rng: np.random.Generator, labels: NDArray[np.int32], light: Field, chromatin: Field, number: int
    ) -> bool:
        """Write the ellipsoid into `labels` and `light`; False where it doesn't fit."""
        reach = self.outline.reach * (1 + self.gap) + 1
        centre = (self.z, self.outline.y, self.outline.x)
        window = tuple(
            slice(int(np.clip(c - r, 0, n - 1)), int(np.clip(c + r, 0, n - 1)) + 1)
            for c, r, n in zip(centre, (self.half_height * 1.3, reach, reach), labels.shape, strict=True)
        )
        z, y, x = np.ogrid[window]
        across = self.outline.rho(y[0].astype(float), x[0].astype(float))
        rho = np.hypot(across, (z - self.z) / self.half_height)
        taken = labels[window] > 0
        inside = rho <= 1
        free = inside & ~taken
        crowded = (taken & (rho <= 1 + self.gap)).any()
        visible = np.count_nonzero(inside)
        if np.count_nonzero(free) < max(1.0, 0.85 * visible) or (self.gap > 0 and crowded):
            return False
        free = largest_part(free)
        labels[window][free] = number
        body = (0.7 + 0.3 * np.sqrt(np.clip(1 - rho**2, 0, 1))) * np.clip(1 + chromatin[window], 0.3, 2.0)
        brightness = float(np.clip(rng.lognormal(-0.45, 0.3), 0.25, 1.4))
        light[window][free] = (body * brightness)[free]
        return True
