"""What the user chose, as one value that is shown, stored, checked and run."""

from dataclasses import dataclass
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_cellseg.errors import OptionError
from napari_cellseg.images.reading import PixelSize
from napari_cellseg.viewer.layer_image import LayerImage
from napari_cellseg.viewer.run_on import Part, RunOn, choose_part

SIZE_TITLES = {
    "default": "As the model expects",
    "auto": "Measured in the image",
    "pixels": "In pixels",
    "micrometres": "In µm",
}


@dataclass(frozen=True)
class SegmentChoices:
    """All that the form of the Segment dock says, besides the layer.

    Attributes
    ----------
    model : str
        Name or file of a model.
    channel : int, "mean", "max" or None
        Channel to read.
    size_by : str
        A key of `SIZE_TITLES`.
    size : float
        Object diameter, pixels or µm.
    pixel_size : PixelSize or None
        In µm.
    confidence : float or None
        Threshold, 0 to 1; None is the model's.
    run_on : RunOn
        Part of the image.
    link_z : bool
        Whether the planes of a z stack are joined into 3-D objects.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda:N"``.
    tile : int or None
        Edge of a tile in pixels; None is automatic.
    axes : str or None
        Axes as the user typed them; None where they are known from elsewhere.
    """

    model: str = "nuclei"
    channel: Any = None
    size_by: str = "default"
    size: float = 30.0
    pixel_size: PixelSize | None = None
    confidence: float | None = None
    run_on: RunOn = RunOn.PLANE
    link_z: bool = False
    device: str = "auto"
    tile: int | None = None
    axes: str | None = None

    def diameter(self) -> float | str | None:
        """The `diameter` of `napari_cellseg.segment`: pixels, ``"auto"`` or None.

        Raises
        ------
        OptionError
            Where the size is given in µm and the pixel size is unknown.
        """
        if self.size_by == "micrometres":
            if self.pixel_size is None:
                raise OptionError("The pixel size is unknown: enter it, or give the object size in pixels.")
            return self.size / (self.pixel_size.y * self.pixel_size.x) ** 0.5
        return {"default": None, "auto": "auto", "pixels": self.size}[self.size_by]


@dataclass(frozen=True)
class SegmentRequest:
    """A run that can be started.

    Attributes
    ----------
    image : LayerImage
        What is segmented.
    part : Part
        Which part of it.
    arguments : dict
        Keywords of `napari_cellseg.segmenting`, without the image.
    preview : bool
        Whether this is a look at the visible field only.
    """

    image: LayerImage
    part: Part
    arguments: dict[str, Any]
    preview: bool


def make_request(
    viewer: ViewerModel,
    layer: Image,
    image: LayerImage,
    choices: SegmentChoices,
    shapes: Shapes | None = None,
) -> SegmentRequest:
    """What to run, from what the user chose.

    Raises
    ------
    OptionError
        Where a choice doesn't fit the image or what the viewer shows; in words.
    """
    part = choose_part(viewer, layer, image, choices.run_on, shapes)
    link = choices.link_z and can_link(image) and choices.run_on is RunOn.ALL
    arguments = {
        "model": choices.model,
        "axes": image.axes,
        "channel": choices.channel if image.channels else None,
        "pixel_size": choices.pixel_size,
        "diameter": choices.diameter(),
        "confidence": choices.confidence,
        "tile": choices.tile,
        "link": "z" if link else None,
        "device": choices.device,
        "region": part.region,
        "planes": part.planes,
    }
    return SegmentRequest(image, part, arguments, preview=choices.run_on is RunOn.VISIBLE)


def can_link(image: LayerImage) -> bool:
    """Whether an image has several z planes that could be joined."""
    return image.sizes.get("Z", 1) > 1
