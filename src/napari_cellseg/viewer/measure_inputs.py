"""What can be measured in a viewer: the axes of a labels layer, and the image channels that fit it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from napari.layers import Image, Labels

from napari_cellseg.errors import AxesError, CellSegError
from napari_cellseg.images.axes import resolve_axes
from napari_cellseg.viewer.evaluate_run import full_labels
from napari_cellseg.viewer.layer_image import LayerImage, axes_of_labels, read_layer
from napari_cellseg.viewer.pixel_size import KnownPixelSize, find_pixel_size

_COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class MeasuredLabels:
    """The labels of a layer as the core measures them.

    Attributes
    ----------
    data : array-like of int
        Full resolution, without outer axes of length 1; not loaded.
    axes : str
        One letter of ``"TZYX"`` per dimension of `data`.
    dimensions : tuple of int
        The dimensions of the layer that `data` has.
    pixel_size : KnownPixelSize
        Of the layer, and how it is known.
    """

    data: Any
    axes: str
    dimensions: tuple[int, ...]
    pixel_size: KnownPixelSize

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each axis."""
        return {axis: int(n) for axis, n in zip(self.axes, self.data.shape, strict=True)}


@dataclass(frozen=True)
class ImageChannel:
    """One channel of an image layer.

    Attributes
    ----------
    layer : napari.layers.Image
        Where it is.
    index : int or None
        Its number on the channel axis, or among the colours; None where there is only one.
    name : str
        What its columns end in where several are measured.
    """

    layer: Image
    index: int | None
    name: str


def read_labels(layer: Labels, images: Iterable[Image] = ()) -> MeasuredLabels:
    """The labels of a layer, with their axes.

    Parameters
    ----------
    layer : napari.layers.Labels
        Two dimensions or more, multiscale too.
    images : iterable of napari.layers.Image
        Layers that tell the axes and the pixel size where the labels don't; the first that fits counts.

    Raises
    ------
    AxesError
        Where the axes cannot be told.
    """
    data, dimensions = full_labels(layer)
    known = axes_of_labels([layer.axis_labels[d] for d in dimensions])
    fitting = [image for image in map(_image_or_none, images) if image is not None]
    axes = _checked(known, data) if known else _axes_of_image(data, fitting)
    letters = dict(zip(dimensions, axes, strict=True))
    size = find_pixel_size(layer, "".join(letters.get(d, " ") for d in range(layer.ndim)))
    if size.size is None or not size.unit_known:
        sizes = [image.pixel_size for image in fitting if _fits(image, data, axes)]
        better = [s for s in sizes if s.size is not None and (s.unit_known or size.size is None)]
        size = next(iter(sorted(better, key=lambda s: not s.unit_known)), size)
    return MeasuredLabels(data, axes, dimensions, size)


def _checked(axes: str, data: Any) -> str:
    letters = resolve_axes(data.shape, "float32", axes)
    if "C" in letters or not letters.endswith("YX"):
        raise AxesError(
            f"Labels to measure have the axes T, Z, Y and X, rows and columns last; these have {letters}. "
            "Change the layer's axis labels."
        )
    return letters


def _axes_of_image(data: Any, images: Sequence[LayerImage]) -> str:
    """Axes of labels that don't name them: those of an image of their size, else a guess."""
    for image in images:
        axes = "".join(a for a in image.layer_axes if a != "C" and image.sizes[a] > 1)
        if axes.endswith("YX") and tuple(image.sizes[a] for a in axes) == tuple(data.shape):
            return axes
    return resolve_axes(data.shape, "float32")


def image_channels(labels: MeasuredLabels, images: Iterable[Image]) -> list[ImageChannel]:
    """The channels that lie on the labels pixel by pixel, in the order of the layers.

    Parameters
    ----------
    labels : MeasuredLabels
        What is measured.
    images : iterable of napari.layers.Image
        Layers to look at; those of another size are left out.
    """
    found = []
    for layer in images:
        image = _image_or_none(layer)
        if image is not None and _fits(image, labels.data, labels.axes):
            found += _channels_of(layer, image)
    return found


def _image_or_none(layer: Image) -> LayerImage | None:
    """What a layer shows; None where its axes cannot be told, so that it cannot be matched either."""
    try:
        return read_layer(layer)
    except CellSegError:
        return None


def _fits(image: LayerImage, data: Any, axes: str) -> bool:
    sizes = {a: n for a, n in image.sizes.items() if a not in "CS" and (n > 1 or a in "YX")}
    return sizes == {axis: int(n) for axis, n in zip(axes, data.shape, strict=True)}


def _channels_of(layer: Image, image: LayerImage) -> list[ImageChannel]:
    if image.sizes.get("C", 1) > 1:
        titles = [c.title.removeprefix(f"{c.value}: ") for c in image.channels if isinstance(c.value, int)]
        return [ImageChannel(layer, i, f"{layer.name} {title}") for i, title in enumerate(titles)]
    if image.sizes.get("S", 1) >= 3:
        return [ImageChannel(layer, i, f"{layer.name} {colour}") for i, colour in enumerate(_COLOURS)]
    return [ImageChannel(layer, None, layer.name)]


def stacked(labels: MeasuredLabels, channels: Sequence[ImageChannel]) -> Any:
    """Channels in the labels' shape.

    Parameters
    ----------
    labels : MeasuredLabels
        What is measured.
    channels : sequence of ImageChannel
        At least one, as `image_channels` gives them.

    Returns
    -------
    array-like
        One channel: the shape of the labels, a view. Several: with them as the last axis, lazy.
    """
    planes = [_channel_pixels(labels, channel) for channel in channels]
    if len(planes) == 1:
        return planes[0]
    chunks = (1,) * (labels.data.ndim - 2) + tuple(labels.data.shape[-2:])
    return da.stack([_lazy(plane, chunks) for plane in planes], axis=-1)


def _channel_pixels(labels: MeasuredLabels, channel: ImageChannel) -> Any:
    """One channel in the order of the labels' axes, a view or lazy."""
    image = read_layer(channel.layer)
    data = image.data if isinstance(image.data, np.ndarray) else da.asarray(image.data)
    index = tuple(
        (channel.index or 0) if a in "CS" else (slice(None) if a in labels.axes else 0) for a in image.axes
    )
    kept = [a for a in image.axes if a in labels.axes]
    return data[index].transpose([kept.index(a) for a in labels.axes])


def _lazy(plane: Any, chunks: tuple[int, ...]) -> Any:
    return da.from_array(plane, chunks=chunks) if isinstance(plane, np.ndarray) else plane
