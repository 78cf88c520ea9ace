"""What a caller asks for, checked against the image and the model before anything runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from numbers import Integral
from typing import Any, Literal, TypeGuard

import numpy as np

from napari_cellseg.errors import AxesError, OptionError
from napari_cellseg.images.planes import Planes
from napari_cellseg.models.card import ModelCard
from napari_cellseg.tiles.grid import Window

SCALE_LIMITS = (1 / 64, 16.0)
"""An image is not shrunk or enlarged more than this for a network."""


@dataclass(frozen=True, slots=True)
class Options:
    """Arguments of `segment` that concern how an image is segmented, as given.

    Attributes
    ----------
    pixel_size : float, (float, float), PixelSize or None
        µm per pixel.
    diameter : float, "auto" or None
        Object diameter, pixels of the image.
    confidence : float or None
        Threshold, 0 to 1.
    tile : int or None
        Largest edge of a tile, pixels at network scale.
    link : "z" or None
        Whether z planes are joined.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"``.
    region : tuple of two slices, or None
        Rows and columns that are segmented.
    planes : sequence of int or None
        Planes that are segmented.
    """

    pixel_size: Any = None
    diameter: float | Literal["auto"] | None = None
    confidence: float | None = None
    tile: int | None = None
    link: str | None = None
    device: str = "auto"
    region: tuple[slice, slice] | None = None
    planes: Sequence[int] | None = None


def has_oblong_pixels(options: Options) -> bool:
    """Whether the two pixel sizes that were given differ by more than a tenth."""
    sizes = options.pixel_size
    if hasattr(sizes, "y") and hasattr(sizes, "x"):
        sizes = (sizes.y, sizes.x)
    if not isinstance(sizes, list | tuple) or len(sizes) != 2 or not all(is_number(s) for s in sizes):
        return False
    return bool(max(sizes) > 1.1 * min(sizes))


def mean_pixel_size(pixel_size: Any) -> float | None:
    """Pixel size, µm: the geometric mean of both directions.

    Parameters
    ----------
    pixel_size : float, (y, x), an object with `y` and `x`, or None
        µm per pixel.

    Raises
    ------
    OptionError
        Where it is not one or two finite numbers above 0.
    """
    if pixel_size is None:
        return None
    if hasattr(pixel_size, "y") and hasattr(pixel_size, "x"):
        pixel_size = (pixel_size.y, pixel_size.x)
    try:
        values = np.atleast_1d(np.asarray(pixel_size, np.float64))
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.shape not in ((1,), (2,)) or not np.all(np.isfinite(values) & (values > 0)):
        raise OptionError(
            f"pixel_size must be µm per pixel, one number above 0 or one each for y and x, "
            f"not {pixel_size!r}."
        )
    return float(np.exp(np.log(values).mean()))


def resolve_confidence(options: Options, card: ModelCard) -> float:
    """Confidence from which objects are kept.

    Raises
    ------
    OptionError
        Where it is not between 0 and 1.
    """
    value = card.confidence if options.confidence is None else options.confidence
    if not is_number(value) or not 0 <= value <= 1:
        raise OptionError(f"confidence must be between 0 and 1, not {value!r}.")
    return float(value)


def scale_for(diameter: float, card: ModelCard) -> float:
    """Network pixels per image pixel for objects of a diameter in image pixels, by the sizes of a card."""
    return usual_scale(diameter, card.diameter, card.own_scale)


def usual_scale(diameter: float, best_known: float, own_scale: tuple[float, float] | None) -> float:
    """Network pixels per image pixel for objects of a diameter in image pixels.

    Resampling costs sharpness, so an image whose objects the network knows well keeps its own scale. Others
    are brought halfway (geometrically) between the diameter that the network knows best and the nearest that
    keeps its scale: small objects then cost less time, and outlines of large ones stay finer.

    Parameters
    ----------
    diameter : float
        Typical diameter of the objects, pixels of the image.
    best_known : float
        Diameter that the network knows best, network pixels.
    own_scale : tuple of float, optional
        Smallest and largest diameter that keep their scale; None brings all to the best known.
    """
    if own_scale is None:
        return best_known / diameter
    nearest = min(max(diameter, own_scale[0]), own_scale[1])
    return 1.0 if nearest == diameter else sqrt(best_known * nearest) / diameter


def resolve_scale(options: Options, card: ModelCard) -> float | Literal["auto"]:
    """Network pixels per image pixel, or "auto" where the objects must be measured first.

    Raises
    ------
    OptionError
        Where the diameter is not one, or so far from the model's that it makes no sense.
    """
    diameter = options.diameter
    pixel_size = mean_pixel_size(options.pixel_size)
    if diameter is None and pixel_size is not None and card.pixel_size is not None:
        return _checked(pixel_size / card.pixel_size, f"pixel_size {pixel_size:g} µm")
    if diameter is None:
        diameter = card.default_diameter
    if diameter is None:
        return 1.0
    if isinstance(diameter, str):
        if diameter != "auto":
            raise OptionError(f"diameter must be a number of pixels, 'auto' or None, not {diameter!r}.")
        return "auto"
    if not is_number(diameter) or diameter <= 0:
        raise OptionError(f"diameter must be a number of pixels above 0, not {diameter!r}.")
    return _checked(scale_for(diameter, card), f"diameter {diameter:g} px")


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is one finite number."""
    return isinstance(value, int | float | np.integer | np.floating) and isfinite(value)


def _checked(scale: float, given: str) -> float:
    low, high = SCALE_LIMITS
    if not low <= scale <= high:
        raise OptionError(
            f"{given} would scale the image by {scale:.3g}; it must be between {low:.3g} and {high:g}. "
            f"Check the number, or leave it out."
        )
    return float(scale)


def resolve_region(options: Options, planes: Planes) -> Window:
    """Rows and columns that are segmented, inside the plane.

    Raises
    ------
    OptionError
        Where the region is not two slices, or holds no pixel.
    """
    region = options.region
    if region is None:
        return slice(0, planes.shape[0]), slice(0, planes.shape[1])
    if not isinstance(region, tuple | list) or len(region) != 2 or not all(map(_is_span, region)):
        raise OptionError(f"region must be two slices, rows and columns, not {region!r}.")
    spans = []
    for span, size in zip(region, planes.shape, strict=True):
        start = 0 if span.start is None else int(span.start)
        stop = size if span.stop is None else int(span.stop)
        spans.append(slice(max(0, start), min(size, stop)))
        if span.step not in (None, 1) or spans[-1].start >= spans[-1].stop:
            raise OptionError(
                f"region must hold pixels of the image, whose planes are {planes.shape[0]} × "
                f"{planes.shape[1]}, not rows {region[0]} and columns {region[1]}."
            )
    return spans[0], spans[1]


def _is_span(span: Any) -> bool:
    return isinstance(span, slice) and all(b is None or is_number(b) for b in (span.start, span.stop))


def resolve_planes(options: Options, planes: Planes) -> list[int]:
    """Numbers of the planes that are segmented, sorted.

    Raises
    ------
    OptionError
        Where a number is not one of a plane, or none is given.
    """
    if options.planes is None:
        return list(range(len(planes)))
    given = list(options.planes) if isinstance(options.planes, Iterable) else [options.planes]
    numbers = [p for p in given if isinstance(p, Integral) and not isinstance(p, bool)]
    chosen = sorted({int(p) for p in numbers})
    if len(numbers) < len(given) or not chosen or chosen[0] < 0 or chosen[-1] >= len(planes):
        raise OptionError(
            f"planes must be numbers from 0 to {len(planes) - 1}, at least one, not {options.planes!r}."
        )
    return chosen


def check_link(options: Options, planes: Planes) -> bool:
    """Whether z planes are to be joined.

    Raises
    ------
    OptionError
        Where `link` is neither None nor "z".
    AxesError
        Where the image has no z axis.
    """
    if options.link is None:
        return False
    if options.link != "z":
        raise OptionError(f"link must be 'z' or None, not {options.link!r}.")
    if "Z" not in planes.outer_axes:
        raise AxesError(
            f"link='z' joins the planes of a z stack, but the image has the axes {planes.axes}, without Z. "
            f"Name its axes, for example axes='ZYX', or leave link out."
        )
    return True
