"""Models that know the truth of what they see, and images of which the truth is known."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.errors import OutOfMemoryError
from napari_cellseg.instances.decoding import VoteDecoding
from napari_cellseg.instances.instance import Instances
from napari_cellseg.models.card import ModelCard

UNIT = 16.0

DECODER = VoteDecoding(
    offset_unit=UNIT, foreground=0.5, relative=0.5, smoothing=1.5, confidence=(-6.0, 6.0, 3.0, -2.0, 0.0)
)
"""Fixed, so that the oracles' confidences do not change with the default of a shipped model."""


def make_card(**changes: object) -> ModelCard:
    """A card for the fake models."""
    values: dict[str, object] = {
        "name": "oracle",
        "version": "1",
        "title": "Oracle",
        "description": "Knows the truth inside a tile.",
        "kind": "pixel",
        "weights": "oracle.onnx",
        "sha256": "0" * 64,
        "licence": "BSD-3-Clause",
        "channels": 1,
        "maps": ("foreground", "distance", "offset_y", "offset_x"),
        "decoder": DECODER,
        "classes": ("cell",),
        "confidence": 0.5,
        "confidence_floor": 0.05,
        "diameter": 20.0,
        "diameter_range": (6.0, 48.0),
        "tile": 128,
        "tile_multiple": 16,
        "overlap": 64,
        "max_diameter": 48.0,
        "parameters": 0,
        "created": "2026-01-01",
    }
    return ModelCard.model_validate({**values, **changes})


def objects_of(tile: NDArray[np.float32], exact: bool) -> Iterator[tuple[slice, slice, NDArray[np.bool_]]]:
    """Connected pieces of equal value (or of anything bright) in a tile: the truth that can be seen in it."""
    bright = tile > 0.5
    groups = np.zeros(tile.shape, int)
    if exact:
        groups = np.unique(tile, return_inverse=True)[1].reshape(tile.shape)
    for value, box in enumerate(ndimage.find_objects(np.where(bright, groups + 1, 0)), 1):
        if box is not None:
            pieces, _ = ndimage.label((groups[box] == value - 1) & bright[box], np.ones((3, 3)))
            for i, (y, x) in enumerate(ndimage.find_objects(pieces), 1):
                at = (box[0].start, box[1].start)
                rows, columns = slice(at[0] + y.start, at[0] + y.stop), slice(at[1] + x.start, at[1] + x.stop)
                yield rows, columns, pieces[y, x] == i


class PixelOracle:
    """Ideal maps of what a tile shows, spoilt towards the border of the tile.

    Parameters
    ----------
    exact : bool
        Whether each value is an object; else each connected bright piece is.
    spoilt : int
        Pixels from the border in which the maps are noisy.
    """

    device = "cpu"

    def __init__(self, *, exact: bool = True, spoilt: int = 6, **card: object) -> None:
        self.card = make_card(**card)
        self.exact, self.spoilt = exact, spoilt
        self.shapes: list[tuple[int, ...]] = []

    def predict_maps(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        self.shapes.append(tiles.shape)
        return np.stack([self._maps(tile[0]) for tile in tiles])

    def _maps(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        maps = np.zeros((4, *tile.shape), np.float32)
        maps[0] = np.clip(tile, 0, 1) if not self.exact else tile > 0.5
        for y, x, mask in objects_of(tile, self.exact):
            at = np.argwhere(mask)
            offsets = at.mean(axis=0) - at
            maps[2, y, x][mask] = offsets[:, 0] / UNIT
            maps[3, y, x][mask] = offsets[:, 1] / UNIT
        rng = np.random.default_rng(int(np.abs(tile).sum()))
        gap = np.minimum.outer(*(np.minimum(np.arange(n), np.arange(n)[::-1]) for n in tile.shape))
        spoilt = gap < self.spoilt
        maps[0][spoilt] *= rng.uniform(0.3, 1, np.count_nonzero(spoilt)).astype(np.float32)
        maps[2:, spoilt] += rng.normal(0, 2 / UNIT, (2, np.count_nonzero(spoilt))).astype(np.float32)
        return maps


class InstanceOracle:
    """Instances of what a tile shows, cut off by its border and shaved there now and then."""

    device = "cpu"

    def __init__(self, *, exact: bool = True, spoilt: int = 2, **card: object) -> None:
        self.card = make_card(**{"kind": "instance", "maps": (), "decoder": None, **card})
        self.exact, self.spoilt = exact, spoilt

    def predict_instances(self, tiles: NDArray[np.float32]) -> list[Instances]:
        return [self._instances(tile[0]) for tile in tiles]

    def _instances(self, tile: NDArray[np.float32]) -> Instances:
        boxes, masks, scores = [], [], []
        for y, x, mask in objects_of(tile, self.exact):
            cut = y.start == 0 or x.start == 0 or y.stop == tile.shape[0] or x.stop == tile.shape[1]
            if cut and mask.sum() < 4 * self.spoilt:
                continue
            boxes.append((y.start, x.start, y.stop, x.stop))
            masks.append(mask)
            scores.append(0.7 if cut else 0.9)
        if not masks:
            return Instances.empty()
        classes = np.zeros(len(masks), np.int16)
        return Instances(np.array(boxes, np.int32), np.array(scores, np.float32), classes, tuple(masks))


class Forgetful(PixelOracle):
    """Runs out of memory with tiles of more than `limit` pixels, after `after` good calls."""

    device = "cuda:0"

    def __init__(self, limit: int, after: int = 0, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.limit, self.after = limit, after

    def predict_maps(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        if tiles.size > self.limit and len(self.shapes) >= self.after:
            raise OutOfMemoryError("the device has no memory left")
        return super().predict_maps(tiles)


def draw_objects(
    shape: tuple[int, int],
    *,
    kind: str = "disc",
    diameter: tuple[float, float] = (12, 28),
    gap: float = 0.0,
    fill: float = 0.5,
    seed: int = 0,
) -> NDArray[np.int32]:
    """Label image of objects of one kind, which touch where `gap` is 0."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    taken = np.zeros(shape, np.bool_)
    count = int(fill * shape[0] * shape[1] / np.mean(diameter) ** 2) + 1
    label = 0
    for _ in range(4 * count):
        radius = rng.uniform(*diameter) / 2
        centre = rng.uniform(0, shape)
        y0, x0 = np.maximum(np.floor(centre - radius - gap), 0).astype(int)
        y1, x1 = np.minimum(np.ceil(centre + radius + gap) + 1, shape).astype(int)
        v, u = np.mgrid[y0:y1, x0:x1] - centre[:, None, None]
        turn = rng.uniform(0, np.pi)
        a, b = v * np.cos(turn) + u * np.sin(turn), u * np.cos(turn) - v * np.sin(turn)
        grown = _inside(kind, a, b, radius + gap)
        if (taken[y0:y1, x0:x1] & grown).any():
            continue
        pieces, _ = ndimage.label(_inside(kind, a, b, radius), np.ones((3, 3)))
        mask = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1 if pieces.any() else pieces > 0
        if mask.sum() < 20:
            continue
        label += 1
        labels[y0:y1, x0:x1][mask] = label
        taken[y0:y1, x0:x1] |= mask
    return labels


def _inside(kind: str, a: NDArray[np.float64], b: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
    if kind == "disc":
        return a**2 + b**2 <= radius**2
    if kind == "ellipse":
        return (a / radius) ** 2 + (b / (0.5 * radius)) ** 2 <= 1
    if kind == "rod":
        return (np.abs(a) <= 0.9 * radius) & (np.abs(b) <= 0.3 * radius)
    if kind == "crescent":
        return (a**2 + b**2 <= radius**2) & (a**2 + (b - 0.6 * radius) ** 2 > (0.7 * radius) ** 2)
    raise ValueError(kind)


def as_image(labels: NDArray[np.int32], noise: float = 0.0) -> NDArray[np.float32]:
    """Image in which each object has a value of its own, far above the background."""
    image = np.where(labels > 0, 1000.0 + labels, 0.0)
    return (image + noise * np.random.default_rng(0).normal(size=labels.shape)).astype(np.float32)


def matched_share(labels: NDArray[np.int32], truth: NDArray[np.int32], iou: float = 0.9) -> float:
    """Share of the objects of both images that have a partner with at least this intersection over union."""
    pairs, counts = np.unique(np.stack([labels.ravel(), truth.ravel()]), axis=1, return_counts=True)
    areas, truths = np.bincount(labels.ravel()), np.bincount(truth.ravel())
    inner = (pairs > 0).all(axis=0)
    a, b, shared = pairs[0, inner], pairs[1, inner], counts[inner]
    good = shared / (areas[a] + truths[b] - shared) >= iou
    total = np.count_nonzero(areas[1:]) + np.count_nonzero(truths[1:])
    return 1.0 if total == 0 else 2 * np.count_nonzero(good) / total


class Kit:
    """What the tests of this folder share."""

    PixelOracle = PixelOracle
    InstanceOracle = InstanceOracle
    Forgetful = Forgetful
    make_card: Callable[..., ModelCard] = staticmethod(make_card)
    draw_objects: Callable[..., NDArray[np.int32]] = staticmethod(draw_objects)
    as_image: Callable[..., NDArray[np.float32]] = staticmethod(as_image)
    matched_share: Callable[..., float] = staticmethod(matched_share)


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    """Models, images and the measure of agreement."""
    return Kit
