"""Segmenting an image: the public functions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.images.channels import Channel
from napari_cellseg.images.planes import open_planes
from napari_cellseg.models.protocols import InstanceModel, PixelModel
from napari_cellseg.models.registry import load_model
from napari_cellseg.pipeline.clock import Clock
from napari_cellseg.pipeline.finding import compile_decoding
from napari_cellseg.pipeline.kept_maps import check_kept_maps
from napari_cellseg.pipeline.options import Options, check_link
from napari_cellseg.pipeline.outputs import check_labels
from napari_cellseg.pipeline.preflight import image_shape
from napari_cellseg.pipeline.results import Segmentation
from napari_cellseg.pipeline.run import Run

ModelChoice = str | Path | PixelModel | InstanceModel


def segmenting(
    image: Any,
    model: ModelChoice = "nuclei",
    *,
    axes: str | None = None,
    channel: Channel = None,
    pixel_size: Any = None,
    diameter: float | Literal["auto"] | None = None,
    confidence: float | None = None,
    tile: int | None = None,
    link: Literal["z"] | None = None,
    device: str = "auto",
    out: Any = None,
    region: tuple[slice, slice] | None = None,
    planes: Sequence[int] | None = None,
    keep_maps: Sequence[str] = (),
) -> Job[Segmentation]:
    """Segment an image step by step; `segment` does the same in one go and explains the parameters.

    Yields
    ------
    Progress
        Stage ``"Segmenting"`` counts tiles over all planes; its payload is a `FinishedRegion` whenever
        objects are done. Closing the generator leaves the finished objects in `out`.

    Returns
    -------
    Segmentation
    """
    clock = Clock()
    opened = open_planes(image, axes=axes, channel=channel)
    options = Options(pixel_size, diameter, confidence, tile, link, device, region, planes)
    given = {"axes": axes, "channel": channel, "shape": list(image_shape(image))}
    check_labels(out, opened.labels_shape, image)
    check_link(options, opened)
    yield Progress("Loading model", 0, 1)
    with clock.measure("loading"):
        loaded = load_model(model, device)
    check_kept_maps(keep_maps, loaded.card, out)
    yield Progress("Loading model", 1, 1, loaded.device)
    yield Progress("Preparing", 0, 1, "slow only the first time on a computer")
    with clock.measure("preparing"):
        compile_decoding(loaded.card)
    run = Run(opened, options, loaded, model, clock)
    return (yield from run.execute(out, given, keep_maps))


def segment(
    image: Any,
    model: ModelChoice = "nuclei",
    *,
    axes: str | None = None,
    channel: Channel = None,
    pixel_size: Any = None,
    diameter: float | Literal["auto"] | None = None,
    confidence: float | None = None,
    tile: int | None = None,
    link: Literal["z"] | None = None,
    device: str = "auto",
    out: Any = None,
    region: tuple[slice, slice] | None = None,
    planes: Sequence[int] | None = None,
    keep_maps: Sequence[str] = (),
    progress: Callable[[Progress], object] | None = None,
) -> Segmentation:
    """Find the objects of an image.

    Each plane is scaled by its own intensities; the planes of a z stack at least as if they had two fifths
    of the stack's contrast, so that noise and blur above and below the objects are not taken for some.

    Parameters
    ----------
    image : array-like
        (…, Y, X) or RGB(A) (…, Y, X, S); numpy, dask or zarr, or a list of arrays: a multiscale image. Any
        bool, integer or float type. Lazy images are read tile by tile.
    model : str, Path or model
        Name of a model, its file, or a loaded one.
    axes : str, optional
        One letter of ``"TZCYXS"`` per dimension. None: ``uint8`` ending in 3 or 4 is RGB(A), else the last
        two are YX and the rest planes; a channel axis must be named.
    channel : int, sequence of int, "mean" or "max", optional
        Channel to use, several to average, or how to combine all. None takes colour as it is, and the first
        of several channels.
    pixel_size : float, (y, x), or PixelSize, optional
        µm per pixel. With a model that knows its own, it sets the scale where no diameter is given.
    diameter : float or "auto", optional
        Diameter of the objects, pixels of the image; "auto" measures it. None: the model's default.
    confidence : float, optional
        Objects at or above it, 0 to 1, become labels. None: the model's default.
    tile : int, optional
        Largest edge of a tile, pixels at the network's scale. None: automatic.
    link : "z", optional
        Join the objects of neighbouring z planes into 3-D objects, where their intersection over union is at
        least 0.25; each is joined to one object of the next plane at most.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    out : array or path, optional
        Where labels go: a numpy or zarr array of int32, which is erased first, or the path of a new zarr
        store that ends in ``.zarr``. None: a new numpy array.
    region : tuple of two slices, optional
        Rows and columns: only the objects whose reference point lies here are found, whole. Their labels are
        those of the whole plane's pixels, but numbered from 1.
    planes : sequence of int, optional
        Numbers of the planes to segment, the last outer axis running fastest. None: all.
    keep_maps : sequence of str
        Maps of the model to keep in `Segmentation.maps`, by the names that its card has, for example
        ``["disagreement"]``: float16, half the memory of the labels each. Where `out` is the path of a zarr
        store they go into stores beside it, ``labels_disagreement.zarr`` beside ``labels.zarr``.
    progress : callable, optional
        Called with each `Progress`.

    Returns
    -------
    Segmentation
        Labels (…, Y, X) int32, unique over the whole stack, a table, candidates, provenance.

    Raises
    ------
    AxesError, ImageError, ModelError, DeviceError, OptionError, OutputError
        Where the image, the model or an argument cannot be used; the text says why.

    Warns
    -----
    CellSegWarning
        About all that was handled without asking, and where nothing was found.
    """
    job = segmenting(
        image,
        model,
        axes=axes,
        channel=channel,
        pixel_size=pixel_size,
        diameter=diameter,
        confidence=confidence,
        tile=tile,
        link=link,
        device=device,
        out=out,
        region=region,
        planes=planes,
        keep_maps=keep_maps,
    )
    return drain(job, progress)
