"""What a run will do, or why it cannot, in plain words, before anything runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from napari_cellseg.errors import CellSegError
from napari_cellseg.images.axes import colour_doubt, resolve_axes
from napari_cellseg.images.channels import Channel
from napari_cellseg.images.planes import Planes, open_planes
from napari_cellseg.images.resampling import scaled_shape
from napari_cellseg.models.card import ModelCard
from napari_cellseg.models.devices import resolve_device
from napari_cellseg.models.protocols import InstanceModel, PixelModel
from napari_cellseg.models.registry import find_model
from napari_cellseg.pipeline.options import (
    Options,
    check_link,
    has_oblong_pixels,
    is_number,
    resolve_confidence,
    resolve_planes,
    resolve_region,
    resolve_scale,
)
from napari_cellseg.pipeline.outputs import check_labels
from napari_cellseg.pipeline.tiling import choose_tiling, count_tiles, halo_of, needed_window, network_window

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Preflight:
    """What is known before a run.

    Attributes
    ----------
    sentences : tuple of str
        What will happen.
    problems : tuple of str
        Why it cannot happen; empty where it can.
    suggestions : tuple of str
        What might be better.
    tiles : int
        Tiles that the model will see, about; 0 where there is a problem.
    """

    sentences: tuple[str, ...]
    problems: tuple[str, ...]
    suggestions: tuple[str, ...]
    tiles: int

    @property
    def is_ready(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.problems


def preflight(
    image: Any,
    model: str | Path | PixelModel | InstanceModel = "nuclei",
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
) -> Preflight:
    """Say in plain words what `segment` would do with these arguments, or what is wrong with them.

    Reads no pixel and loads no model; never raises one of this package's errors.

    Parameters
    ----------
    image, model, axes, channel, pixel_size, diameter, confidence, tile, link, device, out, region, planes
        As for `segment`.

    Returns
    -------
    Preflight
    """
    options = Options(pixel_size, diameter, confidence, tile, link, device, region, planes)
    check = _Check(options)
    opened = check.attempt(lambda: check.open(image, axes, channel))
    card = check.attempt(lambda: model.card if hasattr(model, "card") else find_model(model).card)
    running = check.attempt(lambda: getattr(model, "device", None) or resolve_device(device).name)
    if opened is not None:
        check.image(opened, image, out)
    if opened is not None and card is not None:
        check.work(opened, card, running or "cpu")
    return Preflight(
        tuple(check.sentences),
        tuple(check.problems),
        tuple(check.suggestions),
        0 if check.problems else check.tiles,
    )


@dataclass
class _Check:
    """Gathers sentences; an error of ours becomes a problem."""

    options: Options
    sentences: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    suggestions: list[str] = field(default_factory=list)
    tiles: int = 0

    def attempt(self, job: Callable[[], Value]) -> Value | None:
        try:
            return job()
        except CellSegError as error:
            if str(error) not in self.problems:
                self.problems.append(str(error))
            return None

    def open(self, image: Any, axes: str | None, channel: Channel) -> Planes:
        """Open the image; where no channel is chosen, say which one is used instead of warning."""
        shape, dtype = np.shape(_first(image)), _dtype(image)
        letters = resolve_axes(shape, dtype, axes)
        channels = shape[letters.index("C")] if "C" in letters else 1
        if channel is None and channels > 1:
            self.suggestions.append(
                f"The image has {channels} channels; the first is used. Choose the right one."
            )
            channel = 0
        if axes is None:
            self.suggestions.extend(filter(None, [colour_doubt(shape, letters)]))
        return open_planes(image, axes=letters, channel=channel)

    def image(self, planes: Planes, image: Any, out: Any) -> None:
        """Describe the image, and check what concerns it alone."""
        self.attempt(lambda: check_labels(out, planes.labels_shape, image))
        linked = self.attempt(lambda: check_link(self.options, planes))
        chosen = self.attempt(lambda: resolve_planes(self.options, planes))
        region = self.attempt(lambda: resolve_region(self.options, planes))
        if chosen is not None and region is not None:
            y, x = region
            what = f"{x.stop - x.start} × {y.stop - y.start} pixels"
            part = "" if self.options.region is None else ", with the objects whose middle lies inside"
            count = f"{len(chosen)} planes of " if len(chosen) > 1 else "One plane of "
            self.sentences.append(f"{count}{what}{' in colour' if planes.is_rgb else ''}{part}.")
        if has_oblong_pixels(self.options):
            self.suggestions.append("Pixels are not square: their mean size is used to find the scale.")
        depth = planes.outer_shape[planes.outer_axes.index("Z")] if "Z" in planes.outer_axes else 1
        if linked:
            self.sentences.append("Objects of neighbouring z planes are joined into 3-D objects.")
        elif linked is False and depth > 1:
            self.suggestions.append(
                "This is a z stack: each plane is segmented by itself. Link along z to get 3-D objects."
            )

    def work(self, planes: Planes, card: ModelCard, device: str) -> None:
        """Describe what the model will do."""
        confidence = self.attempt(lambda: resolve_confidence(self.options, card))
        scale = self.attempt(lambda: resolve_scale(self.options, card))
        tiling = self.attempt(lambda: choose_tiling(card, self.options.tile, device))
        chosen = self.attempt(lambda: resolve_planes(self.options, planes))
        region = self.attempt(lambda: resolve_region(self.options, planes))
        if scale is not None:
            self._size(scale, card)
        if confidence is not None:
            self.sentences.append(
                f"Model '{card.name}' on {_device_name(device)}, confidence {confidence:.2f} or more."
            )
            if confidence < card.confidence_floor:
                self.suggestions.append(
                    f"This model reports nothing below the confidence {card.confidence_floor:.2f}."
                )
        if scale is None or tiling is None or chosen is None or region is None:
            return
        factor = 1.0 if scale == "auto" else scale
        shape = scaled_shape(planes.shape, factor)
        window = needed_window(shape, halo_of(card), network_window(region, shape, factor))
        self.tiles = count_tiles(tiling.grid(shape), window) * len(chosen)
        about = "About " if scale == "auto" else ""
        self.sentences.append(f"{about}{self.tiles:,} {'tile' if self.tiles == 1 else 'tiles'} in all.")
        if prod(planes.labels_shape) * 4 > 2**34:
            self.suggestions.append("The labels take more than 16 GB: write them to a zarr store with out.")

    def _size(self, scale: float | Literal["auto"], card: ModelCard) -> None:
        if scale == "auto":
            self.sentences.append("The size of the objects is estimated first.")
            return
        low, high = (d / scale for d in card.diameter_range)
        given = self.options.diameter
        looked_for = given if is_number(given) else card.diameter / scale
        self.sentences.append(
            f"Objects of about {looked_for:.0f} pixels in diameter are looked for "
            f"(anything from {low:.0f} to {high:.0f})."
        )


def image_shape(image: Any) -> tuple[int, ...]:
    """Shape of an image, of its first level where it is multiscale."""
    return tuple(int(n) for n in np.shape(_first(image)))


def _dtype(image: Any) -> np.dtype[Any]:
    first = _first(image)
    return np.dtype(first.dtype) if hasattr(first, "dtype") else np.asarray(first).dtype


def _first(image: Any) -> Any:
    multiscale = isinstance(image, list | tuple) and len(image) > 0 and hasattr(image[0], "shape")
    return image[0] if multiscale else image


def _device_name(device: str) -> str:
    return "the CPU" if device == "cpu" else f"the GPU ({device})"
