"""Augmentation of training crops: geometry moves image and labels together, intensity only the image."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom
from skimage.color import hed_from_rgb, rgb_from_hed

from napari_cellseg.images.scaling import intensity_range, scale_intensity
from napari_cellseg.pipeline.options import usual_scale

Image = NDArray[np.float32]
Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How strongly crops are changed; probabilities between 0 and 1.

    Attributes
    ----------
    diameter_low, diameter_high : float
        The scale is drawn so that an image's median object diameter lands between these, in pixels.
    own : float
        Probability that an image comes nearly at the scale at which it will be segmented instead.
    best_known : float
        Diameter that the network is to know best, in pixels, and
    own_scale : tuple of float, optional
        smallest and largest that keep their scale: what the model's card will say; None keeps none.
    scale_low, scale_high : float
        Limits of the scale.
    rotate : float
        Probability of a rotation by any angle; flips and right angles are always drawn.
    invert, blur, noise, shade, rescale : float
        Probability of inversion (single channel only), Gaussian blur, noise, uneven light, and of
        scaling the finished crop by its own percentiles.
    grey, stain, tint : float
        Probability of turning a colour image grey, of changing how much of each stain it holds (else its
        colours are mixed), and of turning a grey image into one colour channel mix.
    """

    diameter_low: float = 10.0
    diameter_high: float = 56.0
    own: float = 0.4
    best_known: float = 24.0
    own_scale: tuple[float, float] | None = (0.0, np.inf)
    scale_low: float = 0.4
    scale_high: float = 2.5
    rotate: float = 0.5
    invert: float = 0.06
    blur: float = 0.2
    noise: float = 0.35
    shade: float = 0.3
    rescale: float = 0.25
    grey: float = 0.2
    stain: float = 0.0
    tint: float = 0.08


def draw_scale(diameter: float, settings: Augmentation, rng: np.random.Generator) -> float:
    """Scale for an image whose objects have this median diameter in pixels (0 = none)."""
    if diameter <= 0:
        return float(np.exp(rng.uniform(np.log(0.6), np.log(1.8))))
    if rng.random() < settings.own:
        usual = usual_scale(diameter, settings.best_known, settings.own_scale)
        scale = float(usual * np.exp(rng.normal(0.0, 0.15)))
    else:
        goal = np.exp(rng.uniform(np.log(settings.diameter_low), np.log(settings.diameter_high)))
        scale = float(goal / diameter)
    low = max(settings.scale_low, min(1.0, 7.0 / diameter))
    high = min(settings.scale_high, max(1.0, 75.0 / diameter))
    return float(np.clip(scale, low, max(low, high)))


def draw_transform(scale: float, settings: Augmentation, rng: np.random.Generator) -> NDArray[np.float64]:
    """2x2 matrix from crop pixels to image pixels: scale, a little stretch, rotation, flips."""
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < settings.rotate else rng.integers(4) * np.pi / 2
    stretch = np.exp(rng.normal(0.0, 0.07)) if rng.random() < 0.5 else 1.0
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.diag([stretch / scale, 1 / (stretch * scale)])
    return matrix * np.array([1.0, rng.choice((-1.0, 1.0))])


@njit(cache=True, nogil=True)
def mirror_index(i, size):  # type: ignore[no-untyped-def]
    """Index inside 0..size-1 by reflection."""
    if 0 <= i < size:
        return i
    period = 2 * size
    i = i % period
    return period - 1 - i if i >= size else i


@njit(cache=True, nogil=True)
def _warp(image, labels, matrix, centre, edge, samples, out, out_labels):  # type: ignore[no-untyped-def]
    height, width, channels = image.shape
    half = (edge - 1) / 2.0
    for i in range(edge):
        for j in range(edge):
            py = matrix[0, 0] * (i - half) + matrix[0, 1] * (j - half) + centre[0]
            px = matrix[1, 0] * (i - half) + matrix[1, 1] * (j - half) + centre[1]
            out_labels[i, j] = labels[
                mirror_index(int(np.floor(py + 0.5)), height), mirror_index(int(np.floor(px + 0.5)), width)
            ]
            for k in range(samples * samples):
                di = (k // samples + 0.5) / samples - 0.5
                dj = (k % samples + 0.5) / samples - 0.5
                y = py + matrix[0, 0] * di + matrix[0, 1] * dj
                x = px + matrix[1, 0] * di + matrix[1, 1] * dj
                fy, fx = int(np.floor(y)), int(np.floor(x))
                wy, wx = y - fy, x - fx
                y0, y1 = mirror_index(fy, height), mirror_index(fy + 1, height)
                x0, x1 = mirror_index(fx, width), mirror_index(fx + 1, width)
                for c in range(channels):
                    upper = (1 - wx) * image[y0, x0, c] + wx * image[y0, x1, c]
                    lower = (1 - wx) * image[y1, x0, c] + wx * image[y1, x1, c]
                    out[i, j, c] += ((1 - wy) * upper + wy * lower) / (samples * samples)


def warp_crop(
    image: Image,
    labels: NDArray[np.integer],
    matrix: NDArray[np.float64],
    centre: tuple[float, float],
    edge: int,
) -> tuple[Image, Labels]:
    """Square crop of an image and of its labels through the same transform.

    Parameters
    ----------
    image : (H, W, C) ndarray of float32
        Interpolated linearly, averaged over the area of the new pixel where it shrinks.
    labels : (H, W) ndarray of int
        Taken from the nearest pixel.
    matrix : (2, 2) ndarray
        From crop pixels to image pixels.
    centre : (float, float)
        Pixel y, x of the image that comes to the middle of the crop. Beyond its border, the image is
        reflected.
    edge : int
        Height and width of the crop.
    """
    out = np.zeros((edge, edge, image.shape[2]), np.float32)
    out_labels = np.zeros((edge, edge), np.int32)
    samples = int(min(3, max(1, np.ceil(np.sqrt(abs(np.linalg.det(matrix))) - 0.25))))
    _warp(image, labels, matrix, np.asarray(centre, np.float64), edge, samples, out, out_labels)
    return out, out_labels


def uneven_light(shape: tuple[int, int], strength: float, rng: np.random.Generator) -> Image:
    """Smooth field (H, W) around 0 with a range of about plus and minus `strength`."""
    coarse = rng.normal(0.0, 1.0, (3, 3))
    field = zoom(coarse, (shape[0] / 3, shape[1] / 3), order=1, mode="nearest", grid_mode=True)
    return (strength * field / max(1e-6, float(np.abs(field).max()))).astype(np.float32)


def _recolour(image: Image, settings: Augmentation, rng: np.random.Generator) -> Image:
    """Stain jitter of a colour image, grey or colour; a grey image now and then as one colour."""
    if image.shape[2] == 1:
        if rng.random() >= settings.tint:
            return image
        colours = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 1], [0.2, 0.3, 1]], np.float32)
        return image * colours[rng.integers(len(colours))]
    if rng.random() < settings.grey:
        weights = rng.dirichlet((2.0, 3.0, 2.0)).astype(np.float32)
        return (image @ weights)[..., None]
    if rng.random() < settings.stain:
        return _restained(image, rng)
    mixing = np.eye(3) + rng.normal(0.0, 0.08, (3, 3))
    mixing /= mixing.sum(axis=1, keepdims=True)
    mixed = 1 - (1 - image) @ mixing.T.astype(np.float32) * rng.uniform(0.75, 1.25, 3).astype(np.float32)
    return np.ascontiguousarray(mixed, np.float32)


def _restained(image: Image, rng: np.random.Generator) -> Image:
    """More or less of each stain (haematoxylin, eosin, DAB), in optical densities.

    After Tellez et al., IEEE Transactions on Medical Imaging 2018.
    """
    stains = -np.log(np.clip(image, 0.02, 1.0)) @ hed_from_rgb.astype(np.float32)
    stains = stains * rng.uniform(0.6, 1.4, 3).astype(np.float32)
    stains += rng.uniform(-0.05, 0.05, 3).astype(np.float32)
    return np.ascontiguousarray(np.exp(-stains @ rgb_from_hed.astype(np.float32)), np.float32)


def _tone(image: Image, rng: np.random.Generator) -> Image:
    """Gamma, contrast and brightness."""
    if rng.random() < 0.5:
        gamma = float(np.exp(rng.uniform(np.log(0.5), np.log(2.0))))
        image = np.sign(image) * np.abs(image) ** np.float32(gamma)
    gain, shift = float(np.exp(rng.normal(0.0, 0.2))), float(rng.normal(0.0, 0.05))
    return (image * np.float32(gain) + np.float32(shift)).astype(np.float32)


def augment_intensity(image: Image, settings: Augmentation, rng: np.random.Generator) -> Image:
    """Change the intensities of a scaled crop.

    Parameters
    ----------
    image : (H, W, 1 or 3) ndarray of float32
        Scaled by `napari_cellseg.images.scaling`; grey images have one channel.
    settings : Augmentation
        Strengths.
    rng : numpy.random.Generator
        Source of every draw.

    Returns
    -------
    (H, W, 3) ndarray of float32
        In the range of `napari_cellseg.images.scaling`.
    """
    image = _recolour(image, settings, rng)
    if image.shape[2] == 1 and rng.random() < settings.invert:
        image = 1 - image
    image = _tone(image, rng)
    if rng.random() < settings.shade:
        field = uneven_light(image.shape[:2], rng.uniform(0.05, 0.4), rng)[..., None]
        image = image * (1 + field) if rng.random() < 0.5 else image + 0.5 * field
    if rng.random() < settings.blur:
        sigma = rng.uniform(0.3, 1.6)
        image = gaussian_filter(image, (sigma, sigma, 0))
    if rng.random() < settings.noise:
        image = image + _noise(image.shape, rng)
    if rng.random() < settings.rescale:
        image = scale_intensity(image, intensity_range(image))
    return np.ascontiguousarray(np.broadcast_to(np.clip(image, -0.5, 3.0), (*image.shape[:2], 3)), np.float32)


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    noise = rng.standard_normal(shape, np.float32)
    if rng.random() < 0.3:
        sigma = rng.uniform(0.4, 1.0)
        noise = gaussian_filter(noise, (sigma, sigma, 0)) * np.float32(1 + 2 * sigma)
    return np.float32(rng.uniform(0.01, 0.14)) * noise


def empty_image(edge: int, rng: np.random.Generator) -> Image:
    """Image (edge, edge, 3) without any object: noise of several kinds, uneven light, hot pixels.

    It is scaled as a whole image would be, so that noise fills the range as in an empty field of view.
    """
    kind = rng.integers(4)
    noise: NDArray[np.floating] = rng.standard_normal((edge, edge), np.float32)
    if kind == 1:
        noise = np.asarray(rng.poisson(rng.uniform(0.3, 20.0), (edge, edge)), np.float32)
    elif kind == 2:
        noise = gaussian_filter(noise, float(np.exp(rng.uniform(np.log(0.4), np.log(4.0)))))
    noise = (noise / max(1e-6, float(noise.std()))).astype(np.float32)
    if rng.random() < 0.5:
        noise = noise + uneven_light((edge, edge), rng.uniform(0.5, 12.0), rng)
    if rng.random() < 0.3:
        hot = rng.random((edge, edge)) < rng.uniform(1e-5, 3e-3)
        noise = noise + hot * np.float32(rng.uniform(5, 60))
    scaled = scale_intensity(noise, intensity_range(noise))
    scaled = scaled * np.float32(rng.uniform(0.1, 1.0)) if rng.random() < 0.2 else scaled
    return np.ascontiguousarray(np.broadcast_to(scaled[..., None], (edge, edge, 3)), np.float32)
