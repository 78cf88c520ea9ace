"""A time-lapse of nuclei that wander, grow and divide."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.images.metadata import PixelSize
from napari_cellseg.images.simulation.fluorescence import NuclearStain, NucleusLook, photograph
from napari_cellseg.images.simulation.optics import illumination
from napari_cellseg.images.simulation.scene import (
    Field,
    SimulatedImage,
    check_dials,
    check_scene,
    object_count,
)
from napari_cellseg.images.simulation.shapes import Outline, footprint, place_outlines


@dataclass(frozen=True, slots=True)
class _Nucleus:
    number: int
    outline: Outline
    look: NucleusLook
    velocity: NDArray[np.float64]
    full_radius: float


def simulate_timelapse(
    frames: int = 12,
    shape: tuple[int, int] = (384, 384),
    *,
    objects: int | None = None,
    diameter: tuple[float, float] = (20.0, 36.0),
    speed: float = 1.5,
    division: float = 0.01,
    touching: float = 0.2,
    irregularity: float = 0.12,
    texture: float = 0.5,
    background: float = 0.15,
    uneven: float = 0.3,
    blur: float = 1.2,
    noise: float = 0.35,
    bits: int = 16,
    seed: int = 0,
) -> SimulatedImage:
    """Simulate a time-lapse of stained nuclei.

    Nuclei wander with some persistence, push each other apart, grow, and now and then divide: the mother's
    number ends and two new ones begin. A nucleus keeps its number through time.

    Parameters
    ----------
    frames : int
        Number of frames, at least 1.
    shape : (int, int)
        Rows and columns of a frame.
    objects : int, optional
        Nuclei in the first frame; fewer where they don't fit. None covers a seventh of it.
    diameter : (float, float)
        Smallest and largest in the first frame, in pixels.
    speed : float
        Typical step between two frames, in pixels.
    division : float
        Chance that a nucleus divides between two frames, 0 to 1.
    touching, irregularity, texture, background, uneven, blur, noise, bits
        As in `simulate_fluorescence`.
    seed : int
        The same seed gives the same film.

    Returns
    -------
    SimulatedImage
        Axes ``"TYX"``; ``parents`` tells who was born from whom.

    Raises
    ------
    OptionError
        If a dial is out of its range.
    """
    height, width = check_scene(shape, 2, diameter)
    check_dials(
        division=division, touching=touching, irregularity=irregularity, texture=texture,
        background=background, uneven=uneven, noise=noise,
    )  # fmt: skip
    if frames < 1 or speed < 0:
        raise OptionError(f"frames must be at least 1 and speed at least 0, not {frames} and {speed}.")
    rng = np.random.default_rng(seed)
    size = (height, width)
    nuclei = _first_nuclei(rng, size, objects, diameter, touching, irregularity, speed)
    stain = NuclearStain(rng, texture)
    lamp = illumination(rng, size, uneven)
    parents: dict[int, int] = {}
    images, truths = [], []
    for frame in range(frames):
        if frame:
            nuclei = _next_frame(rng, nuclei, parents, speed, division, size)
        labels, light = _draw(nuclei, stain, size)
        truths.append(labels)
        images.append(
            photograph(rng, light, background=background, blur=blur, noise=noise, bits=bits, lamp=lamp)
        )
    truth, parents = _numbered(np.stack(truths), parents)
    return SimulatedImage(np.stack(images), truth, "TYX", PixelSize(0.5, 0.5), parents)


def _first_nuclei(
    rng: np.random.Generator,
    shape: tuple[int, int],
    objects: int | None,
    diameter: tuple[float, float],
    touching: float,
    irregularity: float,
    speed: float,
) -> list[_Nucleus]:
    """Nuclei of the first frame, 1 … N, each with a direction of its own."""
    labels = np.zeros(shape, np.int32)
    count = object_count(objects, labels.size, np.pi / 4 * (sum(diameter) / 2) ** 2, 0.14)
    outlines, _ = place_outlines(rng, labels, count, diameter, touching=touching, irregularity=irregularity)
    return [
        _Nucleus(i, o, NucleusLook.draw(rng), rng.normal(0, speed, 2), o.radius)
        for i, o in enumerate(outlines, start=1)
    ]


def _draw(
    nuclei: Sequence[_Nucleus], stain: NuclearStain, shape: tuple[int, ...]
) -> tuple[NDArray[np.int32], Field]:
    """Truth and light of one frame; a nucleus that is squeezed out is not seen in it."""
    labels, light = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    for nucleus in nuclei:
        placed = footprint(nucleus.outline, labels)
        if placed is not None:
            labels[placed[0].window][placed[0].mask] = nucleus.number
            stain.paint(light, placed[0], nucleus.look, nucleus.outline.radius)
    return labels, light


def _next_frame(
    rng: np.random.Generator,
    nuclei: Sequence[_Nucleus],
    parents: dict[int, int],
    speed: float,
    division: float,
    shape: tuple[int, ...],
) -> list[_Nucleus]:
    """Everything one step later; births are noted in `parents`."""
    born = max([n.number for n in nuclei] + list(parents), default=0)
    later: list[_Nucleus] = []
    for nucleus in nuclei:
        if rng.random() < division and nucleus.outline.radius > 0.85 * nucleus.full_radius:
            later += _divided(rng, nucleus, born)
            parents |= {born + 1: nucleus.number, born + 2: nucleus.number}
            born += 2
        else:
            later.append(_grown(rng, nucleus, speed))
    return _pushed_apart(later, shape)


def _grown(rng: np.random.Generator, nucleus: _Nucleus, speed: float) -> _Nucleus:
    velocity = 0.75 * nucleus.velocity + 0.45 * rng.normal(0, speed, 2)
    old = nucleus.outline
    outline = replace(
        old,
        y=old.y + velocity[0],
        x=old.x + velocity[1],
        radius=min(old.radius * 1.015, nucleus.full_radius * 1.1),
        angle=old.angle + rng.normal(0, 0.04),
    )
    return replace(nucleus, outline=outline, velocity=velocity)


def _divided(rng: np.random.Generator, mother: _Nucleus, born: int) -> list[_Nucleus]:
    """Two daughters of half the area, side by side along the mother's long axis."""
    old = mother.outline
    radius = old.radius / np.sqrt(2)
    shape = replace(
        old, radius=radius, stretch=1.3, angle=old.angle + np.pi / 2, amplitudes=old.amplitudes / 2
    )
    axis = np.array([np.sin(old.angle), np.cos(old.angle)])
    daughters = []
    for number, side in ((born + 1, -1.0), (born + 2, 1.0)):
        y, x = np.array([old.y, old.x]) + side * 1.05 * radius * axis
        look = replace(NucleusLook.draw(rng), brightness=1.25 * mother.look.brightness)
        daughters.append(
            _Nucleus(number, shape.moved(float(y), float(x)), look, side * axis, mother.full_radius)
        )
    return daughters


def _pushed_apart(nuclei: list[_Nucleus], shape: tuple[int, ...]) -> list[_Nucleus]:
    """Move overlapping nuclei away from each other, and all back into the frame."""
    at = np.array([(n.outline.y, n.outline.x) for n in nuclei]).reshape(-1, 2)
    radii = np.array([n.outline.radius for n in nuclei])
    for _ in range(4):
        apart = at[:, None] - at[None]
        distance = np.hypot(apart[..., 0], apart[..., 1])
        overlap = np.clip(1.08 * (radii[:, None] + radii[None]) - distance, 0, None)
        np.fill_diagonal(overlap, 0)
        at += 0.3 * (apart / np.maximum(distance, 1e-6)[..., None] * overlap[..., None]).sum(axis=1)
        at = np.clip(at, 0, np.array(shape) - 1.0)
    return [
        replace(n, outline=n.outline.moved(float(y), float(x))) for n, (y, x) in zip(nuclei, at, strict=True)
    ]


def _numbered(truth: NDArray[np.int32], parents: dict[int, int]) -> tuple[NDArray[np.int32], dict[int, int]]:
    """Numbers 1 … N without gaps, for the nuclei that are seen at least once."""
    seen = np.unique(truth)
    seen = seen[seen > 0]
    new = np.zeros(max(int(truth.max()), *parents, 0) + 1 if parents else int(truth.max()) + 1, np.int32)
    new[seen] = np.arange(1, seen.size + 1)
    kept = {int(new[c]): int(new[m]) for c, m in parents.items() if new[c] and new[m]}
    return new[truth], kept
