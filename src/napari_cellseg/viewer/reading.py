"""Images from files as layers that keep the file's pixel size, axes and channel names."""

from pathlib import Path
from typing import Any

from napari_cellseg.images.reading import ImageFile, file_stem, read_image
from napari_cellseg.viewer.pixel_size import MICROMETRE

LayerData = tuple[Any, dict[str, Any], str]
"""What napari adds as a layer: data, keywords, type."""


def read_image_layer(path: str | Path) -> LayerData:
    """An image file as a layer in µm and seconds, with axis labels; large files stay on the disk.

    Raises
    ------
    ImageError
        If the file cannot be read.
    """
    return image_layer_data(read_image(path))


def image_layer_data(image: ImageFile) -> LayerData:
    """Data, keywords and type of the layer of an image.

    Channels stay one axis, which gets a slider: so the dock and a script can choose among them.
    """
    axes = image.axes
    name = file_stem(image.path)
    keywords: dict[str, Any] = {"name": name, "metadata": {"path": str(image.path)}}
    if axes is None:
        return image.data, {**keywords, "rgb": False}, "image"
    rgb = axes.endswith("S") and image.data.shape[-1] in (3, 4)
    keywords["rgb"] = rgb
    layer_axes = axes[:-1] if rgb else axes
    keywords["axis_labels"] = tuple(a.lower() for a in layer_axes)
    steps, units = _steps(image)
    keywords["scale"] = tuple(steps.get(a, 1.0) for a in layer_axes)
    keywords["units"] = tuple(units.get(a, "pixel") for a in layer_axes)
    return image.data, keywords, "image"


def _steps(image: ImageFile) -> tuple[dict[str, float], dict[str, str]]:
    """Step and unit of each axis that the file knows."""
    steps: dict[str, float] = {}
    units: dict[str, str] = {}
    size = image.pixel_size
    if size is not None:
        lengths = {"Y": size.y, "X": size.x, **({"Z": size.z} if size.z is not None else {})}
        steps |= lengths
        units |= dict.fromkeys(lengths, MICROMETRE)
    if image.metadata.time_interval is not None:
        steps["T"] = image.metadata.time_interval
        units["T"] = "second"
    return steps, units
