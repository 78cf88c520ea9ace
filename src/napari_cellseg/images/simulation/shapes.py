"""Irregular smooth outlines, and placing them without overlap."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.int32]
_MODES = np.arange(2, 7)


@dataclass(frozen=True, slots=True)
class Outline:
    """A star-shaped outline: an ellipse whose radius is modulated by low-order Fourier terms.

    Attributes
    ----------
    y, x : float
        Centre, in pixels.
    radius : float
        Radius of the circle of about the same area.
    stretch : float
        Ratio of the long axis to the short one.
    angle : float
        Direction of the long axis.
    amplitudes, phases : (5,) ndarray
        Of the Fourier terms 2 … 6, relative to the radius.
    """

    y: float
    x: float
    radius: float
    stretch: float
    angle: float
    amplitudes: NDArray[np.float64]
    phases: NDArray[np.float64]

    def moved(self, y: float, x: float) -> "Outline":
        """The same outline elsewhere."""
        return replace(self, y=y, x=x)

    @property
    def reach(self) -> float:
        """No part is farther from the centre than this."""
        return float(self.radius * np.sqrt(self.stretch) * (1 + np.abs(self.amplitudes).sum()))

    def rho(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance from the centre as a share of the outline's: 0 in the centre, 1 on the outline."""
        dy, dx = y - self.y, x - self.x
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        along = (dx * cos + dy * sin) / (self.radius * np.sqrt(self.stretch))
        across = (dy * cos - dx * sin) / (self.radius / np.sqrt(self.stretch))
        theta = np.arctan2(across, along)
        wave = np.ones_like(theta)
        for mode, amplitude, phase in zip(_MODES, self.amplitudes, self.phases, strict=True):
            wave += amplitude * np.cos(mode * theta + phase)
        result: NDArray[np.float64] = np.hypot(along, across) / wave
        return result


def draw_outline(
    rng: np.random.Generator,
    diameter: tuple[float, float],
    irregularity: float,
    stretch: tuple[float, float] = (1.0, 1.6),
) -> Outline:
    """A random outline around the origin; sizes favour the middle of the range."""
    low, high = diameter
    radius = (low + (high - low) * rng.beta(2.2, 2.6)) / 2
    amplitudes = irregularity * rng.normal(size=_MODES.size) / _MODES**1.2
    amplitudes *= min(1.0, 0.6 / max(np.abs(amplitudes).sum(), 1e-9))
    phases = rng.uniform(0, 2 * np.pi, _MODES.size)
    return Outline(0.0, 0.0, radius, rng.uniform(*stretch), rng.uniform(0, np.pi), amplitudes, phases)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Where a placed object lies: a window of the image, `Outline.rho` in there, and its own pixels."""

    window: tuple[slice, slice]
    rho: NDArray[np.float64]
    mask: NDArray[np.bool_]


def footprint(outline: Outline, labels: Labels, gap: float = 0.0) -> tuple[Footprint, bool] | None:
    """Pixels of an outline that are still free, and whether anything lies within `gap` of it.

    None where less than three quarters of what the image shows of it is free.
    """
    reach = outline.reach + gap + 1
    y0, y1 = (int(np.clip(outline.y + s * reach, 0, labels.shape[0])) for s in (-1, 1))
    x0, x1 = (int(np.clip(outline.x + s * reach, 0, labels.shape[1])) for s in (-1, 1))
    window = (slice(y0, y1 + 1), slice(x0, x1 + 1))
    taken = labels[window] > 0
    y, x = np.ogrid[y0 : y0 + taken.shape[0], x0 : x0 + taken.shape[1]]
    rho = outline.rho(y.astype(float), x.astype(float))
    inside = rho <= 1
    crowded = bool((taken & (rho <= 1 + gap / outline.radius)).any())
    free = inside & ~taken
    visible = np.count_nonzero(inside)
    if np.count_nonzero(free) < max(1.0, 0.75 * visible):
        return None
    return Footprint(window, rho, largest_part(free)), crowded


def largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part of a mask of any dimensions; neighbours share an edge or a face."""
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    largest: NDArray[np.bool_] = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
    return largest


def place_outlines(
    rng: np.random.Generator,
    labels: Labels,
    count: int,
    diameter: tuple[float, float],
    *,
    touching: float,
    irregularity: float,
    stretch: tuple[float, float] = (1.0, 1.6),
) -> tuple[list[Outline], list[Footprint]]:
    """Place up to `count` outlines, and write them into `labels` as 1 … N.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    labels : (H, W) ndarray of int32
        All 0; changed in place.
    count : int
        Outlines wanted; fewer where the image is full.
    diameter : (float, float)
        Smallest and largest, in pixels.
    touching : float
        Share of objects that are put against another one, 0 to 1.
    irregularity : float
        Size of the Fourier terms; 0 gives ellipses.
    stretch : (float, float)
        Range of the ratio of the axes.
    """
    outlines: list[Outline] = []
    footprints: list[Footprint] = []
    for _ in range(count):
        attach = bool(outlines) and rng.random() < touching
        shape = draw_outline(rng, diameter, irregularity, stretch)
        for _ in range(30):
            if attach:
                other = outlines[rng.integers(len(outlines))]
                outline = _beside(rng, shape, other, labels.shape)
            else:
                outline = shape.moved(rng.uniform(0, labels.shape[0]), rng.uniform(0, labels.shape[1]))
            placed = footprint(outline, labels, gap=2.0)
            if placed is not None and (attach or not placed[1]):
                labels[placed[0].window][placed[0].mask] = len(outlines) + 1
                outlines.append(outline)
                footprints.append(placed[0])
                break
    return outlines, footprints


def _beside(rng: np.random.Generator, shape: Outline, other: Outline, size: tuple[int, ...]) -> Outline:
    """The outline moved to where it just touches another one."""
    direction = rng.uniform(0, 2 * np.pi)
    unit = np.array([np.sin(direction), np.cos(direction)])
    at = np.array([other.y, other.x])
    far = at + unit
    edges = [1 / float(o.rho(far[:1], far[1:])[0]) for o in (other, shape.moved(*at + 2 * unit))]
    centre = at + unit * sum(edges) * rng.uniform(0.88, 1.0)
    return shape.moved(*np.clip(centre, 0, np.array(size) - 1))
