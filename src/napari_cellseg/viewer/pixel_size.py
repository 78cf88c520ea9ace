"""How large a pixel is: from a layer's scale and units, from its file, or unknown."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from napari.layers import Layer

from napari_cellseg.errors import CellSegError
from napari_cellseg.images.reading import ImageMetadata, PixelSize, read_metadata

MICROMETRE = "µm"


@dataclass(frozen=True, slots=True)
class KnownPixelSize:
    """Pixel size of a layer and where it is known from.

    Attributes
    ----------
    size : PixelSize or None
        In µm; None where it is unknown.
    source : str
        One short line for the user.
    in_layer : bool
        Whether the layer's own scale and units already say so.
    unit_known : bool
        Whether something says that it is a length; else it is the bare number of the scale, taken as µm.
    """

    size: PixelSize | None
    source: str
    in_layer: bool = False
    unit_known: bool = True


def find_pixel_size(layer: Layer, axes: str) -> KnownPixelSize:
    """Pixel size of an image layer, from its scale, else from the file that it came from.

    Parameters
    ----------
    layer : napari.layers.Layer
        An image layer.
    axes : str
        One letter per dimension of the layer, samples of RGB left out.
    """
    size, has_units = _size_in_layer(layer, axes)
    if size is not None and has_units:
        return KnownPixelSize(size, "from the layer's scale", in_layer=True)
    metadata, problem = file_metadata(layer)
    if metadata is not None and metadata.pixel_size is not None:
        return KnownPixelSize(metadata.pixel_size, "from the file")
    if size is not None:
        return KnownPixelSize(size, "from the layer's scale, taken as µm", unit_known=False)
    return KnownPixelSize(None, problem or "Pixel size unknown")


def source_path(layer: Layer) -> Path | None:
    """The file that a layer came from, where it is known and still there."""
    path = layer.source.path or layer.metadata.get("path")
    return Path(path) if path and Path(path).exists() else None


def file_metadata(layer: Layer) -> tuple[ImageMetadata | None, str]:
    """What the tags of a layer's file say, and in words why they say nothing."""
    path = source_path(layer)
    if path is None:
        return None, ""
    try:
        return _cached_metadata(str(path), path.stat().st_mtime_ns), ""
    except CellSegError as error:
        return None, f"Pixel size unknown: {error}"


@lru_cache(maxsize=32)
def _cached_metadata(path: str, changed: int) -> ImageMetadata:
    """Tags of a file, read again once it changed."""
    return read_metadata(path)


def _size_in_layer(layer: Layer, axes: str) -> tuple[PixelSize | None, bool]:
    """Pixel size by scale and units, and whether the units say that it is a length."""
    lengths = {a: _micrometres(layer, axes.index(a)) for a in "YXZ" if a in axes}
    if "Y" not in lengths or "X" not in lengths:
        return None, False
    (y, y_known), (x, x_known) = lengths["Y"], lengths["X"]
    z, z_known = lengths.get("Z", (None, False))
    if y_known and x_known:
        return PixelSize(y=y, x=x, z=z if z_known else None), True
    return (PixelSize(y=y, x=x, z=z), False) if (y, x) != (1.0, 1.0) else (None, False)


def _micrometres(layer: Layer, dimension: int) -> tuple[float, bool]:
    """Step along a dimension, in µm where its unit is a length, else as the number it is."""
    step = abs(float(layer.scale[dimension]))
    unit = layer.units[dimension]
    if not unit.is_compatible_with(MICROMETRE):
        return step, False
    return float((1 * unit).to(MICROMETRE).magnitude) * step, True


def apply_pixel_size(layer: Layer, axes: str, size: PixelSize) -> None:
    """Set scale and units of a layer, so that napari shows lengths in µm.

    Parameters
    ----------
    layer : napari.layers.Layer
        Any layer.
    axes : str
        One letter per dimension of the layer, samples of RGB left out.
    size : PixelSize
        In µm; dimensions that it says nothing about keep their scale and unit.
    """
    steps: dict[str, float | None] = {"Z": size.z, "Y": size.y, "X": size.x}
    scale, units = list(layer.scale), [str(u) for u in layer.units]
    for dimension, letter in enumerate(axes):
        step = steps.get(letter)
        if step is not None:
            scale[dimension], units[dimension] = step, MICROMETRE
    layer.scale = scale
    layer.units = units


def same_size(one: PixelSize | None, other: PixelSize | None) -> bool:
    """Whether two pixel sizes are equal to about a millionth."""
    if one is None or other is None:
        return one is other
    return abs(one.y - other.y) <= 1e-6 * one.y and abs(one.x - other.x) <= 1e-6 * one.x


def describe(size: PixelSize, unit: str = MICROMETRE) -> str:
    """A pixel size in words, for example ``0.65 µm``."""
    even = abs(size.y - size.x) <= 1e-6 * size.y
    text = f"{size.x:.4g} {unit}" if even else f"{size.y:.4g} × {size.x:.4g} {unit}"
    return text if size.z is None else f"{text}, planes {size.z:.4g} {unit} apart"
