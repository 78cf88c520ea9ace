"""Images on which a network shows what it could do before; those that it was first trained on cannot travel.

They are simulated, or real ones that come with packages which are installed anyway.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.color import rgb_from_hed
from skimage.io import imread

from napari_cellseg.images.simulation import simulate_brightfield, simulate_fluorescence
from napari_cellseg.training.samples import Sample, as_sample

SHAPE = (320, 320)
FLUORESCENT, STAINED, BRIGHT = 10, 10, 3
"""Simulated images of each kind."""

SHIPPED = (
    ("skimage", "data/ihc.png", "colour"),
    ("skimage", "data/ihc.png", "grey"),
    ("skimage", "data/cell.png", "grey"),
    ("skimage", "data/coins.png", "grey"),
    ("skimage", "data/hubble_deep_field.jpg", "grey"),
    ("skimage", "data/gravel.png", "grey"),
    ("skimage", "data/grass.png", "grey"),
    ("skimage", "data/retina.jpg", "colour"),
    ("napari", "resources/multichannel_cells.png", "grey"),
)
"""Package, file and how it is shown. Not all show cells: what is no cell is to stay none."""

HAEMATOXYLIN, EOSIN, _ = rgb_from_hed
"""Absorption of red, green and blue light by the stains (Ruifrok and Johnston 2001)."""


def remembered_images(seed: int = 0) -> list[Sample]:
    """Images of many kinds; the truth of the simulated ones only tells how large their objects are.

    Parameters
    ----------
    seed : int
        Of the simulated ones.
    """
    return [*_simulated(seed), *_shipped()]


def _simulated(seed: int) -> Iterator[Sample]:
    rng = np.random.default_rng((seed, 1))
    for number in range(FLUORESCENT + STAINED):
        is_stained = number >= FLUORESCENT
        diameter = float(np.exp(rng.uniform(np.log(10), np.log(50))))
        made = simulate_fluorescence(
            SHAPE,
            diameter=(0.7 * diameter, 1.3 * diameter),
            touching=float(rng.uniform(0.1, 0.6)),
            texture=float(rng.uniform(0.2, 0.9)),
            background=float(rng.uniform(0.05, 0.5)),
            blur=float(rng.uniform(0.6, 2.0)),
            noise=float(rng.uniform(0.1, 0.8)),
            seed=int(rng.integers(2**31)),
        )
        pixels = _stained(made.image, rng) if is_stained else made.image[..., None]
        yield as_sample(f"simulated{number}", "stained" if is_stained else "fluorescent", pixels, made.labels)
    for number in range(BRIGHT):
        made = simulate_brightfield(SHAPE, seed=int(rng.integers(2**31)))
        yield as_sample(f"bright{number}", "bright-field", made.image[..., None], made.labels)


def _stained(light: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A stained section, (H, W, 3), from the light of nuclei (H, W); half of them in colours of any kind."""
    low, high = np.percentile(light, (1, 99.8))
    nuclei = np.clip((light - low) / max(high - low, 1), 0, 1)
    tissue = gaussian_filter(rng.normal(size=light.shape), rng.uniform(2, 8))
    tissue = (tissue - tissue.min()) / (tissue.max() - tissue.min())
    change = rng.choice((0.06, 0.3))
    blue, pink = (np.abs(stain + rng.normal(0, change, 3)) for stain in (HAEMATOXYLIN, EOSIN))
    absorbed = rng.uniform(0.8, 1.8) * nuclei[..., None] * blue
    absorbed += rng.uniform(0.0, 0.8) * tissue[..., None] * pink
    seen = np.exp(-absorbed) + rng.normal(0, 0.02, absorbed.shape)
    return (255 * seen.clip(0, 1)).astype(np.uint8)


def _shipped() -> Iterator[Sample]:
    for package, file, shown in SHIPPED:
        spec = importlib.util.find_spec(package)
        path = Path(spec.origin).parent / file if spec is not None and spec.origin else None
        if path is None or not path.is_file():
            continue  # packages may come without their pictures
        pixels = imread(path)
        pixels = pixels[..., :3] if pixels.ndim == 3 else pixels[..., None]
        if shown == "grey":
            pixels = pixels.mean(axis=2, keepdims=True).astype(np.uint8)
        yield as_sample(
            f"{path.stem}-{shown}", f"{path.stem}-{shown}", pixels, np.zeros(pixels.shape[:2], np.int32)
        )
