"""An image layer as the core sees it: full-resolution pixels, axes, channels, pixel size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari.layers import Image

from napari_cellseg.errors import AxesError, CellSegError
from napari_cellseg.images.axes import resolve_axes
from napari_cellseg.viewer.pixel_size import KnownPixelSize, file_metadata, find_pixel_size

_LETTERS = {
    **dict.fromkeys(("t", "time", "frame", "frames"), "T"),
    **dict.fromkeys(("z", "depth", "plane", "planes"), "Z"),
    **dict.fromkeys(("c", "ch", "channel", "channels"), "C"),
    **dict.fromkeys(("y", "row", "rows"), "Y"),
    **dict.fromkeys(("x", "column", "columns"), "X"),
}
"""What people call the axes of a layer."""


@dataclass(frozen=True)
class Channel:
    """A choice of what to read from an image with several channels.

    Attributes
    ----------
    title : str
        What the user sees.
    value : int, "mean", "max" or None
        The `channel` of `napari_cellseg.segment`.
    """

    title: str
    value: Any


@dataclass(frozen=True)
class LayerImage:
    """The image that a layer shows.

    Attributes
    ----------
    data : array-like
        Full resolution, not loaded.
    axes : str
        One letter of ``"TZCYXS"`` per dimension of `data`.
    shape : tuple of int
        Shape of `data`.
    axes_from : str
        Where the axes are known from: ``"you"``, ``"layer"``, ``"file"`` or ``"shape"``.
    channels : tuple of Channel
        Choices; empty where the image has one channel.
    pixel_size : KnownPixelSize
        Size of a pixel and its source.
    """

    data: Any
    axes: str
    shape: tuple[int, ...]
    axes_from: str
    channels: tuple[Channel, ...]
    pixel_size: KnownPixelSize

    @property
    def layer_axes(self) -> str:
        """One letter per dimension of the layer, which leaves the samples of RGB out."""
        return self.axes.removesuffix("S")

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each axis."""
        return dict(zip(self.axes, self.shape, strict=True))

    @property
    def outer_axes(self) -> str:
        """The axes that number the planes, in order."""
        return "".join(a for a in self.axes if a in "TZ")

    @property
    def plane_count(self) -> int:
        """Number of planes."""
        count = 1
        for axis in self.outer_axes:
            count *= self.sizes[axis]
        return count


def read_layer(layer: Image, axes: str | None = None) -> LayerImage:
    """The image that a layer shows, without loading it.

    Parameters
    ----------
    layer : napari.layers.Image
        2-D or more; RGB, multiscale, dask and zarr too.
    axes : str, optional
        One letter of ``"TZCYXS"`` per dimension; S may be left out. None takes them from the layer's
        axis labels, else from the file's tags, else from the shape.

    Raises
    ------
    AxesError
        If the axes don't fit the image, or cannot be guessed.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    letters, source = _axes(layer, data, axes)
    shape = tuple(int(n) for n in data.shape)
    spatial = letters.removesuffix("S")
    return LayerImage(
        data=data,
        axes=letters,
        shape=shape,
        axes_from=source,
        channels=_channels(layer, dict(zip(letters, shape, strict=True))),
        pixel_size=find_pixel_size(layer, spatial),
    )


def _axes(layer: Image, data: Any, given: str | None) -> tuple[str, str]:
    """Axes of the data, and where they are known from."""
    samples = "S" if layer.rgb else ""
    if given:
        letters = given.strip().upper()
        if "S" in letters and not samples:
            raise AxesError(
                "napari doesn't show this layer as RGB, so it has no axis S: use C for its channels, "
                "or turn it into an RGB layer (right-click it: Merge to RGB)."
            )
        if samples and "S" not in letters:
            letters += samples
        return resolve_axes(data.shape, data.dtype, letters), "you"
    for source, letters in (("layer", axes_of_labels(layer.axis_labels)), ("file", _axes_of_file(layer))):
        if letters is not None and _fits(letters + samples, data):
            return letters + samples, source
    if samples:
        grey = resolve_axes(data.shape[:-1], "float32")
        return grey + samples, "shape"
    return resolve_axes(data.shape, "float32"), "shape"


def axes_of_labels(labels: Sequence[str]) -> str | None:
    letters = [_LETTERS.get(label.strip().lower()) for label in labels]
    return None if None in letters else "".join(a for a in letters if a)


def _axes_of_file(layer: Image) -> str | None:
    """Axes that the file's tags name; napari's reader drops dimensions of length 1."""
    metadata, _ = file_metadata(layer)
    if metadata is None or metadata.axes is None:
        return None
    return metadata.axes.removesuffix("S")


def _fits(letters: str, data: Any) -> bool:
    try:
        resolve_axes(data.shape, data.dtype, letters)
    except CellSegError:
        return False
    return True


def _channels(layer: Image, sizes: dict[str, int]) -> tuple[Channel, ...]:
    if sizes.get("C", 1) > 1:
        metadata, _ = file_metadata(layer)
        names = metadata.channel_names if metadata else ()
        named = len(names) == sizes["C"]
        titles = [f"{i}: {names[i]}" if named else f"Channel {i}" for i in range(sizes["C"])]
        single = [Channel(title, i) for i, title in enumerate(titles)]
        return (*single, Channel("Mean of all", "mean"), Channel("Brightest of all", "max"))
    if sizes.get("S", 1) >= 3:
        colours = [Channel(title, i) for i, title in enumerate(("Red", "Green", "Blue"))]
        return (Channel("Colour", None), *colours, Channel("Mean of all", "mean"))
    return ()
