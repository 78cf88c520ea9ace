"""How large the objects of an image are, from a coarse look at a few windows of it."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, pi

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.events import Progress
from napari_cellseg.instances.instance import Instances
from napari_cellseg.instances.maps import decode_maps
from napari_cellseg.labels.rasterising import cut_instances
from napari_cellseg.models.protocols import Model, PixelModel
from napari_cellseg.pipeline.finding import decoder_of, predicted_maps
from napari_cellseg.pipeline.view import PlaneView
from napari_cellseg.tiles.grid import Window

SCALES = (0.125, 0.25, 1.0, 0.5, 2.0)
"""Scales that are tried, in this order; each shows the network objects within its range of diameters."""

LOOK_PIXELS = 90_000
"""Network pixels that are looked at for each scale."""

SPREAD = 0.7
"""A scale counts less where objects are larger or smaller than the network knows best: the standard deviation
of the natural logarithm of their ratio."""

LIKE = 1.5
"""Diameters that differ by less than this factor are those of the same objects."""

CONFIRMED = 0.4
"""Objects that are really there cover at least this share of what they did, seen one scale nearer to 1,"""

CONFIRMED_HARD = 0.25
"""or this share where they are hard to see: small objects that had been enlarged, or ones so large that
few lie whole in a window."""

LARGEST = 3.0
"""Objects up to this many times the size that the network knows best must be seen at every finer scale."""

FEW = 8
"""A median of so few objects counts half; one of fewer contradicts nothing."""

STAGE = "Estimating object size"


def estimate_diameter(model: Model, view: PlaneView) -> Generator[Progress, None, float | None]:
    """Typical diameter of the objects of a plane.

    The same places are looked at with several scales. The scale is taken at which objects are most confident,
    cover most, and have about the size that the network knows best; the answer is their median there. Objects
    that are seen at one scale only, and not one step nearer to the image's own scale, are texture, shading or
    noise; those that fall apart at a finer scale, at which the network would know them, are clumps. Neither
    count. What the scales before have settled is not looked at again.

    Parameters
    ----------
    model : PixelModel or InstanceModel
        What looks.
    view : PlaneView
        The plane; its scale does not matter.

    Returns
    -------
    float or None
        Diameter of a circle of the same area, pixels of the plane; None where nothing was found.
    """
    centres = _busy_places(view)
    sights: list[Sight] = []
    for i, scale in enumerate(SCALES):
        yield Progress(STAGE, i, len(SCALES))
        if is_settled(scale, sights, model.card.diameter):
            continue
        looks = [_look(model, replace(view, scale=scale), centre, len(centres)) for centre in centres]
        areas = np.concatenate([a for _, a in looks])
        covered = float(np.mean([c for c, _ in looks]))
        seen = float(np.sqrt(4 * np.median(areas) / pi)) / scale if areas.size else 0.0
        sights.append(Sight(scale, seen, covered, areas.size))
    diameter = choose_diameter(sorted(sights, key=lambda s: s.scale), model.card.diameter)
    yield Progress(STAGE, len(SCALES), len(SCALES), f"{diameter:.0f} px" if diameter else "none found")
    return diameter


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen at one scale.

    Attributes
    ----------
    scale : float
        Network pixels per image pixel.
    diameter : float
        Median diameter of the whole objects, pixels of the image; 0 where there are none.
    covered : float
        Share of the area that objects cover, weighted by their squared confidence.
    count : int
        Whole objects.
    """

    scale: float
    diameter: float
    covered: float
    count: int


def is_settled(scale: float, sights: Sequence[Sight], best_known: float) -> bool:
    """Whether looking at a scale too would show nothing new.

    An image whose objects are no smaller than the network knows needs no enlarging to see them. Where it
    knows them well, and a quarter of the scale shows the same or nothing, half of it would show the same.

    Parameters
    ----------
    scale : float
        The scale.
    sights : sequence of Sight
        What was seen at the scales before it.
    best_known : float
        Diameter that the network knows best, network pixels.
    """
    seen = {s.scale: s for s in sights}
    own = seen.get(1.0)
    if own is None or own.count < FEW or own.diameter * LIKE < best_known:
        return False
    if scale > 1:
        return True
    same = seen[0.25].count == 0 or _is_alike(own, seen[0.25])
    return scale == 0.5 and own.diameter <= LIKE * best_known and same


def choose_diameter(sights: Sequence[Sight], best_known: float) -> float | None:
    """The most convincing diameter among several scales.

    Parameters
    ----------
    sights : sequence of Sight
        In rising order of scale; those that `is_settled` spares are missing.
    best_known : float
        Diameter that the network knows best, network pixels.

    Returns
    -------
    float or None
        Pixels of the image; None where no objects are convincing.
    """
    best, diameter = 0.0, None
    for i, sight in enumerate(sights):
        if sight.diameter == 0 or not _is_confirmed(sights, i, best_known):
            continue
        ratio = sight.diameter * sight.scale / best_known
        score = float(np.exp(-0.5 * (np.log(ratio) / SPREAD) ** 2)) * sight.covered
        score *= sight.count / (sight.count + FEW)
        if score > best:
            best, diameter = score, sight.diameter
    return diameter


def _is_confirmed(sights: Sequence[Sight], i: int, best_known: float) -> bool:
    """Whether the objects of a sight are seen nearer to the image's own scale too."""
    sight = sights[i]
    if sight.scale > 1:
        own = sights[i - 1]
        covers = own.covered >= CONFIRMED_HARD * sight.covered
        return covers and own.count > 0 and _is_alike(own, sight)
    finer = [s for s in sights[i + 1 :] if s.scale <= 1]
    known = [s for s in finer[1:] if sight.diameter * s.scale <= LARGEST * best_known]
    for other in [*finer[:1], *known]:
        many = other.count >= FEW
        share = CONFIRMED if many else CONFIRMED_HARD
        if other.covered < share * sight.covered or (many and not _is_alike(other, sight)):
            return False
    return True


def _is_alike(other: Sight, sight: Sight) -> bool:
    """Whether two scales show objects of the same size."""
    return 1 / LIKE <= other.diameter / sight.diameter <= LIKE


def _busy_places(view: PlaneView, edge: int = 512, most: int = 25) -> list[tuple[float, float]]:
    """Centres, in pixels of the plane, of one window, or in a large plane of the two with most contrast."""
    height, width = view.planes.shape
    if height * width <= 4 * edge**2:
        return [(height / 2, width / 2)]
    per_axis = ceil(most**0.5)
    ys, xs = (np.linspace(min(edge, n) / 2, n - min(edge, n) / 2, per_axis) for n in (height, width))
    plain = replace(view, scale=1.0, channels=1)
    contrast = {}
    for y, x in product(ys.tolist(), xs.tolist()):
        rows, columns = (slice(max(0, int(c) - edge // 4), int(c) + edge // 4) for c in (y, x))
        contrast[y, x] = float(plain.read(rows, columns).std())
    return sorted(contrast, key=lambda place: -contrast[place])[:2]


def _look(
    model: Model, view: PlaneView, centre: tuple[float, float], looks: int
) -> tuple[float, NDArray[np.int64]]:
    """Share of a window that objects cover, weighted by squared confidence; areas of the whole ones."""
    window = _window(view, centre, LOOK_PIXELS // looks, model.card.tile_multiple)
    found = _found(model, view.read(*window)[None])
    found = found.take(found.scores >= model.card.confidence)
    areas = found.areas
    height, width = view.shape
    inside = (min(window[0].stop, height) - window[0].start, min(window[1].stop, width) - window[1].start)
    whole = _untouched(found.boxes, window, view.shape)
    return float(np.sum(areas * found.scores**2)) / (inside[0] * inside[1]), areas[whole & (areas > 0)]


def _found(model: Model, tile: NDArray[np.float32]) -> Instances:
    if isinstance(model, PixelModel):
        decoded = decode_maps(predicted_maps(model, tile)[0], decoder_of(model.card))
        return cut_instances(decoded.labels, decoded.scores, decoded.classes)
    return model.predict_instances(tile)[0]


def _window(view: PlaneView, centre: tuple[float, float], pixels: int, multiple: int) -> Window:
    """Window at network scale around a place, of about so many pixels, inside the plane where it fits."""
    height, width = view.shape
    rows = min(height, max(int(pixels**0.5), pixels // max(1, width)))
    columns = min(width, pixels // rows)
    spans = []
    for place, length, size in zip(centre, (rows, columns), (height, width), strict=True):
        edge = -(-length // multiple) * multiple
        start = int(max(0, min(place * view.scale - edge / 2, size - edge)))
        spans.append(slice(start, start + edge))
    return spans[0], spans[1]


def _untouched(boxes: NDArray[np.int32], window: Window, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which boxes do not touch a border of the window that lies inside the plane."""
    whole = np.ones(len(boxes), np.bool_)
    for axis in (0, 1):
        if window[axis].start > 0:
            whole &= boxes[:, axis] > 0
        if window[axis].stop < shape[axis]:
            whole &= boxes[:, axis + 2] < window[axis].stop - window[axis].start
        whole &= boxes[:, axis] + window[axis].start < shape[axis]
    return whole
